// What the tests of operations share: a guarded context, fillings, comparison with a reference in
// double, and finite differences.
//
// An operation is compared with a naive reference that computes in double. Its gradients are
// compared with central differences of that reference, sign included. Where the function has a kink
// (ReLU, a maximum) nearby, two step widths disagree, and the element is skipped; too many skipped
// elements fail the test.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "nn/nn.h"
#include "nn/parameters.h"
#include "tests/harness.h"

// A fresh context on the tested device (the CPU unless TEST_DEVICE says otherwise) with guard words
// behind all buffers; training mode has begun. The last one is destroyed.
struct nn *fresh_nn(void);

// What the following fresh contexts compute in, in inference mode unless it is float32. Ends the
// case as skipped where the device cannot do it.
void use_precision(enum nn_precision precision);

// Whether the following fresh contexts choose engines by measuring. Ends the case as skipped where
// the device has none.
void use_tuning(bool wanted);

// values[i] rounded to 8 significant bits, of two equally near numbers to the even one.
void round_to_bf16(double *values, int64_t count);

// Values that follow from the seed, uniform in [low, high).
void fill(float *values, int64_t count, uint64_t seed, double low, double high);

// A tensor of the current step, filled; with wants_grad as told.
struct tensor *filled_tensor(struct nn *nn, int64_t n, int64_t h, int64_t w, int64_t c,
                             uint64_t seed, double low, double high, bool wants_grad);

// Parameters of one test, with gradients; fresh with fresh_nn. Add them, then call
// allocate_parameters, then fill them.
struct parameters *fresh_parameters(void);
void allocate_parameters(void);
struct parameter *add_parameter(const char *name, enum parameter_kind kind, int num_dims,
                                const int64_t *shape);

// A copy in double, owned by the harness until the next fresh_nn.
double *doubles_of(const float *values, int64_t count);
// Zeroed doubles with the same owner.
double *new_doubles(int64_t count);

// Every got[i] is within tolerance times (the expected values' root mean square + 1e-6) of
// expected[i].
void expect_close(const float *got, const double *expected, int64_t count, double tolerance,
                  const char *what);

// Gives out a gradient, as its consumers would: dLoss/dout[i] = seeds[i]. For tensors of any shape.
void seed_gradient(struct nn *nn, struct tensor *out, const float *seeds);

// A variable of the reference and what the operation says its gradient is.
struct variable {
    const char *name;
    double *values; // changed and restored
    int64_t count;
    const float *grad; // dLoss/dvalues by the operation; read before it is freed
};

// Compares up to 60 elements of each variable, spread over all, with central differences of loss.
// tolerance is relative to the root mean square of the compared differences.
void expect_gradients(double (*loss)(void *context), void *context, struct variable *variables,
                      int num_variables, double tolerance);
