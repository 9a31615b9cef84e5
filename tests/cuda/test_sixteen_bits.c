// Every operation on activations, stored in 16 bits, beside the same operation in float32 on the
// same device, with the same inputs, which are numbers of that type: results, and the gradients of
// inputs and parameters.
//
// Both compute in float32, so they differ by what is rounded: weights, as they are packed, what is
// stored, and what is stored on the way. ROUNDINGS such errors fit between them.
#include <math.h>
#include <stdio.h>

#include "base/random.h"
#include "nn/class_logits/class_logits.h"
#include "nn/conv/conv.h"
#include "nn/cuda/number_bits.h"
#include "nn/deconv/deconv.h"
#include "nn/gate/gate.h"
#include "nn/group_norm/group_norm.h"
#include "nn/linear/linear.h"
#include "nn/max_pool/max_pool.h"
#include "nn/roi_align/roi_align.h"
#include "nn/squeeze_excite/squeeze_excite.h"
#include "nn/upsample_add/upsample_add.h"
#include "tests/context.h"
#include "tests/gpu.h"
#include "tests/harness.h"

enum { MAX_INPUTS = 3, MAX_PARAMETERS = 8, MAX_ARRAYS = 1 + MAX_INPUTS + MAX_PARAMETERS };
static const double ROUNDINGS = 12;

struct run {
    struct nn *nn;
    enum number_type type; // that all values are numbers of
    bool relu;
    int64_t channels; // of layers that can have any
    struct arena *arena;
    struct parameters parameters;
    struct tensor *inputs[MAX_INPUTS];
    int num_inputs;
    uint64_t seed;
};

static float round_to(enum number_type type, float value) {
    if (type == NUMBER_BF16) return number_from_bf16(number_to_bf16(value));
    return type == NUMBER_FP16 ? number_from_fp16(number_to_fp16(value)) : value;
}

static float value_at(const void *data, enum number_type type, int64_t i) {
    const uint16_t *halves = data;
    if (type == NUMBER_BF16) return number_from_bf16(halves[i]);
    return type == NUMBER_FP16 ? number_from_fp16(halves[i]) : ((const float *)data)[i];
}

static void set(void *data, enum number_type type, int64_t i, float value) {
    uint16_t *halves = data;
    if (type == NUMBER_BF16)
        halves[i] = number_to_bf16(value);
    else if (type == NUMBER_FP16)
        halves[i] = number_to_fp16(value);
    else
        ((float *)data)[i] = value;
}

// ---- Building a layer ----

static struct tensor *input_of(struct run *r, enum number_type type, int64_t n, int64_t h,
                               int64_t w, int64_t c) {
    struct tensor *t = nn_tensor_of(r->nn, type, n, h, w, c);
    struct random random = random_stream(r->seed++, 1);
    REQUIRE(t->data && r->num_inputs < MAX_INPUTS);
    for (int64_t i = 0; i < tensor_count(t); i++)
        set(t->data, type, i, round_to(r->type, (float)random_between(&random, -1, 1)));
    t->wants_grad = type == r->nn->activations;
    r->inputs[r->num_inputs++] = t;
    return t;
}

static struct tensor *input(struct run *r, int64_t n, int64_t h, int64_t w, int64_t c) {
    return input_of(r, r->nn->activations, n, h, w, c);
}

static struct parameter *weights(struct run *r, const char *name, int64_t a, int64_t b, int64_t h,
                                 int64_t w) {
    const int64_t shape[] = {a, b, h, w};
    return parameter_add(&r->parameters, PARAMETER_WEIGHT, 4, shape, (struct initial){0}, "%s.%lld",
                         name, (long long)r->parameters.count);
}

static struct parameter *vector(struct run *r, const char *name, int64_t c) {
    return parameter_add(&r->parameters, PARAMETER_BIAS, 1, &c, (struct initial){0}, "%s", name);
}

// After all parameters: from 0.3 to 1.2, so that variances and scales are what they may be.
static void fill_parameters(struct run *r) {
    struct error err;
    EXPECT_OK(parameters_allocate(&r->parameters, true, &err), &err);
    for (int64_t i = 0; i < r->parameters.count; i++) {
        const struct parameter *p = r->parameters.items[i];
        struct random random = random_stream(r->seed++, 2);
        bool is_weight = p->kind == PARAMETER_WEIGHT;
        for (int64_t j = 0; j < p->count; j++)
            p->data[j] = round_to(r->type, (float)random_between(&random, is_weight ? -0.5 : 0.3,
                                                                 is_weight ? 0.5 : 1.2));
    }
}

static void *own(struct run *r, size_t bytes) {
    void *memory = arena_alloc_zero(r->arena, 1, bytes);
    REQUIRE(memory != NULL);
    return memory;
}

static struct gate *gate_of(struct run *r, int64_t c) {
    struct gate *gate = own(r, sizeof *gate);
    *gate = (struct gate){.channels = c,
                          .epsilon = 1e-5f,
                          .alpha = vector(r, "alpha", c),
                          .gamma = vector(r, "gamma", c),
                          .beta = vector(r, "beta", c)};
    return gate;
}

static struct frozen_norm *norm_of(struct run *r, int64_t c) {
    struct frozen_norm *norm = own(r, sizeof *norm);
    *norm = (struct frozen_norm){vector(r, "weight", c), vector(r, "bias", c), vector(r, "mean", c),
                                 vector(r, "variance", c), 1e-5f};
    return norm;
}

static struct conv *conv_of(struct run *r, int64_t in, int64_t out, int64_t kernel,
                            int64_t groups) {
    struct conv *conv = own(r, sizeof *conv);
    *conv = (struct conv){.in_channels = in,
                          .out_channels = out,
                          .groups = groups,
                          .kernel = kernel,
                          .stride = 1,
                          .padding = kernel / 2,
                          .images_at_once = 1,
                          .weight = weights(r, "conv", out, in / groups, kernel, kernel)};
    return conv;
}

// ---- The layers ----

static struct tensor *plain_conv(struct run *r) {
    struct tensor *x = input(r, 2, 7, 9, 6);
    struct conv *conv = conv_of(r, 6, 10, 3, 1);
    conv->stride = 2;
    conv->bias = vector(r, "bias", 10);
    fill_parameters(r);
    return conv_forward(r->nn, conv, x, NULL, r->relu);
}

static struct tensor *grouped_conv(struct run *r) {
    struct tensor *x = input(r, 1, 8, 8, 8);
    struct conv *conv = conv_of(r, 8, 8, 3, 4);
    fill_parameters(r);
    return conv_forward(r->nn, conv, x, NULL, false);
}

// Its input's gradient is added to the residual's, which is handed over.
static struct tensor *folded_gate(struct run *r) {
    struct tensor *x = input(r, 2, 12, 11, 6);
    struct conv *conv = conv_of(r, 6, 6, 3, 1);
    conv->gate = gate_of(r, 6);
    conv->norm = norm_of(r, 6);
    fill_parameters(r);
    return conv_forward(r->nn, conv, x, x, r->relu);
}

// What the second reads is summed up by the first, as it is stored, and the gate's part of its
// gradient waits for the first.
static struct tensor *gate_behind_conv(struct run *r) {
    int64_t between = r->channels;
    struct tensor *x = input(r, 2, 12, 11, 6);
    struct conv *first = conv_of(r, 6, between, 3, 1);
    struct conv *second = conv_of(r, between, 4, 3, 1);
    first->gate_follows = true;
    first->bias = vector(r, "bias", between);
    second->gate = gate_of(r, between);
    fill_parameters(r);
    // Without ReLU, that its input is near 0 changes little.
    struct tensor *y = conv_forward(r->nn, first, x, NULL, false);
    return conv_forward(r->nn, second, y, NULL, r->relu);
}

static struct tensor *gate_of_regions(struct run *r) {
    struct tensor *x = input(r, 5, 4, 4, 6);
    struct conv *conv = conv_of(r, 6, 6, 3, 1);
    conv->images_at_once = 8;
    conv->gate = gate_of(r, 6);
    conv->bias = vector(r, "bias", 6);
    fill_parameters(r);
    return conv_forward(r->nn, conv, x, input(r, 5, 4, 4, 6), r->relu);
}

// A network's input is float32, and so is what a predictor gives.
static struct tensor *conv_of_float32(struct run *r) {
    struct tensor *x = input_of(r, NUMBER_FLOAT32, 2, 9, 9, 3);
    x->wants_grad = false;
    struct conv *conv = conv_of(r, 3, 5, 3, 1);
    conv->gate = gate_of(r, 3);
    conv->bias = vector(r, "bias", 5);
    conv->float32_result = true;
    fill_parameters(r);
    return conv_forward(r->nn, conv, x, NULL, false);
}

static struct tensor *predictor(struct run *r) {
    struct tensor *x = input(r, 2, 6, 6, 8);
    struct conv *conv = conv_of(r, 8, 3, 1, 1);
    conv->bias = vector(r, "bias", 3);
    conv->float32_result = true;
    fill_parameters(r);
    return conv_forward(r->nn, conv, x, NULL, false);
}

static struct tensor *deconvolution(struct run *r) {
    struct tensor *x = input(r, 3, 4, 5, 6);
    struct deconv *deconv = own(r, sizeof *deconv);
    *deconv = (struct deconv){.in_channels = 6,
                              .out_channels = r->channels,
                              .weight = weights(r, "deconv", 6, r->channels, 2, 2),
                              .bias = vector(r, "bias", r->channels)};
    fill_parameters(r);
    return deconv_forward(r->nn, deconv, x, r->relu);
}

static struct tensor *linear_of(struct run *r, int64_t n, int64_t out, bool float32_result) {
    struct tensor *x = input(r, n, 3, 3, 4);
    struct linear *linear = own(r, sizeof *linear);
    *linear = (struct linear){.in = 36,
                              .out = out,
                              .weight = weights(r, "linear", out, 36, 1, 1),
                              .bias = vector(r, "bias", out),
                              .float32_result = float32_result};
    fill_parameters(r);
    return linear_forward(r->nn, linear, x, r->relu && !float32_result);
}

static struct tensor *hidden_linear(struct run *r) {
    return linear_of(r, 7, 12, false);
}

// More rows than go through at once.
static struct tensor *linear_predictor(struct run *r) {
    return linear_of(r, 70, 5, true);
}

static struct tensor *gate_with(struct run *r, enum gate_embedding embedding) {
    struct tensor *x = input(r, 2, 6, 7, 8);
    struct gate *gate = gate_of(r, 8);
    struct frozen_norm *norm = embedding == GATE_EMBEDDING_L2 ? norm_of(r, 8) : NULL;
    gate->embedding = embedding;
    fill_parameters(r);
    return gate_forward(r->nn, gate, x, norm, input(r, 2, 6, 7, 8), r->relu);
}

static struct tensor *gate_l2(struct run *r) {
    return gate_with(r, GATE_EMBEDDING_L2);
}

static struct tensor *gate_l1(struct run *r) {
    return gate_with(r, GATE_EMBEDDING_L1);
}

static struct tensor *gate_linf(struct run *r) {
    return gate_with(r, GATE_EMBEDDING_LINF);
}

static struct tensor *excitation(struct run *r) {
    struct tensor *x = input(r, 2, 6, 7, 8);
    struct squeeze_excite *se = own(r, sizeof *se);
    *se = (struct squeeze_excite){.channels = 8,
                                  .hidden = 3,
                                  .fc1_weight = weights(r, "fc1", 3, 8, 1, 1),
                                  .fc1_bias = vector(r, "fc1.bias", 3),
                                  .fc2_weight = weights(r, "fc2", 8, 3, 1, 1),
                                  .fc2_bias = vector(r, "fc2.bias", 8)};
    fill_parameters(r);
    return squeeze_excite_forward(r->nn, se, x, x, r->relu);
}

static struct tensor *group_normalisation(struct run *r) {
    int64_t c = r->channels;
    struct tensor *x = input(r, 2, 6, 7, c);
    struct group_norm *norm = own(r, sizeof *norm);
    *norm = (struct group_norm){.channels = c,
                                .groups = c / 3,
                                .epsilon = 1e-5f,
                                .weight = vector(r, "weight", c),
                                .bias = vector(r, "bias", c)};
    fill_parameters(r);
    return group_norm_forward(r->nn, norm, x, input(r, 2, 6, 7, c), r->relu);
}

static struct tensor *pooling(struct run *r) {
    fill_parameters(r);
    return max_pool_forward(r->nn, input(r, 2, 9, 8, r->channels), 3, 2, 1);
}

static struct tensor *pyramid_step(struct run *r) {
    fill_parameters(r);
    struct tensor *lateral = input(r, 2, 9, 8, r->channels);
    return upsample_add_forward(r->nn, lateral, input(r, 2, 5, 4, r->channels));
}

static struct tensor *regions(struct run *r) {
    static const float boxes[3][4] = {{3, 5, 40, 30}, {10, 10, 60, 61}, {0, 0, 20, 9}};
    static const int32_t images[] = {0, 1, 1};
    static const int32_t levels[] = {0, 1, 0};
    static const struct roi_align settings = {NULL, 5, 2, true};
    fill_parameters(r);
    const struct roi_pyramid pyramid = {
        2, {input(r, 2, 16, 16, r->channels), input(r, 2, 8, 8, r->channels)}, {0.25f, 0.125f}};
    const struct rois rois = {3, boxes[0], images, levels};
    return roi_align_forward(r->nn, &settings, &pyramid, &rois);
}

static struct tensor *logits_of_classes(struct run *r) {
    static const int32_t labels[] = {2, 0, 1};
    struct tensor *x = input(r, 3, 5, 5, 40);
    struct conv *conv = conv_of(r, 40, 3, 1, 1);
    conv->bias = vector(r, "bias", 3);
    fill_parameters(r);
    return class_logits_forward(r->nn, conv, x, labels);
}

// Channels move eight at a time where there are a multiple of that; 0: a number of its own.
static const struct layer {
    const char *name;
    struct tensor *(*forward)(struct run *r);
    int64_t channels;
} LAYERS[] = {
    {"plain_conv", plain_conv, 0},
    {"grouped_conv", grouped_conv, 0},
    {"folded_gate", folded_gate, 0},
    {"gate_behind_conv", gate_behind_conv, 6},
    {"gate_behind_conv of packs", gate_behind_conv, 8},
    {"gate_of_regions", gate_of_regions, 0},
    {"conv_of_float32", conv_of_float32, 0},
    {"predictor", predictor, 0},
    {"deconvolution", deconvolution, 5},
    {"deconvolution to packs", deconvolution, 16},
    {"hidden_linear", hidden_linear, 0},
    {"linear_predictor", linear_predictor, 0},
    {"gate_l2", gate_l2, 0},
    {"gate_l1", gate_l1, 0},
    {"gate_linf", gate_linf, 0},
    {"excitation", excitation, 0},
    {"group_normalisation", group_normalisation, 6},
    {"group_normalisation of packs", group_normalisation, 24},
    {"pooling", pooling, 5},
    {"pooling of packs", pooling, 24},
    {"pyramid_step", pyramid_step, 5},
    {"pyramid_step of packs", pyramid_step, 24},
    {"regions", regions, 7},
    {"regions of many channels", regions, 130},
    {"logits_of_classes", logits_of_classes, 0},
};
enum { NUM_LAYERS = sizeof LAYERS / sizeof *LAYERS };

// ---- Running it ----

// The result, and the gradients of inputs and of parameters; NULL where there is none.
struct outcome {
    struct array {
        float *values;
        int64_t count;
    } arrays[MAX_ARRAYS];
    int count;
};

static void keep(struct outcome *o, const void *data, enum number_type type, int64_t count,
                 struct arena *arena) {
    struct array *array = &o->arrays[o->count++];
    *array = (struct array){NULL, count};
    if (!data) return;
    array->values = arena_alloc(arena, count, sizeof *array->values);
    REQUIRE(array->values != NULL);
    for (int64_t i = 0; i < count; i++)
        array->values[i] = value_at(data, type, i);
}

// Where the result without ReLU is near 0, it is on one side of it or on the other: nothing flows.
static void seed(struct run *r, struct tensor *out, const struct outcome *without_relu) {
    bool add = false;
    float *grad = nn_grad(r->nn, out, &add);
    struct random random = random_stream(99, 3);
    if (!grad) return;
    for (int64_t i = 0; i < tensor_count(out); i++) {
        float value = round_to(r->type, (float)random_between(&random, -1, 1));
        bool is_near = without_relu && fabsf(without_relu->arrays[0].values[i]) < 0.1f;
        set(grad, out->type, i, is_near ? 0 : value);
    }
}

static struct nn *open_device(enum nn_precision precision) {
    const struct nn_options options = {
        .device = NN_CUDA,
        .precision = precision,
        .num_threads = 1,
        .memory_bytes = (int64_t)1 << 28,
        .guarded = true,
        .cuda_module = tested_cuda_module(CUDA_MODULE),
    };
    return tested_context(&options);
}

static struct outcome run_layer(const struct layer *layer, enum nn_precision precision,
                                enum number_type type, const struct outcome *without_relu,
                                bool relu, struct arena *arena) {
    struct outcome o = {.count = 0};
    struct error err;
    struct run r = {open_device(precision), type, relu, layer->channels, arena, .seed = 5};
    parameters_init(&r.parameters, arena);
    nn_begin(r.nn, NN_TRAINING);
    struct tensor *out = layer->forward(&r);
    EXPECT_OK(nn_status(r.nn, &err), &err);
    keep(&o, out->data, out->type, tensor_count(out), arena);
    seed(&r, out, without_relu);
    nn_backward(r.nn);
    EXPECT_OK(nn_status(r.nn, &err), &err);
    for (int i = 0; i < r.num_inputs; i++)
        keep(&o, r.inputs[i]->grad, r.inputs[i]->type, tensor_count(r.inputs[i]), arena);
    for (int64_t i = 0; i < r.parameters.count; i++)
        keep(&o, r.parameters.items[i]->grad, NUMBER_FLOAT32, r.parameters.items[i]->count, arena);
    nn_destroy(r.nn);
    return o;
}

static double root_mean_square(const struct array *a) {
    double squares = 0;
    for (int64_t i = 0; i < a->count; i++)
        squares += (double)a->values[i] * (double)a->values[i];
    return sqrt(squares / (double)a->count) + 1e-6;
}

// Errors as shares of the largest of the array's root mean square and the value itself.
static void expect_close(const char *name, int number, const struct array *got,
                         const struct array *expected, double tolerance) {
    EXPECT((got->values == NULL) == (expected->values == NULL));
    if (!got->values || !expected->values) return;
    double scale = root_mean_square(expected);
    double worst = 0;
    for (int64_t i = 0; i < got->count; i++) {
        double wanted = (double)expected->values[i];
        double error = fabs((double)got->values[i] - wanted) / fmax(scale, fabs(wanted));
        worst = isnan(error) ? HUGE_VAL : fmax(worst, error);
    }
    if (worst > tolerance)
        fprintf(stderr, "%s: array %d is off by %.3g, expected %.3g\n", name, number, worst,
                tolerance);
    EXPECT(worst <= tolerance);
}

static void compare(enum nn_precision precision, enum number_type type, double rounding) {
    for (int i = 0; i < NUM_LAYERS; i++) {
        struct arena arena;
        arena_init(&arena, 1 << 20, 0);
        struct outcome plain = run_layer(&LAYERS[i], NN_FLOAT32, type, NULL, false, &arena);
        struct outcome expected = run_layer(&LAYERS[i], NN_FLOAT32, type, &plain, true, &arena);
        struct outcome got = run_layer(&LAYERS[i], precision, type, &plain, true, &arena);
        EXPECT_INT(got.count, expected.count);
        for (int j = 0; j < got.count; j++)
            expect_close(LAYERS[i].name, j, &got.arrays[j], &expected.arrays[j],
                         ROUNDINGS * rounding);
        arena_destroy(&arena);
    }
}

static void bf16(void) {
    compare(NN_BF16, NUMBER_BF16, ldexp(1, -9));
}

static void fp16(void) {
    compare(NN_FP16, NUMBER_FP16, ldexp(1, -12));
}

int main(int argc, char **argv) {
    return run_cases(argc, argv, (struct test_case[]){{"bf16", bf16}, {"fp16", fp16}, {0}});
}
