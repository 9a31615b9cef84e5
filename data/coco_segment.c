// Segmentations to masks, by pycocotools' rules (coco.py, annToRLE; _mask.pyx, frPyObjects).
#include "data/coco.h"

static enum status polygons_or_boxes_to_rle(struct rle *rle, const struct coco_segment *segment,
                                            int32_t height, int32_t width, struct arena *arena,
                                            struct error *err) {
    const struct polygon *polygons = segment->polygons;
    // parity: two points are four numbers, which pycocotools takes for boxes, judging all parts of
    // the object by the first.
    if (segment->count == 0 || polygons[0].num_points != 2)
        return polygons_to_rle(rle, polygons, segment->count, height, width, arena, err);
    struct polygon *boxes = arena_alloc(arena, segment->count, sizeof *boxes);
    double *corners = arena_alloc(arena, segment->count, BOX_CORNER_NUMBERS * sizeof *corners);
    if (!boxes || !corners) return error_memory(err, "boxes", segment->count * 80);
    for (int64_t i = 0; i < segment->count; i++, corners += BOX_CORNER_NUMBERS) {
        const double *n = polygons[i].points;
        if (polygons[i].num_points < 2)
            return error_set(err, STATUS_DATA, "part %lld: a box of fewer than four numbers",
                             (long long)i);
        box_corners(corners, &(struct coco_box){n[0], n[1], n[2], n[3]});
        boxes[i] = (struct polygon){corners, 4};
    }
    return polygons_to_rle(rle, boxes, segment->count, height, width, arena, err);
}

enum status coco_segment_to_rle(struct rle *rle, const struct coco_segment *segment, int32_t height,
                                int32_t width, struct arena *arena, struct error *err) {
    switch (segment->kind) {
    case SEGMENT_POLYGONS:
        return polygons_or_boxes_to_rle(rle, segment, height, width, arena, err);
    case SEGMENT_STRING:
        return rle_from_string(rle, segment->string, segment->count, segment->height,
                               segment->width, arena, err);
    case SEGMENT_COUNTS:
        return rle_from_counts(rle, segment->counts, segment->count, segment->height,
                               segment->width, arena, err);
    case SEGMENT_NONE:
        break;
    }
    int64_t all_pixels = (int64_t)height * width;
    return rle_from_counts(rle, &all_pixels, 1, height, width, arena, err);
}
