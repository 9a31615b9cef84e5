#include "nn/sigmoid_loss/sigmoid_loss.h"

#include <math.h>

#include "base/random.h"
#include "tests/nn/check_op.h"

enum { MAX_TARGETS = 5000, MAX_IMAGES = 16 };

struct problem {
    int64_t n, positions, c; // positions of an image
    struct nn *nn;
    struct tensor *x;
    double *values;
    float target_values[MAX_TARGETS];
    float weight_values[MAX_TARGETS];
    int32_t channel_values[MAX_IMAGES];
    struct sigmoid_targets targets;
    double scale;
};

static void begin(struct problem *p, int64_t n, int64_t h, int64_t w, int64_t c, bool weights,
                  bool channels) {
    *p = (struct problem){.n = n, .positions = h * w, .c = c, .scale = 0.5};
    p->nn = fresh_nn();
    p->x = filled_tensor(p->nn, n, h, w, c, 3, -5, 5, true);
    p->values = doubles_of(p->x->data, tensor_count(p->x));
    int64_t count = n * h * w * (channels ? 1 : c);
    REQUIRE(count <= MAX_TARGETS && n <= MAX_IMAGES);
    fill(p->target_values, count, 4, 0, 1);
    fill(p->weight_values, count, 5, -1, 2);
    for (int64_t i = 0; i < count; i++) {
        if (p->weight_values[i] >= 0) continue;
        p->weight_values[i] = 0;
        if (weights) p->target_values[i] = NAN; // not looked at
    }
    struct random random = random_stream(1, 1);
    for (int64_t i = 0; i < n; i++)
        p->channel_values[i] = (int32_t)random_below(&random, c);
    p->targets.targets = p->target_values;
    if (weights) p->targets.weights = p->weight_values;
    if (channels) p->targets.channels = p->channel_values;
}

static double reference(void *context) {
    const struct problem *p = context;
    double sum = 0;
    for (int64_t image = 0; image < p->n; image++) {
        for (int64_t position = 0; position < p->positions; position++) {
            for (int64_t j = 0; j < p->c; j++) {
                int64_t row = image * p->positions + position;
                bool one = p->targets.channels != NULL;
                if (one && p->channel_values[image] != j) continue;
                int64_t at = one ? row : row * p->c + j;
                double weight = p->targets.weights ? (double)p->weight_values[at] : 1;
                if (weight == 0) continue;
                double y = 1 / (1 + exp(-p->values[row * p->c + j]));
                double t = (double)p->target_values[at];
                sum -= weight * (t * log(y) + (1 - t) * log(1 - y));
            }
        }
    }
    return p->scale * sum;
}

static void check_loss(int64_t n, int64_t h, int64_t w, int64_t c, bool weights, bool channels) {
    struct problem p;
    begin(&p, n, h, w, c, weights, channels);
    struct tensor *loss = sigmoid_loss_forward(p.nn, p.x, &p.targets, (float)p.scale);
    EXPECT_INT(tensor_count(loss), 1);
    double expected = reference(&p);
    EXPECT_NEAR((double)loss->data[0], expected, 1e-6 * expected + 1e-7);
    nn_backward(p.nn);
    REQUIRE(p.x->grad != NULL);
    struct variable x = {"x", p.values, tensor_count(p.x), p.x->grad};
    expect_gradients(reference, &p, &x, 1, 1e-4);
}

static void losses(void) {
    for (int weights = 0; weights < 2; weights++) {
        for (int channels = 0; channels < 2; channels++) {
            check_loss(1, 1, 1, 1, weights, channels);
            check_loss(3, 1, 1, 2, weights, channels);
            check_loss(2, 5, 7, 3, weights, channels);
            check_loss(9, 4, 4, 31, weights, channels);
            check_loss(0, 28, 28, 81, weights, channels);
        }
    }
}

// torch 1.13: binary_cross_entropy_with_logits(x, t, reduction="none")
static void like_torch(void) {
    static const float X[5] = {-100, -1.5f, 0, 2, 100};
    static const float TARGETS[5] = {1, 0, 1, 0.25f, 0};
    static const double EXPECTED[5] = {100, 0.2014133334159851, 0.6931471824645996,
                                       1.6269280910491943, 100};
    for (int i = 0; i < 5; i++) {
        struct nn *nn = fresh_nn();
        struct tensor *x = nn_tensor(nn, 1, 1, 1, 1);
        x->data[0] = X[i];
        struct sigmoid_targets targets = {.targets = &TARGETS[i]};
        struct tensor *loss = sigmoid_loss_forward(nn, x, &targets, 1);
        EXPECT_NEAR((double)loss->data[0], EXPECTED[i], 2e-7);
    }
}

// Two losses of the same logits, one of which reads single channels, for any number of threads.
static void sums(void) {
    float grads[10 * 36 * 4];
    float first = 0;
    for (int threads = 1; threads <= 3; threads++) {
        struct problem p;
        begin(&p, 10, 6, 6, 4, true, true);
        p.nn->num_threads = threads;
        nn_begin(p.nn, NN_TRAINING);
        p.x = filled_tensor(p.nn, 10, 6, 6, 4, 3, -5, 5, true);
        struct tensor *loss = sigmoid_loss_forward(p.nn, p.x, &p.targets, (float)p.scale);
        sigmoid_loss_forward(p.nn, p.x, &p.targets, (float)p.scale);
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
    begin(&p, 4, 1, 1, 3, false, false);
    p.x->wants_grad = false;
    sigmoid_loss_forward(p.nn, p.x, &p.targets, 1);
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
