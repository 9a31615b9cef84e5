#include "nn/softmax/softmax.h"

#include <math.h>

#include "tests/nn/check_op.h"

static void check_rows(int64_t n, int64_t h, int64_t w, int64_t c, double range) {
    struct nn *nn = fresh_nn();
    struct tensor *x = filled_tensor(nn, n, h, w, c, 1, -range, range, true);
    struct tensor *y = softmax_forward(nn, x);
    EXPECT(tensor_same_shape(x, y) && !y->wants_grad);
    double *expected = new_doubles(tensor_count(x));
    for (int64_t row = 0; row < tensor_rows(x); row++) {
        double max = -HUGE_VAL;
        double sum = 0;
        for (int64_t j = 0; j < c; j++)
            max = fmax(max, (double)x->data[row * c + j]);
        for (int64_t j = 0; j < c; j++)
            sum += exp((double)x->data[row * c + j] - max);
        for (int64_t j = 0; j < c; j++)
            expected[row * c + j] = exp((double)x->data[row * c + j] - max) / sum;
    }
    expect_close(y->data, expected, tensor_count(y), 1e-5, "y");
}

static void rows(void) {
    check_rows(1, 1, 1, 1, 1);
    check_rows(3, 1, 1, 2, 5);
    check_rows(2, 3, 5, 7, 100); // far beyond what exp can take
    check_rows(300, 1, 1, 81, 8);
    check_rows(0, 1, 1, 81, 1);
}

// torch 1.13: softmax(x, 1)
static void like_torch(void) {
    static const float X[9] = {1, -2, 0.5f, 100, 99, -50, 0, 0, 0};
    static const double EXPECTED[9] = {0.60374892, 0.030058887, 0.36619222, 0.7310586, 0.26894143,
                                       0,          0.33333334,  0.33333334, 0.33333334};
    struct nn *nn = fresh_nn();
    struct tensor *x = nn_tensor(nn, 3, 1, 1, 3);
    memcpy(x->data, X, sizeof X);
    expect_close(softmax_forward(nn, x)->data, EXPECTED, 9, 1e-6, "y");
}

static void not_a_number(void) {
    struct nn *nn = fresh_nn();
    struct tensor *x = filled_tensor(nn, 2, 1, 1, 3, 1, -1, 1, false);
    x->data[4] = NAN;
    struct tensor *y = softmax_forward(nn, x);
    for (int i = 0; i < 3; i++)
        EXPECT(isfinite(y->data[i]) && isnan(y->data[3 + i]));
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"rows", rows},
                         {"like torch", like_torch},
                         {"not a number", not_a_number},
                         {0},
                     });
}
