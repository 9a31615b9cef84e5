#include "nn/sgd/sgd.h"

#include "tests/nn/check_op.h"

enum { NUM_PARAMETERS = 5, NUM_STEPS = 4 };
static const float FACTOR = 0.75f; // of gradients

static const int64_t SIZES[NUM_PARAMETERS] = {1, 3000, 17, 200, 33};
static const struct sgd_rate RATES[NUM_PARAMETERS] = {
    {1, 1e-4f}, {1, 0.1f}, {2, 0}, {1, 0.5f}, {0, 1}};

static struct parameters *build(void) {
    for (int i = 0; i < NUM_PARAMETERS; i++) {
        char name[2] = {(char)('a' + i), 0};
        struct parameter *p = add_parameter(name, PARAMETER_WEIGHT, 1, &SIZES[i]);
        p->trainable = i != 3;
    }
    allocate_parameters();
    struct parameters *parameters = fresh_parameters();
    fill(parameters->data, parameters->num_floats, 1, -1, 1);
    return parameters;
}

// One element through all steps.
static double expected_of(const struct parameter *p, int64_t i, const struct sgd *settings,
                          const struct sgd_rate *rate, double value) {
    double v = 0;
    for (int step = 0; step < NUM_STEPS; step++) {
        double d = (double)(FACTOR * p->grad[i]) * (step + 1) + (double)rate->weight_decay * value;
        v = (double)settings->momentum * v + d;
        double by = settings->nesterov ? d + (double)settings->momentum * v : v;
        value -= 0.05 * (step + 1) * (double)rate->factor * by;
    }
    return value;
}

static void expect_no_gradients(const struct parameters *parameters) {
    for (int64_t i = 0; i < parameters->count; i++) {
        const struct parameter *p = parameters->items[i];
        for (int64_t j = 0; p->grad && j < p->count; j++)
            EXPECT(p->grad[j] == 0);
    }
}

static void check_steps(struct sgd settings, int threads) {
    struct nn *nn = fresh_nn();
    nn->num_threads = threads;
    nn_begin(nn, NN_TRAINING);
    struct parameters *parameters = build();
    int64_t num_floats = parameters->num_floats;
    double *start = doubles_of(parameters->data, num_floats);
    float *velocity = nn_scratch(nn, parameters->num_trainable_floats);
    float *grads = nn_scratch(nn, parameters->num_trainable_floats);
    memset(velocity, 0, (size_t)parameters->num_trainable_floats * sizeof *velocity);
    fill(grads, parameters->num_trainable_floats, 2, -1, 1);
    for (int step = 0; step < NUM_STEPS; step++) {
        for (int64_t i = 0; i < parameters->num_trainable_floats; i++)
            parameters->grad[i] = grads[i] * (float)(step + 1);
        uint64_t version = parameters->version;
        sgd_forward(nn, parameters, velocity, &settings,
                    &(struct sgd_rates){0.05f * (float)(step + 1), FACTOR, RATES});
        EXPECT(parameters->version != version);
        expect_no_gradients(parameters);
    }
    memcpy(parameters->grad, grads, (size_t)parameters->num_trainable_floats * sizeof *grads);
    for (int k = 0; k < NUM_PARAMETERS; k++) {
        const struct parameter *p = parameters->items[k];
        const double *old = start + (p->data - parameters->data);
        double *expected = new_doubles(p->count);
        for (int64_t i = 0; i < p->count; i++)
            expected[i] = p->trainable ? expected_of(p, i, &settings, &RATES[k], old[i]) : old[i];
        bool moves = p->trainable && RATES[k].factor != 0;
        expect_close(p->data, expected, p->count, moves ? 1e-6 : 0, p->name);
    }
    nn_check_guards(nn);
}

static void steps(void) {
    for (int threads = 1; threads <= 3; threads++) {
        check_steps((struct sgd){0, false}, threads);
        check_steps((struct sgd){0.9f, false}, threads);
        check_steps((struct sgd){0.9f, true}, threads);
    }
}

// torch 1.13: three steps of SGD([1, -2, 0.5], lr=0.1, momentum=0.9, weight_decay=0.01, nesterov)
// with the gradients k [0.5, -0.25, 1], k = 1, 2, 3.
static void like_torch(void) {
    static const double EXPECTED[2][3] = {{0.51918477, -1.7511847, -0.45322269},
                                          {0.26489046, -1.6203924, -0.95816642}};
    for (int nesterov = 0; nesterov < 2; nesterov++) {
        struct nn *nn = fresh_nn();
        struct parameter *p = add_parameter("p", PARAMETER_WEIGHT, 1, (int64_t[]){3});
        allocate_parameters();
        memcpy(p->data, (float[]){1, -2, 0.5f}, 3 * sizeof(float));
        float velocity[16] = {0};
        struct sgd settings = {0.9f, nesterov};
        struct sgd_rates rates = {0.1f, 1, &(struct sgd_rate){1, 0.01f}};
        for (int k = 1; k <= 3; k++) {
            p->grad[0] = 0.5f * (float)k;
            p->grad[1] = -0.25f * (float)k;
            p->grad[2] = (float)k;
            sgd_forward(nn, fresh_parameters(), velocity, &settings, &rates);
        }
        expect_close(p->data, EXPECTED[nesterov], 3, 2e-7, "p");
    }
}

// After a failure nothing moves.
static void failed(void) {
    struct nn *nn = fresh_nn();
    struct parameters *parameters = build();
    double *start = doubles_of(parameters->data, parameters->num_floats);
    float *velocity = nn_scratch(nn, parameters->num_trainable_floats);
    fill(parameters->grad, parameters->num_trainable_floats, 2, -1, 1);
    nn_fail(nn, STATUS_MEMORY, "full");
    sgd_forward(nn, parameters, velocity, &(struct sgd){0.9f, false},
                &(struct sgd_rates){1, 1, RATES});
    expect_close(parameters->data, start, parameters->num_floats, 0, "data");
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"steps", steps},
                         {"like torch", like_torch},
                         {"failed", failed},
                         {0},
                     });
}
