#include "nn/cuda/block.h"

extern "C" {
#include "nn/squares/squares.h"
}

enum { PART_VALUES = 64 * 1024 };

// A block for each part.
static __global__ void __launch_bounds__(BLOCK_THREADS)
    sum_parts(const float *values, int64_t count, double *parts) {
    int64_t first = (int64_t)blockIdx.x * PART_VALUES;
    int64_t end = count < first + PART_VALUES ? count : first + PART_VALUES;
    double sum = 0;
    for (int64_t i = first + threadIdx.x; i < end; i += BLOCK_THREADS)
        sum += (double)values[i] * (double)values[i];
    sum = block_sum(sum);
    if (threadIdx.x == 0) parts[blockIdx.x] = sum;
}

static __global__ void __launch_bounds__(BLOCK_THREADS)
    add_parts(const double *parts, int64_t count, double *sum) {
    double total = 0;
    for (int64_t i = threadIdx.x; i < count; i += BLOCK_THREADS)
        total += parts[i];
    total = block_sum(total);
    if (threadIdx.x == 0) sum[0] = total;
}

void cuda_squares_forward(struct nn *nn, struct call *base) {
    const struct squares_call *call = (const struct squares_call *)base;
    if (call->count == 0) return;
    int64_t num_parts = (call->count + PART_VALUES - 1) / PART_VALUES;
    struct operands o = {.nn = nn};
    const float *values = operand_in(&o, call->values, call->count);
    double *sum = operand_out(&o, call->sum, 1);
    float *memory = nn_scratch(nn, num_parts * (int64_t)(sizeof(double) / sizeof(float)));
    double *parts = (double *)(void *)memory;
    LAUNCH(nn, sum_parts, (unsigned)num_parts, BLOCK_THREADS, 0, values, call->count, parts);
    LAUNCH(nn, add_parts, 1, BLOCK_THREADS, 0, (const double *)parts, num_parts, sum);
    nn_scratch_free(nn, memory);
    operands_end(&o);
}
