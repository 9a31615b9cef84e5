#include "nn/linear/linear.h"

#include "tests/nn/check_op.h"

// A layer on maps of [n, h, w, c], and its values in double.
struct problem {
    int64_t n, h, w, c, out;
    bool relu;
    struct nn *nn;
    struct linear linear;
    struct tensor *x;
    double *x_values, *weight, *bias;
    double *seeds; // dLoss/dy
};

static struct problem new_problem(int64_t n, int64_t h, int64_t w, int64_t c, int64_t out,
                                  bool relu) {
    struct problem p = {.n = n, .h = h, .w = w, .c = c, .out = out, .relu = relu};
    p.nn = fresh_nn();
    int64_t in = h * w * c;
    p.linear = (struct linear){
        .label = "fc",
        .in = in,
        .out = out,
        .weight = add_parameter("w", PARAMETER_WEIGHT, 2, (int64_t[]){out, in}),
        .bias = add_parameter("b", PARAMETER_BIAS, 1, (int64_t[]){out}),
    };
    return p;
}

static void fill_problem(struct problem *p, bool wants_grad) {
    allocate_parameters();
    fill(p->linear.weight->data, p->linear.weight->count, 1, -1, 1);
    fill(p->linear.bias->data, p->out, 2, -1, 1);
    p->x = filled_tensor(p->nn, p->n, p->h, p->w, p->c, 3, -1, 1, wants_grad);
    p->x_values = doubles_of(p->x->data, tensor_count(p->x));
    p->weight = doubles_of(p->linear.weight->data, p->linear.weight->count);
    p->bias = doubles_of(p->linear.bias->data, p->out);
    p->seeds = new_doubles(p->n * p->out);
}

// y[row, o] by the definition: x in the order (c, h, w).
static double reference(const struct problem *p, int64_t row, int64_t o) {
    double sum = p->bias[o];
    for (int64_t j = 0; j < p->c; j++)
        for (int64_t y = 0; y < p->h; y++)
            for (int64_t x = 0; x < p->w; x++)
                sum += p->x_values[((row * p->h + y) * p->w + x) * p->c + j] *
                       p->weight[o * p->linear.in + (j * p->h + y) * p->w + x];
    return p->relu && sum < 0 ? 0 : sum;
}

static double loss(void *context) {
    const struct problem *p = context;
    double sum = 0;
    for (int64_t row = 0; row < p->n; row++)
        for (int64_t o = 0; o < p->out; o++)
            sum += p->seeds[row * p->out + o] * reference(p, row, o);
    return sum;
}

static void check_forward(int64_t n, int64_t h, int64_t w, int64_t c, int64_t out, bool relu) {
    struct problem p = new_problem(n, h, w, c, out, relu);
    fill_problem(&p, true);
    struct tensor *y = linear_forward(p.nn, &p.linear, p.x, relu);
    struct error err;
    EXPECT_OK(nn_status(p.nn, &err), &err);
    EXPECT(y->n == n && y->h == 1 && y->w == 1 && y->c == out);
    double *expected = new_doubles(n * out);
    for (int64_t row = 0; row < n; row++)
        for (int64_t o = 0; o < out; o++)
            expected[row * out + o] = reference(&p, row, o);
    expect_close(y->data, expected, n * out, 1e-5, "y");
}

static void forward(void) {
    check_forward(1, 1, 1, 1, 1, false);
    check_forward(5, 1, 1, 7, 3, true);
    check_forward(64, 1, 1, 16, 16, false);
    check_forward(130, 1, 1, 33, 81, true); // three chunks
    check_forward(3, 7, 7, 20, 19, true);
    check_forward(70, 2, 3, 5, 324, false);
    check_forward(2, 9, 8, 37, 3, false); // more than a tile of the weights
}

// Nothing but the operands is rounded.
static void check_bf16(int64_t n, int64_t h, int64_t w, int64_t c, int64_t out, bool relu) {
    struct problem p = new_problem(n, h, w, c, out, relu);
    fill_problem(&p, false);
    struct tensor *y = linear_forward(p.nn, &p.linear, p.x, relu);
    struct error err;
    EXPECT_OK(nn_status(p.nn, &err), &err);
    round_to_bf16(p.x_values, n * p.linear.in);
    round_to_bf16(p.weight, p.linear.weight->count);
    double *expected = new_doubles(n * out);
    for (int64_t row = 0; row < n; row++)
        for (int64_t o = 0; o < out; o++)
            expected[row * out + o] = reference(&p, row, o);
    expect_close(y->data, expected, n * out, 1e-5, "y");
}

static void bf16(void) {
    use_precision(NN_BF16);
    check_bf16(1, 1, 1, 1, 1, false);
    check_bf16(5, 1, 1, 7, 3, true);
    check_bf16(130, 1, 1, 33, 81, true);
    check_bf16(3, 7, 7, 20, 19, true);
    check_bf16(0, 7, 7, 4, 3, false);
    use_precision(NN_FLOAT32);
}

static void no_rows(void) {
    check_forward(0, 1, 1, 7, 3, true);
    check_forward(0, 7, 7, 4, 3, false);
    struct problem p = new_problem(0, 2, 2, 3, 5, true);
    fill_problem(&p, true);
    struct tensor *y = linear_forward(p.nn, &p.linear, p.x, true);
    float none = 0;
    seed_gradient(p.nn, y, &none);
    nn_backward(p.nn);
    for (int64_t i = 0; i < p.linear.weight->count; i++)
        EXPECT(p.linear.weight->grad[i] == 0);
    struct error err;
    EXPECT_OK(nn_status(p.nn, &err), &err);
}

// x feeds the layer twice, with different gradients behind: its gradient is written once and added
// to once, those of the parameters add up.
static void check_backward(int64_t n, int64_t h, int64_t w, int64_t c, int64_t out, bool relu) {
    struct problem p = new_problem(n, h, w, c, out, relu);
    fill_problem(&p, true);
    float seeds[2][4096];
    REQUIRE(n * out <= 4096);
    for (int use = 0; use < 2; use++) {
        struct tensor *y = linear_forward(p.nn, &p.linear, p.x, relu);
        fill(seeds[use], n * out, 10 + (uint64_t)use, -1, 1);
        for (int64_t i = 0; i < n * out; i++)
            p.seeds[i] += (double)seeds[use][i];
        seed_gradient(p.nn, y, seeds[use]);
    }
    nn_backward(p.nn);
    struct error err;
    EXPECT_OK(nn_status(p.nn, &err), &err);
    REQUIRE(p.x->grad);
    struct variable variables[] = {
        {"x", p.x_values, tensor_count(p.x), p.x->grad},
        {"weight", p.weight, p.linear.weight->count, p.linear.weight->grad},
        {"bias", p.bias, out, p.linear.bias->grad},
    };
    expect_gradients(loss, &p, variables, 3, 1e-4);
}

static void backward(void) {
    check_backward(1, 1, 1, 1, 1, false);
    check_backward(5, 1, 1, 17, 12, true);
    check_backward(66, 1, 1, 9, 20, false);
    check_backward(3, 7, 7, 3, 10, true);
    check_backward(67, 3, 2, 5, 8, true);
    check_backward(2, 9, 8, 37, 2, false);
}

static void frozen(void) {
    struct problem p = new_problem(4, 2, 2, 3, 5, true);
    p.linear.weight->trainable = false;
    fill_problem(&p, true);
    struct tensor *y = linear_forward(p.nn, &p.linear, p.x, true);
    float seeds[20];
    fill(seeds, 20, 10, -1, 1);
    for (int64_t i = 0; i < 20; i++)
        p.seeds[i] = (double)seeds[i];
    seed_gradient(p.nn, y, seeds);
    nn_backward(p.nn);
    REQUIRE(p.x->grad && !p.linear.weight->grad);
    struct variable variables[] = {
        {"x", p.x_values, tensor_count(p.x), p.x->grad},
        {"bias", p.bias, p.out, p.linear.bias->grad},
    };
    expect_gradients(loss, &p, variables, 2, 1e-4);

    // An input that wants none: only the parameters get a gradient.
    p = new_problem(4, 1, 1, 3, 5, true);
    fill_problem(&p, false);
    y = linear_forward(p.nn, &p.linear, p.x, true);
    for (int64_t i = 0; i < 20; i++)
        p.seeds[i] = (double)seeds[i];
    seed_gradient(p.nn, y, seeds);
    nn_backward(p.nn);
    EXPECT(!p.x->grad);
    struct variable weight = {"weight", p.weight, p.linear.weight->count, p.linear.weight->grad};
    expect_gradients(loss, &p, &weight, 1, 1e-4);

    // Nothing is trained, so nothing is recorded.
    p = new_problem(4, 1, 1, 3, 5, true);
    p.linear.weight->trainable = false;
    p.linear.bias->trainable = false;
    fill_problem(&p, false);
    y = linear_forward(p.nn, &p.linear, p.x, true);
    EXPECT(!y->wants_grad && !p.nn->tape);
}

// One row's result is the same, to the bit, alone, at every place of a chunk and among any others.
static void rows_are_independent(void) {
    enum { ROWS = 150, OUT = 37 };
    struct problem p = new_problem(ROWS, 3, 3, 11, OUT, true);
    fill_problem(&p, false);
    int64_t in = p.linear.in;
    for (int64_t row = 0; row < ROWS; row += 2) // half the rows are alike
        memcpy(p.x->data + row * in, p.x->data, (size_t)in * sizeof(float));
    struct tensor *all = linear_forward(p.nn, &p.linear, p.x, true);
    for (int64_t row = 0; row < ROWS; row += 2)
        EXPECT(equal_bits(all->data + row * OUT, all->data, OUT * sizeof(float)));
    for (int64_t row = 1; row < ROWS; row += 20) {
        struct tensor *x = nn_tensor(p.nn, 1, 3, 3, 11);
        memcpy(x->data, p.x->data + row * in, (size_t)in * sizeof(float));
        struct tensor *y = linear_forward(p.nn, &p.linear, x, true);
        EXPECT(equal_bits(all->data + row * OUT, y->data, OUT * sizeof(float)));
    }
}

// The same of a sum so long that a library may compute its parts apart.
static void long_sums_are_independent(void) {
    enum { ROWS = 300, IN = 2048, OUT = 128, STEP = 4 };
    struct problem p = new_problem(ROWS, 1, 1, IN, OUT, true);
    fill_problem(&p, false);
    for (int64_t row = 0; row < ROWS; row += STEP)
        memcpy(p.x->data + row * IN, p.x->data, IN * sizeof(float));
    struct tensor *all = linear_forward(p.nn, &p.linear, p.x, true);
    struct tensor *x = nn_tensor(p.nn, 1, 1, 1, IN);
    nn_wait(p.nn);
    memcpy(x->data, p.x->data, IN * sizeof(float));
    struct tensor *alone = linear_forward(p.nn, &p.linear, x, true);
    nn_wait(p.nn);
    for (int64_t row = 0; row < ROWS; row += STEP)
        EXPECT(equal_bits(all->data + row * OUT, alone->data, OUT * sizeof(float)));
}

// The packed weights follow the parameters, and each shape of input has its own.
static void change_parameters_in(enum nn_mode mode) {
    struct problem p = new_problem(2, 2, 2, 3, 5, false);
    fill_problem(&p, false);
    p.nn->mode = mode;
    linear_forward(p.nn, &p.linear, p.x, false);
    for (int64_t i = 0; i < p.linear.weight->count; i++)
        p.weight[i] = (double)(p.linear.weight->data[i] *= -2);
    for (int64_t i = 0; i < p.out; i++)
        p.bias[i] = (double)(p.linear.bias->data[i] += 1);
    parameters_changed(fresh_parameters());
    double expected[10];
    for (int64_t i = 0; i < 10; i++)
        expected[i] = reference(&p, i / 5, i % 5);
    struct tensor *y = linear_forward(p.nn, &p.linear, p.x, false);
    expect_close(y->data, expected, 10, 1e-5, "after a change");

    struct problem flat = p; // the same layer on [2, 1, 1, 12]
    flat.h = flat.w = 1;
    flat.c = 12;
    flat.x = filled_tensor(p.nn, 2, 1, 1, 12, 3, -1, 1, false);
    for (int64_t i = 0; i < 10; i++)
        expected[i] = reference(&flat, i / 5, i % 5);
    y = linear_forward(p.nn, &p.linear, flat.x, false);
    expect_close(y->data, expected, 10, 1e-5, "other shape");
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
    linear_forward(p.nn, &p.linear, p.x, false);
    EXPECT_NEAR(count, 3 * 20 * 7, 0);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"forward", forward},
                         {"bf16", bf16},
                         {"no_rows", no_rows},
                         {"backward", backward},
                         {"frozen", frozen},
                         {"rows_are_independent", rows_are_independent},
                         {"long_sums_are_independent", long_sums_are_independent},
                         {"changed_parameters", changed_parameters},
                         {"operation_count", operation_count},
                         {0},
                     });
}
