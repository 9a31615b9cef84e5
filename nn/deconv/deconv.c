#include "nn/deconv/deconv.h"

#include "base/check.h"

struct tensor *deconv_forward(struct nn *nn, struct deconv *deconv, struct tensor *x, bool relu) {
    CHECK(x->c == deconv->in_channels);
    struct deconv_call *call = nn_call(nn, OP_deconv, sizeof *call);
    call->deconv = deconv;
    call->relu = relu;
    call->call.label = deconv->label;
    call->call.trains = deconv->weight->grad || deconv->bias->grad;
    call->call.multiply_adds = (double)tensor_count(x) * 4 * (double)deconv->out_channels;
    call_add_input(&call->call, x);
    call->call.out =
        nn_tensor_of(nn, nn->activations, x->n, 2 * x->h, 2 * x->w, deconv->out_channels);
    nn_run(nn, &call->call);
    return call->call.out;
}
