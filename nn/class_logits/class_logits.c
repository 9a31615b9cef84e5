#include "nn/class_logits/class_logits.h"

#include "base/check.h"

struct tensor *class_logits_forward(struct nn *nn, const struct conv *conv, struct tensor *x,
                                    const int32_t *labels) {
    CHECK(conv->kernel == 1 && conv->stride == 1 && conv->groups == 1 && conv->bias);
    CHECK(!conv->gate && !conv->norm && x->c == conv->in_channels);
    struct class_logits_call *call = nn_call(nn, OP_class_logits, sizeof *call);
    call->conv = conv;
    call->labels = labels;
    call->call.label = conv->label;
    call->call.multiply_adds = (double)tensor_count(x);
    call->call.out = nn_tensor(nn, x->n, x->h, x->w, 1);
    call_add_input(&call->call, x);
    nn_run(nn, &call->call);
    return call->call.out;
}
