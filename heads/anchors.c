#include "heads/anchors.h"

#include <math.h>

void anchor_cells(enum anchor_rule rule, double size, const double *ratios, int64_t num_ratios,
                  float cells[][4]) {
    for (int64_t i = 0; i < num_ratios; i++) {
        float half_width = (float)(size / sqrt(ratios[i]) / 2);
        float half_height = (float)(size * sqrt(ratios[i]) / 2);
        if (rule == ANCHORS_ROUNDED) {
            // parity: torchvision computes in float32 and multiplies by reciprocals.
            float tall = sqrtf((float)ratios[i]);
            half_width = rintf(1 / tall * (float)size / 2);
            half_height = rintf(tall * (float)size / 2);
        }
        cells[i][0] = -half_width;
        cells[i][1] = -half_height;
        cells[i][2] = half_width;
        cells[i][3] = half_height;
    }
}
