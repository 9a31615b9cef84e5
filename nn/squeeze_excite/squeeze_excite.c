#include "nn/squeeze_excite/squeeze_excite.h"

#include "base/check.h"

static bool trains(const struct squeeze_excite *se) {
    return se->fc1_weight->grad || se->fc1_bias->grad || se->fc2_weight->grad || se->fc2_bias->grad;
}

struct tensor *squeeze_excite_forward(struct nn *nn, const struct squeeze_excite *se,
                                      struct tensor *x, struct tensor *residual, bool relu) {
    CHECK(x->c == se->channels && x->h >= 1 && x->w >= 1);
    CHECK(se->fc1_weight->count == se->hidden * se->channels && se->fc1_bias->count == se->hidden);
    CHECK(se->fc2_weight->count == se->hidden * se->channels &&
          se->fc2_bias->count == se->channels);
    CHECK(!residual || tensor_same_shape(residual, x));
    struct squeeze_excite_call *call = nn_call(nn, OP_squeeze_excite, sizeof *call);
    call->se = se;
    call->residual = residual;
    call->relu = relu;
    call->call.label = se->label;
    call->call.trains = trains(se);
    call->call.multiply_adds =
        (double)tensor_count(x) + 2 * (double)x->n * (double)se->fc1_weight->count;
    call_add_input(&call->call, x);
    call_add_input(&call->call, residual);
    call->call.out = nn_tensor_of(nn, x->type, x->n, x->h, x->w, x->c);
    nn_run(nn, &call->call);
    return call->call.out;
}
