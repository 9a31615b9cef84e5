// Convolutions in bf16 against the naive reference on rounded operands: beyond that rounding there
// is only what float32 sums do. Winograd's convolution rounds what it has transformed.
#include "nn/conv/conv_product.h"

#include <math.h>

#include "nn/conv/winograd.h"
#include "tests/nn/check_conv.h"

// The reference's values as the convolution has them: gates are multiplied into the input, the norm
// into the weights.
static void round_operands(struct conv_problem *p) {
    const struct conv_case *c = &p->c;
    struct conv_use *use = &p->uses[0];
    int64_t count = tensor_count(use->x);
    conv_reference(p, use); // for the gates
    for (int64_t i = 0; c->gated && i < count; i++) {
        int64_t image = i / (use->x->h * use->x->w * c->in);
        use->x_values[i] *= use->gates[image * c->in + i % c->in];
    }
    int64_t per_output = p->conv.weight->count / c->out;
    for (int64_t i = 0; c->norm && i < p->conv.weight->count; i++) {
        float scale = frozen_norm_scale(&p->norm, i / per_output);
        p->weight[i] = (double)((float)p->weight[i] * scale);
    }
    for (int64_t o = 0; c->norm && o < c->out; o++)
        p->scale[o] = 1;
    p->c.gated = false;
    round_to_bf16(use->x_values, count);
    round_to_bf16(p->weight, p->conv.weight->count);
}

static void check(const struct conv_case *c) {
    static struct conv_problem p;
    conv_problem_create(&p, c);
    conv_problem_run(&p);
    round_operands(&p);
    struct conv_use *use = &p.uses[0];
    conv_reference(&p, use);
    // A gate that differs in its last bit is rounded to another side now and then.
    expect_close(use->y->data, use->y_values, tensor_count(use->y), c->gated ? 3e-3 : 3e-5,
                 c->name);
    nn_begin(p.nn, NN_INFERENCE); // checks all guards
}

static void check_all(const struct conv_case *cases) {
    use_precision(NN_BF16);
    for (const struct conv_case *c = cases; c->name; c++)
        check(c);
    use_precision(NN_FLOAT32);
}

static void products(void) {
    check_all((struct conv_case[]){
        {"one number", 1, 1, 1, 1, 1, 1, 1, 0, .relu = false},
        {"odd", 2, 5, 7, 3, 5, 1, 1, 0, .bias = true},
        {"odd, residual", 2, 5, 7, 3, 5, 1, 1, 0, .bias = true, .relu = true,
         .residual = OTHER_TENSOR},
        {"norm", 2, 9, 11, 64, 48, 1, 1, 0, .norm = true, .relu = true},
        {"norm, residual", 1, 13, 11, 32, 128, 1, 1, 0, .norm = true, .relu = true,
         .residual = OTHER_TENSOR},
        {"stride 2", 2, 9, 12, 16, 24, 1, 2, 0, .norm = true},
        {"stride 2, odd sides", 1, 11, 7, 20, 8, 1, 2, 0, .bias = true},
        {"several pieces", 2, 67, 83, 200, 16, 1, 1, 0, .bias = true, .relu = true,
         .residual = OTHER_TENSOR},
        {"several pieces, stride 2", 1, 135, 167, 200, 8, 1, 2, 0, .bias = true},
        {"gated", 2, 9, 9, 64, 32, 1, 1, 0, .norm = true, .gated = true},
        {"gated, stride 2", 2, 9, 10, 64, 32, 1, 2, 0, .gated = true, .relu = true},
        {"no images", 0, 9, 9, 6, 6, 1, 1, 0, .relu = true},
        {0},
    });
}

static void others(void) {
    check_all((struct conv_case[]){
        {"3x3 stride 2", 2, 12, 13, 32, 40, 3, 2, 1, .norm = true, .relu = true},
        {"3x3 stride 2, residual", 1, 12, 13, 32, 40, 3, 2, 1, .norm = true, .relu = true,
         .residual = OTHER_TENSOR},
        {"3x3 of few channels", 2, 9, 7, 5, 3, 3, 1, 1, .bias = true},
        {"7x7", 1, 30, 31, 3, 16, 7, 2, 3, .norm = true, .relu = true},
        {"7x7 gated", 2, 21, 20, 3, 16, 7, 2, 3, .norm = true, .gated = true},
        {"groups", 2, 9, 11, 32, 32, 3, 1, 1, .groups = 8, .norm = true, .relu = true},
        {"groups, odd", 1, 5, 6, 6, 9, 3, 1, 1, .groups = 3, .bias = true},
        {"a group for each channel", 1, 5, 6, 6, 6, 3, 1, 1, .groups = 6},
        {"padded 1x1", 1, 5, 6, 4, 6, 1, 1, 2, .bias = true},
        {"regions", 11, 5, 5, 24, 16, 3, 1, 1, .bias = true, .relu = true, .images_at_once = 8},
        {"1x1 of regions", 11, 7, 7, 24, 5, 1, 1, 0, .bias = true, .images_at_once = 8,
         .residual = OTHER_TENSOR},
        {"gated regions", 11, 5, 5, 64, 16, 3, 1, 1, .gated = true, .images_at_once = 8},
        {0},
    });
}

// Patches and transformed weights are rounded: about five times the error of rounding the operands
// of a direct convolution, 0.24 % of the results' RMS.
static void check_winograd(const struct conv_case *c) {
    static struct conv_problem p;
    conv_problem_create(&p, c);
    conv_problem_run(&p);
    struct conv_use *use = &p.uses[0];
    REQUIRE(winograd_applies(p.nn, &p.conv, c->h, c->w));
    conv_reference(&p, use);
    double values = 0, errors = 0, largest = 0;
    for (int64_t i = 0; i < tensor_count(use->y); i++) {
        double error = fabs((double)use->y->data[i] - use->y_values[i]);
        values += use->y_values[i] * use->y_values[i];
        errors += error * error;
        largest = error > largest ? error : largest;
    }
    double rms = sqrt(values / (double)tensor_count(use->y));
    double relative = sqrt(errors / values);
    EXPECT(relative > 3e-3); // they were rounded
    EXPECT_NEAR(relative, 0, 1.6e-2);
    EXPECT_NEAR(largest / rms, 0, 0.15);
    nn_begin(p.nn, NN_INFERENCE); // checks all guards
}

static void winograd(void) {
    use_precision(NN_BF16);
    check_winograd(&(struct conv_case){"64 channels", 2, 25, 27, 64, 48, 3, 1, 1, .norm = true});
    check_winograd(
        &(struct conv_case){"32 channels", 1, 11, 12, 32, 32, 3, 1, 1, .bias = true, .relu = true});
    check_winograd(&(struct conv_case){"residual", 1, 40, 53, 32, 32, 3, 1, 1, .relu = true,
                                       .residual = OTHER_TENSOR});
    check_winograd(
        &(struct conv_case){"gated", 2, 17, 18, 64, 32, 3, 1, 1, .norm = true, .gated = true});
    check_winograd(&(struct conv_case){"regions", 9, 14, 14, 64, 32, 3, 1, 1, .bias = true,
                                       .images_at_once = 8});
    use_precision(NN_FLOAT32);
}

static void applies(void) {
    const struct conv good = {.in_channels = 8,
                              .out_channels = 8,
                              .groups = 1,
                              .kernel = 1,
                              .stride = 2,
                              .images_at_once = 1};
    EXPECT(!conv_product_applies(fresh_nn(), &good)); // float32
    use_precision(NN_BF16);
    const struct nn *nn = fresh_nn();
    EXPECT(conv_product_applies(nn, &good));
    struct conv bad[4] = {good, good, good, good};
    bad[0].kernel = 3;
    bad[1].groups = 2;
    bad[2].padding = 1;
    bad[3].images_at_once = 8;
    for (int i = 0; i < 4; i++)
        EXPECT(!conv_product_applies(nn, &bad[i]));
    use_precision(NN_FLOAT32);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"products", products},
                         {"others", others},
                         {"winograd", winograd},
                         {"applies", applies},
                         {0},
                     });
}
