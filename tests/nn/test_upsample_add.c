#include <math.h>

#include "nn/upsample_add/upsample_add.h"
#include "nn/upsample_add/upsample_add_math.h"
#include "tests/nn/check_op.h"

// PyTorch's rule (aten/src/ATen/native/UpSample.h, nearest_neighbor_compute_source_index, without a
// given scale factor).
static int64_t pytorch_source(int64_t position, int64_t in, int64_t out) {
    float scale = (float)in / (float)out;
    int64_t source = (int64_t)floorf((float)position * scale);
    return source > in - 1 ? in - 1 : source;
}

static void sources(void) {
    for (int64_t position = 0; position < 9; position++)
        EXPECT_INT(upsample_source(position, 5, 9), position * 5 / 9);
    // 41 * (2 / 82) in single precision is just below 1.
    EXPECT_INT(upsample_source(41, 2, 82), 0);
    EXPECT_INT(upsample_source(42, 2, 82), 1);
    // Ranges are the inverse of sources: all positions, each once.
    for (int64_t in = 1; in < 60; in++) {
        for (int64_t out = 1; out < 170; out++) {
            EXPECT_INT(upsample_begin(0, in, out), 0);
            for (int64_t source = 0; source < in; source++) {
                int64_t end = upsample_begin(source + 1, in, out);
                for (int64_t at = upsample_begin(source, in, out); at < end; at++)
                    EXPECT_INT(pytorch_source(at, in, out), source);
            }
            EXPECT_INT(upsample_begin(in, in, out), out);
        }
    }
}

struct shape {
    int64_t n, h, w, c;
    int64_t top_h, top_w;
};

static const struct shape SHAPES[] = {
    {1, 4, 6, 8, 2, 3},      {2, 5, 7, 3, 3, 4}, {1, 1, 1, 4, 1, 1},   {2, 9, 82, 5, 4, 2},
    {0, 4, 4, 4, 2, 2},      {1, 3, 3, 2, 5, 7}, {1, 1, 13, 19, 1, 7}, {3, 34, 50, 16, 17, 25},
    {2, 25, 42, 33, 13, 21}, {1, 0, 0, 3, 1, 1},
};
enum { NUM_SHAPES = sizeof SHAPES / sizeof SHAPES[0] };

static struct tensor *lateral_of(struct nn *nn, const struct shape *s, bool wants_grad) {
    return filled_tensor(nn, s->n, s->h, s->w, s->c, 1, -1, 1, wants_grad);
}

static struct tensor *top_of(struct nn *nn, const struct shape *s, bool wants_grad) {
    return filled_tensor(nn, s->n, s->top_h, s->top_w, s->c, 2, -1, 1, wants_grad);
}

// The place in top of the i-th number of the result.
static int64_t place(const struct shape *s, int64_t i) {
    int64_t row = i / s->c / s->w;
    int64_t y = pytorch_source(row % s->h, s->top_h, s->h);
    int64_t x = pytorch_source(i / s->c % s->w, s->top_w, s->w);
    return ((row / s->h * s->top_h + y) * s->top_w + x) * s->c + i % s->c;
}

static void expect_shape(const struct shape *s, int readers) {
    struct nn *nn = fresh_nn();
    struct tensor *lateral = lateral_of(nn, s, true);
    struct tensor *top = top_of(nn, s, true);
    int64_t count = tensor_count(lateral);
    double *expected = doubles_of(lateral->data, count);
    double *lateral_grads = new_doubles(count);
    double *top_grads = new_doubles(tensor_count(top));
    for (int64_t i = 0; i < count; i++)
        expected[i] += (double)top->data[place(s, i)];
    for (int reader = 0; reader < readers; reader++) {
        struct tensor *seeds =
            filled_tensor(nn, s->n, s->h, s->w, s->c, 3 + (uint64_t)reader, -1, 1, false);
        for (int64_t i = 0; i < count; i++) {
            lateral_grads[i] += (double)seeds->data[i];
            top_grads[place(s, i)] += (double)seeds->data[i];
        }
        struct tensor *y = upsample_add_forward(nn, lateral, top);
        expect_close(y->data, expected, count, 1e-7, "y");
        seed_gradient(nn, y, seeds->data);
    }
    nn_backward(nn);
    struct error err;
    EXPECT_OK(nn_status(nn, &err), &err);
    nn_check_guards(nn);
    REQUIRE(lateral->grad && top->grad);
    expect_close(lateral->grad, lateral_grads, count, 1e-6, "lateral's gradient");
    expect_close(top->grad, top_grads, tensor_count(top), 1e-5, "top's gradient");
}

static void all_shapes(void) {
    for (int i = 0; i < NUM_SHAPES; i++) {
        expect_shape(&SHAPES[i], 1);
        expect_shape(&SHAPES[i], 2);
    }
}

// The gradient of both, where they are the same tensor.
static void added_to_itself(void) {
    struct nn *nn = fresh_nn();
    struct tensor *x = filled_tensor(nn, 1, 3, 4, 5, 1, -1, 1, true);
    struct tensor *y = upsample_add_forward(nn, x, x);
    struct tensor *seeds = filled_tensor(nn, 1, 3, 4, 5, 2, -1, 1, false);
    seed_gradient(nn, y, seeds->data);
    nn_backward(nn);
    for (int i = 0; i < 60; i++)
        EXPECT(x->grad[i] == 2 * seeds->data[i]);
}

static void one_side_frozen(void) {
    static const struct shape SHAPE = {2, 6, 10, 7, 3, 5};
    for (int side = 0; side < 2; side++) {
        struct nn *nn = fresh_nn();
        struct tensor *lateral = lateral_of(nn, &SHAPE, side == 0);
        struct tensor *top = top_of(nn, &SHAPE, side == 1);
        struct tensor *y = upsample_add_forward(nn, lateral, top);
        struct tensor *seeds = filled_tensor(nn, 2, 6, 10, 7, 3, -1, 1, false);
        seed_gradient(nn, y, seeds->data);
        nn_backward(nn);
        EXPECT((lateral->grad != NULL) == (side == 0));
        EXPECT((top->grad != NULL) == (side == 1));
    }
    struct nn *nn = fresh_nn();
    const struct tensor *y =
        upsample_add_forward(nn, lateral_of(nn, &SHAPE, false), top_of(nn, &SHAPE, false));
    EXPECT(!y->wants_grad && !nn->tape);
}

// The same bits for any number of threads and for an image alone.
static void same_bits(void) {
    struct shape shape = {3, 37, 42, 16, 13, 17};
    struct nn *nn = fresh_nn();
    int64_t size = shape.top_h * shape.top_w * shape.c;
    const double *first = NULL;
    for (int run = 0; run < 4; run++) {
        nn->num_threads = run == 3 ? 2 : 2 * run + 1;
        shape.n = run == 3 ? 1 : 3;
        nn_begin(nn, NN_TRAINING);
        struct tensor *top = top_of(nn, &shape, true);
        struct tensor *y = upsample_add_forward(nn, lateral_of(nn, &shape, true), top);
        // The first image has the same values in both.
        struct tensor *seeds = filled_tensor(nn, shape.n, 37, 42, 16, 3, -1, 1, false);
        seed_gradient(nn, y, seeds->data);
        nn_backward(nn);
        const double *grads = doubles_of(top->grad, tensor_count(top));
        if (run == 0) first = grads;
        EXPECT(memcmp(grads, first, (size_t)(shape.n * size) * sizeof *grads) == 0);
    }
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"sources", sources},
                                          {"all_shapes", all_shapes},
                                          {"added_to_itself", added_to_itself},
                                          {"one_side_frozen", one_side_frozen},
                                          {"same_bits", same_bits},
                                          {0}});
}
