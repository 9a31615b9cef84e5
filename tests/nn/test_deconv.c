#include "nn/deconv/deconv.h"

#include "tests/nn/check_op.h"

struct problem {
    int64_t n, h, w, in, out;
    bool relu;
    struct nn *nn;
    struct deconv deconv;
    struct tensor *x;
    double *x_values, *weight, *bias;
    double *seeds; // dLoss/dy
    int64_t y_count;
};

static struct problem new_problem(int64_t n, int64_t h, int64_t w, int64_t in, int64_t out,
                                  bool relu) {
    struct problem p = {.n = n, .h = h, .w = w, .in = in, .out = out, .relu = relu};
    p.nn = fresh_nn();
    p.deconv = (struct deconv){
        .label = "deconv",
        .in_channels = in,
        .out_channels = out,
        .weight = add_parameter("w", PARAMETER_WEIGHT, 4, (int64_t[]){in, out, 2, 2}),
        .bias = add_parameter("b", PARAMETER_BIAS, 1, (int64_t[]){out}),
    };
    p.y_count = n * 2 * h * 2 * w * out;
    return p;
}

static void fill_problem(struct problem *p, bool wants_grad) {
    allocate_parameters();
    fill(p->deconv.weight->data, p->deconv.weight->count, 1, -1, 1);
    fill(p->deconv.bias->data, p->out, 2, -1, 1);
    p->x = filled_tensor(p->nn, p->n, p->h, p->w, p->in, 3, -1, 1, wants_grad);
    p->x_values = doubles_of(p->x->data, tensor_count(p->x));
    p->weight = doubles_of(p->deconv.weight->data, p->deconv.weight->count);
    p->bias = doubles_of(p->deconv.bias->data, p->out);
    p->seeds = new_doubles(p->y_count);
}

// The general definition of a transposed convolution: every input value is spread over the pixels
// that its kernel covers.
static void reference(const struct problem *p, double *y) {
    int64_t line = 2 * p->w;
    for (int64_t i = 0; i < p->y_count; i++)
        y[i] = p->bias[i % p->out];
    for (int64_t i = 0; i < p->n * p->h * p->w * p->in; i++) {
        int64_t c = i % p->in;
        int64_t column = i / p->in % p->w;
        int64_t row = i / p->in / p->w; // of all images
        for (int64_t k = 0; k < 4; k++)
            for (int64_t o = 0; o < p->out; o++)
                y[((2 * row + k / 2) * line + 2 * column + k % 2) * p->out + o] +=
                    p->x_values[i] * p->weight[(c * p->out + o) * 4 + k];
    }
    for (int64_t i = 0; i < p->y_count; i++)
        if (p->relu && y[i] < 0) y[i] = 0;
}

static double loss(void *context) {
    const struct problem *p = context;
    static double y[1 << 16];
    reference(p, y);
    double sum = 0;
    for (int64_t i = 0; i < p->y_count; i++)
        sum += p->seeds[i] * y[i];
    return sum;
}

static void check_forward(int64_t n, int64_t h, int64_t w, int64_t in, int64_t out, bool relu) {
    struct problem p = new_problem(n, h, w, in, out, relu);
    fill_problem(&p, true);
    struct tensor *y = deconv_forward(p.nn, &p.deconv, p.x, relu);
    struct error err;
    EXPECT_OK(nn_status(p.nn, &err), &err);
    EXPECT(y->n == n && y->h == 2 * h && y->w == 2 * w && y->c == out);
    double *expected = new_doubles(p.y_count);
    reference(&p, expected);
    expect_close(y->data, expected, p.y_count, 1e-5, "y");
}

static void forward(void) {
    check_forward(1, 1, 1, 1, 1, false);
    check_forward(1, 3, 5, 2, 3, true);
    check_forward(2, 1, 7, 16, 16, false);
    check_forward(3, 14, 14, 24, 17, true); // two chunks, images across both
    check_forward(1, 16, 32, 5, 3, true);   // one whole chunk
    check_forward(0, 14, 14, 8, 8, true);
}

// Nothing but the operands is rounded.
static void check_bf16(int64_t n, int64_t h, int64_t w, int64_t in, int64_t out, bool relu) {
    struct problem p = new_problem(n, h, w, in, out, relu);
    fill_problem(&p, false);
    struct tensor *y = deconv_forward(p.nn, &p.deconv, p.x, relu);
    struct error err;
    EXPECT_OK(nn_status(p.nn, &err), &err);
    round_to_bf16(p.x_values, n * h * w * in);
    round_to_bf16(p.weight, p.deconv.weight->count);
    double *expected = new_doubles(p.y_count);
    reference(&p, expected);
    expect_close(y->data, expected, p.y_count, 1e-5, "y");
}

static void bf16(void) {
    use_precision(NN_BF16);
    check_bf16(1, 3, 5, 2, 3, true);
    check_bf16(2, 1, 7, 16, 16, false);
    check_bf16(3, 14, 14, 24, 17, true);
    use_precision(NN_FLOAT32);
}

// x feeds the layer twice.
static void check_backward(int64_t n, int64_t h, int64_t w, int64_t in, int64_t out, bool relu) {
    struct problem p = new_problem(n, h, w, in, out, relu);
    fill_problem(&p, true);
    static float seeds[2][1 << 16];
    REQUIRE(p.y_count <= 1 << 16);
    for (int use = 0; use < 2; use++) {
        struct tensor *y = deconv_forward(p.nn, &p.deconv, p.x, relu);
        fill(seeds[use], p.y_count, 10 + (uint64_t)use, -1, 1);
        for (int64_t i = 0; i < p.y_count; i++)
            p.seeds[i] += (double)seeds[use][i];
        seed_gradient(p.nn, y, seeds[use]);
    }
    nn_backward(p.nn);
    struct error err;
    EXPECT_OK(nn_status(p.nn, &err), &err);
    REQUIRE(p.x->grad);
    struct variable variables[] = {
        {"x", p.x_values, tensor_count(p.x), p.x->grad},
        {"weight", p.weight, p.deconv.weight->count, p.deconv.weight->grad},
        {"bias", p.bias, out, p.deconv.bias->grad},
    };
    expect_gradients(loss, &p, variables, 3, 1e-4);
}

static void backward(void) {
    check_backward(1, 1, 1, 1, 1, false);
    check_backward(2, 3, 5, 4, 3, true);
    check_backward(3, 7, 7, 3, 5, true);
    check_backward(22, 14, 14, 2, 1, false); // more positions than are taken at once
}

static void no_images(void) {
    struct problem p = new_problem(0, 3, 5, 2, 3, true);
    fill_problem(&p, true);
    struct tensor *y = deconv_forward(p.nn, &p.deconv, p.x, true);
    float none = 0;
    seed_gradient(p.nn, y, &none);
    nn_backward(p.nn);
    for (int64_t i = 0; i < p.deconv.weight->count; i++)
        EXPECT(p.deconv.weight->grad[i] == 0);
    struct error err;
    EXPECT_OK(nn_status(p.nn, &err), &err);
}

// One use; which gradients there are is told.
static struct problem run_backward(bool weight, bool bias, bool input) {
    struct problem p = new_problem(2, 3, 3, 4, 3, true);
    p.deconv.weight->trainable = weight;
    p.deconv.bias->trainable = bias;
    fill_problem(&p, input);
    struct tensor *y = deconv_forward(p.nn, &p.deconv, p.x, true);
    static float seeds[2 * 36 * 3];
    fill(seeds, p.y_count, 10, -1, 1);
    for (int64_t i = 0; i < p.y_count; i++)
        p.seeds[i] = (double)seeds[i];
    EXPECT(y->wants_grad == (weight || bias || input));
    if (y->wants_grad) seed_gradient(p.nn, y, seeds);
    nn_backward(p.nn);
    return p;
}

static void frozen(void) {
    struct problem p = run_backward(false, false, true);
    REQUIRE(p.x->grad && !p.deconv.weight->grad && !p.deconv.bias->grad);
    struct variable x = {"x", p.x_values, tensor_count(p.x), p.x->grad};
    expect_gradients(loss, &p, &x, 1, 1e-4);

    p = run_backward(true, false, false);
    EXPECT(!p.x->grad);
    struct variable weight = {"weight", p.weight, p.deconv.weight->count, p.deconv.weight->grad};
    expect_gradients(loss, &p, &weight, 1, 1e-4);

    p = run_backward(false, true, false);
    struct variable bias = {"bias", p.bias, p.out, p.deconv.bias->grad};
    expect_gradients(loss, &p, &bias, 1, 1e-4);

    run_backward(false, false, false);
}

static void images_are_independent(void) {
    enum { IMAGES = 7 };
    struct problem p = new_problem(IMAGES, 14, 14, 19, 5, true);
    fill_problem(&p, false);
    int64_t in = 14 * 14 * 19;
    int64_t out = 28 * 28 * 5;
    for (int64_t i = 0; i < IMAGES; i += 2) // every other image is the same
        memcpy(p.x->data + i * in, p.x->data, (size_t)in * sizeof(float));
    struct tensor *all = deconv_forward(p.nn, &p.deconv, p.x, true);
    for (int64_t i = 0; i < IMAGES; i++) {
        EXPECT(i % 2 || !memcmp(all->data + i * out, all->data, (size_t)out * sizeof(float)));
        struct tensor *x = nn_tensor(p.nn, 1, 14, 14, 19);
        memcpy(x->data, p.x->data + i * in, (size_t)in * sizeof(float));
        struct tensor *y = deconv_forward(p.nn, &p.deconv, x, true);
        EXPECT(memcmp(all->data + i * out, y->data, (size_t)out * sizeof(float)) == 0);
    }
}

static void change_parameters_in(enum nn_mode mode) {
    struct problem p = new_problem(1, 2, 3, 4, 5, false);
    fill_problem(&p, false);
    p.nn->mode = mode;
    deconv_forward(p.nn, &p.deconv, p.x, false);
    for (int64_t i = 0; i < p.deconv.weight->count; i++)
        p.weight[i] = (double)(p.deconv.weight->data[i] *= -2);
    for (int64_t i = 0; i < p.out; i++)
        p.bias[i] = (double)(p.deconv.bias->data[i] += 1);
    parameters_changed(fresh_parameters());
    double *expected = new_doubles(p.y_count);
    reference(&p, expected);
    struct tensor *y = deconv_forward(p.nn, &p.deconv, p.x, false);
    expect_close(y->data, expected, p.y_count, 1e-5, "after a change");
}

static void changed_parameters(void) {
    change_parameters_in(NN_TRAINING);
    change_parameters_in(NN_INFERENCE);
}

static void count_operations(void *context, const struct call *call) {
    *(double *)context += call->multiply_adds;
}

static void operation_count(void) {
    struct problem p = new_problem(3, 2, 2, 5, 7, false);
    fill_problem(&p, false);
    double count = 0;
    p.nn->observer = count_operations;
    p.nn->observer_context = &count;
    deconv_forward(p.nn, &p.deconv, p.x, false);
    EXPECT_NEAR(count, 3 * 4 * 5 * 4 * 7, 0);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"forward", forward},
                         {"bf16", bf16},
                         {"backward", backward},
                         {"no_images", no_images},
                         {"frozen", frozen},
                         {"images_are_independent", images_are_independent},
                         {"changed_parameters", changed_parameters},
                         {"operation_count", operation_count},
                         {0},
                     });
}
