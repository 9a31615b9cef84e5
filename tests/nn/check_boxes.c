#include "tests/nn/check_boxes.h"

void decode_and_clip(const double reference[4], const float deltas[4],
                     const struct box_coding *coding, struct extent extent, double box[4]) {
    const double weights[4] = {(double)coding->x, (double)coding->y, (double)coding->width,
                               (double)coding->height};
    const double limits[2] = {extent.width, extent.height};
    for (int axis = 0; axis < 2; axis++) {
        double side = reference[axis + 2] - reference[axis];
        double centre = (reference[axis] + reference[axis + 2]) / 2;
        centre += (double)deltas[axis] / weights[axis] * side;
        side *= exp(fmin((double)deltas[axis + 2] / weights[axis + 2], log(1000.0 / 16)));
        box[axis] = fmin(fmax(centre - side / 2, 0), limits[axis]);
        box[axis + 2] = fmin(fmax(centre + side / 2, 0), limits[axis]);
    }
}

bool is_large(const double box[4], double min_side) {
    double width = box[2] - box[0];
    double height = box[3] - box[1];
    return width > 0 && height > 0 && width >= min_side && height >= min_side;
}

void sort_candidates(struct candidate *candidates, int64_t count) {
    for (int64_t i = 1; i < count; i++) {
        struct candidate one = candidates[i];
        int64_t at = i;
        for (; at > 0 && candidates[at - 1].score < one.score; at--)
            candidates[at] = candidates[at - 1];
        candidates[at] = one;
    }
}

static double overlap(const double *a, const double *b) {
    double width = fmin(a[2], b[2]) - fmax(a[0], b[0]);
    double height = fmin(a[3], b[3]) - fmax(a[1], b[1]);
    if (width <= 0 || height <= 0) return 0;
    double areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]);
    return width * height / (areas - width * height);
}

int64_t suppress(struct candidate *candidates, int64_t count, double threshold, int64_t max_keep) {
    int64_t num_kept = 0;
    for (int64_t i = 0; i < count && num_kept < max_keep; i++) {
        bool dropped = false;
        for (int64_t k = 0; k < num_kept && !dropped; k++)
            dropped = candidates[k].group == candidates[i].group &&
                      overlap(candidates[k].box, candidates[i].box) > threshold;
        if (!dropped) candidates[num_kept++] = candidates[i];
    }
    return num_kept;
}
