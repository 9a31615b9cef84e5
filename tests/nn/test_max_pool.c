#include <math.h>

#include "nn/max_pool/max_pool.h"
#include "tests/nn/check_op.h"

struct shape {
    int64_t n, h, w, c;
    int64_t kernel, stride, padding;
};

static const struct shape SHAPES[] = {
    {2, 7, 9, 5, 3, 2, 1},  {1, 1, 1, 4, 3, 2, 1},    {1, 8, 8, 16, 3, 2, 1},
    {2, 6, 5, 7, 1, 2, 0},  {1, 4, 4, 3, 2, 2, 0},    {1, 5, 6, 3, 2, 1, 1},
    {0, 5, 6, 3, 3, 2, 1},  {1, 5, 5, 2, 3, 3, 1},    {3, 37, 41, 20, 3, 2, 1},
    {1, 40, 3, 9, 5, 1, 2}, {2, 33, 18, 33, 1, 2, 0}, {1, 2, 50, 1, 4, 7, 1},
};
enum { NUM_SHAPES = sizeof SHAPES / sizeof SHAPES[0] };

static struct tensor *pool(struct nn *nn, const struct shape *s, struct tensor *x) {
    return max_pool_forward(nn, x, s->kernel, s->stride, s->padding);
}

// One result and the position that holds it, the first in the window's order.
static int64_t reference(const struct shape *s, const struct tensor *x, int64_t image, int64_t oy,
                         int64_t ox, int64_t j, double *best) {
    int64_t where = -1;
    *best = -HUGE_VAL;
    for (int64_t k = 0; k < s->kernel * s->kernel; k++) {
        int64_t row = oy * s->stride - s->padding + k / s->kernel;
        int64_t column = ox * s->stride - s->padding + k % s->kernel;
        if (row < 0 || row >= s->h || column < 0 || column >= s->w) continue;
        int64_t at = ((image * s->h + row) * s->w + column) * s->c + j;
        if (where >= 0 && !((double)x->data[at] > *best)) continue;
        *best = (double)x->data[at];
        where = at;
    }
    return where;
}

// Values and, with seeds, their way back.
static void reference_pool(const struct shape *s, const struct tensor *x, const struct tensor *y,
                           const float *seeds, double *values, double *grads) {
    for (int64_t i = 0; i < tensor_count(y); i++) {
        int64_t row = i / y->c / y->w;
        int64_t at = reference(s, x, row / y->h, row % y->h, i / y->c % y->w, i % y->c, &values[i]);
        REQUIRE(at >= 0);
        if (grads) grads[at] += (double)seeds[i];
    }
}

// Whole numbers from a few, so that maxima are often shared.
static struct tensor *tied_tensor(struct nn *nn, const struct shape *s, uint64_t seed) {
    struct tensor *x = filled_tensor(nn, s->n, s->h, s->w, s->c, seed, -2, 2, true);
    for (int64_t i = 0; i < tensor_count(x); i++)
        x->data[i] = floorf(x->data[i]);
    return x;
}

static void expect_shape(const struct shape *s, bool tied, int readers) {
    struct nn *nn = fresh_nn();
    struct tensor *x =
        tied ? tied_tensor(nn, s, 1) : filled_tensor(nn, s->n, s->h, s->w, s->c, 1, -1, 1, true);
    double *grads = new_doubles(tensor_count(x));
    for (int i = 0; i < readers; i++) {
        struct tensor *y = pool(nn, s, x);
        EXPECT_INT(y->h, (s->h + 2 * s->padding - s->kernel) / s->stride + 1);
        EXPECT_INT(y->w, (s->w + 2 * s->padding - s->kernel) / s->stride + 1);
        float *seeds = nn_scratch(nn, tensor_count(y));
        fill(seeds, tensor_count(y), 7 + (uint64_t)i, -1, 1);
        seed_gradient(nn, y, seeds);
        double *values = new_doubles(tensor_count(y));
        reference_pool(s, x, y, seeds, values, grads);
        expect_close(y->data, values, tensor_count(y), 0, "y");
    }
    nn_backward(nn);
    struct error err;
    EXPECT_OK(nn_status(nn, &err), &err);
    nn_check_guards(nn);
    REQUIRE(x->grad != NULL);
    expect_close(x->grad, grads, tensor_count(x), 1e-5, "x's gradient");
}

static void all_shapes(void) {
    for (int i = 0; i < NUM_SHAPES; i++) {
        expect_shape(&SHAPES[i], false, 1);
        expect_shape(&SHAPES[i], true, 1);
        expect_shape(&SHAPES[i], true, 2);
    }
}

static void by_hand(void) {
    struct nn *nn = fresh_nn();
    struct tensor *x = nn_tensor(nn, 1, 4, 4, 1);
    static const float VALUES[] = {1, 5, 5, 2, 0, 5, -1, 3, 9, -3, -4, 9, 9, -2, -8, -7};
    memcpy(x->data, VALUES, sizeof VALUES);
    x->wants_grad = true;
    struct tensor *y = max_pool_forward(nn, x, 2, 2, 0);
    EXPECT(y->data[0] == 5 && y->data[1] == 5 && y->data[2] == 9 && y->data[3] == 9);
    seed_gradient(nn, y, (const float[]){1, 2, 3, 4});
    nn_backward(nn);
    static const float GRADS[] = {0, 1, 2, 0, 0, 0, 0, 0, 3, 0, 0, 4, 0, 0, 0, 0};
    EXPECT(equal_bits(x->grad, GRADS, sizeof GRADS));
}

// Padding never wins, even against -infinity; a NaN always does.
static void infinities_and_nan(void) {
    struct nn *nn = fresh_nn();
    struct tensor *x = filled_tensor(nn, 1, 6, 6, 18, 1, -9, -8, true);
    for (int64_t i = 0; i < 3 * 6 * 18; i++)
        x->data[i] = -INFINITY;
    x->data[(5 * 6 + 5) * 18 + 3] = NAN;
    struct tensor *y = max_pool_forward(nn, x, 3, 2, 1);
    EXPECT(y->data[0] == -INFINITY);
    for (int64_t j = 0; j < 18; j++)
        EXPECT(isnan(y->data[(2 * 3 + 2) * 18 + j]) == (j == 3));
    EXPECT(y->data[(2 * 3 + 1) * 18 + 3] < -8);
    struct tensor *seeds = filled_tensor(nn, 1, 3, 3, 18, 2, 1, 1, false);
    seed_gradient(nn, y, seeds->data);
    nn_backward(nn);
    EXPECT(x->grad[0] == 1); // the first of equals
    EXPECT(x->grad[(5 * 6 + 5) * 18 + 3] == 1);
    double total = 0;
    for (int64_t i = 0; i < tensor_count(x); i++)
        total += (double)x->grad[i];
    EXPECT_NEAR(total, 9 * 18, 0);
}

// The same bits for any number of threads and for an image alone.
static void same_bits(void) {
    static const struct shape SHAPE = {3, 67, 51, 12, 3, 2, 1};
    struct nn *nn = fresh_nn();
    int64_t size = SHAPE.h * SHAPE.w * SHAPE.c;
    double *first = NULL;
    for (int run = 0; run < 4; run++) {
        nn->num_threads = run == 3 ? 2 : 2 * run + 1;
        nn_begin(nn, NN_TRAINING);
        struct tensor *all = tied_tensor(nn, &SHAPE, 1);
        struct tensor *x = run == 3 ? nn_tensor(nn, 1, SHAPE.h, SHAPE.w, SHAPE.c) : all;
        if (run == 3) memcpy(x->data, all->data + 2 * size, (size_t)size * sizeof *x->data);
        x->wants_grad = true;
        struct tensor *y = pool(nn, &SHAPE, x);
        struct tensor *seeds = filled_tensor(nn, 3, y->h, y->w, y->c, 2, -1, 1, false);
        seed_gradient(nn, y, seeds->data + (run == 3 ? 2 : 0) * y->h * y->w * y->c);
        nn_backward(nn);
        const double *grads = doubles_of(x->grad, tensor_count(x));
        if (run == 0) first = doubles_of(x->grad, tensor_count(x));
        EXPECT(memcmp(grads, first + (run == 3 ? 2 * size : 0),
                      (size_t)tensor_count(x) * sizeof *grads) == 0);
    }
}

static void nothing_wanted(void) {
    struct nn *nn = fresh_nn();
    struct tensor *x = filled_tensor(nn, 1, 6, 6, 3, 1, -1, 1, false);
    const struct tensor *y = max_pool_forward(nn, x, 3, 2, 1);
    EXPECT(!y->wants_grad && !nn->tape);
    nn_begin(nn, NN_INFERENCE);
    int64_t used = nn->heap.used_bytes;
    x = filled_tensor(nn, 1, 6, 6, 3, 1, -1, 1, true);
    struct tensor *z = max_pool_forward(nn, x, 1, 2, 0);
    EXPECT_INT(z->h, 3);
    EXPECT(z->data[3] == x->data[6]);
    nn_release(nn, x);
    nn_release(nn, z);
    EXPECT_INT(nn->heap.used_bytes, used);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"all_shapes", all_shapes},
                                          {"by_hand", by_hand},
                                          {"infinities_and_nan", infinities_and_nan},
                                          {"same_bits", same_bits},
                                          {"nothing_wanted", nothing_wanted},
                                          {0}});
}
