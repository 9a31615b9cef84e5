// Groups of training images: what they hold, that it does not depend on threads, errors in order,
// an end at any time, and memory that stays as it is.
#include "train/loader.h"

#include <stdio.h>
#include <unistd.h>

#include "base/hash.h"
#include "data/coco_image.h"
#include "data/shapes_set.h"
#include "tests/harness.h"
#include "tests/train/check_data.h"

enum { PATH_BYTES = 4096, SET_IMAGES = 13 };

static struct training_data data;
static struct error err;
static char set_path[PATH_BYTES];
static char image_folder[PATH_BYTES];

// A drawn set of images of many sizes, of both orientations.
static void begin(const char *const *settings) {
    const struct shapes_set_options options = {
        .seed = 3, .num_train = SET_IMAGES, .min_side = 70, .max_side = 140, .jpeg_quality = 90};
    snprintf(set_path, sizeof set_path, "%s/annotations/instances_train.json", scratch_folder());
    snprintf(image_folder, sizeof image_folder, "%s/images", scratch_folder());
    EXPECT_OK(shapes_write_set(scratch_folder(), &options, NULL, &err), &err);
    training_data_load(&data, set_path, settings);
    training_data_make(&data);
    EXPECT(data.dataset.num_images >= SET_IMAGES - 3);
}

static struct loader_options options_of(int num_threads, int num_groups) {
    return (struct loader_options){
        .dataset = &data.dataset,
        .model = &data.model,
        .image_folder = image_folder,
        .seed = 11,
        .augments = true,
        .stride = 1,
        .num_threads = num_threads,
        .num_groups = num_groups,
    };
}

static struct loader *create(const struct loader_options *options) {
    struct loader *loader = NULL;
    EXPECT_OK(loader_create(&loader, options, &err), &err);
    REQUIRE(loader != NULL);
    return loader;
}

static const struct group *next(struct loader *loader) {
    const struct group *group = NULL;
    enum status status = loader_next(loader, &group, &err);
    EXPECT_STATUS(status, STATUS_OK, &err);
    REQUIRE(status == STATUS_OK);
    return group;
}

// ---- What a group holds ----

static void mirror(struct image *image) {
    for (int64_t y = 0; y < image->height; y++)
        for (int64_t x = 0; x < image->width / 2; x++)
            for (int c = 0; c < 3; c++) {
                uint8_t *row = image->pixels + y * image->width * 3;
                uint8_t value = row[3 * x + c];
                row[3 * x + c] = row[3 * (image->width - 1 - x) + c];
                row[3 * (image->width - 1 - x) + c] = value;
            }
}

static bool same_truth(const struct image_truth *a, const struct image_truth *b) {
    if (a->count != b->count || !equal_bits(a->boxes, b->boxes, 16 * (size_t)a->count) ||
        !equal_bits(a->labels, b->labels, 4 * (size_t)a->count))
        return false;
    for (int64_t i = 0; i < a->count; i++) {
        const struct object_mask *x = &a->masks[i];
        const struct object_mask *y = &b->masks[i];
        if (x->num_polygons != y->num_polygons || x->rle.num_runs != y->rle.num_runs ||
            (x->rle.num_runs > 0 &&
             !equal_bits(x->rle.runs, y->rle.runs, 4 * (size_t)x->rle.num_runs)))
            return false;
        for (int64_t j = 0; j < x->num_polygons; j++)
            if (x->polygons[j].num_points != y->polygons[j].num_points ||
                !equal_bits(x->polygons[j].points, y->polygons[j].points,
                            16 * (size_t)x->polygons[j].num_points))
                return false;
    }
    return true;
}

static void expect_plane(const struct group *group, int64_t i, const struct image *image,
                         const struct crop *crop, struct arena *arena) {
    int64_t count = 3 * (int64_t)group->padded.width * group->padded.height;
    float *plane = arena_alloc(arena, count, sizeof *plane);
    REQUIRE(plane != NULL);
    EXPECT_OK(preprocess_crop(&data.model, image, crop, group->padded, plane, arena, &err), &err);
    EXPECT(equal_bits(plane, group->planes + i * count, (size_t)count * sizeof *plane));
}

static void expect_picture(const struct pixels_picture *picture, const struct image *image,
                           const struct crop *crop) {
    EXPECT_INT(picture->width, image->width);
    EXPECT_INT(picture->height, image->height);
    EXPECT(equal_bits(picture->bytes, image->pixels,
                      3 * (size_t)image->width * (size_t)image->height));
    EXPECT(equal_bits(&picture->crop, crop, sizeof *crop));
}

// Image i of the group is what the one path from an image to an input makes of the picture, or what
// that begins with.
static void check_image(const struct group *group, int64_t i, const struct sampled_image *sampled) {
    struct arena arena;
    struct image image;
    struct image_truth truth;
    char path[COCO_PATH_BYTES];
    const struct image_limits limits = image_limits_default();
    const struct dataset_image *record = &data.dataset.images[sampled->image];
    EXPECT(group->images[i] == record);
    arena_init(&arena, 1 << 20, 0);
    EXPECT_OK(coco_image_path(path, &data.set, record->record, image_folder, &err), &err);
    EXPECT_OK(image_load(&image, NULL, path, &limits, true, &arena, &err), &err);
    if (sampled->augmentation.mirrored) mirror(&image);
    struct view view = view_of(&data.model, image.width, image.height, &sampled->augmentation);
    const struct crop whole = {.resized = view.crop.extent, .extent = view.crop.extent};
    bool jitters = sampled->augmentation.scale < 1 || sampled->augmentation.scale > 1;
    const struct crop *crop = jitters ? &view.crop : &whole;
    EXPECT_INT(group->extents[i].width, view.crop.extent.width);
    EXPECT_INT(group->extents[i].height, view.crop.extent.height);
    EXPECT(!group->planes != !group->pictures);
    if (group->planes)
        expect_plane(group, i, &image, crop, &arena);
    else
        expect_picture(&group->pictures[i], &image, crop);
    EXPECT_OK(truths_make(&truth, record, &view, data.model.rules, &arena, &err), &err);
    EXPECT(same_truth(&truth, &group->truths[i]));
    arena_destroy(&arena);
}

static void check_groups(bool augments, bool as_bytes) {
    struct loader_options options = options_of(2, 3);
    options.augments = augments;
    options.as_bytes = as_bytes;
    struct loader *loader = create(&options);
    struct sampler sampler;
    EXPECT_OK(sampler_init(&sampler, &data.dataset, &data.config, augments, options.seed,
                           &data.arena, &err),
              &err);
    EXPECT_INT(loader_groups_per_epoch(loader), sampler.groups_per_epoch);
    for (int64_t k = 0; k < 2 * sampler.groups_per_epoch; k++) {
        struct sampled_image images[2];
        struct extent frames[2];
        const struct group *group = next(loader);
        EXPECT_INT(group->index, k);
        EXPECT_INT(group->num_images, sampler_group(&sampler, k, images));
        for (int64_t i = 0; i < group->num_images; i++) {
            const struct coco_image *record = data.dataset.images[images[i].image].record;
            frames[i] =
                view_of(&data.model, record->width, record->height, &images[i].augmentation).frame;
            check_image(group, i, &images[i]);
        }
        struct extent padded = preprocess_padded(frames, group->num_images);
        EXPECT_INT(group->padded.width, padded.width);
        EXPECT_INT(group->padded.height, padded.height);
        EXPECT(group->seconds_waited >= 0);
        loader_release(loader, group);
    }
    loader_destroy(loader);
}

static void content(void) {
    static const char *const settings[][7] = {
        {"conventions", "detectron2", NULL},
        {"conventions", "torchvision", NULL},
        {"conventions", "detectron2", "augment.jitter", "0.3,2.5", "augment.short_sides", "48,80"},
        {"conventions", "torchvision", "augment.jitter", "0.3,2.5", NULL},
    };
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        begin(settings[i]);
        check_groups(true, false);
        check_groups(true, true);
        training_data_destroy(&data);
    }
}

// To compute a loss on other images: in order, unchanged, the last group as long as it gets.
static void unchanged(void) {
    begin((const char *const[]){"augment.jitter", "0.3,2.5", "augment.flip", "1", NULL});
    check_groups(false, false);
    check_groups(false, true);
    training_data_destroy(&data);
}

// ---- Threads, processes, beginnings ----

static uint64_t hash_truth(uint64_t hash, const struct image_truth *truth) {
    hash = hash_bytes(hash, truth->boxes, 16 * (size_t)truth->count);
    for (int64_t i = 0; i < truth->count; i++)
        hash = hash_bytes(hash, truth->masks[i].rle.runs, 4 * (size_t)truth->masks[i].rle.num_runs);
    return hash;
}

static uint64_t hash_group(const struct group *group) {
    uint64_t hash = hash_bytes(HASH_START, &group->padded, sizeof group->padded);
    int64_t count = group->num_images * group->padded.height * group->padded.width * 3;
    hash = hash_bytes(hash, group->planes, (size_t)count * sizeof *group->planes);
    for (int64_t i = 0; i < group->num_images; i++)
        hash = hash_truth(hash, &group->truths[i]);
    return hash;
}

static void threads(void) {
    enum { GROUPS = 30 };
    static const struct {
        int num_threads, num_groups;
        int64_t first, stride;
    } cases[] = {
        {1, 1, 0, 1}, {2, 2, 0, 1}, {3, 8, 0, 1},  {8, 3, 0, 1},
        {2, 4, 7, 1}, {2, 4, 1, 3}, {0, 1, 11, 4}, {3, 2, 29, 1},
    };
    uint64_t hashes[GROUPS];
    begin((const char *const[]){"conventions", "torchvision", NULL});
    struct loader_options options = options_of(0, 1);
    struct loader *loader = create(&options);
    int64_t num_same = 0;
    for (int64_t k = 0; k < GROUPS; k++) {
        const struct group *group = next(loader);
        hashes[k] = hash_group(group);
        loader_release(loader, group);
        for (int64_t j = 0; j < k; j++)
            num_same += hashes[j] == hashes[k];
    }
    EXPECT(num_same <= 3); // of few images, and mirrored alike
    loader_destroy(loader);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        options = options_of(cases[i].num_threads, cases[i].num_groups);
        options.first = cases[i].first;
        options.stride = cases[i].stride;
        loader = create(&options);
        for (int64_t k = cases[i].first; k < GROUPS; k += cases[i].stride) {
            const struct group *group = next(loader);
            EXPECT_INT(group->index, k);
            EXPECT(hash_group(group) == hashes[k]);
            loader_release(loader, group);
        }
        loader_destroy(loader);
    }
    training_data_destroy(&data);
}

// Several groups may be lent, and come back in any order.
static void several(void) {
    begin(NULL);
    struct loader_options options = options_of(2, 3);
    struct loader *loader = create(&options);
    const struct group *first = next(loader);
    uint64_t hash = hash_group(first);
    for (int64_t k = 1; k < 20; k += 3) {
        const struct group *second = next(loader);
        const struct group *third = next(loader);
        EXPECT_INT(second->index, k);
        EXPECT_INT(third->index, k + 1);
        EXPECT(hash_group(first) == hash); // still what it was
        loader_release(loader, third);
        loader_release(loader, first);
        first = second;
        hash = hash_group(first);
        loader_release(loader, next(loader));
    }
    loader_destroy(loader);
    training_data_destroy(&data);
}

// ---- Ends ----

static void ends(void) {
    begin(NULL);
    for (int i = 0; i < 60; i++) {
        struct loader_options options = options_of(i % 5, 1 + i % 4);
        options.first = i;
        struct loader *loader = create(&options);
        for (int k = 0; k < i % 7; k++)
            loader_release(loader, next(loader));
        if (i % 3 == 0) (void)next(loader); // and not released
        if (i % 11 == 0) usleep(2000);
        loader_destroy(loader);
    }
    loader_destroy(NULL);
    training_data_destroy(&data);
}

// ---- Memory ----

static int64_t memory_after(struct loader *loader, int64_t num_groups) {
    for (int64_t k = 0; k < num_groups; k++)
        loader_release(loader, next(loader));
    return loader_memory_bytes(loader);
}

static void check_memory(bool as_bytes) {
    struct loader_options options = options_of(0, 1);
    options.as_bytes = as_bytes;
    struct loader *loader = create(&options);
    int64_t before = loader_memory_bytes(loader);
    int64_t warm = memory_after(loader, 200);
    EXPECT(as_bytes || warm > before);
    EXPECT_INT(memory_after(loader, 100), warm);
    loader_destroy(loader);

    // With threads it depends on who gets the largest image when; but nothing is ever needed twice.
    options.num_threads = 3;
    options.num_groups = 4;
    loader = create(&options);
    EXPECT(memory_after(loader, 200) < 5 * warm);
    loader_destroy(loader);
}

static void steady_memory(void) {
    begin((const char *const[]){"conventions", "torchvision", "augment.jitter", "0.3,2.5",
                                "input.short_side", "300", "input.long_side", "500", NULL});
    check_memory(false);
    check_memory(true);
    training_data_destroy(&data);
}

// ---- Errors ----

static const char *file_of(int64_t image) {
    return data.dataset.images[image].record->file_name;
}

static const char *path_of(int64_t image, char path[COCO_PATH_BYTES]) {
    const struct coco_image *record = data.dataset.images[image].record;
    EXPECT_OK(coco_image_path(path, &data.set, record, image_folder, &err), &err);
    return path;
}

static void damage(int64_t image, const char *how) {
    char path[COCO_PATH_BYTES];
    char other[COCO_PATH_BYTES];
    path_of(image, path);
    if (strcmp(how, "cut") == 0) EXPECT(truncate(path, 200) == 0);
    if (strcmp(how, "cut") != 0) EXPECT(unlink(path) == 0);
    if (strcmp(how, "replace") == 0) // by one of another size
        EXPECT(symlink(path_of(image + 1, other), path) == 0);
}

static void damaged(void) {
    static const struct {
        const char *how;
        enum status status;
        const char *message;
    } cases[] = {
        {"remove", STATUS_NO_INPUT, "No such file"},
        {"cut", STATUS_DATA, ""},
        {"replace", STATUS_DATA, "instances_train.json"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int num_threads = 0; num_threads < 6; num_threads += 2) {
            const struct group *group = NULL;
            begin(NULL);
            // The groups are 0 1, 2 3, 4 5, 6 7: the third one fails first, in order.
            damage(4, cases[i].how);
            damage(6, "remove");
            struct loader_options options = options_of(num_threads, 4);
            options.augments = false;
            struct loader *loader = create(&options);
            for (int k = 0; k < 2; k++)
                loader_release(loader, next(loader));
            for (int k = 0; k < 3; k++) {
                EXPECT_STATUS(loader_next(loader, &group, &err), cases[i].status, &err);
                EXPECT_CONTAINS(err.message, file_of(4));
                EXPECT_CONTAINS(err.message, cases[i].message);
            }
            loader_destroy(loader);
            training_data_destroy(&data);
            EXPECT(unlink(set_path) == 0);
        }
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"content", content},
                         {"unchanged", unchanged},
                         {"threads", threads},
                         {"several", several},
                         {"ends", ends},
                         {"steady memory", steady_memory},
                         {"damaged", damaged},
                         {0},
                     });
}
