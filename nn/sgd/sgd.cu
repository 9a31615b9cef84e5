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
    step(const struct piece *pieces, float momentum, bool nesterov, const float *grad,
         float *velocity, float *data) {
    struct piece piece = pieces[blockIdx.x];
    int64_t stride = (int64_t)gridDim.y * blockDim.x;
    for (int64_t i = (int64_t)blockIdx.y * blockDim.x + threadIdx.x; i < piece.count; i += stride) {
        int64_t at = piece.first + i;
        float d = grad[at] + piece.weight_decay * data[at];
        float v = momentum * velocity[at] + d;
        velocity[at] = v;
        data[at] -= piece.rate * (nesterov ? d + momentum * v : v);
    }
}

// The pieces of all trained parameters; returns how many there are.
static int64_t find_pieces(const struct sgd_call *call, struct piece *pieces) {
    const struct parameters *parameters = call->parameters;
    int64_t count = 0;
    for (int64_t i = 0; i < parameters->count; i++) {
        const struct parameter *p = parameters->items[i];
        int64_t first = p->data - parameters->data;
        if (p->is_mapped || first >= parameters->num_trainable_floats) continue;
        pieces[count++] = {first, p->count, call->rates.learning_rate * call->rates.items[i].factor,
                           call->rates.items[i].weight_decay};
    }
    return count;
}

void cuda_sgd_forward(struct nn *nn, struct call *base) {
    enum { PARTS = 64 }; // of a parameter
    const struct sgd_call *call = (const struct sgd_call *)base;
    const struct parameters *parameters = call->parameters;
    int64_t count = parameters->num_trainable_floats;
    struct operands o = {.nn = nn};
    float *memory =
        nn_scratch(nn, parameters->count * (int64_t)(sizeof(struct piece) / sizeof(float)));
    const float *grad = operand_in(&o, parameters->grad, count);
    float *velocity = operand_in_out(&o, call->velocity, count);
    float *data = operand_in_out(&o, parameters->data, count);
    if (nn_failed(nn)) return;
    struct piece *pieces = (struct piece *)(void *)memory;
    cuda_wait(nn); // what used the memory before may still run
    int64_t num_pieces = find_pieces(call, pieces);
    if (num_pieces)
        LAUNCH(nn, step, dim3((unsigned)num_pieces, PARTS), BLOCK_THREADS, 0,
               (const struct piece *)pieces, call->settings->momentum, call->settings->nesterov,
               grad, velocity, data);
    operands_end(&o);
    nn_scratch_free(nn, memory);
}
