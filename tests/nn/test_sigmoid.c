#include "nn/sigmoid/sigmoid.h"

#include <math.h>

#include "tests/nn/check_op.h"

static void check_elements(int64_t n, int64_t h, int64_t w, int64_t c, double range) {
    struct nn *nn = fresh_nn();
    struct tensor *x = filled_tensor(nn, n, h, w, c, 1, -range, range, true);
    struct tensor *y = sigmoid_forward(nn, x);
    EXPECT(tensor_same_shape(x, y) && !y->wants_grad);
    for (int64_t i = 0; i < tensor_count(x); i++) {
        double expected = 1 / (1 + exp(-(double)x->data[i]));
        EXPECT_NEAR((double)y->data[i], expected, 1e-6 * expected + 1e-44);
    }
}

static void elements(void) {
    check_elements(1, 1, 1, 1, 1);
    check_elements(2, 7, 5, 3, 6);
    check_elements(1, 40, 50, 9, 90);
    check_elements(0, 28, 28, 1, 1);
}

static void extremes(void) {
    struct nn *nn = fresh_nn();
    struct tensor *x = nn_tensor(nn, 1, 1, 1, 4);
    x->data[0] = INFINITY;
    x->data[1] = -INFINITY;
    x->data[2] = NAN;
    x->data[3] = 0;
    struct tensor *y = sigmoid_forward(nn, x);
    EXPECT(y->data[0] == 1 && y->data[1] == 0 && isnan(y->data[2]) && y->data[3] == 0.5f);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"elements", elements},
                         {"extremes", extremes},
                         {0},
                     });
}
