// Shapes: distances against geometry, labels against the picture's owner map, sets against
// themselves on another number of threads, and all of it against the checks of annotation sets.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file_view.h"
#include "base/random.h"
#include "data/coco_check.h"
#include "data/shapes.h"
#include "data/shapes_set.h"
#include "tests/harness.h"

enum { PATH_BYTES = 512 };

static const double pi = 3.14159265358979323846;

// ---- Distances ----

static struct outline make(enum shape_kind kind, double radius, double angle) {
    return outline_make(&(struct shape){kind, 100, 120, radius, angle});
}

// Pixel centres inside, in units of the squared radius.
static double relative_area(const struct outline *outline) {
    int64_t count = 0;
    for (int y = 0; y < 240; y++)
        for (int x = 0; x < 200; x++)
            count += outline_distance(outline, x + 0.5, y + 0.5) < 0;
    return (double)count / (outline->shape.radius * outline->shape.radius);
}

static void areas(void) {
    struct outline disk = make(SHAPE_DISK, 80, 0.3);
    struct outline ring = make(SHAPE_RING, 80, 0.3);
    struct outline square = make(SHAPE_SQUARE, 80, 0.3);
    struct outline triangle = make(SHAPE_TRIANGLE, 80, 0.3);
    EXPECT_NEAR(relative_area(&disk), pi, 0.005);
    EXPECT_NEAR(relative_area(&ring), pi * (1 - 0.48 * 0.48), 0.005); // radii 0.48 and 1
    EXPECT_NEAR(relative_area(&square), 1.4 * 1.4, 0.01);
    // Corners at 0.95 of the radius, then grown by 0.05: area + outline * 0.05 + 0.05^2 pi.
    double side = 0.95 * sqrt(3);
    EXPECT_NEAR(relative_area(&triangle), sqrt(3) / 4 * side * side + 3 * side * 0.05 + pi * 0.0025,
                0.01);
}

static void exact_distances(void) {
    struct outline disk = make(SHAPE_DISK, 50, 1);
    EXPECT_NEAR(outline_distance(&disk, 100, 120), -50, 1e-12);
    EXPECT_NEAR(outline_distance(&disk, 170, 120), 20, 1e-12);
    struct outline ring = make(SHAPE_RING, 50, 1);
    EXPECT_NEAR(outline_distance(&ring, 100, 120), 24, 1e-12); // the hole
    struct outline square = make(SHAPE_SQUARE, 50, 0);
    EXPECT_NEAR(outline_distance(&square, 100, 120), -35, 1e-12);
    EXPECT_NEAR(outline_distance(&square, 150, 120), 15, 1e-12);
    struct outline turned = make(SHAPE_SQUARE, 50, pi / 2);
    EXPECT_NEAR(outline_distance(&turned, 150, 130), 15, 1e-9);
}

// A distance changes by no more than the way one goes; outside the circle it is positive; turning
// the shape and the point together changes nothing.
static void distance_properties(void) {
    struct random random = random_stream(5, 0);
    for (enum shape_kind kind = 0; kind <= SHAPE_BAR; kind++) {
        struct outline outline = make(kind, 60, 0.7);
        struct outline turned = make(kind, 60, 0.7 + 1.1);
        for (int i = 0; i < 2000; i++) {
            double x = random_between(&random, 20, 180);
            double y = random_between(&random, 40, 200);
            double step_x = random_normal(&random);
            double step_y = random_normal(&random);
            double here = outline_distance(&outline, x, y);
            double there = outline_distance(&outline, x + step_x, y + step_y);
            EXPECT(fabs(here - there) <= hypot(step_x, step_y) + 1e-9);
            if (hypot(x - 100, y - 120) > 60 * 1.01) EXPECT(here > 0);
            double from_x = x - 100;
            double from_y = y - 120;
            EXPECT_NEAR(outline_distance(&turned, 100 + from_x * cos(1.1) - from_y * sin(1.1),
                                         120 + from_x * sin(1.1) + from_y * cos(1.1)),
                        here, 1e-9);
        }
    }
}

// ---- Scenes ----

enum { NUM_SCENES = 120, WIDTH = 160, HEIGHT = 120 };

static void compose(struct shape_scene *scene, uint64_t number, struct arena *arena) {
    struct error err;
    REQUIRE(shape_scene_compose(scene, SHAPES_RICH, 11, number, WIDTH, HEIGHT, arena, &err) ==
            STATUS_OK);
}

// What the scenes of a set hold, all in all.
struct variety {
    int64_t classes[NUM_SHAPE_CLASSES];
    int64_t forms[SEGMENT_COUNTS + 1];
    int64_t num_empty;
    int64_t num_crowds;
    int64_t num_split;  // of several polygons
    int64_t num_hidden; // partly, by others
};

static void expect_label(const struct shape_scene *scene, int index,
                         const struct coco_annotation *label, uint8_t *mask, struct arena *arena) {
    struct error err;
    struct rle rle;
    const struct shape_object *object = &scene->objects[index];
    REQUIRE(coco_segment_to_rle(&rle, &label->segment, HEIGHT, WIDTH, arena, &err) == STATUS_OK);
    REQUIRE(rle.height == HEIGHT && rle.width == WIDTH);
    rle_decode(&rle, mask);
    int64_t num_wrong = 0;
    int64_t num_owned = 0;
    for (int64_t i = 0; i < WIDTH * HEIGHT; i++) {
        num_wrong += mask[i] != (scene->owner[i] == index + 1);
        num_owned += scene->owner[i] == index + 1;
    }
    EXPECT_INT(num_wrong, 0);
    EXPECT_INT(object->num_visible, num_owned);
    EXPECT(label->area == (double)num_owned);
    EXPECT(num_owned >= 40); // what is drawn can be seen
    struct coco_box box = rle_box(&rle);
    EXPECT(label->box.x == box.x && label->box.y == box.y && label->box.width == box.width &&
           label->box.height == box.height);
    EXPECT_INT(label->category_id, 1 + (int)object->kind);
    EXPECT_INT(label->is_crowd, object->is_crowd);
}

static void labels(void) {
    struct variety variety = {0};
    struct arena arena;
    struct error err;
    arena_init(&arena, 1 << 20, 0);
    for (uint64_t number = 0; number < NUM_SCENES; number++) {
        struct arena_mark mark = arena_mark(&arena);
        struct shape_scene scene;
        struct coco_annotation *list = NULL;
        int64_t count = 0;
        compose(&scene, number, &arena);
        EXPECT_OK(shape_scene_label(&scene, &list, &count, &arena, &err), &err);
        uint8_t *mask = arena_alloc(&arena, WIDTH * HEIGHT, 1);
        REQUIRE(mask);
        int64_t next = 0;
        for (int i = 0; i < scene.num_objects; i++) {
            if (scene.objects[i].kind == SHAPE_BAR) continue;
            REQUIRE(next < count);
            const struct coco_annotation *label = &list[next++];
            expect_label(&scene, i, label, mask, &arena);
            variety.classes[scene.objects[i].kind]++;
            variety.forms[label->segment.kind]++;
            variety.num_crowds += label->is_crowd;
            variety.num_split +=
                label->segment.kind == SEGMENT_POLYGONS && label->segment.count > 1;
            variety.num_hidden += scene.objects[i].num_visible < scene.objects[i].num_pixels;
        }
        EXPECT_INT(next, count);
        variety.num_empty += count == 0;
        arena_release(&arena, mark);
    }
    for (int i = 0; i < NUM_SHAPE_CLASSES; i++)
        EXPECT(variety.classes[i] > 10);
    for (int i = SEGMENT_POLYGONS; i <= SEGMENT_COUNTS; i++)
        EXPECT(variety.forms[i] > 10);
    EXPECT(variety.num_empty > 0 && variety.num_empty < NUM_SCENES / 5);
    EXPECT(variety.num_crowds > 5);
    EXPECT(variety.num_split > 10);
    EXPECT(variety.num_hidden > 50);
    arena_destroy(&arena);
}

// A scene depends on its seed and number only, and the picture on the scene only.
static void scenes_repeat(void) {
    struct arena arena;
    struct error err;
    arena_init(&arena, 1 << 20, 0);
    for (uint64_t number = 0; number < 8; number++) {
        struct shape_scene scenes[2];
        struct image pictures[2];
        for (int i = 0; i < 2; i++) {
            compose(&scenes[i], number, &arena);
            EXPECT_OK(shape_scene_paint(&pictures[i], &scenes[i], &arena, &err), &err);
        }
        EXPECT_INT(pictures[0].width, WIDTH);
        EXPECT_INT(pictures[0].height, HEIGHT);
        EXPECT(memcmp(scenes[0].owner, scenes[1].owner, WIDTH * HEIGHT) == 0);
        EXPECT(memcmp(pictures[0].pixels, pictures[1].pixels, 3 * WIDTH * HEIGHT) == 0);
        struct shape_scene other;
        compose(&other, number + 1, &arena);
        EXPECT_OK(shape_scene_paint(&pictures[1], &other, &arena, &err), &err);
        EXPECT(memcmp(pictures[0].pixels, pictures[1].pixels, 3 * WIDTH * HEIGHT) != 0);
    }
    arena_destroy(&arena);
}

static void smallest_and_longest(void) {
    static const int32_t sizes[][2] = {
        {SCENE_MIN_SIDE, SCENE_MIN_SIDE}, {SCENE_MIN_SIDE, 900}, {900, SCENE_MIN_SIDE}, {33, 47}};
    struct arena arena;
    struct error err;
    arena_init(&arena, 1 << 20, 0);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (uint64_t number = 0; number < 20; number++) {
            struct shape_scene scene;
            struct image picture;
            struct coco_annotation *list = NULL;
            int64_t count = 0;
            struct arena_mark mark = arena_mark(&arena);
            EXPECT_OK(shape_scene_compose(&scene, SHAPES_RICH, 3, number, sizes[i][0], sizes[i][1],
                                          &arena, &err),
                      &err);
            EXPECT_OK(shape_scene_paint(&picture, &scene, &arena, &err), &err);
            EXPECT_OK(shape_scene_label(&scene, &list, &count, &arena, &err), &err);
            EXPECT_OK(shape_scene_guess(&scene, 0, &list, &count, &arena, &err), &err);
            arena_release(&arena, mark);
        }
    arena_destroy(&arena);
}

static void sizes_drawn(void) {
    int32_t smallest = INT32_MAX;
    int32_t largest = 0;
    for (uint64_t number = 0; number < 1000; number++) {
        int32_t width = 0;
        int32_t height = 0;
        shape_scene_draw_size(1, number, 40, 50, &width, &height);
        EXPECT(width >= 40 && width <= 50 && height >= 40 && height <= 50);
        if (width < smallest) smallest = width;
        if (height > largest) largest = height;
    }
    EXPECT_INT(smallest, 40);
    EXPECT_INT(largest, 50);
}

// ---- Guesses ----

// The best mask IoU that a guess of the right class has with the label.
static double best_overlap(const struct coco_annotation *label,
                           const struct coco_annotation *guesses, int64_t count,
                           struct arena *arena) {
    struct error err;
    struct rle truth;
    double best = 0;
    REQUIRE(coco_segment_to_rle(&truth, &label->segment, HEIGHT, WIDTH, arena, &err) == STATUS_OK);
    for (int64_t i = 0; i < count; i++) {
        struct rle rle;
        if (guesses[i].category_id != label->category_id) continue;
        REQUIRE(coco_segment_to_rle(&rle, &guesses[i].segment, 0, 0, arena, &err) == STATUS_OK);
        best = fmax(best, rle_iou(&rle, &truth, false));
    }
    return best;
}

// Mean over the labels of 60 scenes.
static double mean_overlap(double quality) {
    struct arena arena;
    struct error err;
    double sum = 0;
    int64_t num_labels = 0;
    arena_init(&arena, 1 << 20, 0);
    for (uint64_t number = 0; number < 60; number++) {
        struct arena_mark mark = arena_mark(&arena);
        struct shape_scene scene;
        struct coco_annotation *list = NULL;
        struct coco_annotation *guesses = NULL;
        int64_t count = 0;
        int64_t num_guesses = 0;
        compose(&scene, number, &arena);
        EXPECT_OK(shape_scene_label(&scene, &list, &count, &arena, &err), &err);
        EXPECT_OK(shape_scene_guess(&scene, quality, &guesses, &num_guesses, &arena, &err), &err);
        for (int64_t i = 0; i < count; i++) {
            if (list[i].is_crowd) continue;
            sum += best_overlap(&list[i], guesses, num_guesses, &arena);
            num_labels++;
        }
        for (int64_t i = 0; i < num_guesses; i++)
            EXPECT(guesses[i].score > 0 && guesses[i].score <= 1 && guesses[i].has_box);
        arena_release(&arena, mark);
    }
    arena_destroy(&arena);
    return sum / (double)num_labels;
}

static void guesses(void) {
    double poor = mean_overlap(0);
    double fair = mean_overlap(0.5);
    double perfect = mean_overlap(1);
    EXPECT(poor < fair && fair < perfect);
    EXPECT(poor > 0.05 && poor < 0.6);
    EXPECT_NEAR(perfect, 1, 0);
}

// ---- Sets ----

static const char *scratch_path(const char *name) {
    static char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", scratch_folder(), name);
    return path;
}

static void write_set(const char *name, int64_t num_train, int64_t num_val, int num_threads) {
    struct error err;
    char results[PATH_BYTES];
    snprintf(results, sizeof results, "%s/%s.json", scratch_folder(), name);
    struct shapes_set_options options = {
        .seed = 4,
        .num_train = num_train,
        .num_val = num_val,
        .min_side = 60,
        .max_side = 90,
        .jpeg_quality = 90,
        .results_path = results,
        .results_quality = 0.7,
    };
    if (num_threads) REQUIRE(workers_create(&options.workers, num_threads, &err) == STATUS_OK);
    struct shapes_set_counts counts;
    EXPECT_OK(shapes_write_set(scratch_path(name), &options, &counts, &err), &err);
    EXPECT_INT(counts.num_images, num_train + num_val);
    EXPECT(counts.num_annotations > 0 && counts.num_results > 0);
    workers_destroy(options.workers);
}

static bool same_file(const char *first, const char *second) {
    struct file_view a;
    struct file_view b;
    struct error err;
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s", scratch_path(first));
    REQUIRE(file_view_open(&a, path, 0, &err) == STATUS_OK);
    REQUIRE(file_view_open(&b, scratch_path(second), 0, &err) == STATUS_OK);
    bool same = a.size > 0 && a.size == b.size && memcmp(a.data, b.data, (size_t)a.size) == 0;
    file_view_close(&a);
    file_view_close(&b);
    return same;
}

static void sets_repeat(void) {
    enum { NUM_TRAIN = 40, NUM_VAL = 5 }; // more than are drawn side by side
    write_set("one", NUM_TRAIN, NUM_VAL, 0);
    write_set("four", NUM_TRAIN, NUM_VAL, 4);
    EXPECT(same_file("one.json", "four.json"));
    EXPECT(
        same_file("one/annotations/instances_train.json", "four/annotations/instances_train.json"));
    EXPECT(same_file("one/annotations/instances_val.json", "four/annotations/instances_val.json"));
    for (int i = 1; i <= NUM_TRAIN; i++) {
        char first[64];
        char second[64];
        snprintf(first, sizeof first, "one/images/train_%06d.jpg", i);
        snprintf(second, sizeof second, "four/images/train_%06d.jpg", i);
        EXPECT(same_file(first, second));
    }
}

static void splits_are_independent(void) {
    write_set("short", 2, 3, 0);
    write_set("long", 6, 3, 0);
    EXPECT(same_file("short/images/train_000002.jpg", "long/images/train_000002.jpg"));
    EXPECT(same_file("short/images/val_000003.jpg", "long/images/val_000003.jpg"));
    EXPECT(
        same_file("short/annotations/instances_val.json", "long/annotations/instances_val.json"));
    EXPECT(same_file("short.json", "long.json")); // results are of val
    EXPECT(!same_file("long/images/val_000003.jpg", "long/images/train_000003.jpg"));
    write_set("alone", 3, 0, 0);
    EXPECT(access(scratch_path("alone/annotations/instances_val.json"), F_OK) != 0);
    EXPECT(access(scratch_path("alone/images/val_000001.jpg"), F_OK) != 0);
}

// The strictest reader that there is finds nothing to say.
static void sets_are_clean(void) {
    write_set("clean", 30, 0, 0);
    struct coco_set set;
    struct coco_report report;
    struct error err;
    const struct coco_load_options load_options = {0};
    char folder[PATH_BYTES];
    snprintf(folder, sizeof folder, "%s", scratch_path("clean/images"));
    const struct coco_check_options options = {folder, 10, NULL};
    const char *path = scratch_path("clean/annotations/instances_train.json");
    REQUIRE(coco_load_annotations(&set, path, &load_options, &err) == STATUS_OK);
    REQUIRE(coco_check(&report, &set, &options, &err) == STATUS_OK);
    for (int64_t i = 0; i < report.problems.count; i++)
        printf("%s\n", report.problems.items[i].text);
    EXPECT_INT(report.problems.count, 0);
    EXPECT_INT(set.num_images, 30);
    EXPECT_INT(set.num_categories, NUM_SHAPE_CLASSES);
    coco_report_destroy(&report);
    coco_destroy(&set);
}

static void unwritable(void) {
    struct error err;
    const struct shapes_set_options options = {
        .num_train = 1, .width = 40, .height = 40, .jpeg_quality = 90};
    EXPECT_STATUS(shapes_write_set(scratch_path("no/such/folder"), &options, NULL, &err),
                  STATUS_CANNOT_WRITE, &err);
    EXPECT_CONTAINS(err.message, "no/such/folder: cannot make the folder");
    EXPECT_STATUS(shapes_write_set("/dev/null", &options, NULL, &err), STATUS_CANNOT_WRITE, &err);
    struct shapes_set_options with_results = options;
    with_results.results_path = "/no-such-folder/results.json";
    EXPECT_STATUS(shapes_write_set(scratch_path("half"), &with_results, NULL, &err),
                  STATUS_CANNOT_WRITE, &err);
    EXPECT_CONTAINS(err.message, "/no-such-folder/results.json");
    EXPECT(access(scratch_path("half/annotations/instances_train.json"), F_OK) != 0);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"areas", areas},
                                          {"exact_distances", exact_distances},
                                          {"distance_properties", distance_properties},
                                          {"labels", labels},
                                          {"scenes_repeat", scenes_repeat},
                                          {"smallest_and_longest", smallest_and_longest},
                                          {"sizes_drawn", sizes_drawn},
                                          {"guesses", guesses},
                                          {"sets_repeat", sets_repeat},
                                          {"splits_are_independent", splits_are_independent},
                                          {"sets_are_clean", sets_are_clean},
                                          {"unwritable", unwritable},
                                          {0}});
}
