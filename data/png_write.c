// Writing PNG; see jpeg.c for how a library's longjmp is handled.
#include <setjmp.h>
#include <string.h>

#include <png.h>

#include "base/check.h"
#include "data/image.h"

struct layout {
    int color_type;
    int bit_depth;
    int pixel_bytes;
};

static const struct layout layouts[] = {
    [SAMPLES_RGB8] = {PNG_COLOR_TYPE_RGB, 8, 3},
    [SAMPLES_RGBA8] = {PNG_COLOR_TYPE_RGB_ALPHA, 8, 4},
    [SAMPLES_GREY8] = {PNG_COLOR_TYPE_GRAY, 8, 1},
    [SAMPLES_GREY16] = {PNG_COLOR_TYPE_GRAY, 16, 2},
};

struct png_encoder {
    png_struct *png;
    png_info *info;
    jmp_buf escape;
    const uint8_t *pixels;
    int64_t width;
    int64_t height;
    struct layout layout;
    int compression;
    struct output *out;
    struct error *err;
    enum status status;
};

__attribute__((noreturn)) static void on_error(png_struct *png, const char *text) {
    struct png_encoder *encoder = png_get_error_ptr(png);
    bool no_memory = strcmp(text, "Out of memory") == 0;
    encoder->status = error_set(encoder->err, no_memory ? STATUS_MEMORY : STATUS_DATA,
                                "cannot write %lld x %lld pixels as PNG: %s",
                                (long long)encoder->width, (long long)encoder->height, text);
    longjmp(encoder->escape, 1);
}

static void on_warning(png_struct *png, const char *text) {
    (void)png, (void)text;
}

static void write_bytes(png_struct *png, png_byte *bytes, size_t count) {
    struct output *out = png_get_io_ptr(png);
    output_write(out, bytes, (int64_t)count);
}

static void flush(png_struct *png) {
    (void)png; // struct output flushes when it wants to
}

static void write_image(struct png_encoder *encoder) {
    png_struct *png = encoder->png;
    int64_t row_bytes = encoder->width * encoder->layout.pixel_bytes;
    png_set_write_fn(png, encoder->out, write_bytes, flush);
    png_set_IHDR(png, encoder->info, (png_uint_32)encoder->width, (png_uint_32)encoder->height,
                 encoder->layout.bit_depth, encoder->layout.color_type, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_set_compression_level(png, encoder->compression);
    png_write_info(png, encoder->info);
    const uint16_t one = 1;
    bool little_endian = *(const uint8_t *)&one == 1;
    if (encoder->layout.bit_depth == 16 && little_endian) png_set_swap(png);
    for (int64_t y = 0; y < encoder->height; y++)
        png_write_row(png, encoder->pixels + y * row_bytes);
    png_write_end(png, encoder->info);
}

static enum status write_png(struct png_encoder *encoder) {
    CHECK(encoder->width > 0 && encoder->height > 0);
    CHECK(encoder->compression >= 0 && encoder->compression <= 9);
    if (setjmp(encoder->escape) == 0) {
        encoder->png =
            png_create_write_struct(PNG_LIBPNG_VER_STRING, encoder, on_error, on_warning);
        encoder->info = encoder->png ? png_create_info_struct(encoder->png) : NULL;
        if (encoder->info)
            write_image(encoder);
        else
            encoder->status = error_set(encoder->err, STATUS_MEMORY, "not enough memory for PNG");
    }
    png_destroy_write_struct(&encoder->png, &encoder->info);
    return encoder->status;
}

enum status image_write_png(const void *pixels, int32_t width, int32_t height,
                            enum sample_layout layout, int compression, struct output *out,
                            struct error *err) {
    struct png_encoder encoder = {.pixels = pixels,
                                  .width = width,
                                  .height = height,
                                  .layout = layouts[layout],
                                  .compression = compression,
                                  .out = out,
                                  .err = err};
    return write_png(&encoder);
}
