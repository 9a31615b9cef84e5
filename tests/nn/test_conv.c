#include <stdio.h>

#include "base/random.h"
#include "tests/nn/check_conv.h"

static void check_all(const struct conv_case *cases) {
    for (const struct conv_case *c = cases; c->name; c++)
        check_conv(c);
}

static void plain(void) {
    check_all((struct conv_case[]){
        {"1x1", 1, 5, 7, 6, 5, 1, 1, 0, .groups = 1},
        {"1x1 wide", 1, 9, 10, 32, 48, 1, 1, 0, .groups = 1},
        {"1x1 stride 2", 2, 7, 8, 4, 6, 1, 2, 0, .groups = 1},
        {"1x1 stride 2, few channels", 2, 12, 12, 8, 16, 1, 2, 0, .groups = 1},
        {"1x1 stride 2, fewer", 1, 26, 26, 3, 8, 1, 2, 0, .groups = 1},
        {"1x1 stride 2, an odd number", 1, 26, 26, 13, 8, 1, 2, 0, .groups = 1},
        {"1x1 with padding", 1, 4, 4, 3, 2, 1, 1, 1, .groups = 1},
        {"3x3", 1, 6, 9, 5, 7, 3, 1, 1, .groups = 1},
        {"3x3 wide", 1, 8, 8, 32, 32, 3, 1, 1, .groups = 1},
        {"3x3 without padding", 1, 6, 9, 5, 7, 3, 1, 0, .groups = 1},
        {"3x3 stride 2", 1, 9, 11, 4, 6, 3, 2, 1, .groups = 1},
        {"3x3 stride 2, a column over", 1, 10, 12, 4, 6, 3, 2, 1, .groups = 1},
        {"3x3 stride 2, wide", 2, 10, 13, 16, 6, 3, 2, 1, .bias = true},
        {"3x3 stride 2, more than a block", 1, 66, 71, 16, 3, 3, 2, 1, .norm = true},
        {"3x3 stride 3, wide", 1, 10, 11, 32, 6, 3, 3, 0, .groups = 1},
        {"1x1 stride 2, wide", 2, 11, 8, 24, 6, 1, 2, 0, .relu = true},
        {"3x3 wide padding", 1, 4, 5, 3, 4, 3, 1, 2, .groups = 1},
        {"7x7 stride 2", 1, 17, 21, 3, 8, 7, 2, 3, .groups = 1},
        {"one pixel, 1x1", 1, 1, 1, 1, 1, 1, 1, 0, .groups = 1},
        {"one pixel, 3x3", 1, 1, 1, 3, 2, 3, 1, 1, .groups = 1},
        {"one pixel, 7x7 stride 2", 1, 1, 1, 3, 8, 7, 2, 3, .groups = 1},
        {"one row", 1, 1, 13, 5, 4, 3, 1, 1, .groups = 1},
        {"batch", 3, 5, 4, 5, 6, 3, 1, 1, .groups = 1},
        {"81 channels", 1, 3, 3, 16, 81, 1, 1, 0, .groups = 1},
        {"no images", 0, 5, 7, 6, 5, 3, 1, 1, .groups = 1},
        {0},
    });
}

static void extras(void) {
    check_all((struct conv_case[]){
        {"bias", 2, 5, 7, 6, 5, 1, 1, 0, .bias = true},
        {"relu", 2, 5, 7, 6, 5, 3, 1, 1, .relu = true},
        {"bias, relu", 1, 5, 7, 6, 5, 3, 2, 1, .bias = true, .relu = true},
        {"norm", 1, 5, 7, 6, 5, 3, 1, 1, .norm = true},
        {"norm, relu", 3, 6, 6, 8, 16, 1, 1, 0, .norm = true, .relu = true},
        {"residual", 1, 5, 7, 6, 5, 3, 1, 1, .residual = OTHER_TENSOR},
        {"norm, residual, relu", 2, 5, 7, 6, 5, 1, 1, 0, .norm = true, .relu = true,
         .residual = OTHER_TENSOR},
        {"bias, residual, stride 2", 2, 5, 7, 6, 5, 3, 2, 1, .bias = true,
         .residual = OTHER_TENSOR},
        {"its own shortcut", 2, 4, 5, 6, 6, 3, 1, 1, .norm = true, .relu = true,
         .residual = ITSELF},
        {"stem", 1, 18, 15, 3, 16, 7, 2, 3, .norm = true, .relu = true},
        {0},
    });
}

static void groups(void) {
    check_all((struct conv_case[]){
        {"2 groups", 1, 5, 7, 8, 6, 3, 1, 1, .groups = 2},
        {"2 groups of 16", 1, 5, 5, 32, 32, 3, 1, 1, .groups = 2, .norm = true, .relu = true},
        {"4 groups, stride 2", 2, 7, 6, 16, 16, 3, 2, 1, .groups = 4, .bias = true},
        {"a group for each channel", 1, 5, 6, 6, 6, 3, 1, 1, .groups = 6},
        {"4 groups, gated, folded", 2, 12, 11, 16, 16, 3, 1, 1, .groups = 4, .norm = true,
         .relu = true, .gated = true},
        {"4 groups, gated, scaled", 2, 3, 3, 16, 16, 3, 1, 1, .groups = 4, .gated = true},
        {"groups on RoIs", 5, 4, 4, 8, 8, 3, 1, 1, .groups = 2, .images_at_once = 8, .relu = true,
         .gated = true},
        {"two consumers of groups", 2, 5, 5, 8, 8, 3, 1, 1, .groups = 2, .uses = 2},
        {0},
    });
}

// Where a gate's factors end up depends on the sizes of weights and activations.
static void gates(void) {
    for (int e = GATE_EMBEDDING_L2; e <= GATE_EMBEDDING_LINF; e++) {
        for (int v = 0; v < 3; v++) {
            struct conv_case c = {
                .name = "gate",
                .n = 3,
                .in = 4,
                .out = 5,
                .kernel = 3,
                .stride = 1,
                .padding = 1,
                .gated = true,
                .embedding = (enum gate_embedding)e,
                .normalisation = (enum gate_normalisation)v,
                .activation = (enum gate_activation)((v + e) % 3),
                .norm = v == 0,
                .bias = v == 1,
                .relu = v != 1,
                .residual = v == 2 ? OTHER_TENSOR : NO_SHORTCUT,
            };
            c.h = 9;
            c.w = 8; // folded
            check_conv(&c);
            c.uses = 2;
            check_conv(&c);
            c.h = c.w = 3; // scaled
            check_conv(&c);
            c.uses = 1;
            c.images_at_once = 8;
            check_conv(&c);
            c.h = 9; // of RoIs, never folded
            check_conv(&c);
        }
    }
}

static void gate_shapes(void) {
    check_all((struct conv_case[]){
        {"folded 1x1", 2, 8, 9, 20, 16, 1, 1, 0, .norm = true, .relu = true, .gated = true},
        {"folded 1x1, 3 and 81 channels", 1, 20, 20, 3, 81, 1, 1, 0, .gated = true},
        {"folded 1x1 stride 2", 2, 9, 9, 16, 8, 1, 2, 0, .gated = true},
        {"folded 3x3 stride 2", 2, 12, 13, 8, 8, 3, 2, 1, .gated = true},
        {"folded 3x3 stride 2, wide", 2, 14, 15, 16, 8, 3, 2, 1, .gated = true},
        {"scaled 3x3 stride 2, wide", 3, 4, 5, 16, 20, 3, 2, 1, .gated = true},
        {"folded 3x3 wide", 1, 13, 12, 16, 16, 3, 1, 1, .norm = true, .gated = true},
        {"folded 7x7 stem", 1, 30, 31, 3, 8, 7, 2, 3, .norm = true, .relu = true, .gated = true},
        {"scaled 7x7", 1, 9, 9, 3, 16, 7, 2, 3, .gated = true},
        {"scaled 1x1", 2, 2, 3, 16, 32, 1, 1, 0, .norm = true, .gated = true},
        {"one pixel", 2, 1, 1, 5, 3, 1, 1, 0, .gated = true},
        {"its own shortcut", 2, 9, 9, 6, 6, 3, 1, 1, .relu = true, .gated = true,
         .residual = ITSELF},
        {"no images", 0, 9, 9, 6, 6, 3, 1, 1, .relu = true, .gated = true},
        {"no RoIs", 0, 9, 9, 6, 6, 3, 1, 1, .relu = true, .gated = true, .images_at_once = 8},
        {0},
    });
}

static void rois(void) {
    check_all((struct conv_case[]){
        {"fewer than at once", 3, 7, 7, 8, 8, 3, 1, 1, .bias = true, .relu = true,
         .images_at_once = 8},
        {"just as many", 8, 3, 3, 4, 8, 3, 1, 1, .bias = true, .relu = true, .images_at_once = 8},
        {"more", 11, 3, 3, 4, 8, 3, 1, 1, .bias = true, .relu = true, .images_at_once = 8,
         .residual = OTHER_TENSOR},
        {"more than backward takes", 67, 2, 2, 3, 4, 3, 1, 1, .bias = true, .images_at_once = 8},
        {"gated", 67, 2, 2, 3, 4, 3, 1, 1, .images_at_once = 8, .gated = true},
        {"none", 0, 3, 3, 4, 8, 3, 1, 1, .bias = true, .relu = true, .images_at_once = 8},
        {"1x1, fewer than at once", 3, 3, 3, 4, 8, 1, 1, 0, .bias = true, .images_at_once = 8},
        {"1x1, more", 37, 3, 3, 4, 8, 1, 1, 0, .relu = true, .images_at_once = 8},
        {0},
    });
}

// One convolution for all levels of a pyramid: the gradients of its parameters add up.
static void shared(void) {
    check_all((struct conv_case[]){
        {"levels", 2, 6, 7, 5, 6, 3, 1, 1, .bias = true, .relu = true, .levels = 2},
        {"gated levels", 2, 9, 9, 5, 6, 3, 1, 1, .norm = true, .gated = true, .levels = 3},
        {"two consumers", 2, 6, 7, 5, 6, 3, 1, 1, .relu = true, .uses = 2},
        {"two consumers, 1x1", 2, 6, 7, 5, 6, 1, 1, 0, .relu = true, .uses = 2},
        {"two consumers, stride 2", 2, 6, 7, 5, 6, 3, 2, 1, .relu = true, .uses = 2},
        {"three consumers and a level", 1, 6, 7, 5, 5, 3, 1, 1, .relu = true, .uses = 3,
         .levels = 1, .residual = ITSELF},
        {0},
    });
}

static void frozen(void) {
    for (unsigned frozen = 0; frozen <= FREEZE_ALL; frozen++) {
        struct conv_case c = {"frozen",
                              2,
                              9,
                              9,
                              5,
                              4,
                              3,
                              1,
                              1,
                              .bias = true,
                              .relu = true,
                              .gated = true,
                              .residual = OTHER_TENSOR,
                              .frozen = frozen};
        check_conv(&c); // folded
        c.h = c.w = 2;
        check_conv(&c); // scaled
        c.gated = false;
        check_conv(&c);
        c.gated = true;
        c.images_at_once = 8;
        check_conv(&c);
    }
}

// What flows back to x meets the pass that computed x.
static void computed(void) {
    for (int v = 0; v < 3; v++) {
        struct conv_case c = {.name = "computed",
                              .n = 2,
                              .h = 10,
                              .w = 9,
                              .in = 6,
                              .out = 6,
                              .kernel = 3,
                              .stride = 1,
                              .padding = 1,
                              .computed = true,
                              .relu = true,
                              .gated = true,
                              .normalisation = (enum gate_normalisation)v};
        check_conv(&c); // folded
        c.residual = ITSELF;
        check_conv(&c);
        c.uses = 2;
        check_conv(&c);
        c.embedding = GATE_EMBEDDING_L1;
        check_conv(&c);
        c.embedding = GATE_EMBEDDING_L2;
        c.frozen = FREEZE_WEIGHT | FREEZE_GATE;
        check_conv(&c);
        c.h = c.w = 3; // scaled
        check_conv(&c);
        c.gated = false;
        check_conv(&c);
    }
}

static void expect_results(struct conv_problem *p) {
    struct conv_use *use = &p->uses[0];
    conv_problem_run(p);
    conv_reference(p, use);
    expect_close(use->y->data, use->y_values, tensor_count(use->y), 3e-5, p->c.name);
}

// In inference a device may keep what follows from the parameters, until they change.
static void changed_parameters(void) {
    const struct conv_case cases[] = {
        {"kept", 2, 9, 8, 5, 6, 3, 1, 1, .norm = true, .relu = true},
        {"kept, no norm", 2, 9, 8, 5, 6, 1, 1, 0, .bias = true},
        {"kept, folded gate", 2, 9, 8, 6, 6, 3, 1, 1, .norm = true, .gated = true},
        {"kept, scaled", 2, 3, 3, 6, 16, 3, 1, 1, .norm = true, .gated = true},
        {0},
    };
    for (const struct conv_case *c = cases; c->name; c++) {
        static struct conv_problem p;
        conv_problem_create(&p, c);
        p.nn->mode = NN_INFERENCE;
        expect_results(&p);
        expect_results(&p);
        for (int64_t i = 0; i < p.conv.weight->count; i++)
            p.weight[i] = (double)(p.conv.weight->data[i] *= -2);
        for (int64_t o = 0; c->norm && o < c->out; o++) {
            p.norm.bias->data[o] += 1;
            p.shift[o] += 1;
        }
        parameters_changed(fresh_parameters());
        expect_results(&p);
    }
}

// For a gate that follows, the sums of y^2 over each image, where a product of the device makes
// them: kernels of our own do, and of cuDNN's those that it compiles.
static void check_sums(const struct conv_case *c, double tolerance) {
    static struct conv_problem p;
    conv_problem_create(&p, c);
    conv_problem_run(&p);
    struct conv_use *use = &p.uses[0];
    conv_reference(&p, use);
    int64_t rows = use->y->h * use->y->w;
    double *sums = new_doubles(c->n * c->out);
    for (int64_t i = 0; i < c->n * rows * c->out; i++)
        sums[i / (rows * c->out) * c->out + i % c->out] += use->y_values[i] * use->y_values[i];
    expect_close(use->y->data, use->y_values, tensor_count(use->y), tolerance, c->name);
    bool may = p.nn->device == NN_CUDA && c->images_at_once <= 1;
    EXPECT(may || !use->y->embedding);
    if (p.nn->tune && may) EXPECT(use->y->embedding != NULL);
    if (use->y->embedding) expect_close(use->y->embedding, sums, c->n * c->out, tolerance, c->name);
}

static void check_all_sums(double tolerance) {
    const struct conv_case cases[] = {
        {"sums, 1x1", 1, 11, 13, 20, 70, 1, 1, 0, .norm = true, .relu = true, .gate_follows = true},
        {"sums, one pixel", 1, 1, 1, 5, 6, 1, 1, 0, .bias = true, .relu = true,
         .gate_follows = true},
        {"sums, batch", 3, 9, 8, 5, 6, 3, 1, 1, .bias = true, .residual = OTHER_TENSOR,
         .relu = true, .gate_follows = true},
        {"sums, folded", 3, 9, 8, 6, 6, 3, 2, 1, .norm = true, .relu = true, .gated = true,
         .gate_follows = true},
        {"sums, one pixel", 2, 1, 1, 5, 3, 1, 1, 0, .gate_follows = true},
        {"sums, bare", 2, 5, 5, 4, 3, 3, 1, 1, .gate_follows = true},
        {"sums, groups", 1, 9, 9, 12, 16, 3, 1, 1, .groups = 2, .relu = true, .gate_follows = true},
        {0},
    };
    for (const struct conv_case *c = cases; c->name; c++)
        check_sums(c, tolerance);
}

static void sums(void) {
    const struct conv_case regions = {
        "sums, RoIs", 3, 4, 4, 8, 8, 3, 1, 1, .images_at_once = 8, .gate_follows = true};
    check_sums(&regions, 3e-5); // none
    check_all_sums(3e-5);
}

static void sums_tuned(void) {
    use_tuning(true);
    check_all_sums(3e-5);
    use_precision(NN_TF32);
    check_all_sums(3e-3);
    use_precision(NN_FLOAT32);
    use_tuning(false);
}

// Engines that are measured leave results, and what is added to, as they are.
static void tuned(void) {
    use_tuning(true);
    computed();
    shared();
    use_tuning(false);
}

static void any(void) {
    struct random random = random_stream(7, 0);
    for (int i = 0; i < 60; i++) {
        struct conv_case c = {
            .name = "any",
            .n = random_below(&random, 4),
            .kernel = 1 + 2 * random_below(&random, 3),
            .stride = 1 + random_below(&random, 2),
            .groups = 1 + random_below(&random, 2),
            .images_at_once = random_below(&random, 2) ? 8 : 1,
            .norm = random_below(&random, 2),
            .relu = random_below(&random, 2),
            .gated = random_below(&random, 2),
            .embedding = (enum gate_embedding)random_below(&random, 3),
            .normalisation = (enum gate_normalisation)random_below(&random, 3),
            .activation = (enum gate_activation)random_below(&random, 3),
            .residual = random_below(&random, 2) ? OTHER_TENSOR : NO_SHORTCUT,
            .uses = 1 + (int)random_below(&random, 2),
            .frozen = random_below(&random, 3) ? 0 : (unsigned)random_below(&random, 16),
        };
        c.padding = random_below(&random, c.kernel);
        c.bias = !c.norm && random_below(&random, 2);
        // The normalisation of very few channels leaves next to nothing of the gradient of alpha.
        c.in = c.groups * (c.gated ? 4 : 1 + random_below(&random, 6));
        c.out = c.groups * (1 + random_below(&random, 5));
        c.h = c.kernel + random_below(&random, 5);
        c.w = c.kernel + random_below(&random, 5);
        char name[64];
        snprintf(name, sizeof name, "any %d", i);
        c.name = name;
        check_conv(&c);
    }
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"plain", plain},
                         {"extras", extras},
                         {"groups", groups},
                         {"gates", gates},
                         {"gate_shapes", gate_shapes},
                         {"rois", rois},
                         {"shared", shared},
                         {"frozen", frozen},
                         {"computed", computed},
                         {"changed_parameters", changed_parameters},
                         {"sums", sums},
                         {"sums_tuned", sums_tuned},
                         {"tuned", tuned},
                         {"any", any},
                         {0},
                     });
}
