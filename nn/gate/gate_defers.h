// Whether what flows to a gate's input through its sums waits until the pass that computed that
// input goes backward (struct tensor, pull): ReLU's gradient reads the same map there anyway.
#pragma once

#include "nn/gate/gate.h"

static inline bool gate_defers(const struct gate *gate, const struct tensor *x) {
    if (gate->embedding != GATE_EMBEDDING_L2 || !x->producer) return false;
    enum op op = x->producer->op;
    return op == OP_conv || op == OP_gate || op == OP_squeeze_excite || op == OP_group_norm;
}
