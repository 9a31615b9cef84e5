#include "nn/cuda/loss.h"

extern "C" {
#include "nn/sigmoid/sigmoid_math.h"
#include "nn/sigmoid_loss/sigmoid_loss.h"
}

// Targets belong to spans of logits: single ones, or all channels of a position, one of which
// counts.
struct layout {
    int64_t num_targets;
    int64_t span;
    int64_t per_image; // targets of one image
    const float *logits, *targets, *weights;
    const int32_t *channels;
};

static struct layout layout_of(struct operands *o, const struct sigmoid_loss_call *call) {
    const struct tensor *logits = call->call.inputs[0];
    const struct sigmoid_targets *targets = &call->targets;
    int64_t span = targets->channels ? logits->c : 1;
    int64_t per_image = logits->h * logits->w * (targets->channels ? 1 : logits->c);
    int64_t count = logits->n * per_image;
    return layout{count,
                  span,
                  per_image,
                  logits->data,
                  operand_in(o, targets->targets, count),
                  operand_in(o, targets->weights, count),
                  operand_in(o, targets->channels, logits->n)};
}

// The logit of target i.
static __device__ int64_t logit_of(const struct layout &l, int64_t i) {
    return l.channels ? i * l.span + l.channels[i / l.per_image] : i;
}

static __device__ float weight_of(const struct layout &l, int64_t i) {
    return l.weights ? l.weights[i] : 1;
}

static __global__ void __launch_bounds__(BLOCK_THREADS)
    sum_targets(struct layout l, double *parts) {
    int64_t end = loss_piece(l.num_targets, blockIdx.x + 1);
    double total = 0;
    for (int64_t i = loss_piece(l.num_targets, blockIdx.x) + threadIdx.x; i < end;
         i += blockDim.x) {
        float weight = weight_of(l, i);
        if (weight == 0) continue;
        float x = l.logits[logit_of(l, i)];
        total += (double)weight * (double)sigmoid_cross_entropy(x, l.targets[i]);
    }
    total = block_sum(total);
    if (threadIdx.x == 0) parts[blockIdx.x] = total;
}

void cuda_sigmoid_loss_forward(struct nn *nn, struct call *base) {
    const struct sigmoid_loss_call *call = (const struct sigmoid_loss_call *)base;
    struct operands o = {.nn = nn};
    struct layout layout = layout_of(&o, call);
    double *parts = cuda_loss_parts(nn);
    LAUNCH(nn, sum_targets, LOSS_PARTS, BLOCK_THREADS, 0, layout, parts);
    cuda_loss_write(nn, parts, call->scale, base->out);
    nn_scratch_free(nn, parts);
    operands_end(&o);
}

// A thread for each span.
static __global__ void __launch_bounds__(BLOCK_THREADS)
    target_gradients(struct layout l, float scale, bool add, float *grad) {
    int64_t i = global_index();
    if (i >= l.num_targets) return;
    for (int64_t j = 0; !add && j < l.span; j++)
        grad[i * l.span + j] = 0;
    float weight = weight_of(l, i);
    if (weight == 0) return;
    int64_t at = logit_of(l, i);
    grad[at] += scale * weight * (sigmoid_of(l.logits[at]) - l.targets[i]);
}

void cuda_sigmoid_loss_backward(struct nn *nn, struct call *base) {
    const struct sigmoid_loss_call *call = (const struct sigmoid_loss_call *)base;
    bool add = false;
    float *grad = nn_grad(nn, base->inputs[0], &add);
    struct operands o = {.nn = nn};
    struct layout layout = layout_of(&o, call);
    if (grad && layout.num_targets)
        LAUNCH(nn, target_gradients, blocks_for(layout.num_targets, BLOCK_THREADS), BLOCK_THREADS,
               0, layout, call->scale, add, grad);
    operands_end(&o);
}
