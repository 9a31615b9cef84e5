// The scalar parts of a gate, the same on every device.
#pragma once

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "nn/gate/gate.h"
#include "nn/host_device.h"

// exp(x) for x <= 0, to about one unit in the last place; exactly 1 at 0. Without branches and
// calls, so that compilers turn loops over it into vector instructions. x = n log 2 + r with |r| <=
// log 2 / 2; exp(r) by its Taylor polynomial, 2^n by its bits.
HOST_DEVICE static inline float gate_exp_negative(float x) {
    const float log2_e = 1.44269504f;
    const float log_2_high = 0.693359375f;
    const float log_2_low = -2.12194440e-4f;
    const float shift = 12582912.0f; // 1.5 * 2^23: rounds what is added to a whole number
    float bounded = x < -87 ? -87 : x;
    float shifted = bounded * log2_e + shift;
    float n = shifted - shift;
    float r = (bounded - n * log_2_high) - n * log_2_low;
    float p = 1.0f / 5040;
    p = p * r + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r + 1;
    p = p * r + 1;
    uint32_t bits = 0;
    float power = 0;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits << 23) + 0x3F800000u;
    memcpy(&power, &bits, sizeof power);
    return p * power;
}

// To 1e-7: what gates need is the absolute error, beside 1.
HOST_DEVICE static inline float gate_tanh(float u) {
    float e = gate_exp_negative(-2 * fabsf(u));
    return copysignf((1 - e) / (1 + e), u);
}

// What multiplies the channel, from u = gamma * normalised + beta (Yang et al., eq. 4; table 6 for
// the others).
HOST_DEVICE static inline float gate_open(enum gate_activation activation, float u) {
    switch (activation) {
    case GATE_ONE_PLUS_TANH:
        return 1 + gate_tanh(u);
    case GATE_ONE_PLUS_ELU:
        return u > 0 ? 1 + u : expf(u);
    case GATE_SIGMOID:
        break;
    }
    return 1 / (1 + expf(-u));
}

// d gate_open / du, from u and the value.
HOST_DEVICE static inline float gate_slope(enum gate_activation activation, float u, float value) {
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
