#include "nn/group_norm/group_norm.h"

#include "base/check.h"

struct tensor *group_norm_forward(struct nn *nn, const struct group_norm *norm, struct tensor *x,
                                  struct tensor *residual, bool relu) {
    CHECK(x->c == norm->channels);
    CHECK(norm->groups >= 1 && norm->channels % norm->groups == 0);
    CHECK(!residual || tensor_same_shape(residual, x));
    struct group_norm_call *call = nn_call(nn, OP_group_norm, sizeof *call);
    call->norm = norm;
    call->residual = residual;
    call->relu = relu;
    call->call.label = norm->label;
    call->call.trains = norm->weight->grad || norm->bias->grad;
    call->call.multiply_adds = 2 * (double)tensor_count(x);
    call_add_input(&call->call, x);
    call_add_input(&call->call, residual);
    call->call.out = nn_tensor_of(nn, x->type, x->n, x->h, x->w, x->c);
    nn_run(nn, &call->call);
    return call->call.out;
}
