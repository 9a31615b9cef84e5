#include "nn/cuda/kernel.h"

extern "C" {
#include "nn/sigmoid/sigmoid_math.h"
}

static __global__ void __launch_bounds__(BLOCK_THREADS)
    sigmoid_all(const float *x, int64_t count, float *y) {
    int64_t i = global_index();
    if (i < count) y[i] = sigmoid_of(x[i]);
}

void cuda_sigmoid_forward(struct nn *nn, struct call *call) {
    int64_t count = tensor_count(call->out);
    if (count)
        LAUNCH(nn, sigmoid_all, blocks_for(count, BLOCK_THREADS), BLOCK_THREADS, 0,
               (const float *)call->inputs[0]->data, count, call->out->data);
}
