#include "eval/overlap.h"

#include "base/array.h"
#include "eval/boundary.h"

// A few bytes of a file can stand for a mask of megabytes. No real image comes near this sum over
// one cell; a file made to exhaust the machine ends with an error.
static const int64_t max_mask_bytes = INT64_C(2) << 30;

void overlap_scratch_init(struct overlap_scratch *scratch) {
    enum { BLOCK_BYTES = 1 << 18 };
    *scratch = (struct overlap_scratch){0};
    arena_init(&scratch->arena, BLOCK_BYTES, max_mask_bytes);
}

void overlap_scratch_destroy(struct overlap_scratch *scratch) {
    arena_destroy(&scratch->arena);
    array_free(&scratch->ious);
}

// ---- What the files must hold ----

static enum status require(bool holds, const struct coco_set *set, int64_t index, const char *what,
                           struct error *err) {
    if (holds) return STATUS_OK;
    return error_set(err, STATUS_DATA, "%s: annotations[%lld] (id %lld): %s", set->path,
                     (long long)index, (long long)set->annotations[index].id, what);
}

static enum status check_truths(const struct coco_set *truth,
                                const struct metric_settings *settings, struct error *err) {
    TRY(coco_require(truth,
                     DEFECT_ID | DEFECT_IMAGE_ID | DEFECT_CATEGORY_ID | DEFECT_BOX | DEFECT_AREA |
                         DEFECT_CROWD | DEFECT_SEGMENT |
                         (settings->iou == IOU_BOX ? 0 : DEFECT_SIZE),
                     err));
    for (int64_t i = 0; i < truth->num_annotations; i++) {
        const struct coco_annotation *annotation = &truth->annotations[i];
        TRY(require(annotation->has_area, truth, i, "area is missing", err));
        if (settings->iou == IOU_BOX)
            TRY(require(annotation->has_box, truth, i, "bbox is missing", err));
        else
            TRY(require(annotation->segment.kind != SEGMENT_NONE, truth, i,
                        "segmentation is missing", err));
    }
    return STATUS_OK;
}

static enum status check_results(const struct coco_set *results, struct error *err) {
    TRY(coco_require(
        results, DEFECT_IMAGE_ID | DEFECT_CATEGORY_ID | DEFECT_BOX | DEFECT_SEGMENT | DEFECT_SCORE,
        err));
    for (int64_t i = 0; i < results->num_annotations; i++) {
        const struct coco_annotation *result = &results->annotations[i];
        // parity: the first result decides what all of them are, boxes or masks.
        if (results->annotations[0].has_box)
            TRY(require(result->has_box, results, i,
                        "bbox is missing, but the first result has one", err));
        else
            TRY(require(result->segment.kind != SEGMENT_NONE, results, i,
                        "neither bbox nor segmentation", err));
    }
    return STATUS_OK;
}

enum status overlap_check(struct result_rules *rules, const struct coco_set *truth,
                          const struct coco_set *results, const struct metric_settings *settings,
                          struct error *err) {
    TRY(check_truths(truth, settings, err));
    TRY(check_results(results, err));
    rules->area_from_box = results->num_annotations > 0 && results->annotations[0].has_box;
    return STATUS_OK;
}

// ---- Masks ----

static enum status truth_mask(struct rle *mask, const struct coco_annotation *annotation,
                              const struct coco_image *image, const struct coco_set *truth,
                              struct arena *arena, struct error *err) {
    enum status status =
        coco_segment_to_rle(mask, &annotation->segment, image->height, image->width, arena, err);
    if (status != STATUS_OK)
        error_prefix(err, "%s: annotation id %lld: ", truth->path, (long long)annotation->id);
    return status;
}

static enum status result_mask(struct rle *mask, const struct coco_annotation *result,
                               const struct coco_image *image, const struct coco_set *results,
                               struct arena *arena, struct error *err) {
    enum status status = STATUS_OK;
    if (result->segment.kind == SEGMENT_NONE) {
        // parity: a result without a mask is judged by its box's.
        status = box_to_rle(mask, &result->box, image->height, image->width, arena, err);
    } else {
        status =
            coco_segment_to_rle(mask, &result->segment, image->height, image->width, arena, err);
    }
    if (status != STATUS_OK)
        error_prefix(err, "%s: result %lld: ", results->path, (long long)result->id - 1);
    return status;
}

static const struct coco_image *image_of(const struct cells *cells, const struct cell *cell,
                                         const struct coco_set *truth) {
    return coco_find_image(truth, cells->image_ids[cell->image]);
}

// Decodes all masks of the cell into the scratch arena.
static enum status decode_masks(struct rle **truths, struct rle **found,
                                struct overlap_scratch *scratch, const struct cells *cells,
                                const struct cell *cell, const struct coco_set *truth,
                                const struct coco_set *results) {
    struct error *err = &scratch->err;
    const struct coco_image *image = image_of(cells, cell, truth);
    *truths = arena_alloc(&scratch->arena, cell->num_truths, sizeof **truths);
    *found = arena_alloc(&scratch->arena, cell->num_results, sizeof **found);
    if (!*truths || !*found) return error_memory(err, "masks", cell->num_results);
    for (int64_t i = 0; i < cell->num_truths; i++)
        TRY(truth_mask(&(*truths)[i], &truth->annotations[cells->truths[cell->truth_begin + i]],
                       image, truth, &scratch->arena, err));
    for (int64_t i = 0; i < cell->num_results; i++)
        TRY(result_mask(&(*found)[i], &results->annotations[cells->results[cell->result_begin + i]],
                        image, results, &scratch->arena, err));
    return STATUS_OK;
}

// ---- Overlaps ----

static void compare_boxes(double *ious, const struct coco_box *found, int64_t num_found,
                          const struct cells *cells, const struct cell *cell,
                          const struct coco_set *truth) {
    for (int64_t t = 0; t < cell->num_truths; t++) {
        const struct coco_annotation *annotation =
            &truth->annotations[cells->truths[cell->truth_begin + t]];
        for (int64_t r = 0; r < num_found; r++)
            ious[r * cell->num_truths + t] =
                box_iou(&found[r], &annotation->box, annotation->is_crowd);
    }
}

static enum status compute_boxes(struct overlap_scratch *scratch, double *areas,
                                 const struct cells *cells, const struct cell *cell,
                                 const struct coco_set *truth, const struct coco_set *results,
                                 const struct result_rules *rules) {
    struct coco_box *boxes = arena_alloc(&scratch->arena, cell->num_results, sizeof *boxes);
    if (!boxes) return error_memory(&scratch->err, "boxes", cell->num_results * 32);
    for (int64_t i = 0; i < cell->num_results; i++) {
        const struct coco_annotation *result =
            &results->annotations[cells->results[cell->result_begin + i]];
        boxes[i] = result->box;
        areas[i] = result->box.width * result->box.height;
        if (rules->area_from_box) continue;
        struct rle mask;
        TRY(result_mask(&mask, result, image_of(cells, cell, truth), results, &scratch->arena,
                        &scratch->err));
        areas[i] = (double)rle_area(&mask);
        if (!result->has_box) boxes[i] = rle_box(&mask);
    }
    compare_boxes(scratch->ious, boxes, cell->num_results, cells, cell, truth);
    return STATUS_OK;
}

// What pairs of masks need of one mask, computed once.
struct measured {
    int64_t area;
    int64_t begin; // positions, column by column, of the first pixel set and one behind the last
    int64_t end;
};

static struct measured measure(const struct rle *mask) {
    int64_t num_pixels = (int64_t)mask->height * mask->width;
    int64_t tail = mask->num_runs % 2 ? mask->runs[mask->num_runs - 1] : 0;
    return (struct measured){rle_area(mask), mask->num_runs ? mask->runs[0] : 0, num_pixels - tail};
}

// Fills one column of ious: all results of the cell against one truth.
static void compare_with_truth(double *ious, int64_t stride, const struct rle *found,
                               const struct measured *sizes, int64_t num_found,
                               const struct rle *truth, bool crowd) {
    struct measured size = measure(truth);
    for (int64_t r = 0; r < num_found; r++) {
        bool same_size = found[r].height == truth->height && found[r].width == truth->width;
        bool apart = sizes[r].end <= size.begin || size.end <= sizes[r].begin;
        if (!same_size)
            ious[r * stride] = -1; // parity: never matches
        else if (apart)
            ious[r * stride] = 0;
        else
            ious[r * stride] = rle_iou_of_areas(rle_intersection_area(&found[r], truth),
                                                sizes[r].area, size.area, crowd);
    }
}

static enum status compute_masks(struct overlap_scratch *scratch, double *areas,
                                 const struct cells *cells, const struct cell *cell,
                                 const struct coco_set *truth, const struct coco_set *results,
                                 const struct metric_settings *settings,
                                 const struct result_rules *rules) {
    struct arena *arena = &scratch->arena;
    struct rle *truths = NULL;
    struct rle *found = NULL;
    TRY(decode_masks(&truths, &found, scratch, cells, cell, truth, results));
    struct measured *sizes = arena_alloc(arena, cell->num_results, sizeof *sizes);
    bool *crowds = arena_alloc(arena, cell->num_truths, sizeof *crowds);
    if (!sizes || !crowds) return error_memory(&scratch->err, "masks", cell->num_results);
    for (int64_t r = 0; r < cell->num_results; r++) {
        const struct coco_box *box =
            &results->annotations[cells->results[cell->result_begin + r]].box;
        sizes[r] = measure(&found[r]);
        areas[r] = rules->area_from_box ? box->width * box->height : (double)sizes[r].area;
    }
    for (int64_t t = 0; t < cell->num_truths && cell->num_results > 0; t++) {
        crowds[t] = truth->annotations[cells->truths[cell->truth_begin + t]].is_crowd;
        compare_with_truth(scratch->ious + t, cell->num_truths, found, sizes, cell->num_results,
                           &truths[t], crowds[t]);
    }
    if (settings->iou != IOU_BOUNDARY) return STATUS_OK;
    return boundary_lower_ious(scratch->ious, found, cell->num_results, truths, crowds,
                               cell->num_truths, settings->dilation_ratio, arena, &scratch->err);
}

void overlap_compute(struct overlap_scratch *scratch, double *areas, const struct cells *cells,
                     const struct cell *cell, const struct coco_set *truth,
                     const struct coco_set *results, const struct metric_settings *settings,
                     const struct result_rules *rules) {
    if (scratch->err.code != STATUS_OK) return;
    struct arena_mark mark = arena_mark(&scratch->arena);
    enum status status =
        array_reserve(&scratch->ious, &scratch->iou_capacity, cell->num_results * cell->num_truths,
                      sizeof *scratch->ious, &scratch->err);
    if (status == STATUS_OK && settings->iou == IOU_BOX)
        status = compute_boxes(scratch, areas, cells, cell, truth, results, rules);
    else if (status == STATUS_OK)
        status = compute_masks(scratch, areas, cells, cell, truth, results, settings, rules);
    arena_release(&scratch->arena, mark);
    if (status != STATUS_OK) scratch->err.code = status;
}
