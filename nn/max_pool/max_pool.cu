// Maximum over windows on CUDA. Backward, each position looks at the windows that it is in and asks
// each whether it is the first that holds the maximum: no two threads add to one place.

#include "nn/cuda/numbers.h"

extern "C" {
#include "nn/max_pool/max_pool.h"
}

struct pool {
    int64_t n, h, w, c, out_h, out_w;
    int64_t kernel, stride, padding;
};

static struct pool pool_of(const struct max_pool_call *call) {
    const struct tensor *x = call->call.inputs[0];
    const struct tensor *y = call->call.out;
    return pool{x->n, x->h, x->w, x->c, y->h, y->w, call->kernel, call->stride, call->padding};
}

// Positions of one axis that a window covers.
struct window {
    int64_t begin, end;
};

static __device__ struct window window_of(const struct pool &p, int64_t out, int64_t extent) {
    int64_t begin = out * p.stride - p.padding;
    int64_t end = begin + p.kernel;
    return window{begin > 0 ? begin : 0, end < extent ? end : extent};
}

template <class Number>
static __global__ void __launch_bounds__(BLOCK_THREADS)
    pool_forward(struct pool p, const Number *x, Number *y) {
    int64_t i = global_index();
    if (i >= p.n * p.out_h * p.out_w * p.c) return;
    int64_t j = i % p.c;
    struct window columns = window_of(p, i / p.c % p.out_w, p.w);
    struct window rows = window_of(p, i / p.c / p.out_w % p.out_h, p.h);
    const Number *image = x + i / p.c / p.out_w / p.out_h * p.h * p.w * p.c + j;
    float best = -INFINITY;
    for (int64_t row = rows.begin; row < rows.end; row++) {
        for (int64_t column = columns.begin; column < columns.end; column++) {
            float value = loaded(image[(row * p.w + column) * p.c]);
            if (value > best || value != value) best = value;
        }
    }
    y[i] = rounded<Number>(best);
}

void cuda_max_pool_forward(struct nn *nn, struct call *base) {
    const struct max_pool_call *call = (const struct max_pool_call *)base;
    int64_t count = tensor_count(base->out);
    if (count == 0) return;
    with_type(base->out->type, [&](auto number) {
        using Number = decltype(number);
        LAUNCH(nn, (pool_forward<Number>), blocks_for(count, BLOCK_THREADS), BLOCK_THREADS, 0,
               pool_of(call), (const Number *)data_of(base->inputs[0]).as<Number>(),
               data_of(base->out).as<Number>());
    });
}

static __device__ bool holds(float value, float best) {
    return value == best || value != value;
}

// Whether the position is the first of the window, row by row, that holds its maximum.
template <class Number>
static __device__ bool is_first(const struct pool &p, const Number *image, int64_t row,
                                int64_t column, int64_t out_row, int64_t out_column, float best) {
    if (!holds(loaded(image[(row * p.w + column) * p.c]), best)) return false;
    struct window rows = window_of(p, out_row, p.h);
    struct window columns = window_of(p, out_column, p.w);
    for (int64_t r = rows.begin; r <= row; r++) {
        for (int64_t k = columns.begin; k < columns.end; k++) {
            if (r == row && k == column) return true;
            if (holds(loaded(image[(r * p.w + k) * p.c]), best)) return false;
        }
    }
    return true;
}

// The windows of one axis that a position is in.
static __device__ struct window windows_over(const struct pool &p, int64_t position,
                                             int64_t num_windows) {
    int64_t before = position + p.padding - p.kernel + 1;
    int64_t begin = before > 0 ? (before + p.stride - 1) / p.stride : 0;
    int64_t end = (position + p.padding) / p.stride + 1;
    return window{begin, end < num_windows ? end : num_windows};
}

// One block is enough for a processor: for two more, sm_86 would spill registers.
template <class Number>
static __global__ void __launch_bounds__(BLOCK_THREADS, 1)
    pool_backward(struct pool p, const Number *x, const Number *y, const Number *dy, bool add,
                  Number *grad) {
    int64_t i = global_index();
    if (i >= p.n * p.h * p.w * p.c) return;
    int64_t j = i % p.c;
    int64_t column = i / p.c % p.w;
    int64_t row = i / p.c / p.w % p.h;
    int64_t n = i / p.c / p.w / p.h;
    const Number *image = x + n * p.h * p.w * p.c + j;
    struct window rows = windows_over(p, row, p.out_h);
    struct window columns = windows_over(p, column, p.out_w);
    float total = add ? loaded(grad[i]) : 0;
    for (int64_t out_row = rows.begin; out_row < rows.end; out_row++) {
        for (int64_t out_column = columns.begin; out_column < columns.end; out_column++) {
            int64_t at = ((n * p.out_h + out_row) * p.out_w + out_column) * p.c + j;
            if (is_first(p, image, row, column, out_row, out_column, loaded(y[at])))
                total += loaded(dy[at]);
        }
    }
    grad[i] = rounded<Number>(total);
}

void cuda_max_pool_backward(struct nn *nn, struct call *base) {
    const struct max_pool_call *call = (const struct max_pool_call *)base;
    struct tensor *x = base->inputs[0];
    bool add = false;
    struct numbers grad = wanted_grad(nn, x, &add);
    int64_t count = tensor_count(x);
    if (!grad.data || count == 0) return;
    with_type(x->type, [&](auto number) {
        using Number = decltype(number);
        LAUNCH(nn, (pool_backward<Number>), blocks_for(count, BLOCK_THREADS), BLOCK_THREADS, 0,
               pool_of(call), (const Number *)data_of(x).as<Number>(),
               (const Number *)data_of(base->out).as<Number>(),
               (const Number *)grad_of(base->out).as<Number>(), add, grad.as<Number>());
    });
}
