#include <math.h>

#include "nn/group_norm/group_norm.h"
#include "tests/nn/check_layer.h"

static struct tensor *forward(struct nn *nn, const void *layer, struct tensor *x,
                              struct tensor *residual, bool relu) {
    return group_norm_forward(nn, layer, x, residual, relu);
}

static void normalise_group(const struct layer_check *check, const double *x, int64_t first,
                            int64_t size, double *y) {
    const struct group_norm *norm = check->layer;
    int64_t rows = check->h * check->w;
    double count = (double)(rows * size);
    double mean = 0;
    double variance = 0;
    for (int64_t row = 0; row < rows; row++)
        for (int64_t j = first; j < first + size; j++)
            mean += x[row * check->c + j] / count;
    for (int64_t row = 0; row < rows; row++) {
        for (int64_t j = first; j < first + size; j++) {
            double distance = x[row * check->c + j] - mean;
            variance += distance * distance / count;
        }
    }
    for (int64_t row = 0; row < rows; row++) {
        for (int64_t j = first; j < first + size; j++) {
            double t = (x[row * check->c + j] - mean) / sqrt(variance + (double)norm->epsilon);
            y[row * check->c + j] = t * check->values[0][j] + check->values[1][j];
        }
    }
}

static void reference(const struct layer_check *check, const double *x, double *y) {
    const struct group_norm *norm = check->layer;
    int64_t size = check->c / norm->groups;
    int64_t image = check->h * check->w * check->c;
    for (int64_t i = 0; i < check->n; i++)
        for (int64_t g = 0; g < norm->groups; g++)
            normalise_group(check, x + i * image, g * size, size, y + i * image);
}

struct shape {
    int64_t n, h, w, c, groups;
};

static struct nn *nn;
static struct group_norm norm;

static struct layer_check check_of(struct shape shape) {
    nn = fresh_nn();
    norm = (struct group_norm){
        .label = "norm",
        .channels = shape.c,
        .groups = shape.groups,
        .epsilon = 1e-5f,
        .weight = add_parameter("weight", PARAMETER_NORM_WEIGHT, 1, &shape.c),
        .bias = add_parameter("bias", PARAMETER_NORM_BIAS, 1, &shape.c),
    };
    allocate_parameters();
    fill(norm.weight->data, shape.c, 5, 0.5, 1.5);
    fill(norm.bias->data, shape.c, 6, -0.5, 0.5);
    return (struct layer_check){
        .n = shape.n,
        .h = shape.h,
        .w = shape.w,
        .c = shape.c,
        .layer = &norm,
        .forward = forward,
        .reference = reference,
        .num_parameters = 2,
        .parameters = {norm.weight, norm.bias},
        .low = -1,
        .high = 2,
        .tolerance = 1e-5,
        .gradient_tolerance = 1e-3,
    };
}

static void small_maps(void) {
    static const struct shape SHAPES[] = {
        {2, 3, 5, 12, 4}, {1, 1, 1, 8, 2},   {3, 7, 7, 64, 32}, {2, 2, 1, 6, 1},
        {1, 5, 3, 5, 5},  {1, 13, 9, 48, 3}, {70, 1, 2, 4, 2},
    };
    for (size_t i = 0; i < sizeof SHAPES / sizeof SHAPES[0]; i++) {
        struct layer_check check = check_of(SHAPES[i]);
        expect_layer(nn, &check, false, false);
        expect_layer(nn, &check, true, false);
        if (layer_is_small(&check)) expect_layer(nn, &check, true, true);
        expect_layer_holds(nn, &check);
    }
}

// Several blocks to a part, and several parts to an image.
static void big_maps(void) {
    struct layer_check blocks = check_of((struct shape){2, 29, 31, 64, 32});
    expect_layer(nn, &blocks, true, false);
    expect_layer_holds(nn, &blocks);
    struct layer_check parts = check_of((struct shape){2, 41, 53, 64, 32});
    expect_layer(nn, &parts, true, false);
    expect_layer_holds(nn, &parts);
}

// Sums of squares in single precision would leave nothing of a deviation of 0.06 at 1000.
static void far_from_zero(void) {
    struct layer_check check = check_of((struct shape){1, 41, 53, 64, 32});
    check.low = 1000;
    check.high = 1000.2;
    check.tolerance = 1e-3;
    check.gradient_tolerance = 1e-2;
    expect_layer(nn, &check, false, false);
    struct layer_check one = check_of((struct shape){2, 7, 7, 64, 32});
    one.low = 1000;
    one.high = 1000.2;
    one.tolerance = 1e-3;
    one.gradient_tolerance = 1e-2;
    expect_layer(nn, &one, false, false);
}

// By hand: the mean of 1, 2, 3, 4 is 2.5, their variance 1.25.
static void by_hand(void) {
    check_of((struct shape){1, 2, 2, 1, 1});
    norm.epsilon = 0.05f;
    norm.weight->data[0] = 2;
    norm.bias->data[0] = 10;
    struct tensor *x = nn_tensor(nn, 1, 2, 2, 1);
    for (int i = 0; i < 4; i++)
        x->data[i] = (float)(i + 1);
    const struct tensor *y = group_norm_forward(nn, &norm, x, NULL, false);
    for (int i = 0; i < 4; i++)
        EXPECT_NEAR((double)y->data[i], 10 + 2 * (i - 1.5) / sqrt(1.3), 1e-6);
}

static void constant_maps(void) {
    check_of((struct shape){1, 9, 9, 8, 2});
    struct tensor *x = filled_tensor(nn, 1, 9, 9, 8, 1, 0.3, 0.3, true);
    struct tensor *y = group_norm_forward(nn, &norm, x, NULL, false);
    for (int64_t i = 0; i < tensor_count(y); i++)
        EXPECT_NEAR((double)y->data[i], (double)norm.bias->data[i % 8], 1e-4);
    struct tensor *seeds = filled_tensor(nn, 1, 9, 9, 8, 3, -1, 1, false);
    seed_gradient(nn, y, seeds->data);
    nn_backward(nn);
    for (int64_t i = 0; i < tensor_count(x); i++)
        EXPECT(isfinite(x->grad[i]));
}

static void no_memory(void) {
    check_of((struct shape){1, 4, 4, 8, 2});
    struct tensor *x = filled_tensor(nn, 1, 4, 4, 8, 1, -1, 1, true);
    nn_scratch(nn, (int64_t)1 << 60);
    const struct tensor *y = group_norm_forward(nn, &norm, x, NULL, false);
    EXPECT_INT(y->c, 8);
    EXPECT(nn_failed(nn));
    nn_backward(nn);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"small_maps", small_maps},
                                          {"big_maps", big_maps},
                                          {"far_from_zero", far_from_zero},
                                          {"by_hand", by_hand},
                                          {"constant_maps", constant_maps},
                                          {"no_memory", no_memory},
                                          {0}});
}
