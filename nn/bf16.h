// bf16: the upper half of a float32, with 8 significant bits. Where a context computes in it
// (struct nn_options), activations and weights are rounded to bf16 before they are multiplied; the
// products are exact in float32, in which they are added up, and all else stays float32.
#pragma once

#include <stdint.h>
#include <string.h>

#include "nn/nn.h"

// The nearest bf16, of two equally near ones the even one. A NaN that a computation made stays one:
// only those whose bits are nearly all set do not, and to ask for them in each place costs a tenth
// of a network's time.
static inline uint16_t bf16_of(float value) {
    uint32_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

// out[i] = x[i] scales[i % c], rounded, for count rows of c that begin every stride floats; scales
// may be NULL. One thread.
void bf16_of_rows(const float *x, int64_t stride, const float *scales, int64_t count, int64_t c,
                  uint16_t *out);

// The same for neighbouring rows, by all threads.
void bf16_of_many_rows(const float *x, const float *scales, int64_t count, int64_t c,
                       uint16_t *out);

// Scratch memory for count numbers; NULL after a failure. Freed with nn_scratch_free.
uint16_t *bf16_scratch(struct nn *nn, int64_t count);
