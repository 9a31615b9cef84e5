#include "data/image.h"

#include <ctype.h>
#include <string.h>

#include "base/file_view.h"
#include "data/image_internal.h"

struct image_limits image_limits_default(void) {
    return (struct image_limits){
        .max_pixels = 40000000,
        .max_side = 20000,
        .max_aspect = 100,
        .max_scans = 100,
        .max_decode_bytes = (int64_t)512 << 20,
    };
}

struct signature {
    const char *type;
    int offset; // where the bytes stand in the file
    int size;
    const char *bytes;
};

// Types that people send by mistake, so that the message can name them.
static const struct signature signatures[] = {
    {"a GIF", 0, 4, "GIF8"},         {"a WebP", 8, 4, "WEBP"},      {"a TIFF", 0, 4, "II*\0"},
    {"a TIFF", 0, 4, "MM\0*"},       {"a TIFF", 0, 4, "II+\0"},     {"a TIFF", 0, 4, "MM\0+"},
    {"an AVIF", 4, 8, "ftypavif"},   {"a HEIC", 4, 7, "ftyphei"},   {"a HEIC", 4, 7, "ftypmif"},
    {"a video", 4, 4, "ftyp"},       {"a JPEG 2000", 4, 4, "jP  "}, {"a JPEG XL", 4, 4, "JXL "},
    {"a JPEG XL", 0, 2, "\xff\x0a"}, {"a PDF", 0, 4, "%PDF"},       {"a Photoshop", 0, 4, "8BPS"},
    {"a BMP", 0, 2, "BM"},
};

static bool contains(const char *text, int64_t size, const char *part) {
    return memmem(text, (size_t)size, part, strlen(part)) != NULL;
}

// What an unknown file seems to be; NULL if it is not even text.
static const char *guess_type(const uint8_t *bytes, int64_t size) {
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++) {
        const struct signature *s = &signatures[i];
        if (size >= s->offset + s->size && !memcmp(bytes + s->offset, s->bytes, (size_t)s->size))
            return s->type;
    }
    char head[257] = {0};
    int64_t head_size = size < 256 ? size : 256;
    for (int64_t i = 0; i < head_size; i++) {
        if (bytes[i] == 0 || (iscntrl(bytes[i]) && !isspace(bytes[i]))) return NULL;
        head[i] = (char)tolower(bytes[i]);
    }
    if (contains(head, head_size, "<svg")) return "an SVG";
    if (contains(head, head_size, "<html") || contains(head, head_size, "<!doctype html"))
        return "an HTML";
    return "a text";
}

static enum image_format sniff(const uint8_t *bytes, int64_t size) {
    if (size >= 3 && memcmp(bytes, "\xff\xd8\xff", 3) == 0) return IMAGE_JPEG;
    if (size >= 4 && memcmp(bytes, "\x89PNG", 4) == 0) return IMAGE_PNG;
    return IMAGE_UNKNOWN;
}

static enum status check_limits(const struct image_reader *reader, bool turned) {
    const struct image_limits *limits = reader->limits;
    int64_t width = reader->info->stored_width;
    int64_t height = reader->info->stored_height;
    int64_t longer = width > height ? width : height;
    int64_t shorter = width > height ? height : width;
    if (longer > limits->max_side)
        return image_fail(reader, IMAGE_FAULT_SIDE,
                          "%lld x %lld pixels; the limit for a side is %lld", (long long)width,
                          (long long)height, (long long)limits->max_side);
    int64_t num_pixels = width * height;
    if (num_pixels > limits->max_pixels)
        return image_fail(reader, IMAGE_FAULT_PIXELS,
                          "%lld x %lld = %lld pixels; the limit is %lld", (long long)width,
                          (long long)height, (long long)num_pixels, (long long)limits->max_pixels);
    if (longer / shorter > limits->max_aspect ||
        (longer / shorter == limits->max_aspect && longer % shorter))
        return image_fail(reader, IMAGE_FAULT_SIDE,
                          "%lld x %lld pixels; the limit for the aspect is 1:%lld",
                          (long long)width, (long long)height, (long long)limits->max_aspect);
    // An image that is turned exists twice for a moment.
    int64_t bytes = num_pixels * 3 * (turned ? 2 : 1);
    if (bytes > limits->max_decode_bytes)
        return image_fail(reader, IMAGE_FAULT_MEMORY,
                          "%lld x %lld pixels need %lld bytes; the limit is %lld", (long long)width,
                          (long long)height, (long long)bytes, (long long)limits->max_decode_bytes);
    return STATUS_OK;
}

static enum status probe(const struct image_reader *reader, bool apply_exif) {
    struct image_info *info = reader->info;
    *info = (struct image_info){.exif_orientation = 1};
    if (reader->size == 0) return image_fail(reader, IMAGE_FAULT_EMPTY, "the image is empty");
    info->format = sniff(reader->bytes, reader->size);
    switch (info->format) {
    case IMAGE_JPEG:
        TRY(image_probe_jpeg(reader));
        break;
    case IMAGE_PNG:
        TRY(image_probe_png(reader));
        break;
    case IMAGE_UNKNOWN: {
        const char *type = guess_type(reader->bytes, reader->size);
        return image_fail(reader, IMAGE_FAULT_TYPE, "%s file; expected a JPEG or PNG image",
                          type ? type : "an unknown type of");
    }
    }
    bool sideways = apply_exif && info->exif_orientation >= 5;
    info->width = sideways ? info->stored_height : info->stored_width;
    info->height = sideways ? info->stored_width : info->stored_height;
    return check_limits(reader, apply_exif && info->exif_orientation != 1);
}

enum status image_probe(struct image_info *info, const void *bytes, int64_t size, const char *name,
                        const struct image_limits *limits, bool apply_exif, struct error *err) {
    struct image_reader reader = {bytes, size, name, limits, info, err};
    return probe(&reader, apply_exif);
}

static enum status decode_stored(const struct image_reader *reader, uint8_t *pixels) {
    return reader->info->format == IMAGE_JPEG ? image_decode_jpeg(reader, pixels)
                                              : image_decode_png(reader, pixels);
}

// The pixels as stored are decoded into memory behind the upright image and given back.
static enum status decode_upright(const struct image_reader *reader, struct image *image,
                                  struct arena *arena) {
    const struct image_info *info = reader->info;
    int64_t num_pixels = (int64_t)info->width * info->height;
    struct arena_mark mark = arena_mark(arena);
    struct image stored = {info->stored_width, info->stored_height,
                           arena_alloc(arena, num_pixels, 3)};
    if (!stored.pixels)
        return image_fail(reader, IMAGE_FAULT_MEMORY, "not enough memory to turn the image");
    enum status status = decode_stored(reader, stored.pixels);
    if (status == STATUS_OK) image_orient(image, &stored, info->exif_orientation);
    arena_release(arena, mark);
    return status;
}

static enum status decode(const struct image_reader *reader, struct image *image, bool apply_exif,
                          struct arena *arena) {
    TRY(probe(reader, apply_exif));
    const struct image_info *info = reader->info;
    int64_t num_pixels = (int64_t)info->width * info->height;
    *image = (struct image){info->width, info->height, arena_alloc(arena, num_pixels, 3)};
    if (!image->pixels)
        return image_fail(reader, IMAGE_FAULT_MEMORY, "not enough memory for %d x %d pixels",
                          info->width, info->height);
    if (apply_exif && info->exif_orientation != 1) return decode_upright(reader, image, arena);
    return decode_stored(reader, image->pixels);
}

enum status image_decode(struct image *image, struct image_info *info, const void *bytes,
                         int64_t size, const char *name, const struct image_limits *limits,
                         bool apply_exif, struct arena *arena, struct error *err) {
    struct image_info unwanted;
    struct image_reader reader = {bytes, size, name, limits, info ? info : &unwanted, err};
    struct arena_mark mark = arena_mark(arena);
    *image = (struct image){0};
    enum status status = decode(&reader, image, apply_exif, arena);
    if (status != STATUS_OK) {
        arena_release(arena, mark);
        *image = (struct image){0};
    }
    return status;
}

enum status image_load(struct image *image, struct image_info *info, const char *path,
                       const struct image_limits *limits, bool apply_exif, struct arena *arena,
                       struct error *err) {
    struct file_view view;
    *image = (struct image){0};
    if (info) *info = (struct image_info){.exif_orientation = 1};
    TRY(file_view_open(&view, path, 0, err));
    enum status status =
        image_decode(image, info, view.data, view.size, path, limits, apply_exif, arena, err);
    file_view_close(&view);
    return status;
}
