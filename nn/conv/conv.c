#include "nn/conv/conv.h"

#include "base/check.h"

int64_t conv_out_size(const struct conv *conv, int64_t size) {
    return (size + 2 * conv->padding - conv->kernel) / conv->stride + 1;
}

static bool trains(const struct conv *conv) {
    if (conv->weight->grad || (conv->bias && conv->bias->grad)) return true;
    return conv->gate && gate_trains(conv->gate);
}

struct tensor *conv_forward(struct nn *nn, struct conv *conv, struct tensor *x,
                            struct tensor *residual, bool relu) {
    CHECK(x->c == conv->in_channels && conv->images_at_once >= 1);
    CHECK(x->h + 2 * conv->padding >= conv->kernel && x->w + 2 * conv->padding >= conv->kernel);
    CHECK(!(conv->bias && conv->norm)); // the bias' gradient knows no norm
    CHECK(!conv->gate || conv->gate->channels == x->c);
    struct conv_call *call = nn_call(nn, OP_conv, sizeof *call);
    enum number_type type = conv->float32_result ? NUMBER_FLOAT32 : nn->activations;
    struct tensor *y = nn_tensor_of(nn, type, x->n, conv_out_size(conv, x->h),
                                    conv_out_size(conv, x->w), conv->out_channels);
    CHECK(!residual || tensor_same_shape(residual, y));
    call->conv = conv;
    call->residual = residual;
    call->relu = relu;
    call->call.label = conv->label;
    call->call.trains = trains(conv);
    call->call.multiply_adds = (double)tensor_count(y) * (double)conv->kernel *
                               (double)conv->kernel * (double)conv->in_channels /
                               (double)conv->groups;
    call->call.out = y;
    call_add_input(&call->call, x);
    call_add_input(&call->call, residual);
    nn_run(nn, &call->call);
    return y;
}
