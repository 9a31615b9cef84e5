// For nn/OP/OP_cost.c, the lists of what operations launch.
//
// values: of four bytes each, that a launch reads and writes, each counted once for reading and
// once for writing. operations: floating-point ones, about.
#pragma once

#include "nn/cuda/cost.h"
#include "nn/norm.h"

// What comes from memory at least: 32 bytes.
enum { COST_SECTOR_VALUES = 8 };

#define OP(name)                                                                                   \
    void cost_##name##_forward(struct cost_sheet *sheet, const struct call *call);                 \
    void cost_##name##_backward(struct cost_sheet *sheet, const struct call *call);
#define FORWARD(name) void cost_##name##_forward(struct cost_sheet *sheet, const struct call *call);
#include "nn/ops.def"
#undef OP
#undef FORWARD

// One launch of a pass over something; for a gate; of a convolution or matrix product.
void cost_pass(struct cost_sheet *sheet, const char *kernel, double values, double operations);
void cost_gate_pass(struct cost_sheet *sheet, const char *kernel, double values, double operations);
void cost_product(struct cost_sheet *sheet, const char *kernel, double values, double operations);

// 1 if the gradient of input is added to another, 0 if it is the first.
double cost_adds(const struct tensor *input);

// False if a gate has taken the sums of x already in this step; remembers x.
bool cost_first_measure(struct cost_sheet *sheet, const struct tensor *x);

// False if something waits for the gradient of x already; remembers x.
bool cost_first_deferral(struct cost_sheet *sheet, const struct tensor *x);

// ---- What several operations launch ----

// cuda_columns_reduce: arrays is how many are read, 2 for a dot product.
struct cost_columns {
    int64_t arrays, n, rows, c;
};
void cost_columns_reduce(struct cost_sheet *sheet, const char *kernel,
                         const struct cost_columns *columns);
void cost_gate_columns_reduce(struct cost_sheet *sheet, const char *kernel,
                              const struct cost_columns *columns);

// nn/cuda/rows.h; norm, residual and parameter may be NULL.
void cost_norm_factors(struct cost_sheet *sheet, const struct frozen_norm *norm, int64_t c);
void cost_relu_gradient(struct cost_sheet *sheet, const struct tensor *out, bool relu);
void cost_residual_gradient(struct cost_sheet *sheet, const struct tensor *residual);
void cost_bias_gradient(struct cost_sheet *sheet, int64_t rows, int64_t c,
                        const struct parameter *parameter);

// A loss that reads so many values: the parts of its sum, and the sum.
void cost_loss(struct cost_sheet *sheet, double values, double operations);
