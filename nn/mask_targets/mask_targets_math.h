// The arithmetic of mask targets, the same on every device: so are all their bits.
#pragma once

#include <math.h>

#include "base/outline.h"
#include "nn/mask_targets/mask_targets.h"
#include "nn/roi_align/roi_align_math.h"

// ---- Polygons ----

// From the input to a region of size pixels: how much to move, then to scale.
struct mask_placement {
    double origin, scale;
};

// parity: detectron2, rasterize_polygons_within_box; the side is a difference of float32 numbers.
HOST_DEVICE static inline struct mask_placement mask_placement_of(float low, float high,
                                                                  int64_t size) {
    double side = (double)(high - low);
    struct mask_placement placement = {(double)low, (double)size / fmax(side, 0.1)};
    return placement;
}

// Far outside a region it does not matter where a corner is, but drawing has its limits.
HOST_DEVICE static inline double mask_place(struct mask_placement placement, double coordinate) {
    const double far = 1 << 20;
    return fmin(fmax((coordinate - placement.origin) * placement.scale, -far), far);
}

struct mask_canvas {
    struct mask_placement across, down;
    int32_t size;
};

HOST_DEVICE static inline struct mask_canvas mask_canvas_of(const float region[4], int64_t size) {
    struct mask_canvas canvas = {mask_placement_of(region[0], region[2], size),
                                 mask_placement_of(region[1], region[3], size), (int32_t)size};
    return canvas;
}

// The edge from corner i of a polygon's count corners to the next one.
HOST_DEVICE static inline struct outline_edge
mask_edge(const struct mask_canvas *canvas, const double *points, int64_t count, int64_t i) {
    const double *from = points + 2 * i;
    const double *to = points + (i + 1 < count ? 2 * (i + 1) : 0);
    return outline_edge_between(
        outline_snap(mask_place(canvas->across, from[0]), mask_place(canvas->down, from[1])),
        outline_snap(mask_place(canvas->across, to[0]), mask_place(canvas->down, to[1])),
        canvas->size);
}

// A column of pixels, bit by bit from the top, from the rows at which it changes: a pixel is set if
// there is an odd number of changes down to it. As the outline is closed, a column has an even
// number in all, and the next one begins anew.
HOST_DEVICE static inline uint64_t mask_fill_column(uint64_t changes) {
    for (int by = 1; by < MASK_TARGETS_MAX_SIZE; by *= 2)
        changes ^= changes << by;
    return changes;
}

// ---- Pixels ----

// Pixels 32 k and on of a mask whose values change at count places, first bit first.
HOST_DEVICE static inline uint32_t mask_word(const uint32_t *changes, int64_t count, int64_t k) {
    uint64_t begin = 32 * (uint64_t)k;
    int64_t low = 0; // how many changes lie up to the first pixel
    for (int64_t high = count; low < high;) {
        int64_t middle = low + (high - low) / 2;
        if (changes[middle] <= begin)
            low = middle + 1;
        else
            high = middle;
    }
    uint32_t word = low % 2 ? UINT32_MAX : 0;
    for (; low < count && changes[low] < begin + 32; low++)
        word ^= UINT32_MAX << (changes[low] - begin);
    return word;
}

// What RoIAlign reads of one mask.
struct mask_image {
    const uint32_t *words;
    int64_t height, width;
};

HOST_DEVICE static inline float mask_pixel(const struct mask_image *image, int64_t row,
                                           int64_t column) {
    int64_t position = column * image->height + row;
    return (float)(image->words[position / 32] >> position % 32 & 1);
}

// One of RoIAlign's bilinear reads.
HOST_DEVICE static inline float mask_read(const struct mask_image *image, struct roi_read y,
                                          struct roi_read x) {
    return y.low_weight * (x.low_weight * mask_pixel(image, y.low, x.low) +
                           x.high_weight * mask_pixel(image, y.low, x.high)) +
           y.high_weight * (x.low_weight * mask_pixel(image, y.high, x.low) +
                            x.high_weight * mask_pixel(image, y.high, x.high));
}

// The mean of the reads of bin (p, q) of a region.
HOST_DEVICE static inline float mask_sample(const struct mask_image *image, const float region[4],
                                            int64_t size, bool aligned, int64_t p, int64_t q) {
    struct roi_align settings = {NULL, size, 0, aligned};
    struct roi_span down = roi_align_span(&settings, region[1], region[3], 1);
    struct roi_span across = roi_align_span(&settings, region[0], region[2], 1);
    float sum = 0;
    if (image->height == 0 || image->width == 0) return 0;
    for (int64_t i = 0; i < down.grid; i++) {
        struct roi_read y;
        if (!roi_align_read(roi_align_at(&down, p, i), image->height, &y)) continue;
        for (int64_t j = 0; j < across.grid; j++) {
            struct roi_read x;
            if (roi_align_read(roi_align_at(&across, q, j), image->width, &x))
                sum += mask_read(image, y, x);
        }
    }
    int64_t reads = down.grid * across.grid;
    float mean = reads > 0 ? sum / (float)reads : 0;
    if (!aligned) return mean;
    return mean >= 0.5f ? 1.0f : 0.0f;
}
