#include "tests/nn/check_op.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/random.h"
#include "nn/onednn.h"
#include "tests/context.h"
#include "tests/gpu.h"

// Built again for other devices (tests/cuda).
#ifndef TEST_DEVICE
#define TEST_DEVICE NN_CPU
#define CUDA_MODULE NULL
#endif

enum { MAX_SAMPLES = 60 };

static const enum nn_device device = TEST_DEVICE;
static struct nn *nn;
static struct arena arena;
static struct parameters parameters;
static enum nn_precision precision;
static bool tunes;

struct nn *fresh_nn(void) {
    nn_destroy(nn);
    nn = NULL;
    arena_destroy(&arena);
    arena_init(&arena, 1 << 20, 0);
    parameters_init(&parameters, &arena);
    const struct nn_options options = {
        .device = device,
        .num_threads = 2,
        .guarded = true,
        .precision = precision,
        .tune = tunes,
        .memory_bytes = device == NN_CUDA ? (int64_t)1 << 30 : 0,
        .cuda_module = tested_cuda_module(CUDA_MODULE),
    };
    nn = tested_context(&options);
    nn_begin(nn, precision == NN_FLOAT32 ? NN_TRAINING : NN_INFERENCE);
    return nn;
}

void use_precision(enum nn_precision wanted) {
    if (wanted == NN_BF16 && device != NN_CPU) skip_case("only the CPU computes in bf16");
    if (wanted == NN_TF32 && device != NN_CUDA) skip_case("TF32 is CUDA's");
    if (wanted == NN_BF16 && !onednn_has_bf16())
        skip_case("this processor has no instructions for bf16");
    precision = wanted;
}

void use_tuning(bool wanted) {
    if (wanted && device != NN_CUDA) skip_case("only CUDA has engines to choose from");
    tunes = wanted;
}

void round_to_bf16(double *values, int64_t count) {
    enum { BITS = 8 };
    for (int64_t i = 0; i < count; i++) {
        int exponent = 0;
        double fraction = frexp(values[i], &exponent);
        values[i] = ldexp(nearbyint(ldexp(fraction, BITS)), exponent - BITS);
    }
}

void fill(float *values, int64_t count, uint64_t seed, double low, double high) {
    struct random random = random_stream(seed, 17);
    for (int64_t i = 0; i < count; i++)
        values[i] = (float)random_between(&random, low, high);
}

struct tensor *filled_tensor(struct nn *context, int64_t n, int64_t h, int64_t w, int64_t c,
                             uint64_t seed, double low, double high, bool wants_grad) {
    struct tensor *t = nn_tensor(context, n, h, w, c);
    fill(t->data, tensor_count(t), seed, low, high);
    t->wants_grad = wants_grad;
    return t;
}

struct parameters *fresh_parameters(void) {
    return &parameters;
}

struct parameter *add_parameter(const char *name, enum parameter_kind kind, int num_dims,
                                const int64_t *shape) {
    return parameter_add(&parameters, kind, num_dims, shape, (struct initial){0}, "%s", name);
}

void allocate_parameters(void) {
    struct error err;
    EXPECT_OK(parameters_allocate(&parameters, true, &err), &err);
}

double *new_doubles(int64_t count) {
    double *values = arena_alloc_zero(&arena, count, sizeof *values);
    CHECK(values);
    return values;
}

double *doubles_of(const float *values, int64_t count) {
    double *copy = new_doubles(count);
    for (int64_t i = 0; i < count; i++)
        copy[i] = (double)values[i];
    return copy;
}

void expect_close(const float *got, const double *expected, int64_t count, double tolerance,
                  const char *what) {
    double squares = 0;
    for (int64_t i = 0; i < count; i++)
        squares += expected[i] * expected[i];
    double scale = count ? sqrt(squares / (double)count) + 1e-6 : 0;
    double worst = 0;
    int64_t where = -1;
    for (int64_t i = 0; i < count; i++) {
        double error = fabs((double)got[i] - expected[i]) / scale;
        if (isnan(error)) error = HUGE_VAL;
        if (error <= worst) continue;
        worst = error;
        where = i;
    }
    if (where < 0 || worst <= tolerance) return;
    fprintf(stderr, "%s[%lld]: got %.9g, expected %.9g, error %.3g of the RMS\n", what,
            (long long)where, (double)got[where], expected[where], worst);
    EXPECT(worst <= tolerance);
}

void seed_gradient(struct nn *context, struct tensor *out, const float *seeds) {
    bool add = false;
    float *grad = nn_grad(context, out, &add);
    REQUIRE(grad && !add);
    memcpy(grad, seeds, (size_t)tensor_count(out) * sizeof *grad);
}

static double difference(double (*loss)(void *), void *context, double *value, double step) {
    double old = *value;
    *value = old + step;
    double above = loss(context);
    *value = old - step;
    double below = loss(context);
    *value = old;
    return (above - below) / (2 * step);
}

static void check_variable(double (*loss)(void *), void *context, struct variable *v,
                           double tolerance) {
    double differences[MAX_SAMPLES];
    double grads[MAX_SAMPLES];
    int64_t at[MAX_SAMPLES];
    int64_t wanted = v->count < MAX_SAMPLES ? v->count : MAX_SAMPLES;
    int count = 0;
    double squares = 0;
    for (int64_t s = 0; s < wanted; s++) {
        int64_t i = s * v->count / wanted;
        double wide = difference(loss, context, &v->values[i], 1e-4);
        double narrow = difference(loss, context, &v->values[i], 2.5e-5);
        if (fabs(wide - narrow) > 1e-3 * (fabs(narrow) + 1e-3)) continue; // a kink
        differences[count] = narrow;
        grads[count] = (double)v->grad[i];
        at[count++] = i;
        squares += narrow * narrow;
    }
    if (wanted && count < (wanted * 7 + 9) / 10) {
        fprintf(stderr, "%s: %lld of %lld elements lie at kinks\n", v->name,
                (long long)(wanted - count), (long long)wanted);
        EXPECT(false);
    }
    double scale = count ? sqrt(squares / count) + 1e-6 : 1;
    for (int s = 0; s < count; s++) {
        if (fabs(grads[s] - differences[s]) <= tolerance * scale) continue;
        fprintf(stderr, "%s[%lld]: gradient %.9g, by differences %.9g\n", v->name, (long long)at[s],
                grads[s], differences[s]);
        EXPECT(fabs(grads[s] - differences[s]) <= tolerance * scale);
    }
}

void expect_gradients(double (*loss)(void *context), void *context, struct variable *variables,
                      int num_variables, double tolerance) {
    for (int i = 0; i < num_variables; i++)
        check_variable(loss, context, &variables[i], tolerance);
}
