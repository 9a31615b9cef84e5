#include "eval/cells.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "eval/ranking.h"

// Cells of one side (truths or results) before both are joined.
struct side {
    int64_t count;
    int32_t *items;      // positions of annotations, by category, image, file order
    int32_t *categories; // [count], of each item
    int32_t *images;
};

static int compare_ids(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

// Sorts and drops repetitions; returns how many are left.
static int64_t sort_unique(int64_t *ids, int64_t count) {
    if (count == 0) return 0;
    qsort(ids, (size_t)count, sizeof *ids, compare_ids);
    int64_t kept = 1;
    for (int64_t i = 1; i < count; i++)
        if (ids[i] != ids[kept - 1]) ids[kept++] = ids[i];
    return kept;
}

static enum status choose_images(struct cells *cells, const struct coco_set *truth,
                                 const struct metric_settings *settings, struct arena *arena,
                                 struct error *err) {
    int64_t count = settings->image_ids ? settings->num_image_ids : truth->num_images;
    cells->image_ids = arena_alloc(arena, count, sizeof(int64_t));
    if (!cells->image_ids) return error_memory(err, "image ids", count * 8);
    for (int64_t i = 0; i < count; i++) {
        cells->image_ids[i] = settings->image_ids ? settings->image_ids[i] : truth->images[i].id;
        if (!coco_find_image(truth, cells->image_ids[i]))
            return error_set(err, STATUS_USAGE, "%s: there is no image with id %lld", truth->path,
                             (long long)cells->image_ids[i]);
    }
    cells->num_images = sort_unique(cells->image_ids, count);
    return STATUS_OK;
}

static enum status choose_categories(struct cells *cells, const struct coco_set *truth,
                                     const struct metric_settings *settings, struct arena *arena,
                                     struct error *err) {
    int64_t count = settings->category_ids ? settings->num_category_ids : truth->num_categories;
    cells->category_ids = arena_alloc(arena, count, sizeof(int64_t));
    if (!cells->category_ids) return error_memory(err, "category ids", count * 8);
    for (int64_t i = 0; i < count; i++) {
        cells->category_ids[i] =
            settings->category_ids ? settings->category_ids[i] : truth->categories[i].id;
        if (!coco_find_category(truth, cells->category_ids[i]))
            return error_set(err, STATUS_USAGE, "%s: there is no category with id %lld",
                             truth->path, (long long)cells->category_ids[i]);
    }
    cells->num_categories = sort_unique(cells->category_ids, count);
    return STATUS_OK;
}

static enum status index_positions(struct id_index *index, const int64_t *ids, int64_t count,
                                   struct arena *arena, struct error *err) {
    TRY(id_index_init(index, count, arena, err));
    for (int64_t i = 0; i < count; i++)
        (void)id_index_add(index, ids[i], i);
    return STATUS_OK;
}

// Stable counting sort of items by key, 0 <= key < num_keys. keys is indexed by item.
static enum status sort_by_key(int32_t *items, int64_t count, const int32_t *keys, int64_t num_keys,
                               struct arena *arena, struct error *err) {
    struct arena_mark mark = arena_mark(arena);
    int64_t *begins = arena_alloc_zero(arena, num_keys + 1, sizeof *begins);
    int32_t *sorted = arena_alloc(arena, count, sizeof *sorted);
    if (!begins || !sorted) return error_memory(err, "sorting", count * 4 + num_keys * 8);
    for (int64_t i = 0; i < count; i++)
        begins[keys[items[i]] + 1]++;
    for (int64_t k = 0; k < num_keys; k++)
        begins[k + 1] += begins[k];
    for (int64_t i = 0; i < count; i++)
        sorted[begins[keys[items[i]]]++] = items[i];
    if (count) memcpy(items, sorted, (size_t)count * sizeof *items);
    arena_release(arena, mark);
    return STATUS_OK;
}

// Sorts the annotations of set that belong to chosen images and categories. Results must name an
// image of truth; other annotations of unknown images or categories take no part.
static enum status collect_side(struct side *side, const struct coco_set *set,
                                const struct coco_set *truth, const struct id_index *categories,
                                int64_t num_categories, const struct id_index *images,
                                int64_t num_images, struct arena *arena, struct error *err) {
    if (set->num_annotations > INT32_MAX)
        return error_set(err, STATUS_UNSUPPORTED, "%s: more than 2^31 annotations", set->path);
    int64_t capacity = set->num_annotations;
    *side = (struct side){0};
    side->items = arena_alloc(arena, capacity, sizeof(int32_t));
    side->categories = arena_alloc(arena, capacity, sizeof(int32_t));
    side->images = arena_alloc(arena, capacity, sizeof(int32_t));
    if (!side->items || !side->categories || !side->images)
        return error_memory(err, "annotations", capacity * 12);
    int64_t last_image_id = 0;
    int64_t last_image = -1;
    for (int64_t i = 0; i < capacity; i++) {
        const struct coco_annotation *annotation = &set->annotations[i];
        // Annotations of one image mostly stand together.
        if (last_image < 0 || annotation->image_id != last_image_id) {
            last_image_id = annotation->image_id;
            last_image = id_index_find(images, last_image_id);
            if (last_image < 0 && set != truth && !coco_find_image(truth, last_image_id))
                return error_set(err, STATUS_DATA,
                                 "%s: result %lld is for image %lld, which %s does not have",
                                 set->path, (long long)i, (long long)last_image_id, truth->path);
        }
        int64_t category = id_index_find(categories, annotation->category_id);
        if (last_image < 0 || category < 0) continue;
        side->images[i] = (int32_t)last_image;
        side->categories[i] = (int32_t)category;
        side->items[side->count++] = (int32_t)i;
    }
    TRY(sort_by_key(side->items, side->count, side->images, num_images, arena, err));
    return sort_by_key(side->items, side->count, side->categories, num_categories, arena, err);
}

// Whether the next cell of a comes before (negative), with (zero) or after (positive) that of b. A
// side that is at its end comes after everything.
static int64_t compare_next(const struct side *a, int64_t next_a, const struct side *b,
                            int64_t next_b) {
    if (next_a == a->count) return 1;
    if (next_b == b->count) return -1;
    int32_t item_a = a->items[next_a];
    int32_t item_b = b->items[next_b];
    if (a->categories[item_a] != b->categories[item_b])
        return a->categories[item_a] - b->categories[item_b];
    return a->images[item_a] - b->images[item_b];
}

// Where the run of items of one category and image that begins at `begin` ends.
static int64_t run_end(const struct side *side, int64_t begin) {
    int32_t category = side->categories[side->items[begin]];
    int32_t image = side->images[side->items[begin]];
    int64_t end = begin + 1;
    while (end < side->count && side->categories[side->items[end]] == category &&
           side->images[side->items[end]] == image)
        end++;
    return end;
}

// Joins both sides, which are sorted alike, into cells. Returns their number; cells may be NULL, to
// count only.
static int64_t join_sides(struct cell *cells, const struct side *truths,
                          const struct side *results) {
    int64_t num_cells = 0;
    int64_t t = 0;
    int64_t r = 0;
    while (t < truths->count || r < results->count) {
        int64_t order = compare_next(truths, t, results, r);
        struct cell cell = {.truth_begin = t, .result_begin = r};
        if (order <= 0) {
            cell.category = truths->categories[truths->items[t]];
            cell.image = truths->images[truths->items[t]];
            t = run_end(truths, t);
        }
        if (order >= 0) {
            cell.category = results->categories[results->items[r]];
            cell.image = results->images[results->items[r]];
            r = run_end(results, r);
        }
        cell.num_truths = t - cell.truth_begin;
        cell.num_results = r - cell.result_begin;
        if (cells) cells[num_cells] = cell;
        num_cells++;
    }
    return num_cells;
}

struct rank_job {
    struct cells *cells;
    const double *scores; // by annotation
    int32_t *scratch;     // [cells->num_results]
    int64_t max_dets;
};

// Orders a cell's results by falling score, ties in file order.
static void rank_cell(void *context, int64_t index, int worker) {
    (void)worker;
    const struct rank_job *job = context;
    struct cell *cell = &job->cells->cells[index];
    int32_t *items = job->cells->results + cell->result_begin;
    rank_by_score(items, cell->num_results, job->scores, job->scratch + cell->result_begin);
    double *scores = job->cells->scores + cell->result_begin;
    for (int64_t i = 0; i < cell->num_results; i++)
        scores[i] = job->scores[items[i]];
    if (cell->num_results > job->max_dets) cell->num_results = job->max_dets;
}

static enum status rank_cells(struct cells *cells, const struct coco_set *results, int64_t max_dets,
                              struct workers *workers, struct arena *arena, struct error *err) {
    enum { GRAIN = 256 };
    cells->scores = arena_alloc(arena, cells->num_results, sizeof *cells->scores);
    struct arena_mark mark = arena_mark(arena);
    double *scores = arena_alloc(arena, results->num_annotations, sizeof *scores);
    int32_t *scratch = arena_alloc(arena, cells->num_results, sizeof *scratch);
    if (!cells->scores || !scores || !scratch)
        return error_memory(err, "scores", results->num_annotations * (int64_t)sizeof *scores);
    for (int64_t i = 0; i < results->num_annotations; i++)
        scores[i] = results->annotations[i].score;
    struct rank_job job = {cells, scores, scratch, max_dets};
    workers_run(workers, cells->num_cells, GRAIN, rank_cell, &job);
    arena_release(arena, mark);
    return STATUS_OK;
}

static enum status fill_cells(struct cells *cells, struct side *truths, struct side *results,
                              struct arena *arena, struct error *err) {
    cells->num_cells = join_sides(NULL, truths, results);
    cells->cells = arena_alloc(arena, cells->num_cells, sizeof *cells->cells);
    cells->category_begins =
        arena_alloc(arena, cells->num_categories + 1, sizeof *cells->category_begins);
    if (!cells->cells || !cells->category_begins)
        return error_memory(err, "cells", cells->num_cells * (int64_t)sizeof *cells->cells);
    (void)join_sides(cells->cells, truths, results);
    int64_t cell = 0;
    for (int64_t category = 0; category <= cells->num_categories; category++) {
        while (cell < cells->num_cells && cells->cells[cell].category < category)
            cell++;
        cells->category_begins[category] = cell;
    }
    cells->num_truths = truths->count;
    cells->truths = truths->items;
    cells->num_results = results->count;
    cells->results = results->items;
    return STATUS_OK;
}

enum status cells_build(struct cells *cells, const struct coco_set *truth,
                        const struct coco_set *results, const struct metric_settings *settings,
                        struct workers *workers, struct arena *arena, struct error *err) {
    *cells = (struct cells){0};
    TRY(choose_images(cells, truth, settings, arena, err));
    TRY(choose_categories(cells, truth, settings, arena, err));
    struct id_index categories;
    struct id_index images;
    TRY(index_positions(&categories, cells->category_ids, cells->num_categories, arena, err));
    TRY(index_positions(&images, cells->image_ids, cells->num_images, arena, err));
    struct side truths = {0};
    struct side found = {0};
    TRY(collect_side(&truths, truth, truth, &categories, cells->num_categories, &images,
                     cells->num_images, arena, err));
    TRY(collect_side(&found, results, truth, &categories, cells->num_categories, &images,
                     cells->num_images, arena, err));
    TRY(fill_cells(cells, &truths, &found, arena, err));
    return rank_cells(cells, results, settings->max_dets[METRIC_NUM_MAX_DETS - 1], workers, arena,
                      err);
}
