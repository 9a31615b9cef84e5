#include "nn/upsample_add/upsample_add.h"

#include "base/check.h"

struct tensor *upsample_add_forward(struct nn *nn, struct tensor *lateral, struct tensor *top) {
    CHECK(lateral->n == top->n && lateral->c == top->c && top->h >= 1 && top->w >= 1);
    struct upsample_add_call *call = nn_call(nn, OP_upsample_add, sizeof *call);
    call_add_input(&call->call, lateral);
    call_add_input(&call->call, top);
    call->call.out =
        nn_tensor_of(nn, lateral->type, lateral->n, lateral->h, lateral->w, lateral->c);
    nn_run(nn, &call->call);
    return call->call.out;
}
