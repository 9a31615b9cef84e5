#include "tests/data/image_files.h"

static void pixels_of_every_kind(void) {
    static const struct {
        const char *name;
        int channels;
    } files[] = {
        {"base.jpg", 3},        {"sampling444.jpg", 3}, {"sampling422.jpg", 3},
        {"progressive.jpg", 3}, {"restart.jpg", 3},     {"rgb.jpg", 3},
        {"grey.jpg", 1},        {"cmyk.jpg", 4},        {"arithmetic.jpg", 3},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct image_info info;
        expect_file_as_reference(files[i].name, &info);
        EXPECT_INT(info.format, IMAGE_JPEG);
        EXPECT_INT(info.channels, files[i].channels);
        EXPECT_INT(info.bit_depth, 8);
        EXPECT_INT(info.num_warnings, 0);
        EXPECT_INT(info.exif_orientation, 1);
    }
}

static void coco_images(void) {
    const char *annotations = shared_path("data/coco-mini/images.csv");
    if (!annotations) skip_case("the shared folder with coco-mini is not there");
    FILE *list = fopen(annotations, "r");
    REQUIRE(list);
    struct arena arena;
    arena_init(&arena, 1 << 20, 0);
    struct image_limits limits = image_limits_default();
    char line[1024];
    int num_images = 0;
    while (fgets(line, sizeof line, list)) {
        char *comma = strchr(line, ',');
        if (!comma || strstr(line, "file_name")) continue;
        *comma = '\0';
        char relative[1100];
        snprintf(relative, sizeof relative, "data/coco-mini/images/%s", line);
        const char *path = shared_path(relative);
        REQUIRE(path);
        struct arena_mark mark = arena_mark(&arena);
        struct image image;
        struct image_info info;
        struct error err;
        EXPECT_OK(image_load(&image, &info, path, &limits, false, &arena, &err), &err);
        if (image.pixels) expect_reference(&image, line);
        EXPECT_INT(info.num_warnings, 0);
        arena_release(&arena, mark);
        num_images++;
    }
    fclose(list);
    arena_destroy(&arena);
    EXPECT_INT(num_images, 90);
}

static void only_the_end_marker_missing(void) {
    struct arena arena;
    struct image image;
    struct error err;
    arena_init(&arena, 1 << 16, 0);
    struct bytes base = read_image_file("base.jpg", &arena);
    base.size -= 2;
    EXPECT_OK(decode_bytes(&image, NULL, base, false, &arena, &err), &err);
    if (image.pixels) expect_reference(&image, "base.jpg");
    // In a progressive file a whole scan may be missing then.
    struct bytes progressive = read_image_file("progressive.jpg", &arena);
    progressive.size -= 2;
    EXPECT_STATUS(decode_bytes(&image, NULL, progressive, false, &arena, &err), STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message, "% of the rows of scan");
    arena_destroy(&arena);
}

static void truncation_names_the_row(void) {
    struct arena arena;
    struct image image;
    struct output out;
    struct error err;
    arena_init(&arena, 1 << 16, 0);
    struct image pattern = make_pattern(320, 480, &arena);
    output_open_memory(&out);
    EXPECT_OK(image_write_jpeg(&pattern, 90, &out, &err), &err);
    struct bytes half = {(uint8_t *)out.data, out.size / 2};
    EXPECT_STATUS(decode_bytes(&image, NULL, half, false, &arena, &err), STATUS_DATA, &err);
    int percent = 0;
    EXPECT_INT(sscanf(err.message, "test: JPEG ends after %d %% of the rows", &percent), 1);
    EXPECT(percent >= 40 && percent <= 55);
    output_discard(&out);
    arena_destroy(&arena);
}

static void damage_is_counted(void) {
    struct arena arena;
    struct image image;
    struct image_info info;
    struct error err;
    arena_init(&arena, 1 << 16, 0);
    struct bytes jpeg = read_image_file("restart.jpg", &arena);
    for (int64_t i = jpeg.size - 60; i < jpeg.size - 40; i++)
        jpeg.data[i] = 0x55;
    EXPECT_OK(decode_bytes(&image, &info, jpeg, false, &arena, &err), &err);
    EXPECT(info.num_warnings > 0);
    arena_destroy(&arena);
}

static void junk_behind_the_end(void) {
    struct arena arena;
    struct image image;
    struct image_info info;
    struct error err;
    arena_init(&arena, 1 << 16, 0);
    struct bytes jpeg = read_image_file("base.jpg", &arena);
    struct bytes longer = {arena_alloc_zero(&arena, jpeg.size + 100, 1), jpeg.size + 100};
    memcpy(longer.data, jpeg.data, (size_t)jpeg.size);
    memcpy(longer.data + jpeg.size, "PK\3\4", 4); // a picture that is also an archive
    EXPECT_OK(decode_bytes(&image, &info, longer, false, &arena, &err), &err);
    if (image.pixels) expect_reference(&image, "base.jpg");
    EXPECT_INT(info.num_warnings, 0);
    arena_destroy(&arena);
}

static void written_and_read_again(void) {
    struct arena arena;
    struct error err;
    arena_init(&arena, 1 << 16, 0);
    struct bytes bytes = read_image_file("rgb.png", &arena);
    struct image image;
    REQUIRE(decode_bytes(&image, NULL, bytes, false, &arena, &err) == STATUS_OK);
    int64_t sizes[2];
    static const int qualities[2] = {60, 95};
    for (int q = 0; q < 2; q++) {
        struct output out;
        struct image again;
        output_open_memory(&out);
        EXPECT_OK(image_write_jpeg(&image, qualities[q], &out, &err), &err);
        struct bytes jpeg = {(uint8_t *)out.data, out.size};
        REQUIRE(decode_bytes(&again, NULL, jpeg, false, &arena, &err) == STATUS_OK);
        double squares = 0.0;
        int64_t count = (int64_t)image.width * image.height * 3;
        for (int64_t i = 0; i < count; i++)
            squares += (image.pixels[i] - again.pixels[i]) * (image.pixels[i] - again.pixels[i]);
        EXPECT(squares / (double)count < (q == 0 ? 400.0 : 200.0)); // the colours are wild
        sizes[q] = out.size;
        output_discard(&out);
    }
    EXPECT(sizes[0] < sizes[1]);
    arena_destroy(&arena);
}

static void too_large_to_write(void) {
    struct output out;
    struct error err;
    uint8_t pixel[3] = {0};
    struct image image = {70000, 1, pixel}; // refused before a pixel is read
    output_open_memory(&out);
    EXPECT_STATUS(image_write_jpeg(&image, 90, &out, &err), STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message, "cannot write 70000 x 1 pixels as JPEG");
    output_discard(&out);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"pixels_of_every_kind", pixels_of_every_kind},
                         {"coco_images", coco_images},
                         {"only_the_end_marker_missing", only_the_end_marker_missing},
                         {"truncation_names_the_row", truncation_names_the_row},
                         {"damage_is_counted", damage_is_counted},
                         {"junk_behind_the_end", junk_behind_the_end},
                         {"written_and_read_again", written_and_read_again},
                         {"too_large_to_write", too_large_to_write},
                         {0},
                     });
}
