// The cost of a gated convolution, worked out by hand, and how costs are added up. Whole networks:
// tests/tools/test_bench.c; beside what kernels move: tests/cuda/test_cost.c.
#include "nn/conv/conv.h"
#include "nn/cuda/cost.h"
#include "tests/harness.h"

enum { HEIGHT = 10, WIDTH = 12, IN = 16, OUT = 8, KERNEL = 3 };
enum {
    X = HEIGHT * WIDTH * IN,
    Y = HEIGHT * WIDTH * OUT,
    WEIGHTS = OUT * IN * KERNEL * KERNEL, // fewer than X: the gate goes into them
};

static struct parameter *add(struct parameters *parameters, const char *name, int num_dims,
                             const int64_t *shape) {
    return parameter_add(parameters, PARAMETER_WEIGHT, num_dims, shape, initial_constant(0), "%s",
                         name);
}

struct example {
    struct arena arena;
    struct parameters parameters;
    struct gate gate;
    struct conv conv;
    struct nn *nn;
    struct cost_sheet sheet;
};

static void example_create(struct example *e) {
    const int64_t shape[] = {OUT, IN, KERNEL, KERNEL};
    const int64_t channels[] = {IN};
    struct error err;
    *e = (struct example){0};
    arena_init(&e->arena, 1 << 16, 0);
    parameters_init(&e->parameters, &e->arena);
    e->gate = (struct gate){.channels = IN,
                            .alpha = add(&e->parameters, "alpha", 1, channels),
                            .gamma = add(&e->parameters, "gamma", 1, channels),
                            .beta = add(&e->parameters, "beta", 1, channels)};
    e->conv = (struct conv){.in_channels = IN,
                            .out_channels = OUT,
                            .groups = 1,
                            .kernel = KERNEL,
                            .stride = 1,
                            .padding = 1,
                            .weight = add(&e->parameters, "weight", 4, shape),
                            .gate = &e->gate,
                            .images_at_once = 1};
    REQUIRE(parameters_allocate(&e->parameters, true, &err) == STATUS_OK);
    REQUIRE(nn_create(&e->nn, &(struct nn_options){.device = NN_PLAN}, &err) == STATUS_OK);
    e->nn->observer = cost_forward;
    e->nn->backward_observer = cost_backward;
    e->nn->observer_context = &e->sheet;
    nn_begin(e->nn, NN_TRAINING);
}

static void example_destroy(struct example *e) {
    nn_destroy(e->nn);
    arena_destroy(&e->arena);
}

// A backward pass from y.
static void run_backward(struct nn *nn, struct tensor *y) {
    bool add_to = false;
    EXPECT(nn_grad(nn, y, &add_to) != NULL);
    nn_backward(nn);
}

static void expect_row(const struct cost_sheet *sheet, const char *kernel, bool backward,
                       int64_t launches, double values) {
    for (int i = 0; i < sheet->num_rows; i++) {
        const struct cost_row *row = &sheet->rows[i];
        if (strcmp(row->kernel, kernel) != 0 || row->backward != backward) continue;
        EXPECT_INT(row->launches, launches);
        EXPECT_INT((int64_t)row->bytes, (int64_t)(4 * values));
        return;
    }
    EXPECT_TEXT("", kernel); // there is no such row
}

static void gated_convolution(void) {
    struct example e;
    example_create(&e);
    struct tensor *x = nn_tensor(e.nn, 1, HEIGHT, WIDTH, IN);
    x->wants_grad = true;
    run_backward(e.nn, conv_forward(e.nn, &e.conv, x, NULL, false));
    expect_row(&e.sheet, "gates' sums, gates", false, 1, X + IN + 5 * IN);
    expect_row(&e.sheet, "weights packed", false, 1, 2 * WEIGHTS);
    expect_row(&e.sheet, "product", false, 1, X + WEIGHTS + Y);
    expect_row(&e.sheet, "weights packed", true, 1, 2 * WEIGHTS);
    expect_row(&e.sheet, "weights' gradient", true, 1, X + WEIGHTS + Y);
    // The gradient's, the parameter's, and those of the one block's sums, which it closes gates
    // with.
    expect_row(&e.sheet, "weights' gradient added, gates closed", true, 1,
               4 * WEIGHTS + 4 * IN + 13 * IN);
    expect_row(&e.sheet, "input's gradient", true, 1, X + WEIGHTS + Y);
    expect_row(&e.sheet, "input's gradient through gates", true, 1, 3 * X);
    EXPECT_INT(e.sheet.num_rows, 8);
    example_destroy(&e);
}

// Two convolutions that read x: the second gate has its sums from the first, and the gradient that
// comes second is added.
static void shared_input(void) {
    struct example e;
    example_create(&e);
    struct tensor *x = nn_tensor(e.nn, 1, HEIGHT, WIDTH, IN);
    x->wants_grad = true;
    struct tensor *first = conv_forward(e.nn, &e.conv, x, NULL, true);
    struct tensor *second = conv_forward(e.nn, &e.conv, x, first, true);
    run_backward(e.nn, second);
    expect_row(&e.sheet, "gates' sums, gates", false, 1, X + 6 * IN);
    expect_row(&e.sheet, "gates", false, 1, 5 * IN);
    expect_row(&e.sheet, "product", false, 2, 2 * X + 2 * WEIGHTS + 3 * Y);
    expect_row(&e.sheet, "ReLU's gradient", true, 2, 6 * Y);
    expect_row(&e.sheet, "input's gradient through gates", true, 2, 7 * X);
    // The next step measures anew.
    cost_begin_step(&e.sheet);
    nn_begin(e.nn, NN_INFERENCE);
    x = nn_tensor(e.nn, 1, HEIGHT, WIDTH, IN);
    conv_forward(e.nn, &e.conv, x, NULL, false);
    expect_row(&e.sheet, "gates' sums, gates", false, 2, 2 * X + 12 * IN);
    example_destroy(&e);
}

// The longer of moving and computing, launch by launch.
static void least_time(void) {
    struct example e;
    example_create(&e);
    struct tensor *x = nn_tensor(e.nn, 1, HEIGHT, WIDTH, IN);
    conv_forward(e.nn, &e.conv, x, NULL, false);
    const double bytes = 4.0 * (X + IN + 5 * IN + 2 * WEIGHTS);
    const double product_bytes = 4.0 * (X + WEIGHTS + Y);
    const double product_operations = 2.0 * Y * IN * KERNEL * KERNEL;
    struct cost_row all = cost_sum(&e.sheet, NUM_OPS, false);
    struct cost_row gates = cost_sum(&e.sheet, NUM_OPS, true);
    EXPECT_INT(cost_sum(&e.sheet, OP_linear, false).launches, 0);
    EXPECT_INT(all.launches, 3);
    EXPECT_INT(gates.launches, 1);
    EXPECT_INT((int64_t)all.bytes, (int64_t)(bytes + product_bytes));
    EXPECT_INT((int64_t)gates.bytes, 4 * (X + 6 * IN));
    // An A100 computes this product for longer than it moves it, with TF32 the other way round.
    EXPECT_NEAR(all.seconds[0] * 1e9, bytes / 1631.2 + product_operations / 19500, 1e-3);
    EXPECT_NEAR(all.seconds[1] * 1e9, (bytes + product_bytes) / 1631.2, 1e-3);
    example_destroy(&e);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"gated_convolution", gated_convolution},
                                          {"shared_input", shared_input},
                                          {"least_time", least_time},
                                          {0}});
}
