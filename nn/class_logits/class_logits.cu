// A warp for each position.

#include "nn/cuda/numbers.h"

extern "C" {
#include "nn/class_logits/class_logits.h"
}

enum { WARP = 32, WARPS = BLOCK_THREADS / WARP };

template <class Number>
static __global__ void __launch_bounds__(BLOCK_THREADS)
    dot_positions(const Number *x, const float *weights, const float *biases, const int32_t *labels,
                  int64_t positions, int64_t rows, int64_t c, float *out) {
    int64_t i = (int64_t)blockIdx.x * WARPS + threadIdx.y;
    if (i >= positions) return; // all lanes of a warp
    int32_t label = labels[i / rows];
    float value = 0;
    for (int64_t j = threadIdx.x; j < c; j += WARP)
        value += loaded(x[i * c + j]) * weights[label * c + j];
    for (int by = WARP / 2; by > 0; by /= 2)
        value += __shfl_down_sync(0xffffffffu, value, (unsigned)by);
    if (threadIdx.x == 0) out[i] = value + biases[label];
}

void cuda_class_logits_forward(struct nn *nn, struct call *base) {
    const struct class_logits_call *call = (const struct class_logits_call *)base;
    const struct tensor *x = base->inputs[0];
    int64_t positions = tensor_rows(x);
    if (positions == 0) return;
    struct operands o = {.nn = nn};
    const float *weights = operand_values(&o, call->conv->weight);
    const float *biases = operand_values(&o, call->conv->bias);
    const int32_t *labels = operand_in(&o, call->labels, x->n);
    with_type(x->type, [&](auto number) {
        using Number = decltype(number);
        LAUNCH(nn, (dot_positions<Number>), blocks_for(positions, WARPS), dim3(WARP, WARPS), 0,
               (const Number *)data_of(x).as<Number>(), weights, biases, labels, positions,
               x->h * x->w, x->c, base->out->data);
    });
    operands_end(&o);
}
