// PNG through libpng, which reports damage by longjmp; see jpeg.c for how that is handled.
#include <setjmp.h>
#include <string.h>

#include <png.h>

#include "base/check.h"
#include "data/exif.h"
#include "data/image_internal.h"

enum {
    SIGNATURE_BYTES = 8,
    CHUNK_HEAD_BYTES = 8, // length and type
    CHUNK_TAIL_BYTES = 4, // check sum
    HEADER_CHUNK_BYTES = 13,
};

struct chunk {
    const uint8_t *type; // 4 bytes
    const uint8_t *data;
    int64_t size;
};

static uint32_t big_endian_at(const uint8_t *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

// The chunk at *place, which moves behind it; false if the file ends before the chunk does.
static bool next_chunk(const struct image_reader *reader, int64_t *place, struct chunk *chunk) {
    int64_t left = reader->size - *place;
    if (left < CHUNK_HEAD_BYTES) return false;
    const uint8_t *head = reader->bytes + *place;
    *chunk = (struct chunk){head + 4, head + CHUNK_HEAD_BYTES, big_endian_at(head)};
    if (chunk->size > left - CHUNK_HEAD_BYTES) return false;
    *place += CHUNK_HEAD_BYTES + chunk->size + CHUNK_TAIL_BYTES;
    return true;
}

static bool chunk_is(const struct chunk *chunk, const char *type) {
    return memcmp(chunk->type, type, 4) == 0;
}

// eXIf may stand before or after the pixels, so the whole file is searched; only the heads of the
// chunks are touched.
static int orientation_from(const struct image_reader *reader, int64_t place) {
    struct chunk chunk;
    while (next_chunk(reader, &place, &chunk) && !chunk_is(&chunk, "IEND"))
        if (chunk_is(&chunk, "eXIf")) return exif_orientation(chunk.data, chunk.size);
    return 1;
}

// By hand, because libpng would read up to the pixels, and the type of the pixels before them.
const char *image_png_library(void) {
    return png_get_libpng_ver(NULL);
}

enum status image_probe_png(const struct image_reader *reader) {
    static const int channels_of_type[7] = {1, 0, 3, 1, 2, 0, 4}; // PNG specification, 11.2.2
    int64_t place = SIGNATURE_BYTES;
    struct chunk header;
    if (!next_chunk(reader, &place, &header))
        return image_fail(reader, IMAGE_FAULT_CORRUPT, "PNG ends inside its header");
    if (memcmp(reader->bytes, "\x89PNG\r\n\x1a\n", SIGNATURE_BYTES) != 0 ||
        !chunk_is(&header, "IHDR") || header.size != HEADER_CHUNK_BYTES)
        return image_fail(reader, IMAGE_FAULT_CORRUPT, "PNG does not begin with a header chunk");
    uint32_t width = big_endian_at(header.data);
    uint32_t height = big_endian_at(header.data + 4);
    if (width == 0 || height == 0)
        return image_fail(reader, IMAGE_FAULT_EMPTY, "PNG has no pixels (%u x %u)", width, height);
    if (width > INT32_MAX || height > INT32_MAX)
        return image_fail(reader, IMAGE_FAULT_CORRUPT, "PNG of %u x %u pixels", width, height);
    int color_type = header.data[9];
    int channels = color_type < 7 ? channels_of_type[color_type] : 0;
    if (channels == 0)
        return image_fail(reader, IMAGE_FAULT_CORRUPT, "PNG has the unknown colour type %d",
                          color_type);
    reader->info->stored_width = (int32_t)width;
    reader->info->stored_height = (int32_t)height;
    reader->info->bit_depth = header.data[8];
    reader->info->channels = channels;
    reader->info->exif_orientation = orientation_from(reader, place);
    return STATUS_OK;
}

struct png_decoder {
    png_struct *png;
    png_info *info;
    jmp_buf escape;
    const struct image_reader *reader;
    uint8_t *pixels;   // [height, width, 3]
    int64_t place;     // next unread byte
    int64_t rows_done; // of rows_total, over all passes
    int64_t rows_total;
    enum status status;
};

__attribute__((noreturn)) static void escape(struct png_decoder *decoder, enum status status) {
    decoder->status = status;
    longjmp(decoder->escape, 1);
}

__attribute__((noreturn)) static void on_error(png_struct *png, const char *text) {
    struct png_decoder *decoder = png_get_error_ptr(png);
    bool no_memory = strcmp(text, "Out of memory") == 0;
    escape(decoder,
           image_fail(decoder->reader, no_memory ? IMAGE_FAULT_MEMORY : IMAGE_FAULT_CORRUPT,
                      "PNG: %s", text));
}

static void on_warning(png_struct *png, const char *text) {
    struct png_decoder *decoder = png_get_error_ptr(png);
    (void)text;
    decoder->reader->info->num_warnings++;
}

static void read_bytes(png_struct *png, png_byte *to, size_t count) {
    struct png_decoder *decoder = png_get_io_ptr(png);
    const struct image_reader *reader = decoder->reader;
    if ((int64_t)count > reader->size - decoder->place)
        escape(decoder,
               image_fail(reader, IMAGE_FAULT_CORRUPT, "PNG ends after %lld %% of the rows",
                          (long long)(100 * decoder->rows_done / decoder->rows_total)));
    memcpy(to, reader->bytes + decoder->place, count);
    decoder->place += (int64_t)count;
}

static void bound_memory(struct png_decoder *decoder) {
    const struct image_info *info = decoder->reader->info;
    // What does not change the pixels is skipped, not parsed: compressed texts and colour profiles
    // may unfold to gigabytes. It may be long, then, since nothing is allocated for it.
    png_set_keep_unknown_chunks(decoder->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_chunk_malloc_max(decoder->png,
                             (png_alloc_size_t)decoder->reader->limits->max_decode_bytes);
    png_set_user_limits(decoder->png, (png_uint_32)info->stored_width,
                        (png_uint_32)info->stored_height);
}

static void read_image(struct png_decoder *decoder) {
    png_struct *png = decoder->png;
    const struct image_info *info = decoder->reader->info;
    int64_t height = info->stored_height;
    png_set_read_fn(png, decoder, read_bytes);
    bound_memory(decoder);
    png_read_info(png, decoder->info);
    png_set_strip_16(png);
    png_set_palette_to_rgb(png);
    png_set_expand_gray_1_2_4_to_8(png);
    png_set_gray_to_rgb(png);
    png_set_strip_alpha(png);
    int num_passes = png_set_interlace_handling(png);
    png_read_update_info(png, decoder->info);
    CHECK(png_get_rowbytes(png, decoder->info) == (size_t)info->stored_width * 3);
    decoder->rows_total = height * num_passes;
    for (int pass = 0; pass < num_passes; pass++)
        for (int64_t y = 0; y < height; y++, decoder->rows_done++)
            png_read_row(png, decoder->pixels + y * info->stored_width * 3, NULL);
    png_read_end(png, NULL); // the check sum behind the last pixel, and whether the end is there
}

static void run_decoder(struct png_decoder *decoder) {
    if (setjmp(decoder->escape) == 0) {
        decoder->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, decoder, on_error, on_warning);
        decoder->info = decoder->png ? png_create_info_struct(decoder->png) : NULL;
        if (decoder->info)
            read_image(decoder);
        else
            decoder->status =
                image_fail(decoder->reader, IMAGE_FAULT_MEMORY, "not enough memory for PNG");
    }
    png_destroy_read_struct(&decoder->png, &decoder->info, NULL);
}

enum status image_decode_png(const struct image_reader *reader, uint8_t *pixels) {
    struct png_decoder decoder = {.reader = reader, .pixels = pixels, .rows_total = 1};
    run_decoder(&decoder);
    return decoder.status;
}
