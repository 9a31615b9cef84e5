#include "nn/smooth_l1_loss/smooth_l1_loss.h"

#include <math.h>

#include "base/random.h"
#include "tests/nn/check_op.h"

enum { MAX_ROWS = 600 };

struct problem {
    int64_t rows;
    struct nn *nn;
    struct tensor *x;
    double *values;
    float target_values[MAX_ROWS * 4];
    float weight_values[MAX_ROWS];
    int32_t group_values[MAX_ROWS];
    struct box_targets targets;
    double beta, scale;
};

static void begin(struct problem *p, int64_t n, int64_t h, int64_t c, int64_t num_groups,
                  bool weights, double beta) {
    *p = (struct problem){.rows = n * h * c / (4 * num_groups), .beta = beta, .scale = 0.5};
    REQUIRE(p->rows <= MAX_ROWS);
    p->nn = fresh_nn();
    p->x = filled_tensor(p->nn, n, h, 1, c, 3, -2, 2, true);
    p->values = doubles_of(p->x->data, tensor_count(p->x));
    fill(p->target_values, 4 * p->rows, 4, -2, 2);
    fill(p->weight_values, p->rows, 5, -1, 2);
    struct random random = random_stream(1, 1);
    for (int64_t i = 0; i < p->rows; i++) {
        p->group_values[i] = (int32_t)random_below(&random, num_groups);
        if (p->weight_values[i] >= 0) continue;
        p->weight_values[i] = 0;
        if (!weights) continue;
        p->target_values[4 * i + 1] = NAN; // neither is looked at
        p->group_values[i] = -1;
    }
    p->targets.targets = p->target_values;
    if (weights) p->targets.weights = p->weight_values;
    if (num_groups > 1) p->targets.groups = p->group_values;
    p->targets.num_groups = num_groups;
}

static double reference(void *context) {
    const struct problem *p = context;
    double sum = 0;
    for (int64_t row = 0; row < p->rows; row++) {
        double weight = p->targets.weights ? (double)p->weight_values[row] : 1;
        if (weight == 0) continue;
        int64_t group = p->targets.num_groups > 1 ? p->group_values[row] : 0;
        for (int64_t j = 0; j < 4; j++) {
            double d = p->values[(row * p->targets.num_groups + group) * 4 + j] -
                       (double)p->target_values[row * 4 + j];
            if (fabs(d) < p->beta)
                sum += weight * d * d / (2 * p->beta);
            else
                sum += weight * (fabs(d) - p->beta / 2);
        }
    }
    return p->scale * sum;
}

static void check_loss(int64_t n, int64_t h, int64_t c, int64_t num_groups, bool weights,
                       double beta) {
    struct problem p;
    begin(&p, n, h, c, num_groups, weights, beta);
    struct tensor *loss =
        smooth_l1_loss_forward(p.nn, p.x, &p.targets, (float)p.beta, (float)p.scale);
    EXPECT_INT(tensor_count(loss), 1);
    double expected = reference(&p);
    EXPECT_NEAR((double)loss->data[0], expected, 1e-6 * expected + 1e-7);
    nn_backward(p.nn);
    REQUIRE(p.x->grad != NULL);
    struct variable x = {"x", p.values, tensor_count(p.x), p.x->grad};
    expect_gradients(reference, &p, &x, 1, 1e-4);
}

static void losses(void) {
    static const double BETAS[] = {0, 1.0 / 9, 1};
    for (int i = 0; i < 3; i++) {
        for (int weights = 0; weights < 2; weights++) {
            check_loss(1, 1, 4, 1, weights, BETAS[i]);
            check_loss(2, 7, 12, 1, weights, BETAS[i]); // three boxes at a position
            check_loss(5, 1, 8, 2, weights, BETAS[i]);
            check_loss(500, 1, 36, 9, weights, BETAS[i]);
            check_loss(0, 1, 324, 81, weights, BETAS[i]);
        }
    }
}

// torch 1.13: smooth_l1_loss(d, 0, beta=1/9, reduction="sum") of -2 -0.1 0 0.05 0.2 3, with two
// more zeros here.
static void like_torch(void) {
    static const float X[8] = {-2, -0.1f, 0, 0.05f, 0.2f, 3, 0, 0};
    static const float ZEROS[8] = {0};
    struct nn *nn = fresh_nn();
    struct tensor *x = nn_tensor(nn, 2, 1, 1, 4);
    memcpy(x->data, X, sizeof X);
    struct box_targets targets = {.targets = ZEROS, .num_groups = 1};
    struct tensor *loss = smooth_l1_loss_forward(nn, x, &targets, 1.0f / 9, 1);
    EXPECT_NEAR((double)loss->data[0], 5.089583396911621, 6e-7);
}

static void flat_at_zero(void) {
    static const float ZEROS[4] = {0};
    struct nn *nn = fresh_nn();
    struct tensor *x = nn_tensor(nn, 1, 1, 1, 4);
    memcpy(x->data, (float[]){0, 1, -1, 0}, 4 * sizeof(float));
    x->wants_grad = true;
    struct box_targets targets = {.targets = ZEROS, .num_groups = 1};
    smooth_l1_loss_forward(nn, x, &targets, 0, 2);
    nn_backward(nn);
    EXPECT(x->grad[0] == 0 && x->grad[1] == 2 && x->grad[2] == -2 && x->grad[3] == 0);
}

// Two losses of the same predictions, for any number of threads.
static void sums(void) {
    float grads[200 * 12];
    float first = 0;
    for (int threads = 1; threads <= 3; threads++) {
        struct problem p;
        begin(&p, 200, 1, 12, 3, true, 0.5);
        p.nn->num_threads = threads;
        nn_begin(p.nn, NN_TRAINING);
        p.x = filled_tensor(p.nn, 200, 1, 1, 12, 3, -2, 2, true);
        struct tensor *loss = smooth_l1_loss_forward(p.nn, p.x, &p.targets, 0.5f, 0.5f);
        smooth_l1_loss_forward(p.nn, p.x, &p.targets, 0.5f, 0.5f);
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
    begin(&p, 4, 1, 4, 1, false, 1);
    p.x->wants_grad = false;
    smooth_l1_loss_forward(p.nn, p.x, &p.targets, 1, 1);
    nn_backward(p.nn);
    EXPECT(!p.x->grad);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"losses", losses},
                         {"like torch", like_torch},
                         {"flat at zero", flat_at_zero},
                         {"sums", sums},
                         {"frozen", frozen},
                         {0},
                     });
}
