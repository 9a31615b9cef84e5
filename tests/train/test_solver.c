// The solver against torch.optim.SGD's and torch.nn.utils.clip_grad_norm_'s formulas, written down
// again here in doubles.
#include "train/solver.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "tests/harness.h"
#include "tests/train/check_training.h"

static const double RATE = 0.05;

static struct small_training small; // whose own velocity is not used
static struct parameters *parameters;
static struct solver solver;
static struct nn *nn;
static struct error err;

static double *double_copy(const float *values, int64_t count) {
    double *copy = malloc((size_t)count * sizeof *copy);
    REQUIRE(copy);
    for (int64_t i = 0; i < count; i++)
        copy[i] = (double)values[i];
    return copy;
}

static void fill(uint64_t stream, float *values, int64_t count) {
    struct random random = random_stream(3, stream);
    for (int64_t i = 0; i < count; i++)
        values[i] = (float)random_between(&random, -1, 1);
}

// A model with parameters of every kind, all filled, and its solver; settings are NAME, VALUE,
// NAME, VALUE, NULL.
static void start(const char *const *settings) {
    static const char *const MODEL[] = {"box.norm=gn", "box.convs=1", "box.conv_channels=32",
                                        "fpn.channels=32", "box.hidden=512"};
    const struct option_texts overrides = {MODEL, sizeof MODEL / sizeof MODEL[0]};
    const struct nn_options nn_options = {.num_threads = 2};
    small_training_create(&small, &overrides);
    for (; *settings; settings += 2)
        EXPECT_OK(options_set_text(&small.model.options, settings[0], settings[1],
                                   (struct option_origin){0}, &err),
                  &err);
    parameters = &small.model.network.parameters;
    fill(0, parameters->data, parameters->num_floats);
    parameters_changed(parameters);
    REQUIRE(nn_create(&nn, &nn_options, &err) == STATUS_OK);
    REQUIRE(solver_init(&solver, &small.model, &err) == STATUS_OK);
}

static void finish(void) {
    nn_destroy(nn);
    small_training_destroy(&small);
}

// A step with gradients that follow from the stream, which are returned.
static double *step(uint64_t stream) {
    fill(stream, parameters->grad, parameters->num_trainable_floats);
    double *grads = double_copy(parameters->grad, parameters->num_trainable_floats);
    nn_begin(nn, NN_TRAINING);
    solver_step(nn, &solver, RATE, solver_gradient_norm(nn, &solver));
    EXPECT_OK(nn_status(nn, &err), &err);
    return grads;
}

static double norm_of(const double *values, int64_t count) {
    double squares = 0;
    for (int64_t i = 0; i < count; i++)
        squares += values[i] * values[i];
    return sqrt(squares);
}

// ---- Rates ----

// By its name, as one would tell PyTorch: the learning rate's factor and the weight decay.
struct rule {
    const char *leaf;
    bool one_dimensional; // of "weight": a norm's
    double factor, decay;
};
enum { NUM_RULES = 6 };

static const struct rule *rule_of(const struct rule *rules, const struct parameter *p) {
    const char *leaf = strrchr(p->name, '.') + 1;
    for (int i = 0; i < NUM_RULES; i++)
        if (strcmp(rules[i].leaf, leaf) == 0 &&
            (strcmp(leaf, "weight") != 0 || rules[i].one_dimensional == (p->num_dims == 1)))
            return &rules[i];
    return NULL;
}

// Steps all parameters and compares them with rules; momentum is that of the configuration.
static void check_steps(const struct rule *rules, double momentum) {
    enum { NUM_STEPS = 3 };
    int64_t count = parameters->num_trainable_floats;
    int64_t used[NUM_RULES] = {0};
    double worst = 0;
    double *expected = double_copy(parameters->data, count);
    double *velocity = calloc((size_t)count, sizeof *velocity);
    REQUIRE(velocity);
    for (uint64_t k = 1; k <= NUM_STEPS; k++) {
        double *grads = step(k);
        for (int64_t i = 0; i < parameters->count; i++) {
            const struct parameter *p = parameters->items[i];
            if (!p->trainable) continue;
            const struct rule *rule = rule_of(rules, p);
            REQUIRE(rule);
            used[rule - rules]++;
            for (int64_t j = p->data - parameters->data, n = 0; n < p->count; j++, n++) {
                velocity[j] = momentum * velocity[j] + grads[j] + rule->decay * expected[j];
                expected[j] -= RATE * rule->factor * velocity[j];
                worst = fmax(worst, fabs((double)parameters->data[j] - expected[j]));
            }
        }
        free(grads);
    }
    EXPECT(worst < 1e-6);
    for (int i = 0; i < NUM_RULES; i++)
        EXPECT(used[i] > 0);
    free(velocity);
    free(expected);
}

static void rates(void) {
    static const struct rule RULES[NUM_RULES] = {
        {"weight", false, 1, 0.11}, {"weight", true, 1, 0.33}, {"bias", false, 3, 0.22},
        {"alpha", false, 1, 0.11},  {"gamma", false, 1, 0.11}, {"beta", false, 1, 0.44},
    };
    start((const char *const[]){"solver.weight_decay", "0.11", "solver.bias_weight_decay", "0.22",
                                "solver.norm_weight_decay", "0.33", "solver.beta_weight_decay",
                                "0.44", "solver.bias_rate", "3", "solver.momentum", "0.5", NULL});
    check_steps(RULES, 0.5);
    finish();
}

// What the papers train with, but for a weight decay that shows within three steps.
static void default_rates(void) {
    static const struct rule RULES[NUM_RULES] = {
        {"weight", false, 1, 0.1}, {"weight", true, 1, 0},   {"bias", false, 2, 0},
        {"alpha", false, 1, 0.1},  {"gamma", false, 1, 0.1}, {"beta", false, 1, 0},
    };
    start((const char *const[]){"solver.weight_decay", "0.1", NULL});
    check_steps(RULES, 0.9);
    finish();
    start((const char *const[]){NULL});
    EXPECT_NEAR(small.model.config.solver.weight_decay, 1e-4, 0);
    finish();
}

static void frozen(void) {
    start((const char *const[]){"solver.bias_weight_decay", "0.1", NULL});
    const struct parameter *first = parameters_find(parameters, "backbone.body.conv1.weight");
    REQUIRE(first && !first->trainable); // by freeze_at, not as a frozen norm
    int64_t trained = parameters->num_trainable_floats;
    int64_t count = parameters->num_floats - trained;
    REQUIRE(count > first->count);
    float *before = malloc((size_t)count * sizeof *before);
    REQUIRE(before);
    memcpy(before, parameters->data + trained, (size_t)count * sizeof *before);
    for (uint64_t k = 1; k <= 2; k++)
        free(step(k));
    EXPECT(equal_bits(before, parameters->data + trained, (size_t)count * sizeof *before));
    free(before);
    finish();
}

static void clears_gradients(void) {
    start((const char *const[]){NULL});
    uint64_t version = parameters->version;
    free(step(1));
    for (int64_t i = 0; i < parameters->count; i++) {
        const struct parameter *p = parameters->items[i];
        for (int64_t j = 0; p->grad && j < p->count; j++)
            REQUIRE(p->grad[j] == 0);
    }
    EXPECT(parameters->version != version);
    finish();
}

// ---- The norm, and clipping ----

static void norm(void) {
    start((const char *const[]){NULL});
    int64_t count = parameters->num_trainable_floats;
    REQUIRE(count > 100000); // the sum runs in blocks
    EXPECT_NEAR(solver_gradient_norm(nn, &solver), 0, 0);
    fill(1, parameters->grad, count);
    double *grads = double_copy(parameters->grad, count);
    double expected = norm_of(grads, count);
    EXPECT_NEAR(solver_gradient_norm(nn, &solver), expected, 1e-12 * expected);
    free(grads);

    // No overflow and no loss of small ones.
    for (int64_t i = 0; i < count; i++)
        parameters->grad[i] = i % 2 ? FLT_MAX : -FLT_MAX;
    expected = (double)FLT_MAX * sqrt((double)count);
    EXPECT_NEAR(solver_gradient_norm(nn, &solver), expected, 1e-12 * expected);
    memset(parameters->grad, 0, (size_t)count * sizeof(float));
    parameters->grad[count - 1] = 1e-30F;
    EXPECT_NEAR(solver_gradient_norm(nn, &solver), (double)1e-30F, 1e-42);
    finish();
}

// One step without momentum from gradients whose norm is told to be clip_norm / share.
static void check_clipping(double share, bool clips) {
    char setting[64];
    start((const char *const[]){NULL});
    int64_t count = parameters->num_trainable_floats;
    fill(1, parameters->grad, count);
    double total = solver_gradient_norm(nn, &solver);
    finish();
    snprintf(setting, sizeof setting, "%.17g", total * share);
    start((const char *const[]){"solver.clip_norm", setting, "solver.momentum", "0",
                                "solver.weight_decay", "0.1", "solver.norm_weight_decay", "0.1",
                                "solver.beta_weight_decay", "0.1", "solver.bias_weight_decay",
                                "0.1", "solver.bias_rate", "1", NULL});
    double *before = double_copy(parameters->data, count);
    double *grads = step(1);
    // clip_grad_norm_'s factor; the decay is not shortened.
    double factor = fmin(1, total * share / (total + 1e-6));
    if (!clips) factor = 1;
    double worst = 0;
    for (int64_t i = 0; i < parameters->count; i++) {
        const struct parameter *p = parameters->items[i];
        if (!p->trainable) continue;
        for (int64_t j = p->data - parameters->data, n = 0; n < p->count; j++, n++) {
            double expected = before[j] - RATE * (factor * grads[j] + 0.1 * before[j]);
            worst = fmax(worst, fabs((double)parameters->data[j] - expected));
        }
    }
    EXPECT(worst < 2e-7);
    free(grads);
    free(before);
    finish();
}

static void clipping(void) {
    check_clipping(0.25, true);
    check_clipping(0.9, true);
    check_clipping(1.1, false);
    check_clipping(0, false); // none
}

// Clipping goes by the norm that is given, which may be that of several processes.
static void given_norm(void) {
    start((const char *const[]){"solver.clip_norm", "10", "solver.momentum", "0",
                                "solver.weight_decay", "0", NULL});
    int64_t count = parameters->num_trainable_floats;
    double *before = double_copy(parameters->data, count);
    fill(1, parameters->grad, count);
    double *grads = double_copy(parameters->grad, count);
    nn_begin(nn, NN_TRAINING);
    solver_step(nn, &solver, RATE, 40);
    const struct parameter *p = parameters_find(parameters, "rpn.head.cls_logits.weight");
    REQUIRE(p);
    for (int64_t i = p->data - parameters->data, n = 0; n < p->count; i++, n++)
        EXPECT_NEAR((double)parameters->data[i], before[i] - RATE * grads[i] / 4, 2e-7);
    free(grads);
    free(before);
    finish();
}

// ---- Values that are not finite ----

static void not_finite(void) {
    static const float WRONG[] = {NAN, INFINITY, -INFINITY};
    start((const char *const[]){NULL});
    int64_t count = parameters->num_trainable_floats;
    for (int64_t i = 0; i < count; i++)
        parameters->grad[i] = FLT_MAX;
    EXPECT(solver_first_not_finite(&solver) == NULL);
    int64_t num_trained = 0;
    for (int64_t i = parameters->count - 1; i >= 0; i--) {
        struct parameter *p = parameters->items[i];
        if (!p->trainable) continue;
        // Those behind it are wrong already.
        p->grad[num_trained % 2 ? p->count - 1 : 0] = WRONG[num_trained % 3];
        EXPECT(solver_first_not_finite(&solver) == p);
        EXPECT(!isfinite(solver_gradient_norm(nn, &solver)));
        num_trained++;
    }
    EXPECT(num_trained > 20);
    finish();
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"rates", rates},
                         {"default rates", default_rates},
                         {"frozen", frozen},
                         {"clears gradients", clears_gradients},
                         {"norm", norm},
                         {"clipping", clipping},
                         {"given norm", given_norm},
                         {"not finite", not_finite},
                         {0},
                     });
}
