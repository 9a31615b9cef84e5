// Maximum over windows on CUDA. Backward, each position looks at the windows that it is in and asks
// each whether it is the first that holds the maximum: no two threads add to one place.

#include "nn/cuda/maps.h"
#include "nn/cuda/packs.h"

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

template <class Pack>
static __global__ void __launch_bounds__(BLOCK_THREADS)
    pool_forward(struct pool p, const Pack *x, Pack *y) {
    int64_t c = p.c / Pack::COUNT;
    struct map_place out = map_place_of(p.out_h, p.out_w, c);
    if (out.column >= p.out_w) return;
    struct window columns = window_of(p, out.column, p.w);
    struct window rows = window_of(p, out.row, p.h);
    float_pack<Pack> best;
    best.fill(-INFINITY);
    for (int64_t row = rows.begin; row < rows.end; row++) {
        const Pack *line = x + (out.image * p.h + row) * p.w * c + out.channel;
        for (int64_t column = columns.begin; column < columns.end; column++) {
            Pack values = line[column * c];
            for (int k = 0; k < Pack::COUNT; k++) {
                float value = values.get(k);
                if (value > best.get(k) || value != value) best.set(k, value);
            }
        }
    }
    Pack result;
    result.set_all(best);
    y[((out.image * p.out_h + out.row) * p.out_w + out.column) * c + out.channel] = result;
}

void cuda_max_pool_forward(struct nn *nn, struct call *base) {
    const struct tensor *x = base->inputs[0];
    const struct tensor *y = base->out;
    struct pool p = pool_of((const struct max_pool_call *)base);
    if (tensor_count(y) == 0) return;
    with_packs(y->type, y->c, {x->data, y->data}, [&](auto pack) {
        using Pack = decltype(pack);
        LAUNCH(nn, (pool_forward<Pack>), map_blocks(p.n, p.out_h, p.out_w, p.c / Pack::COUNT),
               BLOCK_THREADS, 0, p, data_of(x).as<Pack>(), data_of(y).as<Pack>());
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
    struct map_place in = map_place_of(p.h, p.w, p.c);
    if (in.column >= p.w) return;
    const Number *image = x + in.image * p.h * p.w * p.c + in.channel;
    struct window rows = windows_over(p, in.row, p.out_h);
    struct window columns = windows_over(p, in.column, p.out_w);
    int64_t own = ((in.image * p.h + in.row) * p.w + in.column) * p.c + in.channel;
    float total = add ? loaded(grad[own]) : 0;
    for (int64_t out_row = rows.begin; out_row < rows.end; out_row++) {
        for (int64_t out_column = columns.begin; out_column < columns.end; out_column++) {
            int64_t at = ((in.image * p.out_h + out_row) * p.out_w + out_column) * p.c + in.channel;
            if (is_first(p, image, in.row, in.column, out_row, out_column, loaded(y[at])))
                total += loaded(dy[at]);
        }
    }
    grad[own] = rounded<Number>(total);
}

void cuda_max_pool_backward(struct nn *nn, struct call *base) {
    struct pool p = pool_of((const struct max_pool_call *)base);
    struct tensor *x = base->inputs[0];
    bool add = false;
    struct numbers grad = wanted_grad(nn, x, &add);
    if (!grad.data || tensor_count(x) == 0) return;
    with_type(x->type, [&](auto number) {
        using Number = decltype(number);
        LAUNCH(nn, (pool_backward<Number>), map_blocks(p.n, p.h, p.w, p.c), BLOCK_THREADS, 0, p,
               (const Number *)data_of(x).as<Number>(),
               (const Number *)data_of(base->out).as<Number>(),
               (const Number *)grad_of(base->out).as<Number>(), add, grad.as<Number>());
    });
}
