#include "nn/max_pool/max_pool.h"

#include "base/check.h"

struct tensor *max_pool_forward(struct nn *nn, struct tensor *x, int64_t kernel, int64_t stride,
                                int64_t padding) {
    CHECK(kernel >= 1 && stride >= 1 && padding >= 0 && 2 * padding <= kernel);
    CHECK(x->h + 2 * padding >= kernel && x->w + 2 * padding >= kernel);
    struct max_pool_call *call = nn_call(nn, OP_max_pool, sizeof *call);
    call->kernel = kernel;
    call->stride = stride;
    call->padding = padding;
    call_add_input(&call->call, x);
    call->call.out = nn_tensor_of(nn, x->type, x->n, (x->h + 2 * padding - kernel) / stride + 1,
                                  (x->w + 2 * padding - kernel) / stride + 1, x->c);
    nn_run(nn, &call->call);
    return call->call.out;
}
