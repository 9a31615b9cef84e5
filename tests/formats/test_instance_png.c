// Instance maps: values as stored, who is on top, and back.
#include "formats/instance_png.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/formats/check_set.h"
#include "tests/harness.h"

static void write_map(const struct annotated_set *set, const struct annotated_image *image,
                      const char *stem, double *ious) {
    struct arena scratch;
    struct output png;
    struct output json;
    struct error err;
    char name[256];
    arena_init(&scratch, 1 << 16, 0);
    snprintf(name, sizeof name, "%s.png", stem);
    open_scratch(&png, name);
    snprintf(name, sizeof name, "%s.json", stem);
    open_scratch(&json, name);
    EXPECT_OK(instance_png_write(&png, &json, image, &set->classes, ious, &scratch, &err), &err);
    EXPECT_OK(output_commit(&png, &err), &err);
    EXPECT_OK(output_commit(&json, &err), &err);
    arena_destroy(&scratch);
}

// Which object a pixel shows, by trying all: the best score, then the smallest.
static int top_object(const struct annotated_image *image, unsigned char *const *bytes, int pixel) {
    int top = -1;
    for (int k = 0; k < image->num_objects; k++) {
        const struct annotated_object *o = &image->objects[k];
        if (!bytes[k][pixel]) continue;
        bool above = top < 0;
        if (top >= 0) {
            double score = o->has_score ? o->score : 0;
            const struct annotated_object *t = &image->objects[top];
            double top_score = t->has_score ? t->score : 0;
            above = score > top_score ||
                    (score == top_score && rle_area(&o->mask) < rle_area(&t->mask));
        }
        if (above) top = k;
    }
    return top;
}

static void expect_values(bool with_scores) {
    struct annotated_set set;
    make_set(&set);
    for (int64_t i = 0; i < set.num_images && !with_scores; i++)
        for (int64_t k = 0; k < set.images[i].num_objects; k++)
            set.images[i].objects[k].has_score = false;
    for (int64_t i = 0; i < set.num_images; i++) {
        const struct annotated_image *image = &set.images[i];
        double ious[16];
        unsigned char *bytes[16];
        int64_t seen[16] = {0};
        int width = 0;
        int height = 0;
        size_t size = 0;
        int64_t num_wrong = 0;
        write_map(&set, image, "map", ious);
        char *file = read_text(scratch_file("map.png"), &size);
        unsigned short *samples =
            decode_grey_png((const unsigned char *)file, size, &width, &height);
        REQUIRE(width == image->width && height == image->height);
        for (int64_t k = 0; k < image->num_objects; k++)
            bytes[k] = mask_bytes(&image->objects[k].mask);
        for (int p = 0; p < width * height; p++) {
            int top = top_object(image, bytes, p);
            num_wrong += samples[p] != top + 1;
            if (top >= 0) seen[top]++;
        }
        EXPECT_INT(num_wrong, 0);
        for (int64_t k = 0; k < image->num_objects; k++) {
            int64_t area = rle_area(&image->objects[k].mask);
            EXPECT_NEAR(ious[k], area ? (double)seen[k] / (double)area : 1, 1e-15);
            free(bytes[k]);
        }
        free(samples);
        free(file);
    }
    annotated_set_destroy(&set);
}

static void values(void) {
    expect_values(true);
    expect_values(false);
}

// Objects that do not overlap come back bit for bit, also more of them than a byte numbers.
static void read_back(void) {
    struct annotated_set set;
    struct annotated_set back;
    struct error err;
    struct annotated_image *image = NULL;
    static uint8_t bytes[40 * 30];
    static double ious[300];
    annotated_set_init(&set);
    EXPECT_OK(annotated_set_add_image(&set, &image, &err), &err);
    image->name = "x/y.jpg";
    image->width = 40;
    image->height = 30;
    for (int k = 0; k < 300; k++) {
        struct annotated_object *object = NULL;
        EXPECT_OK(annotated_image_add_object(image, &object, &err), &err);
        EXPECT_OK(
            annotated_set_need_class(&set, k % 2 ? "odd" : "even", &object->class_index, &err),
            &err);
        memset(bytes, 0, sizeof bytes);
        for (int p = 4 * k; p < 4 * k + 4 - k % 3; p++)
            bytes[p] = 1;
        EXPECT_OK(rle_encode(&object->mask, bytes, 30, 40, &set.arena, &err), &err);
        object->has_score = k % 5 > 0;
        object->score = object->has_score ? 0.5 : 0;
        object->is_crowd = k == 7;
    }
    EXPECT_OK(annotated_set_number(&set, &err), &err);
    write_map(&set, image, "many/x/y", ious);
    for (int k = 0; k < 300; k++)
        EXPECT(ious[k] == 1);
    annotated_set_init(&back);
    EXPECT_OK(instance_png_read(&back, scratch_file("many"), &err), &err);
    expect_same_set(&back, &set, MASKS_ALL);
    annotated_set_destroy(&back);
    annotated_set_destroy(&set);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"values", values}, {"read back", read_back}, {0}});
}
