// The step down a feature pyramid on CUDA. Backward, each position of the coarser map gathers from
// those that took it.

#include "nn/cuda/rows.h"

extern "C" {
#include "nn/upsample_add/upsample_add.h"
#include "nn/upsample_add/upsample_add_math.h"
}

struct maps {
    int64_t n, h, w, c; // of the finer one
    int64_t top_h, top_w;
};

static struct maps maps_of(const struct call *call) {
    const struct tensor *y = call->out;
    const struct tensor *top = call->inputs[1];
    return maps{y->n, y->h, y->w, y->c, top->h, top->w};
}

static __global__ void __launch_bounds__(BLOCK_THREADS)
    add_nearest(struct maps m, const float *lateral, const float *top, float *y) {
    int64_t i = global_index();
    if (i >= m.n * m.h * m.w * m.c) return;
    int64_t column = upsample_source(i / m.c % m.w, m.top_w, m.w);
    int64_t row = upsample_source(i / m.c / m.w % m.h, m.top_h, m.h);
    int64_t image = i / m.c / m.w / m.h;
    y[i] = lateral[i] + top[((image * m.top_h + row) * m.top_w + column) * m.c + i % m.c];
}

void cuda_upsample_add_forward(struct nn *nn, struct call *base) {
    int64_t count = tensor_count(base->out);
    if (count)
        LAUNCH(nn, add_nearest, blocks_for(count, BLOCK_THREADS), BLOCK_THREADS, 0, maps_of(base),
               (const float *)base->inputs[0]->data, (const float *)base->inputs[1]->data,
               base->out->data);
}

static __global__ void __launch_bounds__(BLOCK_THREADS)
    gather(struct maps m, const float *dy, bool add, float *grad) {
    int64_t i = global_index();
    if (i >= m.n * m.top_h * m.top_w * m.c) return;
    int64_t column = i / m.c % m.top_w;
    int64_t row = i / m.c / m.top_w % m.top_h;
    int64_t image = i / m.c / m.top_w / m.top_h;
    int64_t last_row = upsample_begin(row + 1, m.top_h, m.h);
    int64_t last_column = upsample_begin(column + 1, m.top_w, m.w);
    float total = add ? grad[i] : 0;
    for (int64_t r = upsample_begin(row, m.top_h, m.h); r < last_row; r++)
        for (int64_t k = upsample_begin(column, m.top_w, m.w); k < last_column; k++)
            total += dy[((image * m.h + r) * m.w + k) * m.c + i % m.c];
    grad[i] = total;
}

void cuda_upsample_add_backward(struct nn *nn, struct call *base) {
    struct tensor *top = base->inputs[1];
    bool add = false;
    float *grad = nn_grad(nn, top, &add);
    int64_t count = tensor_count(top);
    if (grad && count)
        LAUNCH(nn, gather, blocks_for(count, BLOCK_THREADS), BLOCK_THREADS, 0, maps_of(base),
               (const float *)base->out->grad, add, grad);
    cuda_rows_residual_gradient(nn, base->out, base->inputs[0]);
}
