#include "data/coco_check.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/hash.h"
#include "data/coco_check_internal.h"

// ---- Records, one by one, by several threads ----
//
// Records are taken in waves of blocks. Each block collects problems of its own, and after a wave
// these are appended in the order of the blocks: so the list is that of a single thread, and what
// waits to be appended stays small however large the set.

enum { WAVE_BLOCKS = 32 };

struct wave {
    const struct coco_set *set;
    const char *image_folder;
    int64_t begin; // the wave's first record
    int64_t count; // all records
    int64_t block_records;
    struct problem_list problems[WAVE_BLOCKS];
    struct coco_size_counts sizes[WAVE_BLOCKS];
    struct arena *scratch; // one for each worker
};

static int64_t block_begin(const struct wave *wave, int64_t block) {
    int64_t begin = wave->begin + block * wave->block_records;
    return begin < wave->count ? begin : wave->count;
}

static void check_image_block(void *context, int64_t block, int worker) {
    (void)worker;
    struct wave *wave = context;
    for (int64_t i = block_begin(wave, block); i < block_begin(wave, block + 1); i++)
        check_image(&wave->problems[block], wave->set, i, wave->image_folder);
}

static void check_annotation_block(void *context, int64_t block, int worker) {
    const double small_below = 32 * 32;
    const double medium_below = 96 * 96;
    struct wave *wave = context;
    struct coco_size_counts *sizes = &wave->sizes[block];
    for (int64_t i = block_begin(wave, block); i < block_begin(wave, block + 1); i++) {
        double area =
            check_annotation(&wave->problems[block], wave->set, i, &wave->scratch[worker]);
        if (wave->set->annotations[i].is_crowd) continue;
        if (area < small_below)
            sizes->small++;
        else if (area < medium_below)
            sizes->medium++;
        else
            sizes->large++;
    }
}

static void run_waves(struct coco_report *report, struct wave *wave, struct workers *workers,
                      workers_body *body) {
    for (int block = 0; block < WAVE_BLOCKS; block++)
        problem_list_init(&wave->problems[block], report->problems.limit);
    int64_t step = wave->block_records * WAVE_BLOCKS;
    for (wave->begin = 0; wave->begin < wave->count; wave->begin += step) {
        if (workers) workers_run(workers, WAVE_BLOCKS, 1, body, wave);
        for (int64_t block = 0; block < WAVE_BLOCKS; block++) {
            if (!workers) body(wave, block, 0);
            problem_list_move(&report->problems, &wave->problems[block]);
        }
    }
    for (int block = 0; block < WAVE_BLOCKS; block++) {
        problem_list_destroy(&wave->problems[block]);
        report->sizes.small += wave->sizes[block].small;
        report->sizes.medium += wave->sizes[block].medium;
        report->sizes.large += wave->sizes[block].large;
    }
}

static enum status check_records(struct coco_report *report, const struct coco_set *set,
                                 const struct coco_check_options *options, struct error *err) {
    enum { IMAGES_PER_BLOCK = 8, ANNOTATIONS_PER_BLOCK = 256, SCRATCH_BYTES = 1 << 16 };
    int num_workers = options->workers ? workers_count(options->workers) : 1;
    struct arena *scratch = arena_alloc(&report->arena, num_workers, sizeof *scratch);
    struct wave *wave = arena_alloc_zero(&report->arena, 1, sizeof *wave);
    if (!scratch || !wave) return error_memory(err, "checking", sizeof *wave);
    for (int i = 0; i < num_workers; i++)
        arena_init(&scratch[i], SCRATCH_BYTES, 0);
    *wave = (struct wave){.set = set,
                          .image_folder = options->image_folder,
                          .count = set->num_images,
                          .block_records = IMAGES_PER_BLOCK};
    run_waves(report, wave, options->workers, check_image_block);
    for (int64_t i = 0; i < set->num_categories; i++)
        check_category(&report->problems, set, i);
    *wave = (struct wave){.set = set,
                          .count = set->num_annotations,
                          .block_records = ANNOTATIONS_PER_BLOCK,
                          .scratch = scratch};
    run_waves(report, wave, options->workers, check_annotation_block);
    for (int i = 0; i < num_workers; i++)
        arena_destroy(&scratch[i]);
    return STATUS_OK;
}

// ---- Records against one another ----

static int64_t name_hash(const char *name) {
    return (int64_t)hash_bytes(HASH_START, name, strlen(name));
}

// Names are found by their hash; that two different ones share one would only hide a duplicate.
static enum status check_images_together(struct coco_report *report, const struct coco_set *set,
                                         struct arena *arena, struct error *err) {
    struct problem_list *problems = &report->problems;
    struct id_index names;
    TRY(id_index_init(&names, set->num_images, arena, err));
    for (int64_t i = 0; i < set->num_images; i++) {
        const struct coco_image *image = &set->images[i];
        struct problem_place place = {COCO_IMAGES, i, image->id};
        const struct coco_image *first = coco_find_image(set, image->id);
        if (first != image && !(image->defects & DEFECT_ID))
            problem_add(problems, PROBLEM_DUPLICATE_IMAGE_ID, place, "images[%lld] has the same id",
                        (long long)(first - set->images));
        if (!image->file_name || image->file_name[0] == '\0') continue;
        int64_t other = id_index_add(&names, name_hash(image->file_name), i);
        if (other >= 0 && strcmp(set->images[other].file_name, image->file_name) == 0)
            problem_add(problems, PROBLEM_DUPLICATE_FILE_NAME, place,
                        "images[%lld] has the same file name", (long long)other);
    }
    return STATUS_OK;
}

static enum status check_categories_together(struct coco_report *report, const struct coco_set *set,
                                             struct arena *arena, struct error *err) {
    struct problem_list *problems = &report->problems;
    struct id_index names;
    TRY(id_index_init(&names, set->num_categories, arena, err));
    for (int64_t i = 0; i < set->num_categories; i++) {
        const struct coco_category *category = &set->categories[i];
        struct problem_place place = {COCO_CATEGORIES, i, category->id};
        const struct coco_category *first = coco_find_category(set, category->id);
        if (first != category && !(category->defects & DEFECT_ID))
            problem_add(problems, PROBLEM_DUPLICATE_CATEGORY_ID, place,
                        "categories[%lld] has the same id", (long long)(first - set->categories));
        if (category->name[0] == '\0') continue;
        int64_t other = id_index_add(&names, name_hash(category->name), i);
        if (other >= 0 && strcmp(set->categories[other].name, category->name) == 0)
            problem_add(problems, PROBLEM_DUPLICATE_CATEGORY_NAME, place,
                        "categories[%lld] has the same name", (long long)other);
    }
    return STATUS_OK;
}

static bool same_object(const struct coco_annotation *a, const struct coco_annotation *b) {
    return a->image_id == b->image_id && a->category_id == b->category_id &&
           a->is_crowd == b->is_crowd && a->box.x == b->box.x && a->box.y == b->box.y &&
           a->box.width == b->box.width && a->box.height == b->box.height;
}

static int64_t object_hash(const struct coco_annotation *a) {
    uint64_t hash = hash_bytes(HASH_START, &a->image_id, sizeof a->image_id);
    hash = hash_bytes(hash, &a->category_id, sizeof a->category_id);
    return (int64_t)hash_bytes(hash, &a->box, sizeof a->box);
}

static enum status check_annotations_together(struct coco_report *report,
                                              const struct coco_set *set, struct arena *arena,
                                              struct error *err) {
    struct id_index ids;
    struct id_index objects;
    TRY(id_index_init(&ids, set->num_annotations, arena, err));
    TRY(id_index_init(&objects, set->num_annotations, arena, err));
    for (int64_t i = 0; i < set->num_annotations; i++) {
        const struct coco_annotation *a = &set->annotations[i];
        struct problem_place place = {COCO_ANNOTATIONS, i, a->id};
        int64_t other = a->defects & DEFECT_ID ? -1 : id_index_add(&ids, a->id, i);
        if (other >= 0)
            problem_add(&report->problems, PROBLEM_DUPLICATE_ANNOTATION_ID, place,
                        "annotations[%lld] has the same id", (long long)other);
        other = a->has_box ? id_index_add(&objects, object_hash(a), i) : -1;
        if (other >= 0 && same_object(&set->annotations[other], a))
            problem_add(&report->problems, PROBLEM_DUPLICATE_ANNOTATION, place,
                        "annotations[%lld] has the same image, category and bbox",
                        (long long)other);
    }
    return STATUS_OK;
}

// ---- The set as a whole ----

static void check_totals(struct coco_report *report, const struct coco_set *set) {
    struct problem_place document = {COCO_DOCUMENT, -1, 0};
    if (set->num_images == 0)
        problem_add(&report->problems, PROBLEM_NO_IMAGES, document, "the set has no images");
    if (set->num_categories == 0)
        problem_add(&report->problems, PROBLEM_NO_CATEGORIES, document,
                    "the set has no categories");
    if (set->num_annotations == 0)
        problem_add(&report->problems, PROBLEM_NO_ANNOTATIONS, document,
                    "the set has no annotations");
}

static enum status count(struct coco_report *report, const struct coco_set *set,
                         struct error *err) {
    int64_t *counts = arena_alloc_zero(&report->arena, set->num_categories, sizeof *counts);
    int64_t *crowds = arena_alloc_zero(&report->arena, set->num_categories, sizeof *crowds);
    bool *is_used = arena_alloc_zero(&report->arena, set->num_images, sizeof *is_used);
    if (!counts || !crowds || !is_used)
        return error_memory(err, "counting annotations", set->num_images);
    for (int64_t i = 0; i < set->num_annotations; i++) {
        const struct coco_annotation *a = &set->annotations[i];
        report->num_crowds += a->is_crowd;
        const struct coco_image *image = coco_find_image(set, a->image_id);
        if (image && !(a->defects & DEFECT_IMAGE_ID)) is_used[image - set->images] = true;
        const struct coco_category *category = coco_find_category(set, a->category_id);
        if (category && !(a->defects & DEFECT_CATEGORY_ID))
            (a->is_crowd ? crowds : counts)[category - set->categories]++;
    }
    for (int64_t i = 0; i < set->num_images; i++)
        report->num_images_without_annotations += !is_used[i];
    for (int64_t i = 0; i < set->num_categories; i++)
        report->num_categories_without_annotations += counts[i] + crowds[i] == 0;
    report->category_counts = counts;
    report->category_crowds = crowds;
    return STATUS_OK;
}

static enum status check_folder(const char *path, struct error *err) {
    DIR *folder = opendir(path);
    if (!folder)
        return error_set(err, STATUS_NO_INPUT, "%s: cannot read the folder of images: %s", path,
                         strerror(errno));
    closedir(folder);
    return STATUS_OK;
}

static enum status check_all(struct coco_report *report, const struct coco_set *set,
                             const struct coco_check_options *options, struct error *err) {
    if (options->image_folder) TRY(check_folder(options->image_folder, err));
    check_totals(report, set);
    TRY(check_records(report, set, options, err));
    struct arena_mark mark = arena_mark(&report->arena);
    TRY(check_images_together(report, set, &report->arena, err));
    TRY(check_categories_together(report, set, &report->arena, err));
    TRY(check_annotations_together(report, set, &report->arena, err));
    arena_release(&report->arena, mark);
    TRY(count(report, set, err));
    return problem_list_sort(&report->problems, err);
}

enum status coco_check(struct coco_report *report, const struct coco_set *set,
                       const struct coco_check_options *options, struct error *err) {
    enum { ARENA_BLOCK_BYTES = 1 << 16 };
    *report = (struct coco_report){0};
    arena_init(&report->arena, ARENA_BLOCK_BYTES, 0);
    problem_list_init(&report->problems, options->max_per_kind);
    enum status status = check_all(report, set, options, err);
    if (status != STATUS_OK) coco_report_destroy(report);
    return status;
}

void coco_report_destroy(struct coco_report *report) {
    problem_list_destroy(&report->problems);
    arena_destroy(&report->arena);
    *report = (struct coco_report){0};
}
