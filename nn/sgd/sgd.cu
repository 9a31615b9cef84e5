#include <vector>

#include "nn/cuda/kernel.h"

extern "C" {
#include "nn/sgd/sgd.h"
}

// One parameter's piece of the flat buffers.
struct piece {
    int64_t first, count;
    float rate, weight_decay;
};

// A block for each piece and part of it.
static __global__ void __launch_bounds__(BLOCK_THREADS)
    step(const struct piece *pieces, struct sgd sgd, float factor, float *grad, float *velocity,
         float *data) {
    struct piece piece = pieces[blockIdx.x];
    int64_t stride = (int64_t)gridDim.y * blockDim.x;
    for (int64_t i = (int64_t)blockIdx.y * blockDim.x + threadIdx.x; i < piece.count; i += stride) {
        int64_t at = piece.first + i;
        float d = factor * grad[at] + piece.weight_decay * data[at];
        float v = sgd.momentum * velocity[at] + d;
        grad[at] = 0;
        velocity[at] = v;
        data[at] -= piece.rate * (sgd.nesterov ? d + sgd.momentum * v : v);
    }
}

// The pieces of all trained parameters.
static std::vector<struct piece> find_pieces(const struct sgd_call *call) {
    const struct parameters *parameters = call->parameters;
    std::vector<struct piece> pieces;
    for (int64_t i = 0; i < parameters->count; i++) {
        const struct parameter *p = parameters->items[i];
        int64_t first = p->data - parameters->data;
        if (p->is_mapped || first >= parameters->num_trainable_floats) continue;
        pieces.push_back({first, p->count, call->rates.learning_rate * call->rates.items[i].factor,
                          call->rates.items[i].weight_decay});
    }
    return pieces;
}

void cuda_sgd_forward(struct nn *nn, struct call *base) {
    enum { PARTS = 64 }; // of a parameter
    const struct sgd_call *call = (const struct sgd_call *)base;
    const struct parameters *parameters = call->parameters;
    int64_t count = parameters->num_trainable_floats;
    const std::vector<struct piece> pieces = find_pieces(call);
    struct operands o = {.nn = nn};
    const struct piece *table = operand_in(&o, pieces.data(), (int64_t)pieces.size());
    float *grad = operand_in_out(&o, parameters->grad, count);
    float *velocity = operand_in_out(&o, call->velocity, count);
    float *data = operand_in_out(&o, parameters->data, count);
    if (!pieces.empty())
        LAUNCH(nn, step, dim3((unsigned)pieces.size(), PARTS), BLOCK_THREADS, 0, table,
               *call->settings, call->rates.gradient_factor, grad, velocity, data);
    operands_end(&o);
}
