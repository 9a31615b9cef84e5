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

template <class Number>
static __global__ void __launch_bounds__(BLOCK_THREADS)
    add_nearest(struct maps m, const Number *lateral, const Number *top, Number *y) {
    int64_t i = global_index();
    if (i >= m.n * m.h * m.w * m.c) return;
    int64_t column = upsample_source(i / m.c % m.w, m.top_w, m.w);
    int64_t row = upsample_source(i / m.c / m.w % m.h, m.top_h, m.h);
    int64_t image = i / m.c / m.w / m.h;
    int64_t above = ((image * m.top_h + row) * m.top_w + column) * m.c + i % m.c;
    y[i] = rounded<Number>(loaded(lateral[i]) + loaded(top[above]));
}

void cuda_upsample_add_forward(struct nn *nn, struct call *base) {
    int64_t count = tensor_count(base->out);
    if (count == 0) return;
    with_type(base->out->type, [&](auto number) {
        using Number = decltype(number);
        LAUNCH(nn, (add_nearest<Number>), blocks_for(count, BLOCK_THREADS), BLOCK_THREADS, 0,
               maps_of(base), (const Number *)data_of(base->inputs[0]).as<Number>(),
               (const Number *)data_of(base->inputs[1]).as<Number>(),
               data_of(base->out).as<Number>());
    });
}

template <class Number>
static __global__ void __launch_bounds__(BLOCK_THREADS)
    gather(struct maps m, const Number *dy, bool add, Number *grad) {
    int64_t i = global_index();
    if (i >= m.n * m.top_h * m.top_w * m.c) return;
    int64_t column = i / m.c % m.top_w;
    int64_t row = i / m.c / m.top_w % m.top_h;
    int64_t image = i / m.c / m.top_w / m.top_h;
    int64_t last_row = upsample_begin(row + 1, m.top_h, m.h);
    int64_t last_column = upsample_begin(column + 1, m.top_w, m.w);
    float total = add ? loaded(grad[i]) : 0;
    for (int64_t r = upsample_begin(row, m.top_h, m.h); r < last_row; r++)
        for (int64_t k = upsample_begin(column, m.top_w, m.w); k < last_column; k++)
            total += loaded(dy[((image * m.h + r) * m.w + k) * m.c + i % m.c]);
    grad[i] = rounded<Number>(total);
}

void cuda_upsample_add_backward(struct nn *nn, struct call *base) {
    struct tensor *top = base->inputs[1];
    bool add = false;
    struct numbers grad = wanted_grad(nn, top, &add);
    int64_t count = tensor_count(top);
    if (grad.data && count)
        with_type(top->type, [&](auto number) {
            using Number = decltype(number);
            LAUNCH(nn, (gather<Number>), blocks_for(count, BLOCK_THREADS), BLOCK_THREADS, 0,
                   maps_of(base), (const Number *)grad_of(base->out).as<Number>(), add,
                   grad.as<Number>());
        });
    cuda_rows_residual_gradient(nn, base->out, base->inputs[0]);
}
