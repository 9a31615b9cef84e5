#include "nn/cuda/loss.h"
#include "nn/softmax/softmax_cuda.h"

extern "C" {
#include "nn/softmax_loss/softmax_loss.h"
}

static const int64_t WARP = 32; // for each row

static __global__ void __launch_bounds__(LOSS_THREADS)
    sum_rows(const float *logits, int64_t rows, int64_t c, const int32_t *labels, double *parts) {
    int64_t end = loss_piece(rows, blockIdx.x + 1);
    double total = 0;
    for (int64_t i = loss_piece(rows, blockIdx.x) + threadIdx.x / WARP; i < end;
         i += LOSS_THREADS / WARP) {
        if (labels[i] < 0) continue;
        const float *x = logits + i * c;
        struct softmax_row row = softmax_row_of_warp(x, c);
        if (threadIdx.x % WARP > 0) continue;
        total += log(row.sum) + ((double)row.max - (double)x[labels[i]]);
    }
    total = block_sum(total);
    if (threadIdx.x == 0) parts[blockIdx.x] = total;
}

void cuda_softmax_loss_forward(struct nn *nn, struct call *base) {
    const struct softmax_loss_call *call = (const struct softmax_loss_call *)base;
    const struct tensor *logits = base->inputs[0];
    int64_t rows = tensor_rows(logits);
    struct operands o = {.nn = nn};
    const int32_t *labels = operand_in(&o, call->labels, rows);
    double *parts = cuda_loss_parts(nn);
    LAUNCH(nn, sum_rows, LOSS_PARTS, LOSS_THREADS, 0, (const float *)logits->data, rows, logits->c,
           labels, parts);
    cuda_loss_write(nn, parts, call->scale, base->out);
    nn_scratch_free(nn, parts);
    operands_end(&o);
}

static __global__ void __launch_bounds__(BLOCK_THREADS)
    row_gradients(const float *logits, int64_t rows, int64_t c, const int32_t *labels, float scale,
                  bool add, float *grads) {
    int64_t i = global_index() / WARP;
    if (i >= rows) return;
    const float *x = logits + i * c;
    float *grad = grads + i * c;
    struct softmax_row row = softmax_row_of_warp(x, c);
    for (int64_t j = threadIdx.x % WARP; j < c; j += WARP) {
        float old = add ? grad[j] : 0;
        if (labels[i] >= 0) old += scale * (softmax_of(row, x[j]) - (j == labels[i] ? 1.0f : 0.0f));
        grad[j] = old;
    }
}

void cuda_softmax_loss_backward(struct nn *nn, struct call *base) {
    const struct softmax_loss_call *call = (const struct softmax_loss_call *)base;
    struct tensor *logits = base->inputs[0];
    int64_t rows = tensor_rows(logits);
    bool add = false;
    float *grad = nn_grad(nn, logits, &add);
    if (!grad || rows == 0) return;
    struct operands o = {.nn = nn};
    const int32_t *labels = operand_in(&o, call->labels, rows);
    LAUNCH(nn, row_gradients, blocks_for(rows, BLOCK_THREADS / WARP), BLOCK_THREADS, 0,
           (const float *)logits->data, rows, logits->c, labels, call->scale, add, grad);
    operands_end(&o);
}
