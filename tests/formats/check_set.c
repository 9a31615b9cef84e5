#include "tests/formats/check_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <png.h>

#include "base/random.h"
#include "tests/harness.h"

enum { NUM_IMAGES = 9, NUM_KINDS = 9, PATH_BYTES = 512 };

static bool is_set(int kind, int x, int y, int width, int height, struct random *random) {
    int dx = x < width - 1 - x ? x : width - 1 - x; // distance from the border
    int dy = y < height - 1 - y ? y : height - 1 - y;
    int border = dx < dy ? dx : dy;
    switch (kind) {
    case 0:
        return x >= width / 4 && x < width / 2 && y >= height / 3;
    case 1: // rings in one another
        return border % 4 < 2;
    case 2: // parts that touch at corners
        return (x / 3 + y / 3) % 2 == 0;
    case 3:
        return x == width / 2 && y == height / 2;
    case 4:
        return true;
    case 5: // parts at all borders
        return border == 0 && (x + y) % 7 < 4;
    case 6:
        return random_below(random, 3) == 0;
    case 7: // an outline with a thin slit
        return x > 1 && y > 1 && x < width - 2 && y < height - 2 && x != width / 2;
    default:
        return false;
    }
}

static void add_object(struct annotated_set *set, struct annotated_image *image, int kind,
                       struct random *random) {
    static const char *const CLASSES[] = {"person", "fire <hydrant>", "a \"b\", c",
                                          "d\xC3\xA9j\xC3\xA0"};
    struct annotated_object *object = NULL;
    struct error err;
    int64_t count = (int64_t)image->width * image->height;
    uint8_t *bytes = malloc((size_t)count);
    REQUIRE(bytes);
    for (int64_t i = 0; i < count; i++)
        bytes[i] = is_set(kind, (int)(i % image->width), (int)(i / image->width), image->width,
                          image->height, random);
    EXPECT_OK(annotated_image_add_object(image, &object, &err), &err);
    EXPECT_OK(annotated_set_need_class(set, CLASSES[kind % 4], &object->class_index, &err), &err);
    EXPECT_OK(rle_encode(&object->mask, bytes, image->height, image->width, &set->arena, &err),
              &err);
    object->has_score = kind != 3;
    object->score = object->has_score ? (double)(float)(0.9 - 0.05 * kind) : 0;
    object->is_crowd = kind == 7;
    free(bytes);
}

void make_set(struct annotated_set *set) {
    static const char *const NAMES[NUM_IMAGES] = {"a.jpg", "b/c d.png", "b/e&f.jpeg",
                                                  "g.jpg", "h/i/j.jpg", "k.jpg",
                                                  "l.jpg", "m.JPG",     "n.jpg"};
    static const int32_t SIZES[NUM_IMAGES][2] = {{20, 15}, {15, 20}, {64, 48},  {1, 1}, {7, 1},
                                                 {1, 9},   {33, 31}, {128, 96}, {5, 5}};
    struct random random = random_stream(1, 1);
    struct error err;
    annotated_set_init(set);
    for (int i = 0; i < NUM_IMAGES; i++) {
        struct annotated_image *image = NULL;
        EXPECT_OK(annotated_set_add_image(set, &image, &err), &err);
        image->name = NAMES[i];
        image->width = SIZES[i][0];
        image->height = SIZES[i][1];
        for (int kind = 0; kind < NUM_KINDS && i != NUM_IMAGES - 1; kind++)
            add_object(set, image, kind, &random);
    }
    EXPECT_OK(annotated_set_number(set, &err), &err);
}

static bool same_mask(const struct rle *a, const struct rle *b) {
    unsigned char *x = mask_bytes(a);
    unsigned char *y = mask_bytes(b);
    bool same = a->height == b->height && a->width == b->width &&
                memcmp(x, y, (size_t)a->height * (size_t)a->width) == 0;
    free(x);
    free(y);
    return same;
}

static void expect_same_object(const struct annotated_set *got_set,
                               const struct annotated_object *got,
                               const struct annotated_set *expected_set,
                               const struct annotated_object *expected) {
    EXPECT_TEXT(got_set->classes.items[got->class_index].name,
                expected_set->classes.items[expected->class_index].name);
    EXPECT_INT(got->has_score, expected->has_score);
    EXPECT(equal_bits(&got->score, &expected->score, sizeof got->score));
    EXPECT_INT(got->is_crowd, expected->is_crowd);
    EXPECT(same_mask(&got->mask, &expected->mask));
}

void expect_same_set(const struct annotated_set *got, const struct annotated_set *expected,
                     enum masks_kept kept) {
    REQUIRE(got->num_images == expected->num_images);
    for (int64_t i = 0; i < got->num_images; i++) {
        const struct annotated_image *a = &got->images[i];
        const struct annotated_image *b = &expected->images[i];
        int64_t k = 0;
        EXPECT_TEXT(a->name, b->name);
        EXPECT_INT(a->id, b->id);
        EXPECT_INT(a->width, b->width);
        EXPECT_INT(a->height, b->height);
        for (int64_t j = 0; j < b->num_objects; j++) {
            if (kept == MASKS_NOT_EMPTY && rle_area(&b->objects[j].mask) == 0) continue;
            REQUIRE(k < a->num_objects);
            expect_same_object(got, &a->objects[k++], expected, &b->objects[j]);
        }
        EXPECT_INT(a->num_objects, k);
    }
}

unsigned char *mask_bytes(const struct rle *mask) {
    unsigned char *bytes = malloc((size_t)mask->height * (size_t)mask->width);
    REQUIRE(bytes);
    rle_decode(mask, bytes);
    return bytes;
}

const char *scratch_file(const char *name) {
    static char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", scratch_folder(), name);
    return path;
}

void open_scratch(struct output *out, const char *name) {
    char path[PATH_BYTES];
    struct error err;
    snprintf(path, sizeof path, "%s", scratch_file(name));
    for (char *c = path + strlen(scratch_folder()) + 1; *c; c++) {
        if (*c != '/') continue;
        *c = '\0';
        mkdir(path, 0700);
        *c = '/';
    }
    EXPECT_OK(output_open_file(out, path, &err), &err);
}

char *read_text(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    REQUIRE(file);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    char *text = malloc(*size + 1);
    REQUIRE(text && fread(text, 1, *size, file) == *size);
    text[*size] = '\0';
    fclose(file);
    return text;
}

struct memory {
    const unsigned char *at;
    size_t left;
};

static void read_memory(png_struct *png, png_byte *to, size_t count) {
    struct memory *memory = png_get_io_ptr(png);
    if (count > memory->left) png_error(png, "cut off");
    memcpy(to, memory->at, count);
    memory->at += count;
    memory->left -= count;
}

unsigned short *decode_grey_png(const unsigned char *bytes, size_t size, int *width, int *height) {
    struct memory memory = {bytes, size};
    png_struct *png = png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_info *info = png_create_info_struct(png);
    png_set_read_fn(png, &memory, read_memory);
    png_read_png(png, info, PNG_TRANSFORM_IDENTITY, NULL);
    REQUIRE(png_get_color_type(png, info) == PNG_COLOR_TYPE_GRAY);
    int depth = png_get_bit_depth(png, info);
    REQUIRE(depth == 8 || depth == 16);
    *width = (int)png_get_image_width(png, info);
    *height = (int)png_get_image_height(png, info);
    unsigned short *samples = malloc((size_t)*width * (size_t)*height * sizeof *samples);
    REQUIRE(samples);
    png_byte **rows = png_get_rows(png, info);
    for (int y = 0; y < *height; y++)
        for (int x = 0; x < *width; x++)
            samples[y * *width + x] =
                (unsigned short)(depth == 8 ? rows[y][x]
                                            : rows[y][2 * x] << 8 | rows[y][2 * x + 1]);
    png_destroy_read_struct(&png, &info, NULL);
    return samples;
}

unsigned char *decode_base64(const char *text, size_t *size) {
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t length = strlen(text);
    unsigned char *bytes = calloc(length + 4, 1);
    REQUIRE(bytes && length % 4 == 0);
    *size = 0;
    for (size_t bit = 0; bit < 6 * length; bit++) {
        const char *digit = strchr(DIGITS, text[bit / 6]);
        if (text[bit / 6] == '=') break;
        REQUIRE(digit);
        if ((digit - DIGITS) >> (5 - bit % 6) & 1)
            bytes[bit / 8] |= (unsigned char)(128 >> bit % 8);
        *size = (bit + 1) / 8;
    }
    return bytes;
}
