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

static __global__ void __launch_bounds__(LOSS_THREADS) sum_targets(struct layout l, double *parts) {
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
    LAUNCH(nn, sum_targets, LOSS_PARTS, LOSS_THREADS, 0, layout, parts);
    cuda_loss_write(nn, parts, call->scale, base->out);
    nn_scratch_free(nn, parts);
    operands_end(&o);
}

// So many lanes for each span, of which each has the targets' gradient.
static __global__ void __launch_bounds__(BLOCK_THREADS)
    target_gradients(struct layout l, float scale, bool add, unsigned lanes, float *grad) {
    int64_t i = global_index() / lanes;
    unsigned lane = threadIdx.x % lanes;
    if (i >= l.num_targets) return;
    int64_t at = logit_of(l, i);
    float weight = weight_of(l, i);
    float slope = weight == 0 ? 0 : scale * weight * (sigmoid_of(l.logits[at]) - l.targets[i]);
    if (add) {
        if (lane == 0 && weight != 0) grad[at] += slope;
        return;
    }
    for (int64_t j = i * l.span + lane; j < (i + 1) * l.span; j += lanes)
        grad[j] = j == at ? slope : 0;
}

void cuda_sigmoid_loss_backward(struct nn *nn, struct call *base) {
    const struct sigmoid_loss_call *call = (const struct sigmoid_loss_call *)base;
    bool add = false;
    float *grad = nn_grad(nn, base->inputs[0], &add);
    struct operands o = {.nn = nn};
    struct layout layout = layout_of(&o, call);
    unsigned lanes = add ? 1 : loss_lanes(layout.span);
    if (grad && layout.num_targets)
        LAUNCH(nn, target_gradients, blocks_for(layout.num_targets * lanes, BLOCK_THREADS),
               BLOCK_THREADS, 0, layout, call->scale, add, lanes, grad);
    operands_end(&o);
}
