// The scalar parts of a gate, the same on every device.
#pragma once

#include <math.h>

#include "nn/gate/gate.h"

// What multiplies the channel, from u = gamma * normalised + beta (Yang et al., eq. 4; table 6 for
// the others).
static inline float gate_open(enum gate_activation activation, float u) {
    switch (activation) {
    case GATE_ONE_PLUS_TANH:
        return 1 + tanhf(u);
    case GATE_ONE_PLUS_ELU:
        return u > 0 ? 1 + u : expf(u);
    case GATE_SIGMOID:
        break;
    }
    return 1 / (1 + expf(-u));
}

// d gate_open / du, from u and the value.
static inline float gate_slope(enum gate_activation activation, float u, float value) {
    switch (activation) {
    case GATE_ONE_PLUS_TANH:
        return 1 - (value - 1) * (value - 1);
    case GATE_ONE_PLUS_ELU:
        return u > 0 ? 1 : value;
    case GATE_SIGMOID:
        break;
    }
    return value * (1 - value);
}
