#include "tests/nn/check_conv.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

static struct parameter *vector(const char *name, enum parameter_kind kind, int64_t count,
                                bool trainable) {
    struct parameter *parameter = add_parameter(name, kind, 1, &count);
    parameter->trainable = trainable;
    return parameter;
}

static void add_parameters(struct conv_problem *p) {
    const struct conv_case *c = &p->c;
    int64_t shape[] = {c->out, c->in / c->groups, c->kernel, c->kernel};
    p->conv.weight = add_parameter("weight", PARAMETER_WEIGHT, 4, shape);
    p->conv.weight->trainable = !(c->frozen & FREEZE_WEIGHT);
    int64_t square[] = {c->in, c->in, 1, 1};
    if (c->computed) p->identity.weight = add_parameter("identity", PARAMETER_WEIGHT, 4, square);
    if (c->computed) p->identity.weight->trainable = false;
    if (c->bias) p->conv.bias = vector("bias", PARAMETER_BIAS, c->out, !(c->frozen & FREEZE_BIAS));
    if (c->norm) {
        p->norm = (struct frozen_norm){
            .weight = vector("norm.weight", PARAMETER_NORM_WEIGHT, c->out, false),
            .bias = vector("norm.bias", PARAMETER_NORM_BIAS, c->out, false),
            .mean = vector("norm.mean", PARAMETER_NORM_MEAN, c->out, false),
            .variance = vector("norm.variance", PARAMETER_NORM_VARIANCE, c->out, false),
            .epsilon = 1e-5f,
        };
        p->conv.norm = &p->norm;
    }
    if (c->gated) {
        bool trainable = !(c->frozen & FREEZE_GATE);
        p->gate = (struct gate){
            .label = "gate",
            .channels = c->in,
            .embedding = c->embedding,
            .normalisation = c->normalisation,
            .activation = c->activation,
            .epsilon = 1e-5f,
            .alpha = vector("alpha", PARAMETER_GATE_ALPHA, c->in, trainable),
            .gamma = vector("gamma", PARAMETER_GATE_GAMMA, c->in, trainable),
            .beta = vector("beta", PARAMETER_GATE_BETA, c->in, trainable),
        };
        p->conv.gate = &p->gate;
    }
}

static double *fill_vector(struct parameter *parameter, uint64_t seed, double low, double high) {
    fill(parameter->data, parameter->count, seed, low, high);
    return doubles_of(parameter->data, parameter->count);
}

static void fill_parameters(struct conv_problem *p) {
    int64_t out = p->c.out;
    p->weight = fill_vector(p->conv.weight, 1, -1, 1);
    for (int64_t i = 0; p->c.computed && i < p->c.in; i++)
        p->identity.weight->data[i * p->c.in + i] = 1;
    if (p->c.bias) p->bias = fill_vector(p->conv.bias, 2, -1, 1);
    if (p->c.norm) {
        const double *weight = fill_vector(p->norm.weight, 3, -1.5, 1.5);
        const double *bias = fill_vector(p->norm.bias, 4, -1, 1);
        const double *mean = fill_vector(p->norm.mean, 5, -1, 1);
        const double *variance = fill_vector(p->norm.variance, 6, 0.5, 2);
        p->scale = new_doubles(out);
        p->shift = new_doubles(out);
        for (int64_t o = 0; o < out; o++) {
            p->scale[o] = weight[o] / sqrt(variance[o] + (double)p->norm.epsilon);
            p->shift[o] = bias[o] - mean[o] * p->scale[o];
        }
    }
    if (p->c.gated) {
        p->alpha = fill_vector(p->gate.alpha, 7, 0.5, 1.5);
        p->gamma = fill_vector(p->gate.gamma, 8, -1, 1);
        p->beta = fill_vector(p->gate.beta, 9, -0.5, 0.5);
    }
}

static void create_use(struct conv_problem *p, int at, int64_t shrink) {
    struct conv_use *use = &p->uses[at];
    const struct conv_case *c = &p->c;
    uint64_t seed = 20 + 4 * (uint64_t)at;
    bool wants = !(c->frozen & FREEZE_INPUT);
    if (shrink == 0 && at > 0) {
        use->x = p->uses[0].x;
        use->source = p->uses[0].source;
        use->x_values = p->uses[0].x_values;
    } else {
        double low = c->computed ? 0.1 : -1; // of what ReLU lets through
        use->source =
            filled_tensor(p->nn, c->n, c->h - shrink, c->w - shrink, c->in, seed, low, 1, wants);
        use->x_values = doubles_of(use->source->data, tensor_count(use->source));
        use->x =
            c->computed ? conv_forward(p->nn, &p->identity, use->source, NULL, true) : use->source;
    }
    int64_t h = conv_out_size(&p->conv, use->x->h);
    int64_t w = conv_out_size(&p->conv, use->x->w);
    int64_t count = c->n * h * w * c->out;
    if (c->residual == OTHER_TENSOR) {
        use->residual = filled_tensor(p->nn, c->n, h, w, c->out, seed + 1, -1, 1, wants);
        use->residual_values = doubles_of(use->residual->data, count);
    } else if (c->residual == ITSELF) {
        use->residual = use->x;
        use->residual_values = use->x_values;
    }
    use->y_values = new_doubles(count);
    use->before = new_doubles(count);
    use->seeds = new_doubles(count);
    use->gates = new_doubles(c->n * c->in);
}

void conv_problem_create(struct conv_problem *p, const struct conv_case *description) {
    *p = (struct conv_problem){.c = *description, .nn = fresh_nn()};
    struct conv_case *c = &p->c;
    if (!c->groups) c->groups = 1;
    if (!c->images_at_once) c->images_at_once = 1;
    if (!c->uses) c->uses = 1;
    p->num_uses = c->uses + c->levels;
    CHECK(p->num_uses <= MAX_CONV_USES);
    p->conv = (struct conv){
        .label = c->name,
        .in_channels = c->in,
        .out_channels = c->out,
        .groups = c->groups,
        .kernel = c->kernel,
        .stride = c->stride,
        .padding = c->padding,
        .images_at_once = c->images_at_once,
        .gate_follows = c->gate_follows,
    };
    p->identity = (struct conv){
        .label = "identity",
        .in_channels = c->in,
        .out_channels = c->in,
        .groups = 1,
        .kernel = 1,
        .stride = 1,
        .images_at_once = 1,
    };
    add_parameters(p);
    allocate_parameters();
    fill_parameters(p);
    for (int i = 0; i < p->num_uses; i++)
        create_use(p, i, i < c->uses ? 0 : i - c->uses + 1);
}

void conv_problem_run(struct conv_problem *p) {
    for (int i = 0; i < p->num_uses; i++) {
        struct conv_use *use = &p->uses[i];
        use->y = conv_forward(p->nn, &p->conv, use->x, use->residual, p->c.relu);
    }
    struct error err;
    EXPECT_OK(nn_status(p->nn, &err), &err);
}

// ---- Reference ----

static double embedding_of(const struct conv_problem *p, const double *x, int64_t rows,
                           int64_t channel) {
    double squares = 0;
    double sum = 0;
    double largest = 0;
    for (int64_t row = 0; row < rows; row++) {
        double value = x[row * p->c.in + channel];
        squares += value * value;
        sum += fabs(value);
        largest = fmax(largest, fabs(value));
    }
    if (p->c.embedding == GATE_EMBEDDING_L2) return sqrt(squares + (double)p->gate.epsilon);
    return p->c.embedding == GATE_EMBEDDING_L1 ? sum : largest;
}

static double open_gate(enum gate_activation activation, double u) {
    if (activation == GATE_ONE_PLUS_TANH) return 1 + tanh(u);
    if (activation == GATE_SIGMOID) return 1 / (1 + exp(-u));
    return u > 0 ? 1 + u : exp(u);
}

// One image's gates.
static void reference_gates(const struct conv_problem *p, const double *x, int64_t rows,
                            double *gates) {
    int64_t c = p->c.in;
    double mean = 0;
    double magnitude = 0;
    double square = 0;
    for (int64_t j = 0; j < c; j++) {
        gates[j] = p->alpha[j] * embedding_of(p, x, rows, j);
        mean += gates[j] / (double)c;
        magnitude += fabs(gates[j]) / (double)c;
        square += gates[j] * gates[j] / (double)c;
    }
    double variance = 0;
    for (int64_t j = 0; j < c; j++)
        variance += (gates[j] - mean) * (gates[j] - mean) / (double)c;
    double epsilon = (double)p->gate.epsilon;
    for (int64_t j = 0; j < c; j++) {
        double t = gates[j];
        if (p->c.normalisation == GATE_NORMALISATION_L2) t /= sqrt(square + epsilon);
        if (p->c.normalisation == GATE_NORMALISATION_L1) t /= magnitude + epsilon;
        if (p->c.normalisation == GATE_NORMALISATION_MEAN_VARIANCE)
            t = (t - mean) / sqrt(variance + epsilon);
        gates[j] = open_gate(p->c.activation, p->gamma[j] * t + p->beta[j]);
    }
}

// Weights as [kernel, kernel, in / groups, out], so that a sum's terms for neighbouring outputs are
// neighbours.
static void turn_weights(const struct conv_problem *p, double *turned) {
    const struct conv_case *c = &p->c;
    int64_t inputs = c->in / c->groups;
    int64_t taps = c->kernel * c->kernel;
    for (int64_t o = 0; o < c->out; o++)
        for (int64_t j = 0; j < inputs; j++)
            for (int64_t tap = 0; tap < taps; tap++)
                turned[(tap * inputs + j) * c->out + o] = p->weight[(o * inputs + j) * taps + tap];
}

// Adds what one value of the input contributes to the outputs of its group.
static void add_terms(double value, const double *weights, int64_t count, double *sums) {
    for (int64_t o = 0; o < count; o++)
        sums[o] += value * weights[o];
}

// All outputs at one position.
static void reference_at(const struct conv_problem *p, const struct conv_use *use,
                         const double *turned, int64_t i, int64_t row, int64_t column,
                         double *sums) {
    const struct conv_case *c = &p->c;
    int64_t inputs = c->in / c->groups;
    int64_t outputs = c->out / c->groups;
    memset(sums, 0, (size_t)c->out * sizeof *sums);
    for (int64_t tap = 0; tap < c->kernel * c->kernel; tap++) {
        int64_t y = row * c->stride + tap / c->kernel - c->padding;
        int64_t x = column * c->stride + tap % c->kernel - c->padding;
        if (y < 0 || y >= use->x->h || x < 0 || x >= use->x->w) continue;
        const double *values = use->x_values + ((i * use->x->h + y) * use->x->w + x) * c->in;
        for (int64_t k = 0; k < c->in; k++) {
            double gate = c->gated ? use->gates[i * c->in + k] : 1;
            int64_t first = k / inputs * outputs;
            add_terms(values[k] * gate, turned + (tap * inputs + k % inputs) * c->out + first,
                      outputs, sums + first);
        }
    }
}

void conv_reference(const struct conv_problem *p, struct conv_use *use) {
    const struct conv_case *c = &p->c;
    int64_t area = use->x->h * use->x->w;
    int64_t h = conv_out_size(&p->conv, use->x->h);
    int64_t w = conv_out_size(&p->conv, use->x->w);
    for (int64_t i = 0; c->gated && i < c->n; i++)
        reference_gates(p, use->x_values + i * area * c->in, area, use->gates + i * c->in);
    double *turned = calloc((size_t)(c->out * (c->in / c->groups) * c->kernel * c->kernel + c->out),
                            sizeof *turned);
    REQUIRE(turned);
    double *sums = turned + c->out * (c->in / c->groups) * c->kernel * c->kernel;
    turn_weights(p, turned);
    for (int64_t at = 0; at < c->n * h * w * c->out; at++) {
        int64_t o = at % c->out;
        int64_t position = at / c->out;
        if (o == 0)
            reference_at(p, use, turned, position / w / h, position / w % h, position % w, sums);
        double value = sums[o];
        if (c->norm) value = value * p->scale[o] + p->shift[o];
        if (c->bias) value += p->bias[o];
        if (use->residual) value += use->residual_values[at];
        use->before[at] = value;
        use->y_values[at] = c->relu && value < 0 ? 0 : value;
    }
    free(turned);
}

static double loss(void *context) {
    struct conv_problem *p = context;
    double sum = 0;
    for (int i = 0; i < p->num_uses; i++) {
        struct conv_use *use = &p->uses[i];
        conv_reference(p, use);
        for (int64_t at = 0; at < tensor_count(use->y); at++)
            sum += use->seeds[at] * use->y_values[at];
    }
    return sum;
}

// ---- The check ----

static void backward(struct conv_problem *p) {
    for (int i = 0; i < p->num_uses; i++) {
        struct conv_use *use = &p->uses[i];
        int64_t count = tensor_count(use->y);
        struct tensor *seeds = nn_tensor(p->nn, 1, 1, 1, count);
        fill(seeds->data, count, 100 + (uint64_t)i, -1, 1);
        for (int64_t at = 0; at < count; at++) {
            // An output at ReLU's kink has no derivative.
            if (p->c.relu && fabs(use->before[at]) < 0.01) seeds->data[at] = 0;
            use->seeds[at] = (double)seeds->data[at];
        }
        seed_gradient(p->nn, use->y, seeds->data);
    }
    nn_backward(p->nn);
    struct error err;
    EXPECT_OK(nn_status(p->nn, &err), &err);
}

struct variables {
    const char *case_name;
    int count;
    struct variable items[5 + 2 * MAX_CONV_USES];
    char names[5 + 2 * MAX_CONV_USES][96];
};

static void add_variable(struct variables *variables, const char *name, double *values,
                         int64_t count, const float *grad) {
    int at = variables->count++;
    snprintf(variables->names[at], sizeof variables->names[at], "%s: %s", variables->case_name,
             name);
    variables->items[at] = (struct variable){variables->names[at], values, count, grad};
}

static void add_parameter_variable(struct variables *variables, const struct parameter *parameter,
                                   double *values) {
    if (!parameter || !parameter->grad) return;
    add_variable(variables, parameter->name, values, parameter->count, parameter->grad);
}

static void list_variables(struct conv_problem *p, struct variables *variables) {
    add_parameter_variable(variables, p->conv.weight, p->weight);
    add_parameter_variable(variables, p->conv.bias, p->bias);
    add_parameter_variable(variables, p->gate.alpha, p->alpha);
    add_parameter_variable(variables, p->gate.gamma, p->gamma);
    add_parameter_variable(variables, p->gate.beta, p->beta);
    for (int i = 0; i < p->num_uses; i++) {
        const struct conv_use *use = &p->uses[i];
        if (p->c.frozen & FREEZE_INPUT) {
            EXPECT(!use->source->grad && (!use->residual || !use->residual->grad));
            continue;
        }
        REQUIRE(use->source->grad);
        add_variable(variables, "x", use->x_values, tensor_count(use->x), use->source->grad);
        if (p->c.residual != OTHER_TENSOR) continue;
        REQUIRE(use->residual->grad);
        add_variable(variables, "residual", use->residual_values, tensor_count(use->residual),
                     use->residual->grad);
    }
}

void check_conv(const struct conv_case *c) {
    // Static, for REQUIRE leaves by longjmp and the harness knows no cleaning up.
    static struct conv_problem problem;
    static struct variables variables;
    conv_problem_create(&problem, c);
    conv_problem_run(&problem);
    bool wanted = problem.conv.weight->grad || (problem.conv.bias && problem.conv.bias->grad) ||
                  (problem.gate.alpha && problem.gate.alpha->grad) || !(c->frozen & FREEZE_INPUT);
    for (int i = 0; i < problem.num_uses; i++) {
        struct conv_use *use = &problem.uses[i];
        conv_reference(&problem, use);
        expect_close(use->y->data, use->y_values, tensor_count(use->y), 3e-5, c->name);
        EXPECT(use->y->wants_grad == wanted);
    }
    if (!wanted) {
        EXPECT(!problem.nn->tape);
        return;
    }
    backward(&problem);
    variables = (struct variables){.case_name = c->name};
    list_variables(&problem, &variables);
    expect_gradients(loss, &problem, variables.items, variables.count, 3e-4);
    nn_begin(problem.nn, NN_TRAINING); // checks all guards
}
