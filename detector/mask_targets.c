#include "detector/mask_targets.h"

#include <math.h>
#include <string.h>

#include "nn/roi_align/roi_align.h"

struct targets {
    struct nn *nn;
    const struct conventions_rules *rules;
    const struct box_list *regions;
    const int32_t *truths; // of the regions
    int64_t size;
    float *values; // [regions, size, size]
};

// Writes 1 to the pixels of a mask in values[height, width].
static void set_pixels(const struct rle *mask, float *values) {
    int64_t x = 0;
    int64_t y = 0;
    for (int64_t run = 0; run < mask->num_runs; run++) {
        for (uint32_t i = 0; i < mask->runs[run]; i++) {
            if (run % 2 == 1) values[y * mask->width + x] = 1;
            if (++y < mask->height) continue;
            y = 0;
            x++;
        }
    }
}

static void cut_at_half(float *values, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        values[i] = values[i] >= 0.5f ? 1 : 0;
}

// The targets of the regions whose truth is mask, the j-th.
static void sample_pixels(const struct targets *t, const struct rle *mask, int64_t j) {
    struct nn *nn = t->nn;
    const struct roi_align settings = {
        .label = "mask targets",
        .output_size = t->size,
        .aligned = t->rules->aligned_mask_targets,
    };
    struct box_list mine;
    box_list_create(nn, &mine, t->regions->count);
    nn_wait(nn);
    for (int64_t i = 0; i < t->regions->count && !nn_failed(nn); i++) {
        if (t->truths[i] != j) continue;
        memcpy(mine.boxes + 4 * mine.count, t->regions->boxes + 4 * i, 4 * sizeof(float));
        mine.images[mine.count] = 0;
        mine.levels[mine.count++] = 0;
    }
    // The pixels as a feature map with one channel.
    struct tensor *pixels = nn_tensor(nn, 1, mask->height, mask->width, 1);
    if (!nn_failed(nn)) {
        memset(pixels->data, 0, (size_t)tensor_count(pixels) * sizeof *pixels->data);
        set_pixels(mask, pixels->data);
    }
    const struct roi_pyramid pyramid = {.num_levels = 1, .levels = {pixels}, .scales = {1}};
    const struct rois rois = {mine.count, mine.boxes, mine.images, mine.levels};
    struct tensor *cut = roi_align_forward(nn, &settings, &pyramid, &rois);
    nn_wait(nn);
    if (nn_failed(nn)) return;
    if (t->rules->aligned_mask_targets) cut_at_half(cut->data, tensor_count(cut));
    int64_t pixels_each = t->size * t->size;
    for (int64_t i = 0, k = 0; i < t->regions->count; i++)
        if (t->truths[i] == j)
            memcpy(t->values + i * pixels_each, cut->data + k++ * pixels_each,
                   (size_t)pixels_each * sizeof *t->values);
    nn_release(nn, cut);
    nn_release(nn, pixels);
    box_list_release(nn, &mine);
}

// From the resized image to a region of size pixels: how much to move, then to scale.
struct placement {
    double origin, scale;
};

// parity: detectron2, rasterize_polygons_within_box; the side is a difference of float32 numbers.
static struct placement placement_of(float low, float high, int64_t size) {
    double side = (double)(high - low);
    return (struct placement){(double)low, (double)size / fmax(side, 0.1)};
}

// Far outside a region it does not matter where a corner is, but drawing has its limits.
static double place(struct placement placement, double coordinate) {
    enum { FAR = 1 << 20 };
    return fmin(fmax((coordinate - placement.origin) * placement.scale, -FAR), FAR);
}

static enum status draw_polygons(const struct object_mask *mask, const float region[4],
                                 int64_t size, float *values, struct arena *arena,
                                 struct error *err) {
    struct placement across = placement_of(region[0], region[2], size);
    struct placement down = placement_of(region[1], region[3], size);
    memset(values, 0, (size_t)(size * size) * sizeof *values);
    for (int64_t i = 0; i < mask->num_polygons; i++) {
        const struct polygon *polygon = &mask->polygons[i];
        double *points = arena_alloc(arena, 2 * polygon->num_points, sizeof *points);
        if (!points) return error_memory(err, "a polygon", 16 * polygon->num_points);
        for (int64_t j = 0; j < polygon->num_points; j++) {
            points[2 * j] = place(across, polygon->points[2 * j]);
            points[2 * j + 1] = place(down, polygon->points[2 * j + 1]);
        }
        struct rle drawn;
        const struct polygon placed = {points, polygon->num_points};
        TRY(polygon_to_rle(&drawn, &placed, (int32_t)size, (int32_t)size, arena, err));
        set_pixels(&drawn, values);
    }
    return STATUS_OK;
}

static bool has_regions(const struct targets *t, int64_t j) {
    for (int64_t i = 0; i < t->regions->count; i++)
        if (t->truths[i] == j) return true;
    return false;
}

void mask_targets_make(struct nn *nn, const struct conventions_rules *rules,
                       const struct object_mask *masks, int64_t num_masks,
                       const struct box_list *regions, const int32_t *truths, int64_t size,
                       float *targets) {
    const struct targets t = {nn, rules, regions, truths, size, targets};
    nn_wait(nn);
    for (int64_t j = 0; j < num_masks && !nn_failed(nn); j++)
        if (masks[j].num_polygons == 0 && has_regions(&t, j)) sample_pixels(&t, &masks[j].rle, j);
    for (int64_t i = 0; i < regions->count && !nn_failed(nn); i++) {
        const struct object_mask *mask = &masks[truths[i]];
        struct arena_mark mark = arena_mark(&nn->records); // where there is room at hand
        struct error err;
        if (mask->num_polygons == 0) continue;
        enum status status = draw_polygons(mask, regions->boxes + 4 * i, size,
                                           targets + i * size * size, &nn->records, &err);
        arena_release(&nn->records, mark);
        if (status != STATUS_OK) nn_fail(nn, status, "mask targets: %s", err.message);
    }
}
