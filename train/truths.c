#include "train/truths.h"

#include <math.h>

#include "data/rle_sample.h"

// Which pixels of the image the pixels of the input show.
struct pixel_map {
    const int32_t *rows, *columns;
};

// The nearest pixel. parity: Pillow's Image.NEAREST, of the pixels' centres; torch's
// nearest_neighbor_compute_source_index, of their corners and in float32.
static int32_t source_pixel(const struct conventions_rules *rules, int64_t at, int32_t source_side,
                            int32_t target_side) {
    if (rules->mask_pixel_centres)
        return (int32_t)((2 * at + 1) * source_side / (2 * (int64_t)target_side));
    float scale = (float)source_side / (float)target_side;
    int32_t source = (int32_t)((float)at * scale);
    return source < source_side ? source : source_side - 1;
}

static enum status map_pixels(struct pixel_map *map, const struct view *view,
                              const struct conventions_rules *rules, struct arena *arena,
                              struct error *err) {
    const struct crop *crop = &view->crop;
    int32_t *rows = arena_alloc(arena, crop->extent.height, sizeof *rows);
    int32_t *columns = arena_alloc(arena, crop->extent.width, sizeof *columns);
    if (!rows || !columns) return error_memory(err, "rows", crop->extent.height);
    for (int32_t y = 0; y < crop->extent.height; y++)
        rows[y] = source_pixel(rules, crop->top + y, view->height, crop->resized.height);
    for (int32_t x = 0; x < crop->extent.width; x++) {
        int32_t column = source_pixel(rules, crop->left + x, view->width, crop->resized.width);
        columns[x] = view->mirrored ? view->width - 1 - column : column;
    }
    *map = (struct pixel_map){rows, columns};
    return STATUS_OK;
}

static enum status make_pixels(struct rle *result, const struct coco_segment *segment,
                               const struct view *view, const struct pixel_map *map,
                               struct arena *arena, struct error *err) {
    enum { BLOCK_BYTES = 1 << 14 };
    struct arena scratch; // its mask is gone before the result is
    struct rle whole;
    arena_init(&scratch, BLOCK_BYTES, 0);
    enum status status =
        coco_segment_to_rle(&whole, segment, view->height, view->width, &scratch, err);
    if (status == STATUS_OK)
        status = rle_sample(result, &whole, map->rows, view->crop.extent.height, map->columns,
                            view->crop.extent.width, arena, err);
    arena_destroy(&scratch);
    return status;
}

static enum status make_polygons(struct object_mask *mask, const struct coco_segment *segment,
                                 const struct view *view, struct arena *arena, struct error *err) {
    struct polygon *polygons = arena_alloc(arena, segment->count, sizeof *polygons);
    if (!polygons) return error_memory(err, "polygons", segment->count);
    *mask = (struct object_mask){.polygons = polygons};
    for (int64_t i = 0; i < segment->count; i++) {
        const struct polygon *polygon = &segment->polygons[i];
        if (polygon->num_points < 3) continue; // parity: detectron2 does not look at these
        double *points = arena_alloc(arena, 2 * polygon->num_points, sizeof *points);
        if (!points) return error_memory(err, "a polygon", 16 * polygon->num_points);
        for (int64_t j = 0; j < polygon->num_points; j++) {
            points[2 * j] = view_x(view, polygon->points[2 * j]);
            points[2 * j + 1] = view_y(view, polygon->points[2 * j + 1]);
        }
        polygons[mask->num_polygons++] = (struct polygon){points, polygon->num_points};
    }
    return STATUS_OK;
}

// False if too little of the object is left.
static bool make_box(float box[4], const struct dataset_object *object, const struct view *view) {
    double left = view_x(view, (double)object->box[view->mirrored ? 2 : 0]);
    double right = view_x(view, (double)object->box[view->mirrored ? 0 : 2]);
    double top = view_y(view, (double)object->box[1]);
    double bottom = view_y(view, (double)object->box[3]);
    left = fmax(left, 0);
    top = fmax(top, 0);
    right = fmin(right, view->crop.extent.width);
    bottom = fmin(bottom, view->crop.extent.height);
    box[0] = (float)left;
    box[1] = (float)top;
    box[2] = (float)right;
    box[3] = (float)bottom;
    return right - left >= 1 && bottom - top >= 1;
}

enum status truths_make(struct image_truth *truth, const struct dataset_image *image,
                        const struct view *view, const struct conventions_rules *rules,
                        struct arena *arena, struct error *err) {
    struct pixel_map map = {NULL, NULL};
    float *boxes = arena_alloc(arena, 4 * image->num_objects, sizeof *boxes);
    int32_t *labels = arena_alloc(arena, image->num_objects, sizeof *labels);
    struct object_mask *masks = arena_alloc_zero(arena, image->num_objects, sizeof *masks);
    if (!boxes || !labels || !masks) return error_memory(err, "objects", image->num_objects);
    TRY(map_pixels(&map, view, rules, arena, err));
    int64_t count = 0;
    for (int64_t i = 0; i < image->num_objects; i++) {
        const struct dataset_object *object = &image->objects[i];
        if (!make_box(boxes + 4 * count, object, view)) continue;
        if (rules->polygon_mask_targets && object->segment->kind == SEGMENT_POLYGONS)
            TRY(make_polygons(&masks[count], object->segment, view, arena, err));
        else
            TRY(make_pixels(&masks[count].rle, object->segment, view, &map, arena, err));
        labels[count++] = object->label;
    }
    *truth = (struct image_truth){count, boxes, labels, masks};
    return STATUS_OK;
}
