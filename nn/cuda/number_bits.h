// Numbers of 16 bits from float32 and back, by their bits: to the nearest, of two equally near ones
// the even one; every NaN becomes one and the same, as in CUDA. Kernels have these by
// nn/cuda/numbers.h.
#pragma once

#include <stdint.h>
#include <string.h>

#include "nn/host_device.h"

enum { NUMBER_NAN_16 = 0x7FFF };

static HOST_DEVICE inline uint32_t number_bits(float value) {
#ifdef __CUDA_ARCH__
    return __float_as_uint(value);
#else
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
#endif
}

static HOST_DEVICE inline float number_of_bits(uint32_t bits) {
#ifdef __CUDA_ARCH__
    return __uint_as_float(bits);
#else
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
#endif
}

// The upper half of a float32.
static HOST_DEVICE inline uint16_t number_to_bf16(float value) {
    uint32_t bits = number_bits(value);
    if (value != value) return NUMBER_NAN_16;
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

static HOST_DEVICE inline float number_from_bf16(uint16_t bits) {
    return number_of_bits((uint32_t)bits << 16);
}

// A sign, 5 bits of the exponent, of which the lowest is for subnormals, and 10 bits behind the
// point.
static HOST_DEVICE inline uint16_t number_to_fp16(float value) {
    const uint32_t infinity = 0x7C00;
    const uint32_t smallest_normal = 0x38800000;    // 2^-14
    const uint32_t rounds_to_infinity = 0x477FF000; // 65520
    const uint32_t exponents = 0x38000000;          // by which the two differ, as bits of a float32
    uint32_t sign = number_bits(value) >> 16 & 0x8000;
    uint32_t bits = number_bits(value) & 0x7FFFFFFF;
    if (value != value) return NUMBER_NAN_16;
    if (bits >= rounds_to_infinity) return (uint16_t)(sign | infinity);
    if (bits < smallest_normal) // a float32 of 0.5 and more has the subnormals' step, 2^-24
        return (uint16_t)(sign | (number_bits(0.5f + number_of_bits(bits)) - number_bits(0.5f)));
    return (uint16_t)(sign | (bits - exponents + 0xFFF + (bits >> 13 & 1)) >> 13);
}

static HOST_DEVICE inline float number_from_fp16(uint16_t half) {
    const float smallest = 5.9604644775390625e-8f; // 2^-24
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t exponent = half >> 10 & 31;
    uint32_t fraction = half & 0x3FF;
    if (exponent == 0) return number_of_bits(sign | number_bits((float)fraction * smallest));
    uint32_t wide = exponent == 31 ? 255 : exponent + 112;
    return number_of_bits(sign | wide << 23 | fraction << 13);
}
