// A step of the solver on CUDA. Parameters differ in size a hundred thousand times, so the flat
// buffers are cut into blocks' shares without regard to where one parameter ends.
#include <vector>

#include "nn/cuda/packs.h"

extern "C" {
#include "nn/sgd/sgd.h"
}

// One parameter's piece of the flat buffers. It begins with a pack, and its last pack may reach
// into what lies between parameters, which nobody reads.
struct piece {
    int64_t first, end;
    float rate, weight_decay;
};

template <class Pack>
static __device__ void step_pack(const struct piece &piece, const struct sgd &sgd, float factor,
                                 Pack *grad, Pack *velocity, Pack *data) {
    Pack g = *grad;
    Pack v = *velocity;
    Pack value = *data;
    for (int k = 0; k < Pack::COUNT; k++) {
        float d = factor * g.get(k) + piece.weight_decay * value.get(k);
        float speed = sgd.momentum * v.get(k) + d;
        float by = sgd.nesterov ? d + sgd.momentum * speed : speed;
        v.set(k, speed);
        value.set(k, value.get(k) - piece.rate * by);
    }
    g.fill(0);
    *grad = g;
    *velocity = v;
    *data = value;
}

// The last of the pieces, which come one after another from place 0, that begins at a place or
// before it.
static __device__ int64_t piece_at(const struct piece *pieces, int64_t count, int64_t place) {
    int64_t from = 0;
    while (count > 1) {
        int64_t half = count / 2;
        if (pieces[from + half].first <= place) from += half;
        count -= half;
    }
    return from;
}

enum { BLOCK_FLOATS = 2048 };

template <class Pack>
static __global__ void __launch_bounds__(BLOCK_THREADS)
    step(const struct piece *pieces, int64_t count, struct sgd sgd, float factor, Pack *grad,
         Pack *velocity, Pack *data) {
    int64_t begin = (int64_t)blockIdx.x * BLOCK_FLOATS;
    int64_t end = begin + BLOCK_FLOATS;
    for (int64_t p = piece_at(pieces, count, begin); p < count && pieces[p].first < end; p++) {
        struct piece piece = pieces[p];
        int64_t first = piece.first > begin ? piece.first : begin;
        int64_t last = piece.end < end ? piece.end : end;
        int64_t at = first / Pack::COUNT + threadIdx.x;
        for (; at * Pack::COUNT < last; at += blockDim.x)
            step_pack(piece, sgd, factor, grad + at, velocity + at, data + at);
    }
}

// The pieces of all trained parameters, which lie in their order.
static std::vector<struct piece> find_pieces(const struct sgd_call *call) {
    const struct parameters *parameters = call->parameters;
    std::vector<struct piece> pieces;
    for (int64_t i = 0; i < parameters->count; i++) {
        const struct parameter *p = parameters->items[i];
        int64_t first = p->data - parameters->data;
        if (p->is_mapped || first >= parameters->num_trainable_floats) continue;
        pieces.push_back({first, first + p->count,
                          call->rates.learning_rate * call->rates.items[i].factor,
                          call->rates.items[i].weight_decay});
    }
    return pieces;
}

void cuda_sgd_forward(struct nn *nn, struct call *base) {
    const struct sgd_call *call = (const struct sgd_call *)base;
    const struct parameters *parameters = call->parameters;
    int64_t count = parameters->num_trainable_floats;
    const std::vector<struct piece> pieces = find_pieces(call);
    if (pieces.empty()) return;
    struct operands o = {.nn = nn};
    const struct piece *table = operand_in(&o, pieces.data(), (int64_t)pieces.size());
    float *grad = operand_in_out(&o, parameters->grad, count);
    float *velocity = operand_in_out(&o, call->velocity, count);
    float *data = operand_in_out(&o, parameters->data, count);
    with_packs_of<float>(count, {grad, velocity, data}, [&](auto pack) {
        using Pack = decltype(pack);
        LAUNCH(nn, (step<Pack>), blocks_for(count, BLOCK_FLOATS), BLOCK_THREADS, 0, table,
               (int64_t)pieces.size(), *call->settings, call->rates.gradient_factor,
               numbers(grad).as<Pack>(), numbers(velocity).as<Pack>(), numbers(data).as<Pack>());
    });
    operands_end(&o);
}
