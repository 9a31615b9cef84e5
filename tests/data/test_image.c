#include "tests/data/image_files.h"

static void sha256_known_answers(void) {
    char text[SHA256_TEXT_BYTES];
    sha256_text("", 0, text);
    EXPECT_TEXT(text, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256_text("abc", 3, text);
    EXPECT_TEXT(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256_text("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, text);
    EXPECT_TEXT(text, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

// Two pixels wide, three high: the letters name the pixels.
static void orientations(void) {
    static const struct {
        int32_t width;
        const char *upright;
    } expected[] = {{2, "abcdef"}, {2, "badcfe"}, {2, "fedcba"}, {2, "efcdab"},
                    {3, "acebdf"}, {3, "ecafdb"}, {3, "fdbeca"}, {3, "bdface"}};
    uint8_t stored[18];
    uint8_t turned[18];
    for (int i = 0; i < 18; i++)
        stored[i] = (uint8_t)("abcdef"[i / 3] + i % 3 * 64);
    struct image source = {2, 3, stored};
    for (int orientation = 1; orientation <= 8; orientation++) {
        struct image target = {.pixels = turned};
        image_orient(&target, &source, orientation);
        EXPECT_INT(target.width, expected[orientation - 1].width);
        EXPECT_INT(target.height, 5 - expected[orientation - 1].width);
        for (int i = 0; i < 18; i++)
            EXPECT_INT(turned[i], expected[orientation - 1].upright[i / 3] + i % 3 * 64);
    }
}

static void orientations_undo_each_other(void) {
    static const int inverse[] = {1, 2, 3, 4, 5, 8, 7, 6};
    struct arena arena;
    arena_init(&arena, 1 << 16, 0);
    struct image source = make_pattern(67, 45, &arena);
    for (int orientation = 1; orientation <= 8; orientation++) {
        struct image turned = make_pattern(67, 45, &arena);
        struct image back = make_pattern(67, 45, &arena);
        image_orient(&turned, &source, orientation);
        image_orient(&back, &turned, inverse[orientation - 1]);
        EXPECT_INT(back.width, source.width);
        EXPECT_INT(memcmp(back.pixels, source.pixels, 67 * 45 * 3), 0);
    }
    arena_destroy(&arena);
}

static void flip(void) {
    struct arena arena;
    arena_init(&arena, 1 << 16, 0);
    for (int32_t width = 1; width < 6; width++) {
        struct image image = make_pattern(width, 3, &arena);
        struct image mirrored = make_pattern(width, 3, &arena);
        struct image source = make_pattern(width, 3, &arena);
        image_orient(&mirrored, &source, 2);
        image_flip_horizontal(&image);
        EXPECT_INT(memcmp(image.pixels, mirrored.pixels, (size_t)width * 9), 0);
    }
    arena_destroy(&arena);
}

static void load_decides_by_content(void) {
    struct arena arena;
    struct image image;
    struct image_info info;
    struct error err;
    arena_init(&arena, 1 << 16, 0);
    struct bytes jpeg = read_image_file("base.jpg", &arena);
    char path[256];
    snprintf(path, sizeof path, "%s/really-a-jpeg.png", scratch_folder());
    REQUIRE(output_save(path, jpeg.data, jpeg.size, &err) == STATUS_OK);
    struct image_limits limits = image_limits_default();
    EXPECT_OK(image_load(&image, &info, path, &limits, true, &arena, &err), &err);
    EXPECT_INT(info.format, IMAGE_JPEG);
    if (image.pixels) expect_reference(&image, "base.jpg");
    arena_destroy(&arena);
}

static void load_errors(void) {
    struct arena arena;
    struct image image;
    struct error err;
    arena_init(&arena, 1 << 16, 0);
    struct image_limits limits = image_limits_default();
    EXPECT_STATUS(image_load(&image, NULL, "/nowhere/a.jpg", &limits, true, &arena, &err),
                  STATUS_NO_INPUT, &err);
    EXPECT_CONTAINS(err.message, "/nowhere/a.jpg");
    EXPECT_STATUS(image_load(&image, NULL, "/dev/zero", &limits, true, &arena, &err),
                  STATUS_NO_INPUT, &err);
    char path[256];
    snprintf(path, sizeof path, "%s/empty.jpg", scratch_folder());
    REQUIRE(output_save(path, "", 0, &err) == STATUS_OK);
    EXPECT_STATUS(image_load(&image, NULL, path, &limits, true, &arena, &err), STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message, "empty.jpg: the image is empty");
    EXPECT(image.pixels == NULL);
    arena_destroy(&arena);
}

// Each limit holds at its value and fails one below the need.
static void limits_at_their_edges(void) {
    struct arena arena;
    struct image image;
    struct error err;
    arena_init(&arena, 1 << 16, 0);
    static const char *const names[] = {"base.jpg", "rgb.png"}; // 93 x 61
    for (int i = 0; i < 2; i++) {
        struct bytes bytes = read_image_file(names[i], &arena);
        for (int less = 0; less < 2; less++) {
            enum status expected = less ? STATUS_DATA : STATUS_OK;
            struct image_limits limits = image_limits_default();
            struct image_info info;
            limits.max_pixels = 93 * 61 - less;
            EXPECT_STATUS(image_decode(&image, &info, bytes.data, bytes.size, "test", &limits, true,
                                       &arena, &err),
                          expected, &err);
            EXPECT_INT(info.fault, less ? IMAGE_FAULT_PIXELS : IMAGE_FAULT_NONE);
            limits = image_limits_default();
            limits.max_side = 93 - less;
            EXPECT_STATUS(image_decode(&image, &info, bytes.data, bytes.size, "test", &limits, true,
                                       &arena, &err),
                          expected, &err);
            EXPECT_INT(info.fault, less ? IMAGE_FAULT_SIDE : IMAGE_FAULT_NONE);
            limits = image_limits_default();
            limits.max_decode_bytes = 93 * 61 * 3 - less;
            EXPECT_STATUS(image_decode(&image, &info, bytes.data, bytes.size, "test", &limits, true,
                                       &arena, &err),
                          less ? STATUS_MEMORY : STATUS_OK, &err);
            EXPECT_INT(info.fault, less ? IMAGE_FAULT_MEMORY : IMAGE_FAULT_NONE);
        }
    }
    arena_destroy(&arena);
}

static void probe_agrees_with_decode(void) {
    static const char *const names[] = {"base.jpg",     "cmyk.jpg",  "progressive.jpg", "rgb.png",
                                        "palette4.png", "rgb16.png", "grey_alpha.png"};
    struct arena arena;
    arena_init(&arena, 1 << 16, 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct image image;
        struct image_info probed;
        struct image_info decoded;
        struct error err;
        struct image_limits limits = image_limits_default();
        struct bytes bytes = read_image_file(names[i], &arena);
        EXPECT_OK(image_probe(&probed, bytes.data, bytes.size, "test", &limits, true, &err), &err);
        EXPECT_OK(decode_bytes(&image, &decoded, bytes, true, &arena, &err), &err);
        EXPECT_INT(memcmp(&probed, &decoded, sizeof probed), 0);
        EXPECT_INT(probed.width, image.width);
        EXPECT_INT(probed.height, image.height);
    }
    arena_destroy(&arena);
}

static void fault_names_are_stable(void) {
    EXPECT_TEXT(image_fault_name(IMAGE_FAULT_NONE), "");
    EXPECT_TEXT(image_fault_name(IMAGE_FAULT_EMPTY), "image_empty");
    EXPECT_TEXT(image_fault_name(IMAGE_FAULT_TYPE), "unsupported_media_type");
    EXPECT_TEXT(image_fault_name(IMAGE_FAULT_CORRUPT), "image_corrupt");
    EXPECT_TEXT(image_fault_name(IMAGE_FAULT_PIXELS), "image_too_many_pixels");
    EXPECT_TEXT(image_fault_name(IMAGE_FAULT_SIDE), "image_side_too_long");
    EXPECT_TEXT(image_fault_name(IMAGE_FAULT_SCANS), "image_too_many_scans");
    EXPECT_TEXT(image_fault_name(IMAGE_FAULT_MEMORY), "memory_budget");
}

static void arena_too_small(void) {
    struct arena arena;
    struct arena small;
    struct image image;
    struct image_info info;
    struct error err;
    arena_init(&arena, 1 << 16, 0);
    arena_init(&small, 1024, 8192);
    struct bytes jpeg = read_image_file("base.jpg", &arena);
    EXPECT_STATUS(decode_bytes(&image, &info, jpeg, true, &small, &err), STATUS_MEMORY, &err);
    EXPECT_INT(info.fault, IMAGE_FAULT_MEMORY);
    EXPECT_INT(small.reserved_bytes, 0);
    arena_destroy(&small);
    arena_destroy(&arena);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"sha256_known_answers", sha256_known_answers},
                         {"orientations", orientations},
                         {"orientations_undo_each_other", orientations_undo_each_other},
                         {"flip", flip},
                         {"load_decides_by_content", load_decides_by_content},
                         {"load_errors", load_errors},
                         {"limits_at_their_edges", limits_at_their_edges},
                         {"probe_agrees_with_decode", probe_agrees_with_decode},
                         {"fault_names_are_stable", fault_names_are_stable},
                         {"arena_too_small", arena_too_small},
                         {0},
                     });
}
