#include "nn/linear/linear.h"

#include "base/check.h"

struct tensor *linear_forward(struct nn *nn, struct linear *linear, struct tensor *x, bool relu) {
    CHECK(x->h * x->w * x->c == linear->in);
    struct linear_call *call = nn_call(nn, OP_linear, sizeof *call);
    call->linear = linear;
    call->relu = relu;
    call->call.label = linear->label;
    call->call.trains = linear->weight->grad || linear->bias->grad;
    call->call.multiply_adds = (double)x->n * (double)linear->in * (double)linear->out;
    call_add_input(&call->call, x);
    enum number_type type = linear->float32_result ? NUMBER_FLOAT32 : nn->activations;
    call->call.out = nn_tensor_of(nn, type, x->n, 1, 1, linear->out);
    nn_run(nn, &call->call);
    return call->call.out;
}
