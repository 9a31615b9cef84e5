#include "nn/cuda/kernel.h"

extern "C" {
#include "nn/softmax/softmax_math.h"
}

static __global__ void __launch_bounds__(BLOCK_THREADS)
    softmax_rows(const float *x, int64_t rows, int64_t c, float *y) {
    int64_t i = global_index();
    if (i >= rows) return;
    struct softmax_row row = softmax_row_of(x + i * c, c);
    for (int64_t j = 0; j < c; j++)
        y[i * c + j] = softmax_of(row, x[i * c + j]);
}

void cuda_softmax_forward(struct nn *nn, struct call *call) {
    const struct tensor *x = call->inputs[0];
    int64_t rows = tensor_rows(x);
    if (rows)
        LAUNCH(nn, softmax_rows, blocks_for(rows, BLOCK_THREADS), BLOCK_THREADS, 0,
               (const float *)x->data, rows, x->c, call->out->data);
}
