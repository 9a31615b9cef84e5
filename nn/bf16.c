#include "nn/bf16.h"

#include "nn/vectorised.h"

enum { ROWS_AT_ONCE = 16 }; // that a thread takes

VECTORISED static void round_all(const float *x, int64_t count, uint16_t *out) {
    for (int64_t i = 0; i < count; i++)
        out[i] = bf16_of(x[i]);
}

VECTORISED static void scale_and_round(const float *x, const float *scales, int64_t c,
                                       uint16_t *out) {
    for (int64_t j = 0; j < c; j++)
        out[j] = bf16_of(x[j] * scales[j]);
}

void bf16_of_rows(const float *x, int64_t stride, const float *scales, int64_t count, int64_t c,
                  uint16_t *out) {
    if (!scales && stride == c) {
        round_all(x, count * c, out);
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        if (scales)
            scale_and_round(x + i * stride, scales, c, out + i * c);
        else
            round_all(x + i * stride, c, out + i * c);
    }
}

void bf16_of_many_rows(const float *x, const float *scales, int64_t count, int64_t c,
                       uint16_t *out) {
#pragma omp parallel for schedule(static)
    for (int64_t first = 0; first < count; first += ROWS_AT_ONCE) {
        int64_t left = count - first;
        bf16_of_rows(x + first * c, c, scales, left < ROWS_AT_ONCE ? left : ROWS_AT_ONCE, c,
                     out + first * c);
    }
}

uint16_t *bf16_scratch(struct nn *nn, int64_t count) {
    return (uint16_t *)(void *)nn_scratch(nn, (count + 1) / 2);
}
