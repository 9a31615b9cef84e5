#include "train/loss_scale.h"

static const double START = 65536;
static const double SMALLEST = 1;
static const double LARGEST = 16777216;
static const int64_t STEPS_TO_DOUBLE = 2000;

struct loss_scale loss_scale_start(enum nn_precision precision) {
    return (struct loss_scale){.factor = precision == NN_FP16 ? START : 0};
}

double loss_scale_factor(const struct loss_scale *scale) {
    return scale->factor > 0 ? scale->factor : 1;
}

bool loss_scale_adapt(struct loss_scale *scale, bool is_finite) {
    if (scale->factor <= (is_finite ? 0 : SMALLEST)) return false;
    scale->num_steps++;
    if (is_finite && (scale->num_steps < STEPS_TO_DOUBLE || scale->factor >= LARGEST)) return false;
    scale->factor *= is_finite ? 2 : 0.5;
    scale->num_steps = 0;
    return !is_finite;
}
