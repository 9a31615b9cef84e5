#include "nn/sigmoid_loss/sigmoid_loss.h"

#include <string.h>

#include "base/check.h"
#include "nn/device.h"
#include "nn/loss.h"
#include "nn/sigmoid/sigmoid_math.h"

// Targets belong to spans of logits: single ones, or all channels of a position, one of which
// counts.
struct layout {
    int64_t num_targets;
    int64_t span;
    int64_t per_image; // targets of one image
};

static struct layout layout_of(const struct sigmoid_loss_call *call) {
    const struct tensor *logits = call->call.inputs[0];
    int64_t span = call->targets.channels ? logits->c : 1;
    int64_t per_image = logits->h * logits->w * (call->targets.channels ? 1 : logits->c);
    return (struct layout){logits->n * per_image, span, per_image};
}

// The logit of target i.
static int64_t logit_of(const struct sigmoid_loss_call *call, const struct layout *layout,
                        int64_t i) {
    if (!call->targets.channels) return i;
    int32_t channel = call->targets.channels[i / layout->per_image];
    CHECK(channel >= 0 && channel < layout->span);
    return i * layout->span + channel;
}

static float weight_of(const struct sigmoid_loss_call *call, int64_t i) {
    return call->targets.weights ? call->targets.weights[i] : 1;
}

static double part_loss(const struct sigmoid_loss_call *call, const struct layout *layout,
                        int64_t begin, int64_t end) {
    const float *x = call->call.inputs[0]->data;
    double total = 0;
    for (int64_t i = begin; i < end; i++) {
        float weight = weight_of(call, i);
        if (weight == 0) continue;
        int64_t at = logit_of(call, layout, i);
        total += (double)weight * (double)sigmoid_cross_entropy(x[at], call->targets.targets[i]);
    }
    return total;
}

void cpu_sigmoid_loss_forward(struct nn *nn, struct call *base) {
    (void)nn;
    const struct sigmoid_loss_call *call = (struct sigmoid_loss_call *)base;
    struct layout layout = layout_of(call);
    double parts[LOSS_PARTS];
#pragma omp parallel for schedule(static)
    for (int64_t part = 0; part < LOSS_PARTS; part++)
        parts[part] = part_loss(call, &layout, loss_part(layout.num_targets, part),
                                loss_part(layout.num_targets, part + 1));
    loss_write(parts, call->scale, base->out);
}

static void part_gradient(const struct sigmoid_loss_call *call, const struct layout *layout,
                          int64_t begin, int64_t end, bool add, float *grad) {
    const float *x = call->call.inputs[0]->data;
    if (!add)
        memset(grad + begin * layout->span, 0,
               (size_t)((end - begin) * layout->span) * sizeof *grad);
    for (int64_t i = begin; i < end; i++) {
        float weight = weight_of(call, i);
        if (weight == 0) continue;
        int64_t at = logit_of(call, layout, i);
        grad[at] += call->scale * weight * (sigmoid_of(x[at]) - call->targets.targets[i]);
    }
}

void cpu_sigmoid_loss_backward(struct nn *nn, struct call *base) {
    const struct sigmoid_loss_call *call = (struct sigmoid_loss_call *)base;
    struct layout layout = layout_of(call);
    bool add = false;
    float *grad = nn_grad(nn, base->inputs[0], &add);
    if (!grad) return;
#pragma omp parallel for schedule(static)
    for (int64_t part = 0; part < LOSS_PARTS; part++)
        part_gradient(call, &layout, loss_part(layout.num_targets, part),
                      loss_part(layout.num_targets, part + 1), add, grad);
}
