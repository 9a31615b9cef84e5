// For nn/OP/OP_cost.c, the lists of what operations launch.
//
// values: of four bytes each, that a launch reads and writes, each counted once for reading and
// once for writing; a number of 16 bits is half of one. operations: floating-point ones, about.
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

// What so many numbers of the call's activations are, in values.
double cost_numbers(const struct cost_sheet *sheet, double count);

// A pass from numbers of a type to the activations' or back; none if the types are the same.
void cost_converted(struct cost_sheet *sheet, const char *kernel, enum number_type type,
                    double count);

// 1 if the gradient of input is added to another, 0 if it is the first.
double cost_adds(const struct tensor *input);

// False if a gate has taken the sums of x already in this step; remembers x.
bool cost_first_measure(struct cost_sheet *sheet, const struct tensor *x);

// False if something waits for the gradient of x already; remembers x.
bool cost_first_deferral(struct cost_sheet *sheet, const struct tensor *x);

// ---- What several operations launch ----

// cuda_columns_reduce: arrays is how many of float32 are read, 2 for a dot product.
struct cost_columns {
    double arrays;
    int64_t n, rows, c;
};
void cost_columns_reduce(struct cost_sheet *sheet, const char *kernel,
                         const struct cost_columns *columns);
void cost_gate_columns_reduce(struct cost_sheet *sheet, const char *kernel,
                              const struct cost_columns *columns);
// The same where a gate goes on with the sums: values more are moved in the same launch.
void cost_gate_columns_end(struct cost_sheet *sheet, const char *kernel,
                           const struct cost_columns *columns, double more, double operations);

// nn/cuda/rows.h; norm, residual and parameter may be NULL. array: as in struct cost_columns.
void cost_norm_factors(struct cost_sheet *sheet, const struct frozen_norm *norm, int64_t c);
void cost_relu_gradient(struct cost_sheet *sheet, const struct tensor *out, bool relu);
void cost_residual_gradient(struct cost_sheet *sheet, const struct tensor *residual);
void cost_bias_gradient(struct cost_sheet *sheet, double array, int64_t rows, int64_t c,
                        const struct parameter *parameter);

// A loss that reads so many values: the parts of its sum, and the sum.
void cost_loss(struct cost_sheet *sheet, double values, double operations);
