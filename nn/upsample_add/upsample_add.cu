// The step down a feature pyramid on CUDA. Backward, each position of the coarser map gathers from
// those that took it.

#include "nn/cuda/maps.h"
#include "nn/cuda/packs.h"
#include "nn/cuda/rows.h"

extern "C" {
#include "nn/upsample_add/upsample_add.h"
#include "nn/upsample_add/upsample_add_math.h"
}

struct maps {
    int64_t n, h, w, c; // of the finer one; channels in packs
    int64_t top_h, top_w;
};

template <class Pack> static struct maps maps_of(const struct call *call) {
    const struct tensor *y = call->out;
    const struct tensor *top = call->inputs[1];
    return maps{y->n, y->h, y->w, y->c / Pack::COUNT, top->h, top->w};
}

template <class Pack>
static __global__ void __launch_bounds__(BLOCK_THREADS)
    add_nearest(struct maps m, const Pack *lateral, const Pack *top, Pack *y) {
    struct map_place p = map_place_of(m.h, m.w, m.c);
    if (p.column >= m.w) return;
    int64_t column = upsample_source(p.column, m.top_w, m.w);
    int64_t row = upsample_source(p.row, m.top_h, m.h);
    int64_t at = ((p.image * m.h + p.row) * m.w + p.column) * m.c + p.channel;
    Pack sum = lateral[at];
    Pack above = top[((p.image * m.top_h + row) * m.top_w + column) * m.c + p.channel];
    for (int k = 0; k < Pack::COUNT; k++)
        sum.set(k, sum.get(k) + above.get(k));
    y[at] = sum;
}

void cuda_upsample_add_forward(struct nn *nn, struct call *base) {
    const struct tensor *lateral = base->inputs[0];
    const struct tensor *top = base->inputs[1];
    const struct tensor *y = base->out;
    if (tensor_count(y) == 0) return;
    with_packs(y->type, y->c, {lateral->data, top->data, y->data}, [&](auto pack) {
        using Pack = decltype(pack);
        struct maps m = maps_of<Pack>(base);
        LAUNCH(nn, (add_nearest<Pack>), map_blocks(m.n, m.h, m.w, m.c), BLOCK_THREADS, 0, m,
               data_of(lateral).as<Pack>(), data_of(top).as<Pack>(), data_of(y).as<Pack>());
    });
}

// One block is enough for a processor: for more, some would spill registers.
template <class Pack>
static __global__ void __launch_bounds__(BLOCK_THREADS, 1)
    gather(struct maps m, const Pack *dy, bool add, Pack *grad) {
    struct map_place p = map_place_of(m.top_h, m.top_w, m.c);
    if (p.column >= m.top_w) return;
    int64_t first_row = upsample_begin(p.row, m.top_h, m.h);
    int64_t last_row = upsample_begin(p.row + 1, m.top_h, m.h);
    int64_t first_column = upsample_begin(p.column, m.top_w, m.w);
    int64_t last_column = upsample_begin(p.column + 1, m.top_w, m.w);
    int64_t at = ((p.image * m.top_h + p.row) * m.top_w + p.column) * m.c + p.channel;
    float_pack<Pack> total;
    total.fill(0);
    if (add) total.set_all(grad[at]);
    for (int64_t row = first_row; row < last_row; row++) {
        const Pack *line = dy + (p.image * m.h + row) * m.w * m.c + p.channel;
        for (int64_t column = first_column; column < last_column; column++) {
            Pack more = line[column * m.c];
            for (int k = 0; k < Pack::COUNT; k++)
                total.set(k, total.get(k) + more.get(k));
        }
    }
    Pack result;
    result.set_all(total);
    grad[at] = result;
}

void cuda_upsample_add_backward(struct nn *nn, struct call *base) {
    struct tensor *top = base->inputs[1];
    bool add = false;
    struct numbers grad = wanted_grad(nn, top, &add);
    struct numbers dy = grad_of(base->out);
    if (grad.data && tensor_count(top))
        with_packs(top->type, top->c, {dy.data, grad.data}, [&](auto pack) {
            using Pack = decltype(pack);
            struct maps m = maps_of<Pack>(base);
            LAUNCH(nn, (gather<Pack>), map_blocks(m.n, m.top_h, m.top_w, m.c), BLOCK_THREADS, 0, m,
                   dy.as<Pack>(), add, grad.as<Pack>());
        });
    cuda_rows_residual_gradient(nn, base->out, base->inputs[0]);
}
