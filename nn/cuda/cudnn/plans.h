// How cuDNN computes products: for each one a plan, made when it is first asked for and kept.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "nn/cuda/dnn_shape.h"
#include "nn/tensor.h"

enum product_kind {
    PRODUCT_FORWARD,
    PRODUCT_BACKWARD_DATA,
    PRODUCT_BACKWARD_WEIGHTS,
};

// What follows a product before it is written.
enum product_epilogue {
    EPILOGUE_BIAS = 1,     // + bias[out]
    EPILOGUE_RESIDUAL = 2, // + residual, which has the result's shape
    EPILOGUE_RELU = 4,
    EPILOGUE_ADD = 8, // + what is there; of the gradient of the input, and nothing else with it
    // Sums of the result's squares over all positions are written, too; behind EPILOGUE_BIAS, of
    // one image. cuDNN compiles kernels for that, in seconds each, and only for tensor cores.
    EPILOGUE_SQUARES = 16,
};

// cuDNN's fused kernels take a bias before anything else that follows, so then there is always one.
static inline int32_t product_epilogue(bool bias, bool residual, bool relu) {
    if (!bias && !residual && !relu) return 0;
    return EPILOGUE_BIAS + (residual ? EPILOGUE_RESIDUAL : 0) + (relu ? EPILOGUE_RELU : 0);
}

// How it may be computed.
enum product_rule {
    PRODUCT_TF32 = 1,   // factors may be rounded to 10 bits (tensor cores)
    PRODUCT_DIRECT = 2, // no Winograd or Fourier transforms, which round differently
};

enum { PRODUCT_MAX_ALIGNMENT = 16 };

// Compared byte by byte, so it has no padding, and shape.at_once is 0.
struct product {
    struct dnn_shape shape;
    int32_t kind;
    int32_t epilogue;  // of product_epilogue, added up
    int32_t alignment; // of all addresses, a power of two up to PRODUCT_MAX_ALIGNMENT
    int32_t rules;     // of product_rule, added up
    int64_t type;      // of enum number_type: of all that it reads and writes
};

// What messages call it.
void product_name(const struct product *product, char *text, size_t bytes);

// Addresses on the device. Each product writes the one that it does not read, or, with
// EPILOGUE_ADD, that it adds to.
struct product_data {
    void *x, *weights, *y;
    const void *bias, *residual;
    void *squares;
};

struct plans_options {
    int device;              // its number; it is the current one
    const char *device_json; // instead, properties of a device that is not here: plans cannot run
    void *stream;            // a cudaStream_t
};

struct plans;
struct plan;

MUST_CHECK enum status plans_open(struct plans **plans, const struct plans_options *options,
                                  struct error *err);
void plans_close(struct plans *plans); // NULL is fine

// cuDNN's version, as major * 10000 + minor * 100 + patch; fails where it cannot be opened.
MUST_CHECK enum status plans_library_version(int64_t *version, struct error *err);
int64_t plans_version(const struct plans *plans);

// The device's properties as JSON, which plans_open takes on a machine without it; to be freed.
// NULL if cuDNN does not tell.
char *plans_device_json(const struct plans *plans);

// The plan of a product; STATUS_UNSUPPORTED if cuDNN has none, which is remembered, too.
MUST_CHECK enum status plans_find(struct plans *plans, const struct product *product,
                                  struct plan **plan, struct error *err);

// How engines are compared.
struct plan_timer {
    // Seconds that a plan takes; less than 0 if it does not run.
    double (*seconds)(void *context, const struct plan *plan);
    void *context;
    double most; // engines that take longer are none; INFINITY: all may be
    int max_engines;
};

// The same with a plan that is the fastest one by timer, which is asked when the product is new.
// Where no plan runs it is plans_find's.
MUST_CHECK enum status plans_find_fastest(struct plans *plans, const struct product *product,
                                          const struct plan_timer *timer, struct plan **plan,
                                          struct error *err);

// Whether a product has been asked for already.
bool plans_know(const struct plans *plans, const struct product *product);

// Memory on the device that it needs while it runs, aligned to 16 bytes.
int64_t plan_workspace_bytes(const struct plan *plan);

// cuDNN's number of the engine, for tables.
int64_t plan_engine(const struct plan *plan);

// Puts it on the stream. False, with err, if cuDNN refuses; it can be replaced.
MUST_CHECK bool plan_run(struct plans *plans, const struct plan *plan,
                         const struct product_data *data, void *workspace, struct error *err);

// Says that it has run, so that it can be expected to run again; until it is replaced.
void plan_keep(struct plan *plan);
bool plan_has_run(const struct plan *plan);

// Lets the next engine take its place; plans_find tells whether there is one. why: what its message
// says if there is none.
void plan_replace(struct plans *plans, struct plan *plan, const struct error *why);
