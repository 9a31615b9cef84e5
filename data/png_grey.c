// See jpeg.c for how a library's longjmp is handled.
#include "data/png_grey.h"

#include <setjmp.h>
#include <string.h>

#include <png.h>

#include "base/file_view.h"

struct grey_decoder {
    png_struct *png;
    png_info *info;
    jmp_buf escape;
    const struct file_view *file;
    int64_t place; // next unread byte
    const char *name;
    struct grey16_image *image;
    struct error *err;
    enum status status;
};

__attribute__((noreturn)) static void on_error(png_struct *png, const char *text) {
    struct grey_decoder *decoder = png_get_error_ptr(png);
    bool no_memory = strcmp(text, "Out of memory") == 0;
    decoder->status = error_set(decoder->err, no_memory ? STATUS_MEMORY : STATUS_DATA,
                                "%s: PNG: %s", decoder->name, text);
    longjmp(decoder->escape, 1);
}

static void on_warning(png_struct *png, const char *text) {
    (void)png, (void)text;
}

static void read_bytes(png_struct *png, png_byte *to, size_t count) {
    struct grey_decoder *decoder = png_get_io_ptr(png);
    if ((int64_t)count > decoder->file->size - decoder->place) on_error(png, "the file is cut off");
    memcpy(to, decoder->file->data + decoder->place, count);
    decoder->place += (int64_t)count;
}

static void read_rows(struct grey_decoder *decoder) {
    png_struct *png = decoder->png;
    const struct grey16_image *image = decoder->image;
    png_set_read_fn(png, decoder, read_bytes);
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_read_info(png, decoder->info);
    png_byte depth = png_get_bit_depth(png, decoder->info);
    if (png_get_color_type(png, decoder->info) != PNG_COLOR_TYPE_GRAY)
        on_error(png, "the samples are colours, expected grey numbers");
    if (depth < 8) png_set_packing(png); // a byte for each sample, its value as it is
    if (depth == 16) png_set_swap(png);
    int num_passes = png_set_interlace_handling(png);
    png_read_update_info(png, decoder->info);
    for (int pass = 0; pass < num_passes; pass++)
        for (int64_t y = 0; y < image->height; y++)
            png_read_row(png, (png_byte *)(image->samples + y * image->width), NULL);
    png_read_end(png, NULL);
    // Bytes stand at the start of their row of 16-bit samples; widened from the end on.
    for (int64_t y = 0; depth <= 8 && y < image->height; y++) {
        uint16_t *row = image->samples + y * image->width;
        const uint8_t *bytes = (const uint8_t *)row;
        for (int64_t x = image->width - 1; x >= 0; x--)
            row[x] = bytes[x];
    }
}

static enum status decode(struct grey_decoder *decoder) {
    if (setjmp(decoder->escape) == 0) {
        decoder->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, decoder, on_error, on_warning);
        decoder->info = decoder->png ? png_create_info_struct(decoder->png) : NULL;
        if (decoder->info)
            read_rows(decoder);
        else
            decoder->status = error_memory(decoder->err, "reading PNG", 0);
    }
    png_destroy_read_struct(&decoder->png, &decoder->info, NULL);
    return decoder->status;
}

static enum status load(struct grey16_image *image, const struct file_view *file, const char *path,
                        const struct image_limits *limits, struct arena *arena, struct error *err) {
    struct image_info info;
    TRY(image_probe(&info, file->data, file->size, path, limits, false, err));
    if (info.format != IMAGE_PNG)
        return error_set(err, STATUS_UNSUPPORTED, "%s: not a PNG file", path);
    int64_t count = (int64_t)info.stored_width * info.stored_height;
    *image = (struct grey16_image){info.stored_width, info.stored_height,
                                   arena_alloc(arena, count, sizeof(uint16_t))};
    if (!image->samples) return error_memory(err, path, 2 * count);
    struct grey_decoder decoder = {.file = file, .name = path, .image = image, .err = err};
    return decode(&decoder);
}

enum status grey16_load(struct grey16_image *image, const char *path,
                        const struct image_limits *limits, struct arena *arena, struct error *err) {
    struct file_view file;
    TRY(file_view_open(&file, path, 0, err));
    enum status status = load(image, &file, path, limits, arena, err);
    file_view_close(&file);
    return status;
}
