#include "nn/sigmoid/sigmoid.h"

struct tensor *sigmoid_forward(struct nn *nn, struct tensor *x) {
    struct call *call = nn_call(nn, OP_sigmoid, sizeof *call);
    call->out = nn_tensor(nn, x->n, x->h, x->w, x->c);
    call_add_input(call, x);
    nn_run(nn, call);
    return call->out;
}
