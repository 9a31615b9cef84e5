// Winograd's convolution: its identity in exact arithmetic, then results and gradients against the
// naive reference, the direct convolution, and themselves.
#include "nn/conv/winograd.h"

#include <math.h>
#include <stdio.h>

#include "nn/conv/winograd_weights.h"
#include "tests/nn/check_conv.h"

enum { TILE = 4, PATCH = 6, KERNEL = 3, FINITE = PATCH - 1 };

// ---- The identity ----

// The matrices of Toom and Cook's construction, from nothing but the points. All entries of at and
// bt are whole multiples of powers of two, and so are those of g times COMMON.
static const double POINTS[FINITE] = {0, 0.75, -0.75, 1.5, -1.5};
static const double COMMON = 243;

static double at[TILE][PATCH], bt[PATCH][PATCH], g[PATCH][KERNEL];

// The coefficients of the product of x - POINTS[i], i other than left_out.
static void product_of_roots(int left_out, double coefficients[PATCH]) {
    for (int k = 0; k < PATCH; k++)
        coefficients[k] = k == 0;
    for (int i = 0; i < FINITE; i++) {
        if (i == left_out) continue;
        for (int k = PATCH - 1; k >= 0; k--)
            coefficients[k] = (k ? coefficients[k - 1] : 0) - POINTS[i] * coefficients[k];
    }
}

static void make_matrices(void) {
    for (int j = 0; j < FINITE; j++) {
        double distances = 1;
        for (int i = 0; i < FINITE; i++)
            if (i != j) distances *= POINTS[j] - POINTS[i];
        double scale = COMMON / distances;
        EXPECT(scale * distances == COMMON && scale * 128 == floor(scale * 128)); // exact
        product_of_roots(j, bt[j]);
        for (int k = 0; k < TILE; k++)
            at[k][j] = k ? at[k - 1][j] * POINTS[j] : 1;
        for (int k = 0; k < KERNEL; k++)
            g[j][k] = k ? g[j][k - 1] * POINTS[j] : scale;
    }
    // The point at infinity.
    product_of_roots(-1, bt[FINITE]);
    at[TILE - 1][FINITE] = 1;
    g[FINITE][KERNEL - 1] = COMMON;
}

// out[n, n] = m[n, k] x m^T, where x is [k, k].
static void both_sides(const double *m, int n, int k, const double *x, double *out) {
    for (int i = 0; i < n * n; i++) {
        out[i] = 0;
        for (int j = 0; j < k * k; j++)
            out[i] += m[i / n * k + j / k] * x[j] * m[i % n * k + j % k];
    }
}

static double direct(const double *patch, const double *kernel, int y, int x) {
    double sum = 0;
    for (int i = 0; i < KERNEL * KERNEL; i++)
        sum += kernel[i] * patch[(y + i / KERNEL) * PATCH + x + i % KERNEL];
    return sum;
}

// Every pixel of a patch with every weight of a kernel; the rest follows, as both are linear.
static void identity(void) {
    make_matrices();
    for (int p = 0; p < PATCH * PATCH; p++) {
        for (int k = 0; k < KERNEL * KERNEL; k++) {
            double patch[PATCH * PATCH] = {0}, kernel[KERNEL * KERNEL] = {0};
            patch[p] = 1;
            kernel[k] = 1;
            double d[PATCH * PATCH], w[PATCH * PATCH], y[TILE * TILE];
            both_sides(&bt[0][0], PATCH, PATCH, patch, d);
            both_sides(&g[0][0], PATCH, KERNEL, kernel, w);
            for (int i = 0; i < PATCH * PATCH; i++)
                d[i] *= w[i];
            both_sides(&at[0][0], TILE, PATCH, d, y);
            for (int i = 0; i < TILE * TILE; i++)
                EXPECT(y[i] == COMMON * COMMON * direct(patch, kernel, i / TILE, i % TILE));
        }
    }
}

static void weights(void) {
    enum { OUT = 5, IN = 3, COUNT = OUT * IN };
    float plain[COUNT * KERNEL * KERNEL], transformed[PATCH * PATCH * COUNT];
    make_matrices();
    fill(plain, COUNT * KERNEL * KERNEL, 1, -1, 1);
    winograd_transform_weights(plain, OUT, IN, transformed);
    for (int i = 0; i < COUNT; i++) {
        double kernel[KERNEL * KERNEL], expected[PATCH * PATCH];
        for (int k = 0; k < KERNEL * KERNEL; k++)
            kernel[k] = (double)plain[i * KERNEL * KERNEL + k];
        both_sides(&g[0][0], PATCH, KERNEL, kernel, expected);
        for (int p = 0; p < PATCH * PATCH; p++) {
            double value = expected[p] / (COMMON * COMMON);
            EXPECT_NEAR((double)transformed[p * COUNT + i], value, 1e-7 * fabs(value) + 1e-12);
        }
    }
}

// ---- Where it applies ----

static void applies(void) {
    static const struct {
        int64_t in, out, h, w, at_once;
        bool expected;
    } cases[] = {
        {32, 32, 40, 53, 1, true},    {96, 48, 11, 12, 1, true},  {64, 64, 8, 16, 1, true},
        {32, 32, 7, 16, 1, false},    {32, 32, 5, 7, 1, false},   {32, 32, 1, 1, 1, false},
        {32, 32, 3, 3, 1, false},     {32, 32, 1, 400, 1, false}, {16, 32, 40, 53, 1, false},
        {32, 16, 40, 53, 1, false},   {40, 32, 40, 53, 1, false}, {32, 40, 40, 53, 1, false},
        {256, 256, 14, 14, 8, true},  {256, 256, 7, 7, 8, true},  {32, 32, 3, 3, 8, true},
        {256, 256, 5, 5, 8, false},   {32, 32, 1, 1, 8, false},   {32, 32, 14, 14, 1, true},
        {256, 256, 200, 336, 1, true}};
    struct nn *nn = fresh_nn();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct conv conv = {.in_channels = cases[i].in,
                            .out_channels = cases[i].out,
                            .groups = 1,
                            .kernel = 3,
                            .stride = 1,
                            .padding = 1,
                            .images_at_once = cases[i].at_once};
        bool got = winograd_applies(nn, &conv, cases[i].h, cases[i].w);
        if (got != cases[i].expected) printf("case %zu\n", i);
        EXPECT(got == cases[i].expected);
    }
    const struct conv good = {.in_channels = 64,
                              .out_channels = 64,
                              .groups = 1,
                              .kernel = 3,
                              .stride = 1,
                              .padding = 1,
                              .images_at_once = 1};
    EXPECT(winograd_applies(nn, &good, 40, 40));
    for (int i = 0; i < 4; i++) {
        struct conv other = good;
        int64_t *const fields[] = {&other.groups, &other.stride, &other.padding, &other.kernel};
        *fields[i] = i == 2 ? 0 : i == 3 ? 5 : 2;
        EXPECT(!winograd_applies(nn, &other, 40, 40));
    }
    nn->direct_convolution = true;
    EXPECT(!winograd_applies(nn, &good, 40, 40));
}

// ---- Against the reference ----

// The largest error of an element, as a part of the RMS of all.
static const double TOLERANCE = 3e-5;

static struct conv_problem problem; // static, for REQUIRE leaves by longjmp

static bool uses_winograd(const struct conv_problem *p, const struct conv_use *use) {
    return winograd_applies(p->nn, &p->conv, use->x->h, use->x->w);
}

// dx += the gradient of a convolution's own input, dw += that of its weights.
static void reference_gradients(const struct conv_problem *p, const struct conv_use *use,
                                double *dx, double *dw) {
    const struct tensor *x = use->x;
    for (int64_t i = 0; i < tensor_count(use->y); i++) {
        int64_t o = i % p->c.out, row = i / p->c.out / x->w % x->h, column = i / p->c.out % x->w;
        int64_t first = i / p->c.out / x->w / x->h * x->h * x->w * x->c;
        double dz = use->seeds[i] * (p->scale ? p->scale[o] : 1);
        if (p->c.relu && use->before[i] < 0) continue;
        for (int64_t k = 0; k < KERNEL * KERNEL; k++) {
            int64_t at_y = row + k / KERNEL - 1, at_x = column + k % KERNEL - 1;
            if (at_y < 0 || at_y >= x->h || at_x < 0 || at_x >= x->w) continue;
            int64_t kernel = o * x->c * KERNEL * KERNEL + k;
            int64_t pixel = first + (at_y * x->w + at_x) * x->c;
            for (int64_t j = 0; j < x->c; j++) {
                dx[pixel + j] += dz * p->weight[kernel + j * KERNEL * KERNEL];
                dw[kernel + j * KERNEL * KERNEL] += dz * (double)x->data[pixel + j];
            }
        }
    }
}

static void seed(struct conv_problem *p, struct conv_use *use, uint64_t number) {
    int64_t count = tensor_count(use->y);
    struct tensor *seeds = nn_tensor(p->nn, 1, 1, 1, count);
    fill(seeds->data, count, number, -1, 1);
    for (int64_t i = 0; i < count; i++) {
        // Rounding may take an output at ReLU's kink to either side.
        if (p->c.relu && fabs(use->before[i]) < 1e-3) seeds->data[i] = 0;
        use->seeds[i] = (double)seeds->data[i];
    }
    seed_gradient(p->nn, use->y, seeds->data);
}

static void expect_ok(struct nn *nn) {
    struct error err;
    EXPECT_OK(nn_status(nn, &err), &err);
}

// All uses of the problem read the same x. The backward pass ends the step's tensors.
static void expect_right(struct conv_problem *p) {
    const struct conv_case *c = &p->c;
    int64_t count = tensor_count(p->uses[0].x);
    const struct parameter *weight = p->conv.weight;
    double *gradient = new_doubles(count), *weights = new_doubles(weight->count);
    for (int i = 0; i < p->num_uses; i++) {
        struct conv_use *use = &p->uses[i];
        EXPECT(uses_winograd(p, use));
        conv_reference(p, use);
        expect_close(use->y->data, use->y_values, tensor_count(use->y), TOLERANCE, c->name);
        seed(p, use, 100 + (uint64_t)i);
        reference_gradients(p, use, gradient, weights);
    }
    nn_backward(p->nn);
    expect_ok(p->nn);
    REQUIRE(p->uses[0].x->grad);
    expect_close(p->uses[0].x->grad, gradient, count, TOLERANCE, c->name);
    expect_close(weight->grad, weights, weight->count, TOLERANCE, c->name);
}

static void check_right(const struct conv_case *cases) {
    for (const struct conv_case *c = cases; c->name; c++) {
        conv_problem_create(&problem, c);
        conv_problem_run(&problem);
        expect_right(&problem);
        nn_begin(problem.nn, NN_TRAINING); // checks all guards
    }
}

static void maps(void) {
    check_right((struct conv_case[]){
        {"8 x 16", 1, 8, 16, 32, 32, 3, 1, 1, .bias = true, .relu = true},
        {"11 x 12", 1, 11, 12, 48, 32, 3, 1, 1, .groups = 1},
        {"batch of 3", 3, 13, 15, 32, 96, 3, 1, 1, .norm = true, .relu = true},
        {"64 channels", 1, 17, 31, 64, 64, 3, 1, 1, .bias = true},
        {"more than a block", 2, 40, 53, 32, 48, 3, 1, 1, .norm = true, .relu = true},
        {"just a block", 1, 32, 48, 48, 32, 3, 1, 1, .groups = 1},
        {"96 channels", 1, 15, 16, 96, 64, 3, 1, 1, .residual = OTHER_TENSOR, .relu = true},
        {"residual", 3, 16, 18, 32, 32, 3, 1, 1, .residual = OTHER_TENSOR, .norm = true},
        {"two consumers", 2, 12, 14, 32, 48, 3, 1, 1, .bias = true, .relu = true, .uses = 2},
        {"three consumers", 1, 21, 23, 32, 32, 3, 1, 1, .norm = true, .uses = 3},
        {"no images", 0, 8, 16, 32, 32, 3, 1, 1, .bias = true, .relu = true},
        {0},
    });
}

static void rois(void) {
    static const int64_t counts[] = {0, 1, 5, 8, 9};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        int64_t n = counts[i];
        check_right((struct conv_case[]){
            {"14 x 14", n, 14, 14, 32, 48, 3, 1, 1, .bias = true, .relu = true,
             .images_at_once = 8},
            {"7 x 7", n, 7, 7, 64, 32, 3, 1, 1, .images_at_once = 8, .uses = 2},
            {"3 x 3", n, 3, 3, 32, 32, 3, 1, 1, .norm = true, .images_at_once = 8},
            {0},
        });
    }
    // More than the backward pass takes at once, ending within a block.
    check_right((struct conv_case[]){
        {"67 RoIs", 67, 7, 7, 32, 32, 3, 1, 1, .bias = true, .images_at_once = 8},
        {0},
    });
}

// ---- Against the direct convolution ----

static void check_direct(const struct conv_case *c) {
    conv_problem_create(&problem, c);
    conv_problem_run(&problem);
    struct conv_use *use = &problem.uses[0];
    REQUIRE(uses_winograd(&problem, use));
    problem.nn->direct_convolution = true;
    struct tensor *y = conv_forward(problem.nn, &problem.conv, use->x, use->residual, c->relu);
    expect_ok(problem.nn);
    double values = 0, errors = 0;
    for (int64_t i = 0; i < tensor_count(y); i++) {
        double value = (double)y->data[i], error = (double)use->y->data[i] - value;
        values += value * value;
        errors += error * error;
    }
    double relative = sqrt(errors / values);
    EXPECT(relative > 0); // they are two algorithms
    EXPECT_NEAR(relative, 0, 3e-6);
}

static void direct_convolution(void) {
    check_direct(&(struct conv_case){"256 channels", 1, 25, 27, 256, 256, 3, 1, 1, .bias = true});
    check_direct(&(struct conv_case){"32 channels", 2, 40, 53, 32, 48, 3, 1, 1, .norm = true});
    check_direct(
        &(struct conv_case){"RoIs", 9, 7, 7, 256, 64, 3, 1, 1, .relu = true, .images_at_once = 8});
}

// ---- Gates ----

// Through gates, and gradients of all parameters, by differences of the reference: few and small,
// for each difference is a convolution.
static void gates(void) {
    check_conv(&(struct conv_case){"gated map", 1, 8, 16, 32, 32, 3, 1, 1, .norm = true,
                                   .relu = true, .gated = true});
    check_conv(&(struct conv_case){"gated RoIs", 9, 3, 3, 32, 32, 3, 1, 1, .bias = true,
                                   .relu = true, .gated = true, .embedding = GATE_EMBEDDING_L1,
                                   .activation = GATE_SIGMOID, .images_at_once = 8});
    check_conv(&(struct conv_case){"its own shortcut", 3, 3, 3, 32, 32, 3, 1, 1, .relu = true,
                                   .gated = true, .embedding = GATE_EMBEDDING_LINF,
                                   .residual = ITSELF, .images_at_once = 8});
    check_conv(&(struct conv_case){"frozen", 3, 3, 3, 32, 32, 3, 1, 1, .bias = true, .gated = true,
                                   .residual = OTHER_TENSOR, .images_at_once = 8,
                                   .frozen = FREEZE_WEIGHT | FREEZE_BIAS | FREEZE_GATE});
    check_direct(&(struct conv_case){"gated", 2, 40, 41, 64, 96, 3, 1, 1, .norm = true,
                                     .relu = true, .gated = true});
    check_direct(&(struct conv_case){"gated RoIs", 5, 14, 14, 256, 256, 3, 1, 1, .gated = true,
                                     .images_at_once = 8, .residual = OTHER_TENSOR});
}

// ---- The same bits ----

enum { MAX_FLOATS = 9 * 14 * 14 * 48, MAX_WEIGHTS = 32 * 48 * KERNEL * KERNEL };

// What one step makes of the images [first, first + count) of a problem.
struct outcome {
    float y[MAX_FLOATS], gradient[MAX_FLOATS];
    float weights[MAX_WEIGHTS]; // their gradient
};

static enum status run_step(struct conv_problem *p, enum nn_mode mode, int64_t first, int64_t count,
                            struct outcome *outcome) {
    const struct conv_case *c = &p->c;
    int64_t in = c->h * c->w * c->in, out = c->h * c->w * c->out;
    static float values[MAX_FLOATS];
    struct error err;
    REQUIRE(c->n * (in > out ? in : out) <= MAX_FLOATS);
    nn_begin(p->nn, mode);
    struct tensor *x = nn_tensor(p->nn, count, c->h, c->w, c->in);
    struct tensor *residual = nn_tensor(p->nn, count, c->h, c->w, c->out);
    TRY(nn_status(p->nn, &err));
    x->wants_grad = true;
    fill(values, c->n * in, 1, -1, 1);
    memcpy(x->data, values + first * in, (size_t)(count * in) * sizeof *values);
    fill(values, c->n * out, 2, -1, 1);
    memcpy(residual->data, values + first * out, (size_t)(count * out) * sizeof *values);
    struct tensor *y = conv_forward(p->nn, &p->conv, x, residual, c->relu);
    TRY(nn_status(p->nn, &err));
    memcpy(outcome->y + first * out, y->data, (size_t)(count * out) * sizeof *values);
    if (mode == NN_INFERENCE) return STATUS_OK;
    bool add = false;
    float *seeds = nn_grad(p->nn, y, &add);
    TRY(nn_status(p->nn, &err));
    fill(values, c->n * out, 3, -1, 1);
    memcpy(seeds, values + first * out, (size_t)(count * out) * sizeof *values);
    parameters_clear_gradients(fresh_parameters());
    nn_backward(p->nn);
    TRY(nn_status(p->nn, &err));
    REQUIRE(p->conv.weight->count <= MAX_WEIGHTS);
    memcpy(outcome->weights, p->conv.weight->grad, (size_t)p->conv.weight->count * sizeof *values);
    memcpy(outcome->gradient + first * in, x->grad, (size_t)(count * in) * sizeof *values);
    return STATUS_OK;
}

static struct outcome expected, got;

// All images at once, into got.
static enum status run_all(void) {
    memset(&got, 0, sizeof got);
    return run_step(&problem, NN_TRAINING, 0, problem.c.n, &got);
}

static void start(const struct conv_case *c) {
    conv_problem_create(&problem, c);
    REQUIRE(uses_winograd(&problem, &problem.uses[0]));
    EXPECT(run_all() == STATUS_OK);
    expected = got;
}

static enum status infer_all(void) {
    memset(&got, 0, sizeof got);
    return run_step(&problem, NN_INFERENCE, 0, problem.c.n, &got);
}

static bool same_results(void) {
    return equal_bits(got.y, expected.y, sizeof got.y);
}

static bool same(void) {
    return same_results() && equal_bits(got.gradient, expected.gradient, sizeof got.gradient);
}

static void check_repeatable(const struct conv_case *c) {
    start(c);
    for (int threads = 1; threads <= 3; threads++) {
        problem.nn->num_threads = threads;
        EXPECT(run_all() == STATUS_OK && same());
        EXPECT(equal_bits(got.weights, expected.weights, sizeof got.weights));
    }
    problem.nn->num_threads = 2;
    memset(&got, 0, sizeof got);
    for (int64_t i = 0; i < c->n; i++)
        EXPECT(run_step(&problem, NN_TRAINING, i, 1, &got) == STATUS_OK);
    EXPECT(same());
    memset(got.y, 0, sizeof got.y);
    EXPECT(run_step(&problem, NN_INFERENCE, 0, c->n, &got) == STATUS_OK && same());
}

static void repeatable(void) {
    check_repeatable(
        &(struct conv_case){"map", 3, 11, 12, 32, 48, 3, 1, 1, .norm = true, .relu = true});
    check_repeatable(&(struct conv_case){"blocks", 2, 21, 41, 32, 32, 3, 1, 1, .gated = true});
    for (int64_t n = 1; n <= 9; n += 4) {
        check_repeatable(&(struct conv_case){"14 x 14", n, 14, 14, 32, 48, 3, 1, 1, .gated = true,
                                             .relu = true, .images_at_once = 8});
        check_repeatable(&(struct conv_case){"7 x 7", n, 7, 7, 48, 32, 3, 1, 1, .bias = true,
                                             .images_at_once = 8});
    }
}

// ---- Steps ----

// What was derived from the weights follows them.
static void changed_weights(void) {
    conv_problem_create(&problem, &(struct conv_case){"changed", 1, 12, 13, 32, 32, 3, 1, 1,
                                                      .norm = true, .relu = true, .uses = 2});
    struct conv_problem *p = &problem;
    for (uint64_t step = 0; step < 3; step++) {
        if (step) {
            fill(p->conv.weight->data, p->conv.weight->count, 40 + step, -1, 1);
            fill(p->norm.weight->data, p->norm.weight->count, 50 + step, -1, 1);
            parameters_changed(fresh_parameters());
            parameters_clear_gradients(fresh_parameters());
            p->weight = doubles_of(p->conv.weight->data, p->conv.weight->count);
            for (int64_t o = 0; o < p->c.out; o++) {
                double deviation =
                    sqrt((double)p->norm.variance->data[o] + (double)p->norm.epsilon);
                p->scale[o] = (double)p->norm.weight->data[o] / deviation;
                p->shift[o] =
                    (double)p->norm.bias->data[o] - (double)p->norm.mean->data[o] * p->scale[o];
            }
            nn_begin(p->nn, NN_TRAINING);
            p->uses[0].x = p->uses[1].x = filled_tensor(p->nn, 1, 12, 13, 32, 20, -1, 1, true);
        }
        conv_problem_run(p);
        expect_right(p);
    }
}

// Memory may end anywhere: then the step fails, and the next one, with more, is right.
static void little_memory(void) {
    enum { LIMITS = 60 };
    const struct conv_case c = {"memory", 2, 12, 13, 32, 32, 3, 1, 1, .norm = true, .relu = true};
    start(&c);
    int64_t peak = problem.nn->heap.peak_bytes;
    int num_failed = 0;
    for (int i = 0; i <= LIMITS; i++) {
        conv_problem_create(&problem, &c); // there are no packed weights
        struct heap *heap = &problem.nn->heap;
        int64_t whole = heap->capacity;
        heap->capacity = peak * i / LIMITS / HEAP_ALIGNMENT * HEAP_ALIGNMENT;
        enum status status = run_all();
        EXPECT(status == STATUS_MEMORY || (status == STATUS_OK && same()));
        num_failed += status != STATUS_OK;
        heap->capacity = whole;
        EXPECT(run_all() == STATUS_OK && same());
    }
    EXPECT(num_failed > LIMITS / 2 && num_failed <= LIMITS);
    // The same for the memory of packed weights, which are kept in inference.
    num_failed = 0;
    for (int64_t limit = 1 << 10; limit <= 1 << 22; limit += limit / 2) {
        conv_problem_create(&problem, &c);
        arena_init(&problem.nn->model, 1024, limit); // still empty
        enum status status = infer_all();
        EXPECT(status == STATUS_MEMORY || (status == STATUS_OK && same_results()));
        num_failed += status != STATUS_OK;
        problem.nn->model.limit_bytes = 0;
        EXPECT(infer_all() == STATUS_OK && same_results());
        EXPECT(run_all() == STATUS_OK && same());
    }
    EXPECT(num_failed > 5 && num_failed < 20);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"identity", identity},
                         {"weights", weights},
                         {"applies", applies},
                         {"maps", maps},
                         {"rois", rois},
                         {"gates", gates},
                         {"direct convolution", direct_convolution},
                         {"same bits", repeatable},
                         {"changed weights", changed_weights},
                         {"little memory", little_memory},
                         {0},
                     });
}
