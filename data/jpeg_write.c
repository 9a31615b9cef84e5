// Writing JPEG; see jpeg.c for how libjpeg's longjmp is handled.
#include <setjmp.h>
#include <stdio.h>

#include <jerror.h>
#include <jpeglib.h>

#include "base/check.h"
#include "data/image.h"

enum { BUFFER_BYTES = 1 << 14 };

struct jpeg_encoder {
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_destination_mgr destination;
    jmp_buf escape;
    const struct image *image;
    int quality;
    struct output *out;
    struct error *err;
    enum status status;
    JOCTET buffer[BUFFER_BYTES];
};

__attribute__((noreturn)) static void on_error(j_common_ptr jpeg) {
    struct jpeg_encoder *encoder = jpeg->client_data;
    char text[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, text);
    bool no_memory = jpeg->err->msg_code == JERR_OUT_OF_MEMORY;
    encoder->status = error_set(encoder->err, no_memory ? STATUS_MEMORY : STATUS_DATA,
                                "cannot write %d x %d pixels as JPEG: %s", encoder->image->width,
                                encoder->image->height, text);
    longjmp(encoder->escape, 1);
}

static void on_message(j_common_ptr jpeg, int level) {
    (void)jpeg, (void)level;
}

static void rewind_buffer(j_compress_ptr jpeg) {
    struct jpeg_encoder *encoder = jpeg->client_data;
    jpeg->dest->next_output_byte = encoder->buffer;
    jpeg->dest->free_in_buffer = BUFFER_BYTES;
}

// libjpeg calls this with a full buffer, whatever free_in_buffer says.
static boolean flush_buffer(j_compress_ptr jpeg) {
    struct jpeg_encoder *encoder = jpeg->client_data;
    output_write(encoder->out, encoder->buffer, BUFFER_BYTES);
    rewind_buffer(jpeg);
    return TRUE;
}

static void flush_rest(j_compress_ptr jpeg) {
    struct jpeg_encoder *encoder = jpeg->client_data;
    output_write(encoder->out, encoder->buffer, BUFFER_BYTES - (int64_t)jpeg->dest->free_in_buffer);
}

static void write_image(struct jpeg_encoder *encoder) {
    struct jpeg_compress_struct *jpeg = &encoder->jpeg;
    const struct image *image = encoder->image;
    jpeg_create_compress(jpeg);
    encoder->destination = (struct jpeg_destination_mgr){
        .init_destination = rewind_buffer,
        .empty_output_buffer = flush_buffer,
        .term_destination = flush_rest,
    };
    jpeg->dest = &encoder->destination;
    jpeg->image_width = (JDIMENSION)image->width;
    jpeg->image_height = (JDIMENSION)image->height;
    jpeg->input_components = 3;
    jpeg->in_color_space = JCS_RGB;
    jpeg_set_defaults(jpeg);
    jpeg_set_quality(jpeg, encoder->quality, TRUE);
    jpeg_start_compress(jpeg, TRUE);
    while (jpeg->next_scanline < jpeg->image_height) {
        JSAMPROW row = image->pixels + (int64_t)jpeg->next_scanline * image->width * 3;
        (void)jpeg_write_scanlines(jpeg, &row, 1);
    }
    jpeg_finish_compress(jpeg);
}

static void run_encoder(struct jpeg_encoder *encoder) {
    encoder->jpeg.err = jpeg_std_error(&encoder->errors);
    encoder->errors.error_exit = on_error;
    encoder->errors.emit_message = on_message;
    encoder->jpeg.client_data = encoder;
    if (setjmp(encoder->escape) == 0) write_image(encoder);
    jpeg_destroy_compress(&encoder->jpeg);
}

enum status image_write_jpeg(const struct image *image, int quality, struct output *out,
                             struct error *err) {
    CHECK(quality >= 1 && quality <= 100);
    CHECK(image->width > 0 && image->height > 0);
    struct jpeg_encoder encoder = {.image = image, .quality = quality, .out = out, .err = err};
    run_encoder(&encoder);
    return encoder.status;
}
