// What the image tests share: the files in tests/data/images, and the reference beside them.
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/file_view.h"
#include "data/image.h"
#include "tests/harness.h"
#include "tests/sha256.h"

struct bytes {
    uint8_t *data;
    int64_t size;
};

// A copy of tests/data/images/NAME in arena.
static inline struct bytes read_image_file(const char *name, struct arena *arena) {
    char path[512];
    snprintf(path, sizeof path, "%s/data/images/%s", TESTS_DIR, name);
    struct file_view view;
    struct error err;
    REQUIRE(file_view_open(&view, path, 0, &err) == STATUS_OK);
    struct bytes bytes = {arena_alloc(arena, view.size, 1), view.size};
    memcpy(bytes.data, view.data, (size_t)view.size);
    file_view_close(&view);
    return bytes;
}

// A line of reference.txt.
struct reference {
    char name[64];
    int width;
    int height;
    char hash[SHA256_TEXT_BYTES];
};

static inline bool find_reference(const char *name, struct reference *found) {
    char path[512];
    snprintf(path, sizeof path, "%s/data/images/reference.txt", TESTS_DIR);
    FILE *file = fopen(path, "r");
    if (!file) return false;
    bool is_there = false;
    while (!is_there && fscanf(file, "%63s %d %d %64s", found->name, &found->width, &found->height,
                               found->hash) == 4)
        is_there = strcmp(found->name, name) == 0;
    fclose(file);
    return is_there;
}

static inline void expect_reference(const struct image *image, const char *name) {
    struct reference reference;
    char hash[SHA256_TEXT_BYTES];
    REQUIRE(find_reference(name, &reference));
    EXPECT_INT(image->width, reference.width);
    EXPECT_INT(image->height, reference.height);
    sha256_text(image->pixels, (int64_t)image->width * image->height * 3, hash);
    if (strcmp(hash, reference.hash) != 0) printf("         %s differs\n", name);
    EXPECT_TEXT(hash, reference.hash);
}

static inline enum status decode_bytes(struct image *image, struct image_info *info,
                                       struct bytes bytes, bool apply_exif, struct arena *arena,
                                       struct error *err) {
    struct image_limits limits = image_limits_default();
    return image_decode(image, info, bytes.data, bytes.size, "test", &limits, apply_exif, arena,
                        err);
}

// Decodes a file of the folder and compares with what Pillow read.
static inline void expect_file_as_reference(const char *name, struct image_info *info) {
    struct arena arena;
    struct error err;
    struct image image;
    arena_init(&arena, 1 << 16, 0);
    struct bytes bytes = read_image_file(name, &arena);
    EXPECT_OK(decode_bytes(&image, info, bytes, false, &arena, &err), &err);
    if (image.pixels) expect_reference(&image, name);
    arena_destroy(&arena);
}

// The pattern of pattern() in images/make.py.
static inline struct image make_pattern(int32_t width, int32_t height, struct arena *arena) {
    struct image image = {width, height, arena_alloc(arena, (int64_t)width * height, 3)};
    CHECK(image.pixels);
    for (int32_t y = 0; y < height; y++)
        for (int32_t x = 0; x < width; x++)
            for (int32_t c = 0; c < 3; c++)
                image.pixels[3 * ((int64_t)y * width + x) + c] =
                    (uint8_t)((x * 7 + y * 13 + c * 29) ^ (x * y));
    return image;
}

// A JPEG with an APP1 segment of size bytes put behind its first marker.
static inline struct bytes insert_app1(struct bytes jpeg, const void *content, int64_t size,
                                       struct arena *arena) {
    struct bytes result = {arena_alloc(arena, jpeg.size + size + 4, 1), jpeg.size + size + 4};
    const uint8_t head[] = {
        0xff, 0xd8, 0xff, 0xe1, (uint8_t)((size + 2) >> 8), (uint8_t)(size + 2)};
    memcpy(result.data, head, sizeof head);
    memcpy(result.data + sizeof head, content, (size_t)size);
    memcpy(result.data + sizeof head + size, jpeg.data + 2, (size_t)jpeg.size - 2);
    return result;
}
