#include "nn/gate/gate.h"

#include "base/check.h"

struct tensor *gate_forward(struct nn *nn, const struct gate *gate, struct tensor *x,
                            const struct frozen_norm *norm, struct tensor *residual, bool relu) {
    CHECK(x->c == gate->channels);
    CHECK(!residual || tensor_same_shape(residual, x));
    struct gate_call *call = nn_call(nn, OP_gate, sizeof *call);
    call->gate = gate;
    call->norm = norm;
    call->residual = residual;
    call->relu = relu;
    call->call.label = gate->label;
    call->call.trains = gate_trains(gate);
    call->call.multiply_adds = 2 * (double)tensor_count(x);
    call_add_input(&call->call, x);
    call_add_input(&call->call, residual);
    call->call.out = nn_tensor_of(nn, x->type, x->n, x->h, x->w, x->c);
    nn_run(nn, &call->call);
    return call->call.out;
}
