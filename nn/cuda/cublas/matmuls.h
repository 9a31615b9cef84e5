// How cuBLASLt computes products of matrices: for each one a plan, made when it is first asked for
// and kept.
//
//     forward                  y  = x W^T        x  [rows, in], W [out, in], y [rows, out]
//     gradient of the input    dx = dy W
//     gradient of the weights  dW = dy^T x
//
// The factors have one type, the result theirs or float32; what is added to it has its type.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum matmul_kind {
    MATMUL_FORWARD,
    MATMUL_INPUT,
    MATMUL_WEIGHTS,
};

enum matmul_type { MATMUL_FLOAT32, MATMUL_BF16, MATMUL_FP16 };

// What follows a product before it is written.
enum matmul_epilogue {
    MATMUL_BIAS = 1, // + bias[out], of y's type
    MATMUL_RELU = 2,
};

// How it may be computed.
enum matmul_rule {
    MATMUL_TF32 = 1, // factors in float32 may be rounded to 10 bits (tensor cores)
};

enum { MATMUL_MAX_ALIGNMENT = 16 };

// A matrix in memory, row after row.
struct matmul_operand {
    int32_t type;      // of matmul_type
    int32_t alignment; // in bytes, of each row: a power of two up to MATMUL_MAX_ALIGNMENT
};

// Compared byte by byte, so it has no padding.
struct matmul {
    int64_t rows, in, out;
    struct matmul_operand x, weights, y; // or their gradients
    int32_t kind;
    int32_t epilogue; // of matmul_epilogue, added up
    int32_t rules;    // of matmul_rule, added up
    int32_t bias_alignment;
};

// Addresses on the device. Each product writes the one that it does not read.
struct matmul_data {
    void *x, *weights, *y;
    const void *bias;
    // Like the result, to which it is added before what follows: another array, aligned like the
    // result, or the result itself. NULL: nothing.
    const void *addend;
};

struct matmuls;
struct matmul_plan;

// On the current device.
MUST_CHECK enum status matmuls_open(struct matmuls **matmuls, struct error *err);
void matmuls_close(struct matmuls *matmuls); // NULL is fine

// cuBLASLt's version, as major * 10000 + minor * 100 + patch; fails where it cannot be opened.
MUST_CHECK enum status matmuls_library_version(int64_t *version, struct error *err);

// The plan of a product; STATUS_UNSUPPORTED if cuBLASLt has none, which is remembered, too.
MUST_CHECK enum status matmuls_find(struct matmuls *matmuls, const struct matmul *matmul,
                                    struct matmul_plan **plan, struct error *err);

// Memory on the device that it needs while it runs, aligned to MATMUL_WORKSPACE_ALIGNMENT.
int64_t matmul_plan_workspace_bytes(const struct matmul_plan *plan);
enum { MATMUL_WORKSPACE_ALIGNMENT = 256 };

// Puts it on the stream, a cudaStream_t. False, with err, if cuBLASLt refuses; it can be replaced.
MUST_CHECK bool matmul_plan_run(struct matmuls *matmuls, struct matmul_plan *plan,
                                const struct matmul_data *data, void *workspace, void *stream,
                                struct error *err);
bool matmul_plan_has_run(const struct matmul_plan *plan); // then it can be expected to run again

// Lets the next algorithm take its place; matmuls_find tells whether there is one. why: what its
// message says if there is none.
void matmul_plan_replace(struct matmul_plan *plan, const struct error *why);
