#include <math.h>

#include "nn/gate/gate.h"
#include "tests/nn/check_layer.h"

// A gate and the frozen norm that may follow it.
struct gated {
    struct gate gate;
    struct frozen_norm norm;
    bool has_norm;
};

static struct tensor *forward(struct nn *nn, const void *layer, struct tensor *x,
                              struct tensor *residual, bool relu) {
    const struct gated *gated = layer;
    return gate_forward(nn, &gated->gate, x, gated->has_norm ? &gated->norm : NULL, residual, relu);
}

static double embed(const struct gate *gate, const double *x, int64_t rows, int64_t c) {
    double squares = 0;
    double magnitudes = 0;
    double largest = 0;
    for (int64_t row = 0; row < rows; row++) {
        squares += x[row * c] * x[row * c];
        magnitudes += fabs(x[row * c]);
        largest = fmax(largest, fabs(x[row * c]));
    }
    if (gate->embedding == GATE_EMBEDDING_L2) return sqrt(squares + (double)gate->epsilon);
    return gate->embedding == GATE_EMBEDDING_L1 ? magnitudes : largest;
}

static void normalise(const struct gate *gate, double *s, int64_t c) {
    double mean = 0;
    double magnitude = 0;
    double square = 0;
    double variance = 0;
    double epsilon = (double)gate->epsilon;
    for (int64_t j = 0; j < c; j++) {
        mean += s[j] / (double)c;
        magnitude += fabs(s[j]) / (double)c;
        square += s[j] * s[j] / (double)c;
    }
    for (int64_t j = 0; j < c; j++)
        variance += (s[j] - mean) * (s[j] - mean) / (double)c;
    for (int64_t j = 0; j < c; j++) {
        if (gate->normalisation == GATE_NORMALISATION_L2)
            s[j] /= sqrt(square + epsilon);
        else if (gate->normalisation == GATE_NORMALISATION_L1)
            s[j] /= magnitude + epsilon;
        else
            s[j] = (s[j] - mean) / sqrt(variance + epsilon);
    }
}

static double activate(const struct gate *gate, double u) {
    if (gate->activation == GATE_ONE_PLUS_TANH) return 1 + tanh(u);
    if (gate->activation == GATE_SIGMOID) return 1 / (1 + exp(-u));
    return u > 0 ? 1 + u : exp(u);
}

static void reference(const struct layer_check *check, const double *x, double *y) {
    enum { MAX_CHANNELS = 256 };
    const struct gated *gated = check->layer;
    const struct gate *gate = &gated->gate;
    int64_t rows = check->h * check->w;
    int64_t c = check->c;
    double s[MAX_CHANNELS];
    REQUIRE(c <= MAX_CHANNELS);
    for (int64_t i = 0; i < check->n; i++) {
        const double *image = x + i * rows * c;
        for (int64_t j = 0; j < c; j++)
            s[j] = check->values[0][j] * embed(gate, image + j, rows, c);
        normalise(gate, s, c);
        for (int64_t j = 0; j < c; j++) {
            double g = activate(gate, check->values[1][j] * s[j] + check->values[2][j]);
            double scale = 1;
            double shift = 0;
            if (gated->has_norm) {
                const struct frozen_norm *norm = &gated->norm;
                scale = (double)norm->weight->data[j] /
                        sqrt((double)norm->variance->data[j] + (double)norm->epsilon);
                shift = (double)norm->bias->data[j] - (double)norm->mean->data[j] * scale;
            }
            for (int64_t row = 0; row < rows; row++)
                y[(i * rows + row) * c + j] = image[row * c + j] * g * scale + shift;
        }
    }
}

static struct nn *nn;
static struct gated gated;

static struct parameter *add_channels(const char *name, enum parameter_kind kind, int64_t c) {
    struct parameter *p = add_parameter(name, kind, 1, &c);
    if (kind == PARAMETER_NORM_WEIGHT || kind == PARAMETER_NORM_BIAS) p->trainable = false;
    return p;
}

struct shape {
    int64_t n, h, w, c;
};

static struct layer_check check_of(struct shape shape) {
    nn = fresh_nn();
    int64_t c = shape.c;
    gated = (struct gated){
        .gate =
            {
                .label = "gate",
                .channels = c,
                .epsilon = 1e-5f,
                .alpha = add_channels("alpha", PARAMETER_GATE_ALPHA, c),
                .gamma = add_channels("gamma", PARAMETER_GATE_GAMMA, c),
                .beta = add_channels("beta", PARAMETER_GATE_BETA, c),
            },
        .norm =
            {
                .weight = add_channels("norm.weight", PARAMETER_NORM_WEIGHT, c),
                .bias = add_channels("norm.bias", PARAMETER_NORM_BIAS, c),
                .mean = add_channels("norm.mean", PARAMETER_NORM_MEAN, c),
                .variance = add_channels("norm.variance", PARAMETER_NORM_VARIANCE, c),
                .epsilon = 1e-5f,
            },
    };
    allocate_parameters();
    fill(gated.gate.alpha->data, c, 5, -1, 2);
    fill(gated.gate.gamma->data, c, 6, -1, 1);
    fill(gated.gate.beta->data, c, 7, -0.5, 0.5);
    fill(gated.norm.weight->data, c, 8, 0.5, 1.5);
    fill(gated.norm.bias->data, c, 9, -0.5, 0.5);
    fill(gated.norm.mean->data, c, 10, -0.5, 0.5);
    fill(gated.norm.variance->data, c, 11, 0.5, 1.5);
    return (struct layer_check){
        .n = shape.n,
        .h = shape.h,
        .w = shape.w,
        .c = c,
        .layer = &gated,
        .forward = forward,
        .reference = reference,
        .num_parameters = 3,
        .parameters = {gated.gate.alpha, gated.gate.gamma, gated.gate.beta},
        .low = -1,
        .high = 1.5,
        .tolerance = 1e-5,
        .gradient_tolerance = 1e-3,
    };
}

static void set_kind(int kind) {
    gated.gate.embedding = (enum gate_embedding)(kind % 3);
    gated.gate.normalisation = (enum gate_normalisation)(kind / 3 % 3);
    gated.gate.activation = (enum gate_activation)(kind / 9);
}

static void all_kinds(void) {
    struct layer_check check = check_of((struct shape){2, 3, 5, 18});
    for (int kind = 0; kind < 27; kind++) {
        set_kind(kind);
        gated.has_norm = false;
        expect_layer(nn, &check, false, false);
        gated.has_norm = true;
        expect_layer(nn, &check, false, false);
        expect_layer(nn, &check, true, true);
        expect_layer_holds(nn, &check);
    }
}

static void shapes(void) {
    static const struct shape SHAPES[] = {
        {1, 1, 1, 8}, {3, 7, 7, 3}, {2, 2, 1, 1}, {1, 23, 37, 24}, {9, 3, 2, 65},
    };
    for (size_t i = 0; i < sizeof SHAPES / sizeof SHAPES[0]; i++) {
        struct layer_check check = check_of(SHAPES[i]);
        for (int kind = 0; kind < 3; kind++) {
            set_kind(kind);
            gated.has_norm = kind != 1;
            expect_layer(nn, &check, true, false);
            expect_layer_holds(nn, &check);
        }
    }
}

// ---- Golden values: the authors' formulas, run by autograd in double ----

enum { GOLDEN_CHANNELS = 3, GOLDEN_ROWS = 4, GOLDEN_COUNT = 12 };

struct golden {
    enum gate_embedding embedding;
    enum gate_normalisation normalisation;
    double gates[GOLDEN_CHANNELS];
    double dx[GOLDEN_COUNT]; // [c, h, w]
    double dalpha[GOLDEN_CHANNELS], dgamma[GOLDEN_CHANNELS], dbeta[GOLDEN_CHANNELS];
};

static void expect_channels(const struct parameter *p, const double *expected) {
    for (int64_t j = 0; j < GOLDEN_CHANNELS; j++)
        EXPECT_NEAR((double)p->grad[j], expected[j], 2e-6);
}

static void expect_golden(const struct golden *golden) {
    check_of((struct shape){1, 2, 2, GOLDEN_CHANNELS});
    struct gate *gate = &gated.gate;
    gate->embedding = golden->embedding;
    gate->normalisation = golden->normalisation;
    memcpy(gate->alpha->data, (const float[]){1, 0.5f, -2}, GOLDEN_CHANNELS * sizeof(float));
    memcpy(gate->gamma->data, (const float[]){0.3f, -0.7f, 1.1f}, GOLDEN_CHANNELS * sizeof(float));
    memcpy(gate->beta->data, (const float[]){0.1f, 0, -0.2f}, GOLDEN_CHANNELS * sizeof(float));
    struct tensor *x = filled_tensor(nn, 1, 2, 2, GOLDEN_CHANNELS, 0, 0, 0, true);
    for (int k = 0; k < GOLDEN_COUNT; k++)
        x->data[k % GOLDEN_ROWS * GOLDEN_CHANNELS + k / GOLDEN_ROWS] = (float)(k + 1) / 10;
    struct tensor *y = gate_forward(nn, gate, x, NULL, NULL, false);
    for (int k = 0; k < GOLDEN_COUNT; k++)
        EXPECT_NEAR((double)y->data[k % GOLDEN_ROWS * GOLDEN_CHANNELS + k / GOLDEN_ROWS],
                    golden->gates[k / GOLDEN_ROWS] * (k + 1) / 10, 2e-7);
    float ones[GOLDEN_COUNT];
    for (int k = 0; k < GOLDEN_COUNT; k++)
        ones[k] = 1;
    seed_gradient(nn, y, ones);
    nn_backward(nn);
    for (int k = 0; k < GOLDEN_COUNT; k++)
        EXPECT_NEAR((double)x->grad[k % GOLDEN_ROWS * GOLDEN_CHANNELS + k / GOLDEN_ROWS],
                    golden->dx[k], 2e-6);
    expect_channels(gate->alpha, golden->dalpha);
    expect_channels(gate->gamma, golden->dgamma);
    expect_channels(gate->beta, golden->dbeta);
}

static void golden_values(void) {
    expect_golden(&(struct golden){
        .embedding = GATE_EMBEDDING_L2,
        .normalisation = GATE_NORMALISATION_L2,
        .gates = {1.16452742, .8165595, .03152117},
        .dx = {1.19072642, 1.21692543, 1.24312444, 1.26932345, .68858185, .66298632, .6373908,
               .61179527, .10553161, .11375499, .12197837, .13020175},
        .dalpha = {.07859965, -.89072952, -.18338184},
        .dgamma = {.21416329, .66596091, -.44235962},
        .dbeta = {.97293073, 2.51250891, .26060474},
    });
    expect_golden(&(struct golden){
        .embedding = GATE_EMBEDDING_L1,
        .normalisation = GATE_NORMALISATION_L1,
        .gates = {1.18205945, .75025627, .00750709},
        .dx = {1.32912298, 1.32912298, 1.32912298, 1.32912298, .54390013, .54390013, .54390013,
               .54390013, .10023578, .10023578, .10023578, .10023578},
        .dalpha = {.14706353, -1.07305197, -.19473024},
        .dgamma = {.2710799, .88855346, -.14795623},
        .dbeta = {.96685436, 2.43783299, .06282286},
    });
}

// alpha 1, gamma 0, beta 0: what an ImageNet model computes stays as it is, to the last bit.
static void fresh_is_identity(void) {
    for (int kind = 0; kind < 18; kind++) { // sigmoid starts at one half
        check_of((struct shape){2, 5, 3, 19});
        set_kind(kind);
        fill(gated.gate.alpha->data, 19, 0, 1, 1);
        fill(gated.gate.gamma->data, 19, 0, 0, 0);
        fill(gated.gate.beta->data, 19, 0, 0, 0);
        struct tensor *x = filled_tensor(nn, 2, 5, 3, 19, 1, -1, 1, true);
        x->data[7] = -0.0f;
        x->data[8] = 1e-40f;
        struct tensor *y = gate_forward(nn, &gated.gate, x, NULL, NULL, false);
        EXPECT(memcmp(x->data, y->data, (size_t)tensor_count(x) * sizeof(float)) == 0);
        struct tensor *seeds = filled_tensor(nn, 2, 5, 3, 19, 2, -1, 1, false);
        seed_gradient(nn, y, seeds->data);
        nn_backward(nn);
        EXPECT(memcmp(x->grad, seeds->data, (size_t)tensor_count(x) * sizeof(float)) == 0);
    }
}

// A channel of zeros, or an image of them, gives no infinity.
static void zeros(void) {
    for (int kind = 0; kind < 27; kind++) {
        check_of((struct shape){2, 3, 3, 4});
        set_kind(kind);
        struct tensor *x = filled_tensor(nn, 2, 3, 3, 4, 1, -1, 1, true);
        for (int64_t i = 0; i < tensor_count(x); i++)
            if (i < 36 || i % 4 == 0) x->data[i] = 0;
        struct tensor *y = gate_forward(nn, &gated.gate, x, NULL, NULL, false);
        struct tensor *seeds = filled_tensor(nn, 2, 3, 3, 4, 2, -1, 1, false);
        seed_gradient(nn, y, seeds->data);
        nn_backward(nn);
        for (int64_t i = 0; i < tensor_count(x); i++)
            EXPECT(isfinite(x->grad[i]));
        for (int64_t j = 0; j < 4; j++)
            EXPECT(isfinite(gated.gate.alpha->grad[j]) && isfinite(gated.gate.gamma->grad[j]));
    }
}

static void no_memory(void) {
    check_of((struct shape){1, 4, 4, 8});
    struct tensor *x = filled_tensor(nn, 1, 4, 4, 8, 1, -1, 1, true);
    nn_scratch(nn, (int64_t)1 << 60);
    const struct tensor *y = gate_forward(nn, &gated.gate, x, NULL, NULL, false);
    EXPECT_INT(y->c, 8);
    EXPECT(nn_failed(nn));
    nn_backward(nn);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"all_kinds", all_kinds},
                                          {"shapes", shapes},
                                          {"golden_values", golden_values},
                                          {"fresh_is_identity", fresh_is_identity},
                                          {"zeros", zeros},
                                          {"no_memory", no_memory},
                                          {0}});
}
