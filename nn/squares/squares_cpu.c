#include "nn/squares/squares.h"

#include "nn/device.h"
#include "nn/vectorised.h"

enum { LANES = 16, BLOCK = 64 * 1024 };

VECTORISED static double squares_of(const float *values, int64_t count) {
    double total = 0;
    for (int64_t first = 0; first < count; first += BLOCK) {
        int64_t size = count - first < BLOCK ? count - first : BLOCK;
        double lanes[LANES] = {0};
        for (int64_t i = 0; i < size; i++) {
            double value = (double)values[first + i];
            lanes[i % LANES] += value * value;
        }
        for (int i = 0; i < LANES; i++)
            total += lanes[i];
    }
    return total;
}

void cpu_squares_forward(struct nn *nn, struct call *base) {
    (void)nn;
    const struct squares_call *call = (const struct squares_call *)base;
    *call->sum = squares_of(call->values, call->count);
}
