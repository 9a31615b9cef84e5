#include "nn/softmax_loss/softmax_loss.h"

#include <math.h>

#include "base/random.h"
#include "tests/nn/check_op.h"

enum { MAX_ROWS = 700 };

struct problem {
    int64_t rows, c;
    struct nn *nn;
    struct tensor *x;
    double *values;
    int32_t labels[MAX_ROWS];
    double scale;
};

static void begin(struct problem *p, int64_t n, int64_t h, int64_t c, double range) {
    *p = (struct problem){.rows = n * h, .c = c, .scale = 0.25};
    p->nn = fresh_nn();
    p->x = filled_tensor(p->nn, n, h, 1, c, 3, -range, range, true);
    p->values = doubles_of(p->x->data, tensor_count(p->x));
    struct random random = random_stream(1, 1);
    for (int64_t i = 0; i < p->rows; i++) // a few rows do not count
        p->labels[i] = (int32_t)random_below(&random, c + 1 + c / 4) - 1 - (int32_t)(c / 4);
}

static double reference(void *context) {
    const struct problem *p = context;
    double sum = 0;
    for (int64_t row = 0; row < p->rows; row++) {
        if (p->labels[row] < 0) continue;
        const double *x = p->values + row * p->c;
        double total = 0;
        for (int64_t j = 0; j < p->c; j++)
            total += exp(x[j] - x[p->labels[row]]);
        sum += log(total);
    }
    return p->scale * sum;
}

static void check_loss(int64_t n, int64_t h, int64_t c, double range) {
    struct problem p;
    begin(&p, n, h, c, range);
    struct tensor *loss = softmax_loss_forward(p.nn, p.x, p.labels, (float)p.scale);
    EXPECT_INT(tensor_count(loss), 1);
    double expected = reference(&p);
    EXPECT_NEAR((double)loss->data[0], expected, 1e-6 * expected + 1e-7);
    nn_backward(p.nn);
    REQUIRE(p.x->grad != NULL);
    for (int64_t row = 0; row < p.rows; row++)
        for (int64_t j = 0; j < c && p.labels[row] < 0; j++)
            EXPECT(p.x->grad[row * c + j] == 0);
    struct variable x = {"x", p.values, tensor_count(p.x), p.x->grad};
    expect_gradients(reference, &p, &x, 1, 1e-4);
}

static void losses(void) {
    check_loss(1, 1, 1, 1);
    check_loss(5, 1, 2, 3);
    check_loss(2, 33, 7, 6);
    check_loss(512, 1, 81, 5);
    check_loss(0, 1, 81, 1);
}

// torch 1.13: cross_entropy(x, [2, 0, 1], reduction="sum")
static void like_torch(void) {
    static const float X[9] = {1, -2, 0.5f, 100, 99, -50, 0, 0, 0};
    struct nn *nn = fresh_nn();
    struct tensor *x = nn_tensor(nn, 3, 1, 1, 3);
    memcpy(x->data, X, sizeof X);
    struct tensor *loss = softmax_loss_forward(nn, x, (int32_t[]){2, 0, 1}, 1);
    EXPECT_NEAR((double)loss->data[0], 2.416471004486084, 3e-7);
}

// Two losses of the same logits, for any number of threads.
static void sums(void) {
    float grads[300 * 5];
    float first = 0;
    for (int threads = 1; threads <= 3; threads++) {
        struct problem p;
        begin(&p, 300, 1, 5, 4);
        p.nn->num_threads = threads;
        nn_begin(p.nn, NN_TRAINING);
        p.x = filled_tensor(p.nn, 300, 1, 1, 5, 3, -4, 4, true);
        struct tensor *loss = softmax_loss_forward(p.nn, p.x, p.labels, (float)p.scale);
        softmax_loss_forward(p.nn, p.x, p.labels, (float)p.scale);
        if (threads == 1) first = loss->data[0];
        EXPECT(loss->data[0] == first);
        nn_backward(p.nn);
        if (threads == 1) memcpy(grads, p.x->grad, sizeof grads);
        expect_close(p.x->grad, doubles_of(grads, tensor_count(p.x)), tensor_count(p.x), 0, "x");
        p.scale *= 2;
        struct variable x = {"x", p.values, tensor_count(p.x), p.x->grad};
        expect_gradients(reference, &p, &x, 1, 1e-4);
    }
}

static void frozen(void) {
    struct problem p;
    begin(&p, 4, 1, 3, 1);
    p.x->wants_grad = false;
    softmax_loss_forward(p.nn, p.x, p.labels, 1);
    nn_backward(p.nn);
    EXPECT(!p.x->grad);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"losses", losses},
                         {"like torch", like_torch},
                         {"sums", sums},
                         {"frozen", frozen},
                         {0},
                     });
}
