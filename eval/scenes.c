#include "eval/scenes.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/array.h"
#include "eval/overlap.h"
#include "eval/ranking.h"

// ---- From cells of one class to images with all classes ----

// The annotations of one side, by image.
struct side {
    int32_t *items;   // positions of annotations
    int64_t *begins;  // [num_images + 1], in items
    int32_t *classes; // of each annotation of the file; only those of items are set
};

static enum status side_init(struct side *side, int64_t num_annotations, int64_t num_items,
                             int64_t num_images, struct arena *arena, struct error *err) {
    side->items = arena_alloc(arena, num_items, sizeof *side->items);
    side->begins = arena_alloc_zero(arena, num_images + 2, sizeof *side->begins);
    side->classes = arena_alloc(arena, num_annotations, sizeof *side->classes);
    if (!side->items || !side->begins || !side->classes)
        return error_memory(err, "images of a report", num_annotations * 8 + num_images * 8);
    return STATUS_OK;
}

struct cell_part {
    const int32_t *items;
    int64_t count;
};

static struct cell_part part_of(const struct cells *cells, const struct cell *cell, bool results) {
    if (results) return (struct cell_part){cells->results + cell->result_begin, cell->num_results};
    return (struct cell_part){cells->truths + cell->truth_begin, cell->num_truths};
}

// Sorts the annotations of all cells by image.
static void collect_side(struct side *side, const struct cells *cells, bool results) {
    // begins[i + 2] counts image i, then begins[i + 1] is where it is being filled.
    for (int64_t c = 0; c < cells->num_cells; c++)
        side->begins[cells->cells[c].image + 2] += part_of(cells, &cells->cells[c], results).count;
    for (int64_t i = 0; i < cells->num_images; i++)
        side->begins[i + 2] += side->begins[i + 1];
    for (int64_t c = 0; c < cells->num_cells; c++) {
        const struct cell *cell = &cells->cells[c];
        struct cell_part part = part_of(cells, cell, results);
        for (int64_t i = 0; i < part.count; i++) {
            side->items[side->begins[cell->image + 1]++] = part.items[i];
            side->classes[part.items[i]] = cell->category;
        }
    }
}

static int compare_positions(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a;
    int32_t y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static void sort_by_position(const struct side *side, int64_t image) {
    int64_t begin = side->begins[image];
    int64_t count = side->begins[image + 1] - begin;
    if (count) qsort(side->items + begin, (size_t)count, sizeof *side->items, compare_positions);
}

// ---- Filling the scenes ----

struct build_worker {
    struct overlap_scratch overlap;
    double *areas; // of results; overlap_compute finds them, nothing here needs them
    int64_t area_capacity;
    struct arena arena; // overlaps that stay
};

struct build {
    struct scenes *scenes;
    const struct metric_settings *settings;
    struct result_rules rules;
    struct side truths;
    struct side results;
    struct cells by_image; // one cell for each scene, as overlap_compute reads them
    struct build_worker *workers;
};

// Orders both sides of all images and cuts the results to the max_dets best.
static enum status arrange(struct build *build, int64_t num_images, struct arena *arena,
                           struct error *err) {
    const struct coco_set *results = build->scenes->results_set;
    int64_t max_dets = build->settings->max_dets[METRIC_NUM_MAX_DETS - 1];
    int64_t num_items = build->results.begins[num_images];
    double *scores = arena_alloc(arena, results->num_annotations, sizeof *scores);
    int32_t *scratch = arena_alloc(arena, num_items, sizeof *scratch);
    build->by_image.cells = arena_alloc(arena, num_images, sizeof *build->by_image.cells);
    if (!scores || !scratch || !build->by_image.cells)
        return error_memory(err, "images of a report", results->num_annotations * 8);
    for (int64_t i = 0; i < results->num_annotations; i++)
        scores[i] = results->annotations[i].score;
    build->by_image.truths = build->truths.items;
    build->by_image.results = build->results.items;
    for (int64_t i = 0; i < num_images; i++) {
        sort_by_position(&build->truths, i);
        sort_by_position(&build->results, i);
        int64_t begin = build->results.begins[i];
        int64_t count = build->results.begins[i + 1] - begin;
        rank_by_score(build->results.items + begin, count, scores, scratch);
        build->by_image.cells[i] = (struct cell){
            .image = (int32_t)i,
            .truth_begin = build->truths.begins[i],
            .num_truths = build->truths.begins[i + 1] - build->truths.begins[i],
            .result_begin = begin,
            .num_results = count < max_dets ? count : max_dets,
        };
    }
    return STATUS_OK;
}

static enum status allocate_scenes(struct build *build, const struct cells *cells,
                                   struct error *err) {
    struct scenes *scenes = build->scenes;
    scenes->num_scenes = cells->num_images;
    scenes->num_classes = cells->num_categories;
    for (int64_t i = 0; i < cells->num_images; i++) {
        scenes->num_truths += build->by_image.cells[i].num_truths;
        scenes->num_results += build->by_image.cells[i].num_results;
    }
    struct arena *arena = &scenes->arena;
    scenes->classes = arena_alloc(arena, scenes->num_classes, sizeof(struct coco_category *));
    scenes->scenes = arena_alloc(arena, scenes->num_scenes, sizeof *scenes->scenes);
    scenes->truths = arena_alloc(arena, scenes->num_truths, sizeof *scenes->truths);
    scenes->results = arena_alloc(arena, scenes->num_results, sizeof *scenes->results);
    if (!scenes->classes || !scenes->scenes || !scenes->truths || !scenes->results)
        return error_memory(err, "images of a report",
                            scenes->num_results * (int64_t)sizeof *scenes->results);
    for (int64_t k = 0; k < scenes->num_classes; k++)
        scenes->classes[k] = coco_find_category(scenes->truth_set, cells->category_ids[k]);
    int64_t truth_begin = 0;
    int64_t result_begin = 0;
    for (int64_t i = 0; i < scenes->num_scenes; i++) {
        const struct cell *cell = &build->by_image.cells[i];
        scenes->scenes[i] =
            (struct scene){coco_find_image(scenes->truth_set, cells->image_ids[i]), truth_begin,
                           cell->num_truths, result_begin, cell->num_results};
        truth_begin += cell->num_truths;
        result_begin += cell->num_results;
    }
    return STATUS_OK;
}

// Keeps the overlaps of one result that matter.
static enum status keep_overlaps(struct scene_result *result, const double *ious,
                                 int64_t num_truths, struct arena *arena, struct error *err) {
    int64_t count = 0;
    for (int64_t t = 0; t < num_truths; t++)
        count += ious[t] >= SCENE_MIN_IOU;
    result->overlaps = NULL;
    result->num_overlaps = 0;
    if (count == 0) return STATUS_OK;
    struct scene_overlap *overlaps = arena_alloc(arena, count, sizeof *overlaps);
    if (!overlaps) return error_memory(err, "overlaps", count * (int64_t)sizeof *overlaps);
    for (int64_t t = 0; t < num_truths; t++)
        if (ious[t] >= SCENE_MIN_IOU)
            overlaps[result->num_overlaps++] = (struct scene_overlap){(int32_t)t, ious[t]};
    result->overlaps = overlaps;
    return STATUS_OK;
}

static void fill_scene(void *context, int64_t index, int worker_number) {
    struct build *build = context;
    struct build_worker *worker = &build->workers[worker_number];
    struct scenes *scenes = build->scenes;
    const struct scene *scene = &scenes->scenes[index];
    const struct cell *cell = &build->by_image.cells[index];
    struct error *err = &worker->overlap.err;
    if (err->code != STATUS_OK) return;
    if (array_reserve(&worker->areas, &worker->area_capacity, cell->num_results,
                      sizeof *worker->areas, err) != STATUS_OK)
        return;
    overlap_compute(&worker->overlap, worker->areas, &build->by_image, cell, scenes->truth_set,
                    scenes->results_set, build->settings, &build->rules);
    for (int64_t t = 0; t < scene->num_truths; t++) {
        int32_t item = build->truths.items[cell->truth_begin + t];
        scenes->truths[scene->truth_begin + t] = (struct scene_truth){
            &scenes->truth_set->annotations[item], build->truths.classes[item]};
    }
    for (int64_t r = 0; r < scene->num_results && err->code == STATUS_OK; r++) {
        int32_t item = build->results.items[cell->result_begin + r];
        struct scene_result *result = &scenes->results[scene->result_begin + r];
        *result = (struct scene_result){.annotation = &scenes->results_set->annotations[item],
                                        .class_index = build->results.classes[item]};
        const double *row = scene->num_truths > 0 // without truths there may be no overlaps at all
                                ? worker->overlap.ious + r * scene->num_truths
                                : NULL;
        (void)keep_overlaps(result, row, scene->num_truths, &worker->arena, err);
    }
}

static enum status fill_scenes(struct build *build, struct workers *workers, struct arena *arena,
                               struct error *err) {
    enum { GRAIN = 8, BLOCK_BYTES = 1 << 18 };
    int num_workers = workers_count(workers);
    build->workers = arena_alloc_zero(arena, num_workers, sizeof *build->workers);
    if (!build->workers) return error_memory(err, "threads of a report", num_workers);
    for (int i = 0; i < num_workers; i++) {
        overlap_scratch_init(&build->workers[i].overlap);
        arena_init(&build->workers[i].arena, BLOCK_BYTES, 0);
    }
    workers_run(workers, build->scenes->num_scenes, GRAIN, fill_scene, build);
    enum status status = STATUS_OK;
    for (int i = 0; i < num_workers; i++) {
        struct build_worker *worker = &build->workers[i];
        if (status == STATUS_OK && worker->overlap.err.code != STATUS_OK)
            status = error_set(err, worker->overlap.err.code, "%s", worker->overlap.err.message);
        arena_adopt(&build->scenes->arena, &worker->arena);
        overlap_scratch_destroy(&worker->overlap);
        array_free(&worker->areas);
    }
    return status;
}

static enum status build_all(struct scenes *scenes, const struct metric_settings *settings,
                             struct workers *workers, struct arena *arena, struct error *err) {
    struct build build = {.scenes = scenes, .settings = settings};
    TRY(overlap_check(&build.rules, scenes->truth_set, scenes->results_set, settings, err));
    struct cells cells;
    TRY(cells_build(&cells, scenes->truth_set, scenes->results_set, settings, workers, arena, err));
    TRY(side_init(&build.truths, scenes->truth_set->num_annotations, cells.num_truths,
                  cells.num_images, arena, err));
    TRY(side_init(&build.results, scenes->results_set->num_annotations, cells.num_results,
                  cells.num_images, arena, err));
    collect_side(&build.truths, &cells, false);
    collect_side(&build.results, &cells, true);
    build.by_image.image_ids = cells.image_ids;
    TRY(arrange(&build, cells.num_images, arena, err));
    TRY(allocate_scenes(&build, &cells, err));
    return fill_scenes(&build, workers, arena, err);
}

enum status scenes_build(struct scenes *scenes, const struct coco_set *truth,
                         const struct coco_set *results, const struct metric_settings *settings,
                         struct workers *workers, struct error *err) {
    enum { BLOCK_BYTES = 1 << 16 };
    *scenes = (struct scenes){.iou = settings->iou, .truth_set = truth, .results_set = results};
    arena_init(&scenes->arena, BLOCK_BYTES, 0);
    struct arena arena;
    arena_init(&arena, BLOCK_BYTES, 0);
    enum status status = build_all(scenes, settings, workers, &arena, err);
    arena_destroy(&arena);
    if (status != STATUS_OK) scenes_destroy(scenes);
    return status;
}

void scenes_destroy(struct scenes *scenes) {
    arena_destroy(&scenes->arena);
    *scenes = (struct scenes){0};
}

const char *scene_class_name(const struct scenes *scenes, int64_t class_index, char *buffer) {
    const struct coco_category *class = scenes->classes[class_index];
    if (class->name[0]) return class->name;
    snprintf(buffer, SCENE_NAME_BYTES, "class %lld", (long long)class->id);
    return buffer;
}
