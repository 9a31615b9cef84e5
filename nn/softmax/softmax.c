#include "nn/softmax/softmax.h"

#include "base/check.h"

struct tensor *softmax_forward(struct nn *nn, struct tensor *x) {
    CHECK(x->c >= 1);
    struct call *call = nn_call(nn, OP_softmax, sizeof *call);
    call->out = nn_tensor(nn, x->n, x->h, x->w, x->c);
    call_add_input(call, x);
    nn_run(nn, call);
    return call->out;
}
