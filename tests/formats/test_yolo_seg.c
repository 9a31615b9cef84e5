// YOLO's labels: outlines read by a naive rule, point by point, and by ours.
#include "formats/yolo_seg.h"

#include <stdio.h>
#include <stdlib.h>

#include "data/image.h"
#include "formats/bridge.h"
#include "tests/formats/check_set.h"
#include "tests/harness.h"

static const char *stem(const char *image) {
    static char name[256];
    snprintf(name, sizeof name, "%s", image);
    *strrchr(name, '.') = '\0';
    return name;
}

static void write_labels(const struct annotated_set *set, const char *folder) {
    struct output out;
    struct error err;
    char name[512];
    snprintf(name, sizeof name, "%s/data.yaml", folder);
    open_scratch(&out, name);
    yolo_seg_write_classes(&out, &set->classes);
    EXPECT_OK(output_commit(&out, &err), &err);
    for (int64_t i = 0; i < set->num_images; i++) {
        struct arena scratch;
        double ious[16];
        const struct annotated_image *image = &set->images[i];
        snprintf(name, sizeof name, "%s/labels/%s.txt", folder, stem(image->name));
        arena_init(&scratch, 1 << 16, 0);
        open_scratch(&out, name);
        EXPECT_OK(yolo_seg_write(&out, image, &set->classes, ious, &scratch, &err), &err);
        EXPECT_OK(output_commit(&out, &err), &err);
        for (int64_t k = 0; k < image->num_objects; k++)
            EXPECT(ious[k] == (image->objects[k].is_crowd ? 0 : 1));
        arena_destroy(&scratch);
    }
}

// Whether a point is inside by the even-odd rule: how many edges a ray to the right crosses.
static bool is_inside(const double *xy, int64_t count, double x, double y) {
    bool inside = false;
    for (int64_t i = 0, j = count - 1; i < count; j = i++) {
        double xi = xy[2 * i], yi = xy[2 * i + 1], xj = xy[2 * j], yj = xy[2 * j + 1];
        if ((yi > y) != (yj > y) && x < (xj - xi) * (y - yi) / (yj - yi) + xi) inside = !inside;
    }
    return inside;
}

// The pixels whose centres lie in the outline of a line. Centres are moved a little, to where no
// bridge between corners of pixels passes.
static int64_t count_wrong_pixels(char *line, const struct rle *expected) {
    static double xy[1 << 16];
    int64_t count = 0;
    int64_t num_wrong = 0;
    unsigned char *bytes = mask_bytes(expected);
    for (char *end = line;; count++, line = end) {
        double number = strtod(line, &end);
        if (end == line) break;
        REQUIRE(count < 1 << 16);
        xy[count] = number * (count % 2 == 0 ? expected->width : expected->height);
    }
    for (int y = 0; y < expected->height; y++)
        for (int x = 0; x < expected->width; x++)
            num_wrong +=
                is_inside(xy, count / 2, x + 0.5003, y + 0.4998) != bytes[y * expected->width + x];
    free(bytes);
    return num_wrong;
}

// The noise in the set has more rings than are joined by near bridges.
static void expect_many_rings(const struct annotated_set *set) {
    struct arena arena;
    struct ring *rings = NULL;
    int64_t count = 0;
    struct error err;
    const struct annotated_image *image = &set->images[7];
    arena_init(&arena, 1 << 16, 0);
    EXPECT_OK(rle_to_rings(&image->objects[6].mask, &rings, &count, &arena, &err), &err);
    EXPECT(count > 1000);
    arena_destroy(&arena);
}

static void outlines(void) {
    struct annotated_set set;
    make_set(&set);
    expect_many_rings(&set);
    write_labels(&set, "naive");
    for (int64_t i = 0; i < set.num_images; i++) {
        const struct annotated_image *image = &set.images[i];
        char name[512];
        size_t size = 0;
        snprintf(name, sizeof name, "naive/labels/%s.txt", stem(image->name));
        char *text = read_text(scratch_file(name), &size);
        char *line = text;
        for (int64_t k = 0; k < image->num_objects; k++) {
            const struct annotated_object *object = &image->objects[k];
            if (object->is_crowd || rle_area(&object->mask) == 0) continue;
            char *end = strchr(line, '\n');
            REQUIRE(end);
            *end = '\0';
            EXPECT_INT(strtol(line, &line, 10), object->class_index);
            EXPECT_INT(count_wrong_pixels(line, &object->mask), 0);
            line = end + 1;
        }
        EXPECT_TEXT(line, "");
        free(text);
    }
    annotated_set_destroy(&set);
}

static void save_picture(const char *folder, const struct annotated_image *image) {
    struct output out;
    struct error err;
    char name[512];
    size_t count = (size_t)image->width * (size_t)image->height;
    unsigned char *pixels = calloc(count, 1);
    REQUIRE(pixels);
    snprintf(name, sizeof name, "%s/%s", folder, image->name);
    open_scratch(&out, name);
    EXPECT_OK(image_write_png(pixels, image->width, image->height, SAMPLES_GREY8, 1, &out, &err),
              &err);
    EXPECT_OK(output_commit(&out, &err), &err);
    free(pixels);
}

// What the format cannot hold is taken from what is expected.
static void drop_crowds_and_scores(struct annotated_set *set) {
    for (int64_t i = 0; i < set->num_images; i++) {
        struct annotated_image *image = &set->images[i];
        int64_t count = 0;
        for (int64_t k = 0; k < image->num_objects; k++) {
            image->objects[k].has_score = false;
            image->objects[k].score = 0;
            if (!image->objects[k].is_crowd) image->objects[count++] = image->objects[k];
        }
        image->num_objects = count;
    }
}

static void read_back(void) {
    struct annotated_set set;
    struct annotated_set back;
    struct error err = {0};
    char images[512];
    make_set(&set);
    write_labels(&set, "back");
    for (int64_t i = 0; i < set.num_images; i++)
        save_picture("back/images", &set.images[i]);
    drop_crowds_and_scores(&set);
    annotated_set_init(&back);
    snprintf(images, sizeof images, "%s", scratch_file("back/images"));
    EXPECT_OK(yolo_seg_read(&back, scratch_file("back"), images, &err), &err);
    expect_same_set(&back, &set, MASKS_NOT_EMPTY);
    EXPECT_INT(back.classes.count, set.classes.count);
    annotated_set_destroy(&back);
    annotated_set_init(&back);
    EXPECT_STATUS(yolo_seg_read(&back, scratch_file("back"), "nowhere", &err), STATUS_NO_INPUT,
                  &err);
    EXPECT_CONTAINS(err.message, "nowhere/a.jpg, .jpeg or .png: no such picture");
    annotated_set_destroy(&back);
    annotated_set_destroy(&set);
}

static void save(const char *name, const char *text) {
    struct output out;
    struct error err;
    open_scratch(&out, name);
    output_text(&out, text);
    EXPECT_OK(output_commit(&out, &err), &err);
}

static enum status read_made(struct annotated_set *set, const char *yaml, const char *labels,
                             struct error *err) {
    static const struct annotated_image picture = {.name = "p.png", .width = 40, .height = 20};
    char images[512];
    save("made/data.yaml", yaml);
    save("made/labels/p.txt", labels);
    save_picture("made/images", &picture);
    annotated_set_init(set);
    snprintf(images, sizeof images, "%s", scratch_file("made/images"));
    return yolo_seg_read(set, scratch_file("made"), images, err);
}

// YAML as people write it, boxes among the outlines.
static void other_files(void) {
    static const char *const YAMLS[] = {
        "path: x\nnames: [cat, 'a dog', \"b,c\"]\nnc: 3\n",
        "nc: 3\nnames:\n  0: cat\n  1: 'a dog'\n  2: \"b,c\"\ntrain: images\n",
        "names:\n- cat\n- a dog\n- b,c\nval: x\n",
    };
    for (int i = 0; i < 3; i++) {
        struct annotated_set set;
        struct error err = {0};
        EXPECT_OK(
            read_made(&set, YAMLS[i], "2 0.5 0.5 0.25 0.5\r\n\n1 0 0 .5 0 .5 .5 0 .5\n", &err),
            &err);
        REQUIRE(set.classes.count == 3 && set.num_images == 1 && set.images[0].num_objects == 2);
        EXPECT_TEXT(set.classes.items[1].name, "a dog");
        EXPECT_TEXT(set.classes.items[2].name, "b,c");
        EXPECT_INT(set.images[0].objects[0].class_index, 2);
        EXPECT_INT(rle_area(&set.images[0].objects[0].mask), 100);
        EXPECT_INT(rle_area(&set.images[0].objects[1].mask), 200);
        annotated_set_destroy(&set);
    }
}

static void refusals(void) {
    static const struct {
        const char *yaml, *labels, *message;
    } cases[] = {
        {"nc: 1\n", "", "no names of classes"},
        {"names: [a, a]\n", "", "two classes are named \"a\""},
        {"names: [a]\n", "1 0 0 1 0 1 1\n", "line 1: the class is none of data.yaml"},
        {"names: [a]\n", "\n0 0 0 1 0 1\n", "line 2: "},
        {"names: [a]\n", "0 0 0 1 0 1 x\n", "text that is not a number"},
        {"names: [a]\n", "0 0 0 1 0 1 nan\n", "not a number"},
        {"names: [a]\n", "-1 0 0 1 0 1 1\n", "the class is none"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct annotated_set set;
        struct error err = {0};
        EXPECT_STATUS(read_made(&set, cases[i].yaml, cases[i].labels, &err), STATUS_DATA, &err);
        EXPECT_CONTAINS(err.message, cases[i].message);
        annotated_set_destroy(&set);
    }
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"outlines", outlines},
                         {"read back", read_back},
                         {"other files", other_files},
                         {"refusals", refusals},
                         {0},
                     });
}
