// Images as hostile and careless senders make them: each must end in the right error and the right
// words, with the arena as it was.
#include "tests/data/image_files.h"

static struct arena arena; // of the running case

static struct bytes copy_bytes(const void *data, int64_t size) {
    struct bytes bytes = {arena_alloc(&arena, size, 1), size};
    CHECK(bytes.data);
    if (size) memcpy(bytes.data, data, (size_t)size);
    return bytes;
}

static struct bytes base_jpeg(void) {
    return read_image_file("base.jpg", &arena);
}

static struct bytes append(struct bytes a, struct bytes b) {
    struct bytes both = {arena_alloc(&arena, a.size + b.size, 1), a.size + b.size};
    CHECK(both.data);
    if (a.size) memcpy(both.data, a.data, (size_t)a.size);
    if (b.size) memcpy(both.data + a.size, b.data, (size_t)b.size);
    return both;
}

// Where the first marker 0xff CODE stands.
static int64_t find_marker(struct bytes jpeg, int code) {
    for (int64_t i = 2; i + 4 < jpeg.size;) {
        if (jpeg.data[i + 1] == code) return i;
        i += 2 + (jpeg.data[i + 2] << 8 | jpeg.data[i + 3]);
    }
    CHECK(false);
    return 0;
}

enum { SOF0 = 0xc0, SOF2 = 0xc2, SOS = 0xda };

static struct bytes jpeg_of_size(struct bytes jpeg, int sof, int width, int height) {
    uint8_t *frame = jpeg.data + find_marker(jpeg, sof);
    frame[5] = (uint8_t)(height >> 8);
    frame[6] = (uint8_t)height;
    frame[7] = (uint8_t)(width >> 8);
    frame[8] = (uint8_t)width;
    return jpeg;
}

static struct bytes jpeg_with(int64_t offset_in_frame, uint8_t value) {
    struct bytes jpeg = base_jpeg();
    jpeg.data[find_marker(jpeg, SOF0) + offset_in_frame] = value;
    return jpeg;
}

static uint32_t crc32_of(const uint8_t *bytes, int64_t size) {
    uint32_t crc = 0xffffffff;
    for (int64_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320U : 0);
    }
    return ~crc;
}

static void put_number(uint8_t *at, uint32_t value) {
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static struct bytes png_chunk(const char *type, const void *data, int64_t size) {
    struct bytes chunk = {arena_alloc(&arena, size + 12, 1), size + 12};
    CHECK(chunk.data);
    put_number(chunk.data, (uint32_t)size);
    memcpy(chunk.data + 4, type, 4);
    if (size) memcpy(chunk.data + 8, data, (size_t)size);
    put_number(chunk.data + 8 + size, crc32_of(chunk.data + 4, size + 4));
    return chunk;
}

// A signature and a header chunk, all of it right but for what the arguments say.
static struct bytes png_header(uint32_t width, uint32_t height, int depth, int color_type) {
    uint8_t header[13] = {0};
    put_number(header, width);
    put_number(header + 4, height);
    header[8] = (uint8_t)depth;
    header[9] = (uint8_t)color_type;
    return append(copy_bytes("\x89PNG\r\n\x1a\n", 8), png_chunk("IHDR", header, sizeof header));
}

static struct bytes png_with_pixels(uint32_t width, uint32_t height, int depth, int color_type,
                                    const char *pixels, int64_t size) {
    struct bytes png =
        append(png_header(width, height, depth, color_type), png_chunk("IDAT", pixels, size));
    return append(png, png_chunk("IEND", NULL, 0));
}

static struct bytes jpeg_header_only(void) {
    struct bytes jpeg = base_jpeg();
    jpeg.size = find_marker(jpeg, SOS);
    return jpeg;
}

static struct bytes jpeg_marker_only(void) {
    return copy_bytes("\xff\xd8\xff", 3);
}

// Complete up to a table that is longer than the file.
static struct bytes jpeg_ends_in_a_table(void) {
    struct bytes jpeg = base_jpeg();
    jpeg.size = find_marker(jpeg, SOS) - 20;
    return jpeg;
}

static struct bytes jpeg_without_tables(void) {
    struct bytes jpeg = base_jpeg();
    jpeg.data[find_marker(jpeg, 0xc4) + 1] = 0xec; // a frame of a video: the usual table holds
    return jpeg;
}

static struct bytes jpeg_no_width(void) {
    return jpeg_of_size(base_jpeg(), SOF0, 0, 61);
}

static struct bytes jpeg_no_height(void) {
    return jpeg_of_size(base_jpeg(), SOF0, 93, 0);
}

static struct bytes jpeg_65500(void) {
    return jpeg_of_size(base_jpeg(), SOF0, 65500, 65500);
}

static struct bytes jpeg_beyond_the_library(void) {
    return jpeg_of_size(base_jpeg(), SOF0, 65535, 1);
}

static struct bytes jpeg_1_x_60000(void) {
    return jpeg_of_size(base_jpeg(), SOF0, 1, 60000);
}

static struct bytes jpeg_1_x_10000(void) {
    return jpeg_of_size(base_jpeg(), SOF0, 1, 10000);
}

static struct bytes jpeg_9000_x_9000(void) {
    return jpeg_of_size(base_jpeg(), SOF0, 9000, 9000);
}

static struct bytes jpeg_larger_than_its_data(void) {
    return jpeg_of_size(base_jpeg(), SOF0, 6000, 6000);
}

static struct bytes jpeg_12_bit(void) {
    return jpeg_with(4, 12);
}

static struct bytes jpeg_lossless(void) {
    return jpeg_with(1, 0xc3);
}

static struct bytes jpeg_hierarchical(void) {
    return jpeg_with(1, 0xc5);
}

static struct bytes jpeg_two_components(void) {
    struct bytes jpeg = base_jpeg();
    jpeg.data[find_marker(jpeg, SOF0) + 9] = 2;
    return jpeg;
}

static struct bytes jpeg_no_quantisation(void) {
    return jpeg_with(12, 3); // the first component asks for a table that is not there
}

// The last scan of a progressive file again and again.
static struct bytes jpeg_1000_scans(void) {
    struct bytes jpeg = read_image_file("progressive.jpg", &arena);
    int64_t last = 0;
    for (int64_t i = 0; i + 1 < jpeg.size; i++)
        if (jpeg.data[i] == 0xff && jpeg.data[i + 1] == SOS) last = i;
    struct bytes scan = {jpeg.data + last, jpeg.size - 2 - last};
    struct bytes result = {arena_alloc(&arena, jpeg.size + 1000 * scan.size, 1), jpeg.size - 2};
    CHECK(result.data);
    memcpy(result.data, jpeg.data, (size_t)result.size);
    for (int i = 0; i < 1000; i++, result.size += scan.size)
        memcpy(result.data + result.size, scan.data, (size_t)scan.size);
    memcpy(result.data + result.size, "\xff\xd9", 2);
    result.size += 2;
    return result;
}

static struct bytes png_signature_only(void) {
    return copy_bytes("\x89PNG\r\n\x1a\n", 8);
}

static struct bytes png_changed_line_ends(void) {
    struct bytes png = read_image_file("rgb.png", &arena);
    png.data[4] = '\n'; // as a transfer in text mode leaves it
    return png;
}

static struct bytes png_other_first_chunk(void) {
    return append(copy_bytes("\x89PNG\r\n\x1a\n", 8), png_chunk("IDAT", "1234567890123", 13));
}

static struct bytes png_header_only(void) {
    return png_header(8, 8, 8, 2);
}

static struct bytes png_no_pixels_chunk(void) {
    return append(png_header(8, 8, 8, 2), png_chunk("IEND", NULL, 0));
}

static struct bytes png_no_width(void) {
    return png_with_pixels(0, 5, 8, 2, "", 0);
}

static struct bytes png_65500(void) {
    return png_with_pixels(65500, 65500, 8, 2, "", 0);
}

static struct bytes png_1_x_60000(void) {
    return png_with_pixels(1, 60000, 8, 2, "", 0);
}

static struct bytes png_9000_x_9000(void) {
    return png_with_pixels(9000, 9000, 16, 6, "", 0);
}

static struct bytes png_beyond_int32(void) {
    return png_with_pixels(0x80000001, 1, 8, 2, "", 0);
}

static struct bytes png_colour_type_5(void) {
    return png_with_pixels(8, 8, 8, 5, "", 0);
}

static struct bytes png_depth_3(void) {
    return png_with_pixels(8, 8, 3, 0, "", 0);
}

static struct bytes png_palette_missing(void) {
    return png_with_pixels(8, 8, 8, 3, "\x78\x9c\x63\x00\x00", 5);
}

static struct bytes png_not_deflate(void) {
    return png_with_pixels(8, 8, 8, 2, "this is not deflate", 19);
}

// A header that lies: deflate data of a single zero row for 4000 x 4000 pixels.
static struct bytes png_larger_than_its_data(void) {
    return png_with_pixels(4000, 4000, 8, 0, "\x78\x9c\x03\x00\x00\x00\x00\x01", 8);
}

static struct bytes png_flipped(int64_t from_end) {
    struct bytes png = read_image_file("rgb.png", &arena);
    png.data[png.size - from_end] ^= 1;
    return png;
}

static struct bytes png_bad_check_sum(void) {
    return png_flipped(13); // the last byte before IEND
}

static struct bytes png_bad_header_check_sum(void) {
    struct bytes png = read_image_file("rgb.png", &arena);
    png.data[8 + 8 + 13] ^= 1;
    return png;
}

static struct bytes png_chunk_longer_than_file(void) {
    struct bytes png = png_header(8, 8, 8, 2);
    return append(png, copy_bytes("\x7f\xff\xff\xff"
                                  "IDAT",
                                  8));
}

static const struct bad_image {
    const char *name;
    struct bytes (*make)(void);
    enum image_fault fault;
    const char *words;
} bad_images[] = {
    {"JPEG header only", jpeg_header_only, IMAGE_FAULT_CORRUPT, "ends inside its header"},
    {"JPEG marker only", jpeg_marker_only, IMAGE_FAULT_CORRUPT, "ends inside its header"},
    {"JPEG ends in a table", jpeg_ends_in_a_table, IMAGE_FAULT_CORRUPT, "ends inside its header"},
    {"JPEG without tables", jpeg_without_tables, IMAGE_FAULT_NONE, ""},
    {"JPEG no width", jpeg_no_width, IMAGE_FAULT_EMPTY, "no pixels (0 x 61)"},
    {"JPEG no height", jpeg_no_height, IMAGE_FAULT_EMPTY, "no pixels (93 x 0)"},
    {"JPEG 65500", jpeg_65500, IMAGE_FAULT_SIDE, "65500 x 65500 pixels; the limit for a side"},
    {"JPEG 65535", jpeg_beyond_the_library, IMAGE_FAULT_SIDE, "65500"},
    {"JPEG 1 x 60000", jpeg_1_x_60000, IMAGE_FAULT_SIDE, "the limit for a side is 20000"},
    {"JPEG 1 x 10000", jpeg_1_x_10000, IMAGE_FAULT_SIDE, "the limit for the aspect is 1:100"},
    {"JPEG 9000", jpeg_9000_x_9000, IMAGE_FAULT_PIXELS, "81000000 pixels; the limit is 40000000"},
    {"JPEG lies", jpeg_larger_than_its_data, IMAGE_FAULT_NONE, ""},
    {"JPEG 12-bit", jpeg_12_bit, IMAGE_FAULT_TYPE, "12 bits per sample; expected 8"},
    {"JPEG lossless", jpeg_lossless, IMAGE_FAULT_TYPE, "lossless or hierarchical"},
    {"JPEG hierarchical", jpeg_hierarchical, IMAGE_FAULT_TYPE, "SOF marker 0xc5"},
    {"JPEG two components", jpeg_two_components, IMAGE_FAULT_CORRUPT, "JPEG: "},
    {"JPEG no quantisation", jpeg_no_quantisation, IMAGE_FAULT_CORRUPT, "Quantization table"},
    {"JPEG 1000 scans", jpeg_1000_scans, IMAGE_FAULT_SCANS, "more than 100 scans"},
    {"PNG signature only", png_signature_only, IMAGE_FAULT_CORRUPT, "ends inside its header"},
    {"PNG line ends", png_changed_line_ends, IMAGE_FAULT_CORRUPT, "header chunk"},
    {"PNG other first chunk", png_other_first_chunk, IMAGE_FAULT_CORRUPT, "header chunk"},
    {"PNG header only", png_header_only, IMAGE_FAULT_CORRUPT, "ends after 0 % of the rows"},
    {"PNG no pixels chunk", png_no_pixels_chunk, IMAGE_FAULT_CORRUPT, "PNG: "},
    {"PNG no width", png_no_width, IMAGE_FAULT_EMPTY, "no pixels (0 x 5)"},
    {"PNG 65500", png_65500, IMAGE_FAULT_SIDE, "the limit for a side is 20000"},
    {"PNG 1 x 60000", png_1_x_60000, IMAGE_FAULT_SIDE, "1 x 60000"},
    {"PNG 9000", png_9000_x_9000, IMAGE_FAULT_PIXELS, "the limit is 40000000"},
    {"PNG beyond int32", png_beyond_int32, IMAGE_FAULT_CORRUPT, "2147483649"},
    {"PNG colour type", png_colour_type_5, IMAGE_FAULT_CORRUPT, "unknown colour type 5"},
    {"PNG depth", png_depth_3, IMAGE_FAULT_CORRUPT, "IHDR"},
    {"PNG palette missing", png_palette_missing, IMAGE_FAULT_CORRUPT, "PNG: "},
    {"PNG not deflate", png_not_deflate, IMAGE_FAULT_CORRUPT, "IDAT"},
    {"PNG lies", png_larger_than_its_data, IMAGE_FAULT_CORRUPT, "PNG: "},
    {"PNG check sum", png_bad_check_sum, IMAGE_FAULT_CORRUPT, "CRC"},
    {"PNG header check sum", png_bad_header_check_sum, IMAGE_FAULT_CORRUPT, "CRC"},
    {"PNG chunk length", png_chunk_longer_than_file, IMAGE_FAULT_CORRUPT, "PNG"},
};

static const enum status status_of_fault[] = {
    [IMAGE_FAULT_NONE] = STATUS_OK,          [IMAGE_FAULT_EMPTY] = STATUS_DATA,
    [IMAGE_FAULT_TYPE] = STATUS_UNSUPPORTED, [IMAGE_FAULT_CORRUPT] = STATUS_DATA,
    [IMAGE_FAULT_PIXELS] = STATUS_DATA,      [IMAGE_FAULT_SIDE] = STATUS_DATA,
    [IMAGE_FAULT_SCANS] = STATUS_DATA,       [IMAGE_FAULT_MEMORY] = STATUS_MEMORY,
};

static void expect_fault(const char *name, struct bytes bytes, enum image_fault fault,
                         const char *words) {
    struct arena small;
    struct image image;
    struct image_info info;
    struct error err = {0};
    arena_init(&small, 4096, 0);
    enum status status = decode_bytes(&image, &info, bytes, true, &small, &err);
    if (status != status_of_fault[fault]) printf("         %s: %s\n", name, err.message);
    EXPECT_STATUS(status, status_of_fault[fault], &err);
    EXPECT_INT(info.fault, fault);
    if (fault != IMAGE_FAULT_NONE) {
        EXPECT_CONTAINS(err.message, "test: ");
        EXPECT_CONTAINS(err.message, words);
        EXPECT(image.pixels == NULL && image.width == 0);
        EXPECT_INT(small.reserved_bytes, 0);
    }
    arena_destroy(&small);
}

static void table_of_bad_images(void) {
    for (size_t i = 0; i < sizeof bad_images / sizeof *bad_images; i++) {
        const struct bad_image *bad = &bad_images[i];
        arena_init(&arena, 1 << 16, 0);
        expect_fault(bad->name, bad->make(), bad->fault, bad->words);
        arena_destroy(&arena);
    }
}

static void other_types_are_named(void) {
    static const struct {
        const char *words;
        int64_t size;
        const char *bytes;
    } types[] = {
        {"a GIF file; expected a JPEG or PNG image", 13, "GIF89a\1\0\1\0\0\0\0"},
        {"a GIF file", 6, "GIF87a"},
        {"a WebP file", 16, "RIFF\x24\0\0\0WEBPVP8 "},
        {"a TIFF file", 8, "II*\0\x08\0\0\0"},
        {"a TIFF file", 8, "MM\0*\0\0\0\x08"},
        {"a BMP file", 10, "BM\x46\0\0\0\0\0\0\0"},
        {"a HEIC file", 12,
         "\0\0\0\x18"
         "ftypheic"},
        {"a HEIC file", 12,
         "\0\0\0\x18"
         "ftypmif1"},
        {"an AVIF file", 12,
         "\0\0\0\x1c"
         "ftypavif"},
        {"a video file", 12,
         "\0\0\0\x1c"
         "ftypisom"},
        {"a JPEG 2000 file", 12, "\0\0\0\x0cjP  \r\n\x87\n"},
        {"a JPEG XL file", 4, "\xff\x0a\x01\x02"},
        {"a PDF file", 8, "%PDF-1.7"},
        {"an SVG file", 28, "<svg width=\"1\" height=\"1\"/>\n"},
        {"an SVG file", 30, "<?xml version=\"1.0\"?>\n<SVG ...>"},
        {"an HTML file", 20, "<!DOCTYPE html><body>"},
        {"a text file", 18, "{\"image\": \"hello\"}"},
        {"an unknown type of file", 8, "\0\1\2\3\4\5\6\7"},
        {"an unknown type of file", 1, "\0"},
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        arena_init(&arena, 1 << 16, 0);
        expect_fault(types[i].words, copy_bytes(types[i].bytes, types[i].size), IMAGE_FAULT_TYPE,
                     types[i].words);
        arena_destroy(&arena);
    }
}

static void nothing_at_all(void) {
    arena_init(&arena, 1 << 16, 0);
    expect_fault("nothing", (struct bytes){0}, IMAGE_FAULT_EMPTY, "the image is empty");
    arena_destroy(&arena);
}

static void truncated_at_every_64th(void) {
    static const char *const names[] = {
        "base.jpg",       "sampling444.jpg",  "progressive.jpg", "restart.jpg",
        "grey.jpg",       "cmyk.jpg",         "arithmetic.jpg",  "rgba.png",
        "interlaced.png", "palette_trns.png", "rgb16.png",       "profile_bomb.png",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        arena_init(&arena, 1 << 16, 0);
        struct bytes whole = read_image_file(names[i], &arena);
        for (int64_t part = 1; part < 64; part++) {
            // Behind the end of the copy nothing may be read: the arena's gap would tell.
            struct bytes cut = copy_bytes(whole.data, whole.size * part / 64);
            expect_fault(names[i], cut, IMAGE_FAULT_CORRUPT, " ends ");
        }
        arena_destroy(&arena);
    }
}

static void truncated_anywhere_in_the_header(void) {
    static const char *const names[] = {"base.jpg", "progressive.jpg", "cmyk.jpg"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        arena_init(&arena, 1 << 16, 0);
        struct bytes whole = read_image_file(names[i], &arena);
        int64_t header_size = find_marker(whole, SOS) + 2;
        header_size += whole.data[header_size] << 8 | whole.data[header_size + 1];
        for (int64_t size = 3; size <= header_size; size++)
            expect_fault(names[i], copy_bytes(whole.data, size), IMAGE_FAULT_CORRUPT, "JPEG ends ");
        arena_destroy(&arena);
    }
}

// Coefficients of 6000 x 6000 pixels need 216 MB beside the 108 MB of pixels.
static void progressive_over_the_memory_limit(void) {
    arena_init(&arena, 1 << 16, 0);
    struct bytes jpeg = read_image_file("progressive.jpg", &arena);
    jpeg = jpeg_of_size(jpeg, SOF2, 6000, 6000);
    struct image image;
    struct image_info info;
    struct error err;
    struct image_limits limits = image_limits_default();
    limits.max_decode_bytes = 128 << 20;
    EXPECT_STATUS(
        image_decode(&image, &info, jpeg.data, jpeg.size, "test", &limits, true, &arena, &err),
        STATUS_MEMORY, &err);
    EXPECT_CONTAINS(err.message, "more than the limit of 134217728 bytes");
    EXPECT_INT(info.fault, IMAGE_FAULT_MEMORY);
    arena_destroy(&arena);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"table_of_bad_images", table_of_bad_images},
                         {"other_types_are_named", other_types_are_named},
                         {"nothing_at_all", nothing_at_all},
                         {"truncated_at_every_64th", truncated_at_every_64th},
                         {"truncated_anywhere_in_the_header", truncated_anywhere_in_the_header},
                         {"progressive_over_the_memory_limit", progressive_over_the_memory_limit},
                         {0},
                     });
}
