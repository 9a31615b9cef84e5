// JPEG through libjpeg-turbo's classic interface, with its defaults, which are Pillow's too.
//
// libjpeg reports by callbacks and leaves by longjmp. Each direction therefore has one struct that
// holds all its state, the steps that may jump are functions over that struct, and setjmp stands
// in a function that has no locals of its own.
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

#include "base/check.h"
#include "data/exif.h"
#include "data/image_internal.h"

enum {
    EXIF_MARKER = JPEG_APP0 + 1,
    EXIF_PREFIX_BYTES = 6,
    MAX_MARKER_BYTES = 0xffff,
    ROWS_AT_ONCE = 16, // as many as one row of blocks yields at 4:2:0
};

struct jpeg_decoder {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf escape;
    const struct image_reader *reader;
    uint8_t *pixels; // [height, width, 3]
    bool ended;      // the decoder asked for bytes beyond the end of the file
    bool header_done;
    bool many_scans;    // progressive, or a scan for each component
    enum status status; // of the last step
};

static struct jpeg_decoder *decoder_of(j_common_ptr jpeg) {
    return jpeg->client_data;
}

__attribute__((noreturn)) static void escape(struct jpeg_decoder *decoder, enum status status) {
    decoder->status = status;
    longjmp(decoder->escape, 1);
}

__attribute__((noreturn)) static void escape_truncated(struct jpeg_decoder *decoder) {
    const struct jpeg_decompress_struct *jpeg = &decoder->jpeg;
    const struct image_reader *reader = decoder->reader;
    if (!decoder->header_done)
        escape(decoder, image_fail(reader, IMAGE_FAULT_CORRUPT, "JPEG ends inside its header"));
    if (decoder->many_scans)
        escape(decoder, image_fail(reader, IMAGE_FAULT_CORRUPT,
                                   "JPEG ends after %lld %% of the rows of scan %d",
                                   100LL * jpeg->input_iMCU_row / jpeg->total_iMCU_rows,
                                   jpeg->input_scan_number));
    escape(decoder, image_fail(reader, IMAGE_FAULT_CORRUPT, "JPEG ends after %lld %% of the rows",
                               100LL * jpeg->output_scanline / jpeg->image_height));
}

// libjpeg's numbered errors as faults; those not listed are damage.
static enum image_fault fault_of(int code) {
    switch (code) {
    case JERR_EMPTY_IMAGE:
        return IMAGE_FAULT_EMPTY;
    case JERR_IMAGE_TOO_BIG:
        return IMAGE_FAULT_SIDE;
    case JERR_OUT_OF_MEMORY:
    case JERR_NO_BACKING_STORE:
        return IMAGE_FAULT_MEMORY; // the limit, see start()
    case JERR_ARITH_NOTIMPL:
    case JERR_BAD_PRECISION:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_SOF_UNSUPPORTED:
        return IMAGE_FAULT_TYPE;
    default:
        return IMAGE_FAULT_CORRUPT;
    }
}

__attribute__((noreturn)) static void on_error(j_common_ptr jpeg) {
    struct jpeg_decoder *decoder = decoder_of(jpeg);
    const struct image_reader *reader = decoder->reader;
    if (decoder->ended) escape_truncated(decoder);
    int code = jpeg->err->msg_code;
    enum image_fault fault = fault_of(code);
    switch (code) {
    case JERR_EMPTY_IMAGE:
        escape(decoder, image_fail(reader, fault, "JPEG has no pixels (%u x %u)",
                                   decoder->jpeg.image_width, decoder->jpeg.image_height));
    case JERR_BAD_PRECISION:
        escape(decoder, image_fail(reader, fault, "JPEG has %d bits per sample; expected 8",
                                   decoder->jpeg.data_precision));
    case JERR_SOF_UNSUPPORTED:
        escape(decoder, image_fail(reader, fault,
                                   "JPEG is lossless or hierarchical (SOF marker %#x); expected "
                                   "baseline or progressive",
                                   (unsigned)jpeg->err->msg_parm.i[0]));
    case JERR_NO_BACKING_STORE:
        escape(decoder,
               image_fail(reader, fault, "JPEG needs more than the limit of %lld bytes to decode",
                          (long long)reader->limits->max_decode_bytes));
    default: {
        char text[JMSG_LENGTH_MAX];
        jpeg->err->format_message(jpeg, text);
        escape(decoder, image_fail(reader, fault, "JPEG: %s", text));
    }
    }
}

// Negative levels are damage that the decoder steps over; the others are chatter. Once the file is
// at its end there is nothing to step over: what would follow is grey.
static void on_message(j_common_ptr jpeg, int level) {
    struct jpeg_decoder *decoder = decoder_of(jpeg);
    if (level >= 0) return;
    if (decoder->ended) escape_truncated(decoder);
    decoder->reader->info->num_warnings++;
}

// Progressive files may hold any number of scans, a few bytes each, that all cost a pass over the
// image.
static void on_progress(j_common_ptr common) {
    struct jpeg_decoder *decoder = decoder_of(common);
    const struct image_reader *reader = decoder->reader;
    if (decoder->jpeg.input_scan_number <= reader->limits->max_scans) return;
    escape(decoder, image_fail(reader, IMAGE_FAULT_SCANS, "JPEG has more than %lld scans",
                               (long long)reader->limits->max_scans));
}

static void do_nothing(j_decompress_ptr jpeg) {
    (void)jpeg;
}

// Called when all bytes are used up. A file that lacks nothing but its end marker decodes well, so
// one is put there; on_message and check_end find the files that lack more.
static boolean on_end_of_bytes(j_decompress_ptr jpeg) {
    static const JOCTET end_marker[] = {0xff, JPEG_EOI};
    decoder_of((j_common_ptr)jpeg)->ended = true;
    jpeg->src->next_input_byte = end_marker;
    jpeg->src->bytes_in_buffer = sizeof end_marker;
    return TRUE;
}

static void skip_bytes(j_decompress_ptr jpeg, long count) {
    if (count <= 0) return;
    if ((size_t)count >= jpeg->src->bytes_in_buffer) {
        (void)on_end_of_bytes(jpeg);
        return;
    }
    jpeg->src->next_input_byte += count;
    jpeg->src->bytes_in_buffer -= (size_t)count;
}

// Of several APP1 segments (XMP is another use of them) the first that is EXIF.
static int orientation_of(const struct jpeg_decompress_struct *jpeg) {
    for (jpeg_saved_marker_ptr m = jpeg->marker_list; m; m = m->next) {
        if (m->marker != EXIF_MARKER || m->data_length < EXIF_PREFIX_BYTES) continue;
        if (memcmp(m->data, "Exif\0", EXIF_PREFIX_BYTES) != 0) continue;
        return exif_orientation(m->data + EXIF_PREFIX_BYTES, m->data_length - EXIF_PREFIX_BYTES);
    }
    return 1;
}

static void read_header(struct jpeg_decoder *decoder) {
    struct jpeg_decompress_struct *jpeg = &decoder->jpeg;
    jpeg_create_decompress(jpeg);
    decoder->source = (struct jpeg_source_mgr){
        .next_input_byte = decoder->reader->bytes,
        .bytes_in_buffer = (size_t)decoder->reader->size,
        .init_source = do_nothing,
        .fill_input_buffer = on_end_of_bytes,
        .skip_input_data = skip_bytes,
        .resync_to_restart = jpeg_resync_to_restart,
        .term_source = do_nothing,
    };
    jpeg->src = &decoder->source;
    decoder->progress.progress_monitor = on_progress;
    jpeg->progress = &decoder->progress;
    jpeg_save_markers(jpeg, EXIF_MARKER, MAX_MARKER_BYTES);
    (void)jpeg_read_header(jpeg, TRUE);
    decoder->header_done = true;
    decoder->many_scans = jpeg_has_multiple_scans(jpeg);

    struct image_info *info = decoder->reader->info;
    info->stored_width = (int32_t)jpeg->image_width;
    info->stored_height = (int32_t)jpeg->image_height;
    info->channels = jpeg->num_components;
    info->bit_depth = jpeg->data_precision;
    info->exif_orientation = orientation_of(jpeg);
}

// Of several scans whole ones may be missing, and the arithmetic decoder takes zeros for what is
// missing; so such files need their end marker.
static void check_end(struct jpeg_decoder *decoder) {
    bool can_hide_loss = decoder->jpeg.arith_code || decoder->many_scans;
    if (decoder->ended && can_hide_loss) escape_truncated(decoder);
}

static void start(struct jpeg_decoder *decoder) {
    struct jpeg_decompress_struct *jpeg = &decoder->jpeg;
    const struct image_info *info = decoder->reader->info;
    CHECK((int32_t)jpeg->image_width == info->stored_width);
    CHECK((int32_t)jpeg->image_height == info->stored_height);
    // The coefficients of a progressive image are the one large thing that libjpeg allocates. Over
    // this limit it would turn to temporary files, which this build of it refuses.
    int64_t pixel_bytes = (int64_t)info->stored_width * info->stored_height * 3;
    int64_t spare_bytes = decoder->reader->limits->max_decode_bytes - pixel_bytes;
    jpeg->mem->max_memory_to_use = spare_bytes > 0 ? (long)spare_bytes : 1;
    jpeg->out_color_space = jpeg->num_components == 4 ? JCS_CMYK : JCS_RGB;
    (void)jpeg_start_decompress(jpeg); // of several scans, reads all
    check_end(decoder);
}

// Rounded a * b / 255 for bytes.
static int multiply_bytes(int a, int b) {
    int product = a * b + 128;
    return (product + (product >> 8)) >> 8;
}

// Samples are stored as 255 minus the ink, so the product of two of them is what light is left.
// parity: Pillow's rounding, which works on the inks.
static void cmyk_to_rgb(const uint8_t *cmyk, uint8_t *rgb, int64_t width) {
    for (int64_t x = 0; x < width; x++, cmyk += 4, rgb += 3) {
        int light = cmyk[3];
        for (int c = 0; c < 3; c++)
            rgb[c] = (uint8_t)(light - multiply_bytes(255 - cmyk[c], light));
    }
}

static void read_cmyk_rows(struct jpeg_decoder *decoder) {
    struct jpeg_decompress_struct *jpeg = &decoder->jpeg;
    JSAMPARRAY row =
        jpeg->mem->alloc_sarray((j_common_ptr)jpeg, JPOOL_IMAGE, jpeg->output_width * 4, 1);
    int64_t row_bytes = (int64_t)jpeg->output_width * 3;
    while (jpeg->output_scanline < jpeg->output_height) {
        uint8_t *rgb = decoder->pixels + jpeg->output_scanline * row_bytes;
        (void)jpeg_read_scanlines(jpeg, row, 1);
        check_end(decoder);
        cmyk_to_rgb(row[0], rgb, jpeg->output_width);
    }
}

static void read_rgb_rows(struct jpeg_decoder *decoder) {
    struct jpeg_decompress_struct *jpeg = &decoder->jpeg;
    int64_t row_bytes = (int64_t)jpeg->output_width * 3;
    while (jpeg->output_scanline < jpeg->output_height) {
        JSAMPROW rows[ROWS_AT_ONCE];
        JDIMENSION count = 0;
        while (count < ROWS_AT_ONCE && jpeg->output_scanline + count < jpeg->output_height) {
            rows[count] = decoder->pixels + (jpeg->output_scanline + count) * row_bytes;
            count++;
        }
        (void)jpeg_read_scanlines(jpeg, rows, count);
        check_end(decoder);
    }
}

static void read_image(struct jpeg_decoder *decoder) {
    read_header(decoder);
    start(decoder);
    if (decoder->jpeg.out_color_space == JCS_CMYK)
        read_cmyk_rows(decoder);
    else
        read_rgb_rows(decoder);
}

static void run_decoder(struct jpeg_decoder *decoder, void (*steps)(struct jpeg_decoder *)) {
    decoder->jpeg.err = jpeg_std_error(&decoder->errors);
    decoder->errors.error_exit = on_error;
    decoder->errors.emit_message = on_message;
    decoder->jpeg.client_data = decoder;
    if (setjmp(decoder->escape) == 0) steps(decoder);
    jpeg_destroy_decompress(&decoder->jpeg);
}

#define TEXT_OF(value)       #value
#define EXPANDED_TEXT(value) TEXT_OF(value)

const char *image_jpeg_library(void) {
#ifdef LIBJPEG_TURBO_VERSION
    return "libjpeg-turbo " EXPANDED_TEXT(LIBJPEG_TURBO_VERSION);
#else
    return "libjpeg " EXPANDED_TEXT(JPEG_LIB_VERSION);
#endif
}

enum status image_probe_jpeg(const struct image_reader *reader) {
    struct jpeg_decoder decoder = {.reader = reader};
    run_decoder(&decoder, read_header);
    return decoder.status;
}

enum status image_decode_jpeg(const struct image_reader *reader, uint8_t *pixels) {
    reader->info->num_warnings = 0; // the header is read again
    struct jpeg_decoder decoder = {.reader = reader, .pixels = pixels};
    run_decoder(&decoder, read_image);
    return decoder.status;
}
