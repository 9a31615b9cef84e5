#include "nn/smooth_l1_loss/smooth_l1_loss.h"

#include <string.h>

#include "base/check.h"
#include "nn/device.h"
#include "nn/loss.h"
#include "nn/smooth_l1_loss/smooth_l1_math.h"

static float weight_of(const struct box_targets *targets, int64_t row) {
    return targets->weights ? targets->weights[row] : 1;
}

// Where the four predictions of a row that count begin.
static int64_t group_of(const struct box_targets *targets, int64_t row) {
    int64_t group = targets->groups ? targets->groups[row] : 0;
    CHECK(group >= 0 && group < targets->num_groups);
    return (row * targets->num_groups + group) * 4;
}

static double part_loss(const struct smooth_l1_loss_call *call, int64_t begin, int64_t end) {
    const struct box_targets *targets = &call->targets;
    double total = 0;
    for (int64_t row = begin; row < end; row++) {
        float weight = weight_of(targets, row);
        if (weight == 0) continue;
        const float *x = call->call.inputs[0]->data + group_of(targets, row);
        for (int64_t j = 0; j < 4; j++)
            total += (double)weight *
                     (double)smooth_l1(x[j] - targets->targets[4 * row + j], call->beta);
    }
    return total;
}

void cpu_smooth_l1_loss_forward(struct nn *nn, struct call *base) {
    (void)nn;
    const struct smooth_l1_loss_call *call = (struct smooth_l1_loss_call *)base;
    double parts[LOSS_PARTS];
#pragma omp parallel for schedule(static)
    for (int64_t part = 0; part < LOSS_PARTS; part++)
        parts[part] = part_loss(call, loss_part(call->rows, part), loss_part(call->rows, part + 1));
    loss_write(parts, call->scale, base->out);
}

static void part_gradient(const struct smooth_l1_loss_call *call, int64_t begin, int64_t end,
                          bool add, float *grad) {
    const struct box_targets *targets = &call->targets;
    int64_t row_floats = 4 * targets->num_groups;
    if (!add)
        memset(grad + begin * row_floats, 0, (size_t)((end - begin) * row_floats) * sizeof *grad);
    for (int64_t row = begin; row < end; row++) {
        float weight = weight_of(targets, row);
        if (weight == 0) continue;
        int64_t at = group_of(targets, row);
        const float *x = call->call.inputs[0]->data + at;
        for (int64_t j = 0; j < 4; j++)
            grad[at + j] += call->scale * weight *
                            smooth_l1_slope(x[j] - targets->targets[4 * row + j], call->beta);
    }
}

void cpu_smooth_l1_loss_backward(struct nn *nn, struct call *base) {
    const struct smooth_l1_loss_call *call = (struct smooth_l1_loss_call *)base;
    bool add = false;
    float *grad = nn_grad(nn, base->inputs[0], &add);
    if (!grad) return;
#pragma omp parallel for schedule(static)
    for (int64_t part = 0; part < LOSS_PARTS; part++)
        part_gradient(call, loss_part(call->rows, part), loss_part(call->rows, part + 1), add,
                      grad);
}
