#include "data/exif.h"

#include "tests/data/image_files.h"

enum { BLOCK_BYTES = 26, PREFIX_BYTES = 6 };

// A TIFF block with one directory of one entry.
struct block {
    bool big_endian;
    uint32_t directory; // its offset
    uint32_t num_entries;
    uint32_t tag;
    uint32_t type;
    uint32_t value;
};

static const struct block usual = {false, 8, 1, 0x0112, 3, 6};

static void put(uint8_t *at, uint32_t value, int num_bytes, bool big_endian) {
    for (int i = 0; i < num_bytes; i++)
        at[big_endian ? num_bytes - 1 - i : i] = (uint8_t)(value >> 8 * i);
}

static void fill_block(uint8_t bytes[BLOCK_BYTES], const struct block *block) {
    bool big = block->big_endian;
    memset(bytes, 0, BLOCK_BYTES);
    bytes[0] = bytes[1] = big ? 'M' : 'I';
    put(bytes + 2, 42, 2, big);
    put(bytes + 4, block->directory, 4, big);
    put(bytes + 8, block->num_entries, 2, big);
    put(bytes + 10, block->tag, 2, big);
    put(bytes + 12, block->type, 2, big);
    put(bytes + 14, 1, 4, big);
    put(bytes + 18, block->value, block->type == 4 ? 4 : 2, big);
    put(bytes + 22, 8, 4, big); // the next directory is this one again
}

static int orientation_in(struct block block) {
    uint8_t bytes[BLOCK_BYTES];
    fill_block(bytes, &block);
    return exif_orientation(bytes, BLOCK_BYTES);
}

static void values(void) {
    for (uint32_t value = 0; value <= 9; value++) {
        int expected = value >= 1 && value <= 8 ? (int)value : 1;
        for (int big = 0; big < 2; big++) {
            struct block block = usual;
            block.value = value;
            block.big_endian = big;
            EXPECT_INT(orientation_in(block), expected);
            block.type = 4;
            EXPECT_INT(orientation_in(block), expected);
        }
    }
    struct block huge = usual;
    huge.type = 4;
    huge.value = 0xffffffff;
    EXPECT_INT(orientation_in(huge), 1);
}

static void other_tags_and_types(void) {
    struct block block = usual;
    block.tag = 0x0110;
    EXPECT_INT(orientation_in(block), 1);
    block = usual;
    block.type = 2;
    EXPECT_INT(orientation_in(block), 1);
}

static void hostile_offsets(void) {
    static const uint32_t directories[] = {0, 1, 20, 24, 25, 26, 27, 0x7fffffff, 0xffffffff};
    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
        struct block block = usual;
        block.directory = directories[i];
        EXPECT_INT(orientation_in(block), 1);
    }
    // More entries than there is room for: those that are there are read.
    struct block block = usual;
    block.num_entries = 0xffff;
    EXPECT_INT(orientation_in(block), 6);
    block.tag = 0x0110;
    EXPECT_INT(orientation_in(block), 1);
}

static void cut_anywhere(void) {
    uint8_t bytes[BLOCK_BYTES];
    fill_block(bytes, &usual);
    for (int64_t size = 0; size <= BLOCK_BYTES; size++) {
        // A copy of exactly that size, so that a sanitizer sees what is read behind it.
        uint8_t *copy = malloc((size_t)size + 1);
        REQUIRE(copy);
        memcpy(copy + 1, bytes, (size_t)size);
        EXPECT_INT(exif_orientation(copy + 1, size), size < 22 ? 1 : 6);
        free(copy);
    }
}

static void not_tiff(void) {
    uint8_t bytes[BLOCK_BYTES];
    fill_block(bytes, &usual);
    bytes[1] = 'M';
    EXPECT_INT(exif_orientation(bytes, BLOCK_BYTES), 1);
    fill_block(bytes, &usual);
    bytes[2] = 43;
    EXPECT_INT(exif_orientation(bytes, BLOCK_BYTES), 1);
}

static struct bytes base_with_orientation(uint32_t value, struct arena *arena) {
    struct block block = usual;
    block.value = value;
    uint8_t content[PREFIX_BYTES + BLOCK_BYTES] = "Exif\0";
    fill_block(content + PREFIX_BYTES, &block);
    return insert_app1(read_image_file("base.jpg", arena), content, sizeof content, arena);
}

static void jpeg_is_turned_upright(void) {
    struct arena arena;
    struct image image;
    struct image_info info;
    struct error err;
    arena_init(&arena, 1 << 16, 0);
    for (uint32_t value = 0; value <= 9; value++) {
        struct bytes jpeg = base_with_orientation(value, &arena);
        int effective = value >= 1 && value <= 8 ? (int)value : 1;
        EXPECT_OK(decode_bytes(&image, &info, jpeg, true, &arena, &err), &err);
        char name[32];
        snprintf(name, sizeof name, "orientation_%d", effective);
        if (image.pixels) expect_reference(&image, name);
        EXPECT_INT(info.exif_orientation, effective);
        EXPECT_INT(info.width, image.width);
        EXPECT_INT(info.height, image.height);
        EXPECT_INT(info.stored_width, 93);
        EXPECT_INT(info.stored_height, 61);

        struct image_limits limits = image_limits_default();
        struct image_info probed;
        EXPECT_OK(image_probe(&probed, jpeg.data, jpeg.size, "test", &limits, true, &err), &err);
        EXPECT_INT(probed.width, image.width);
        EXPECT_INT(probed.height, image.height);

        EXPECT_OK(decode_bytes(&image, &info, jpeg, false, &arena, &err), &err);
        if (image.pixels) expect_reference(&image, "base.jpg");
        EXPECT_INT(info.exif_orientation, effective);
        EXPECT_INT(info.width, 93);
    }
    arena_destroy(&arena);
}

static void png_is_turned_upright(void) {
    struct arena arena;
    struct image image;
    struct image_info info;
    struct error err;
    arena_init(&arena, 1 << 16, 0);
    struct bytes png = read_image_file("exif6.png", &arena);
    EXPECT_OK(decode_bytes(&image, &info, png, true, &arena, &err), &err);
    EXPECT_INT(info.exif_orientation, 6);
    EXPECT_INT(image.width, 61);
    EXPECT_INT(image.height, 93);
    arena_destroy(&arena);
}

static void other_app1_segments_are_passed_over(void) {
    struct arena arena;
    struct image_info info;
    struct error err;
    arena_init(&arena, 1 << 16, 0);
    struct image_limits limits = image_limits_default();
    struct bytes jpeg = base_with_orientation(3, &arena);
    jpeg = insert_app1(jpeg, "http://ns.adobe.com/xap/1.0/", 29, &arena);
    jpeg = insert_app1(jpeg, "Exi", 3, &arena);
    EXPECT_OK(image_probe(&info, jpeg.data, jpeg.size, "test", &limits, true, &err), &err);
    EXPECT_INT(info.exif_orientation, 3);
    arena_destroy(&arena);
}

int main(int argc, char **argv) {
    return run_cases(
        argc, argv,
        (struct test_case[]){
            {"values", values},
            {"other_tags_and_types", other_tags_and_types},
            {"hostile_offsets", hostile_offsets},
            {"cut_anywhere", cut_anywhere},
            {"not_tiff", not_tiff},
            {"jpeg_is_turned_upright", jpeg_is_turned_upright},
            {"png_is_turned_upright", png_is_turned_upright},
            {"other_app1_segments_are_passed_over", other_app1_segments_are_passed_over},
            {0},
        });
}
