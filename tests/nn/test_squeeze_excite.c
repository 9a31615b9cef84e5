#include <math.h>

#include "nn/squeeze_excite/squeeze_excite.h"
#include "tests/nn/check_layer.h"

static struct tensor *forward(struct nn *nn, const void *layer, struct tensor *x,
                              struct tensor *residual, bool relu) {
    return squeeze_excite_forward(nn, layer, x, residual, relu);
}

static void excite_image(const struct layer_check *check, const double *x, double *y) {
    enum { MAX_HIDDEN = 64 };
    const struct squeeze_excite *se = check->layer;
    double *const *values = check->values; // fc1's weight and bias, fc2's
    int64_t rows = check->h * check->w;
    double hidden[MAX_HIDDEN];
    REQUIRE(se->hidden <= MAX_HIDDEN);
    for (int64_t k = 0; k < se->hidden; k++) {
        double total = values[1][k];
        for (int64_t i = 0; i < rows * check->c; i++)
            total += values[0][k * check->c + i % check->c] * x[i] / (double)rows;
        hidden[k] = fmax(total, 0);
    }
    for (int64_t j = 0; j < check->c; j++) {
        double total = values[3][j];
        for (int64_t k = 0; k < se->hidden; k++)
            total += values[2][j * se->hidden + k] * hidden[k];
        for (int64_t row = 0; row < rows; row++)
            y[row * check->c + j] = x[row * check->c + j] / (1 + exp(-total));
    }
}

static void reference(const struct layer_check *check, const double *x, double *y) {
    int64_t image = check->h * check->w * check->c;
    for (int64_t i = 0; i < check->n; i++)
        excite_image(check, x + i * image, y + i * image);
}

struct shape {
    int64_t n, h, w, c, hidden;
};

static struct nn *nn;
static struct squeeze_excite se;

static struct layer_check check_of(struct shape shape) {
    nn = fresh_nn();
    const int64_t fc1[] = {shape.hidden, shape.c};
    const int64_t fc2[] = {shape.c, shape.hidden};
    se = (struct squeeze_excite){
        .label = "se",
        .channels = shape.c,
        .hidden = shape.hidden,
        .fc1_weight = add_parameter("fc1.weight", PARAMETER_WEIGHT, 2, fc1),
        .fc1_bias = add_parameter("fc1.bias", PARAMETER_BIAS, 1, &shape.hidden),
        .fc2_weight = add_parameter("fc2.weight", PARAMETER_WEIGHT, 2, fc2),
        .fc2_bias = add_parameter("fc2.bias", PARAMETER_BIAS, 1, &shape.c),
    };
    allocate_parameters();
    fill(se.fc1_weight->data, se.fc1_weight->count, 5, -1, 1);
    fill(se.fc1_bias->data, se.fc1_bias->count, 6, -0.1, 0.5);
    fill(se.fc2_weight->data, se.fc2_weight->count, 7, -1, 1);
    fill(se.fc2_bias->data, se.fc2_bias->count, 8, -0.5, 0.5);
    return (struct layer_check){
        .n = shape.n,
        .h = shape.h,
        .w = shape.w,
        .c = shape.c,
        .layer = &se,
        .forward = forward,
        .reference = reference,
        .num_parameters = 4,
        .parameters = {se.fc1_weight, se.fc1_bias, se.fc2_weight, se.fc2_bias},
        .low = -1,
        .high = 2,
        .tolerance = 1e-5,
        .gradient_tolerance = 1e-3,
    };
}

static void maps(void) {
    static const struct shape SHAPES[] = {
        {2, 3, 5, 16, 4}, {1, 1, 1, 8, 1},    {3, 7, 6, 37, 5},
        {1, 2, 1, 1, 1},  {2, 13, 9, 130, 9}, {1, 4, 3, 70, 33},
    };
    for (size_t i = 0; i < sizeof SHAPES / sizeof SHAPES[0]; i++) {
        struct layer_check check = check_of(SHAPES[i]);
        expect_layer(nn, &check, false, false);
        expect_layer(nn, &check, true, false);
        if (layer_is_small(&check)) expect_layer(nn, &check, true, true);
        expect_layer_holds(nn, &check);
    }
}

// Large enough for threads in all loops.
static void threads(void) {
    struct layer_check check = check_of((struct shape){2, 17, 19, 512, 33});
    expect_layer_holds(nn, &check);
}

// Without weights a gate is the sigmoid of its bias.
static void by_hand(void) {
    check_of((struct shape){1, 2, 2, 3, 2});
    fill(se.fc2_weight->data, se.fc2_weight->count, 0, 0, 0);
    se.fc2_bias->data[0] = 0;
    se.fc2_bias->data[1] = 1;
    se.fc2_bias->data[2] = -200;
    struct tensor *x = filled_tensor(nn, 1, 2, 2, 3, 1, -1, 1, false);
    const struct tensor *y = squeeze_excite_forward(nn, &se, x, NULL, false);
    for (int i = 0; i < 12; i += 3) {
        EXPECT_NEAR((double)y->data[i], 0.5 * (double)x->data[i], 1e-7);
        EXPECT_NEAR((double)y->data[i + 1], (double)x->data[i + 1] * 0.731058579, 1e-7);
        EXPECT_NEAR((double)y->data[i + 2], 0, 1e-30);
    }
}

static void no_memory(void) {
    check_of((struct shape){1, 4, 4, 8, 2});
    struct tensor *x = filled_tensor(nn, 1, 4, 4, 8, 1, -1, 1, true);
    nn_scratch(nn, (int64_t)1 << 60);
    const struct tensor *y = squeeze_excite_forward(nn, &se, x, NULL, false);
    EXPECT_INT(y->c, 8);
    EXPECT(nn_failed(nn));
    nn_backward(nn);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"maps", maps},
                                          {"threads", threads},
                                          {"by_hand", by_hand},
                                          {"no_memory", no_memory},
                                          {0}});
}
