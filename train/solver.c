#include "train/solver.h"

#include <math.h>

#include "nn/vectorised.h"

static struct sgd_rate rate_of(const struct model_config *config, const struct parameter *p) {
    const float decay = (float)config->solver.weight_decay;
    switch (p->kind) {
    case PARAMETER_BIAS:
    case PARAMETER_NORM_BIAS:
        return (struct sgd_rate){(float)config->solver.bias_rate,
                                 (float)config->solver.bias_weight_decay};
    case PARAMETER_NORM_WEIGHT:
        return (struct sgd_rate){1, (float)config->solver.norm_weight_decay};
    case PARAMETER_GATE_BETA:
        return (struct sgd_rate){1, (float)config->solver.beta_weight_decay};
    case PARAMETER_WEIGHT:
    case PARAMETER_GATE_ALPHA:
    case PARAMETER_GATE_GAMMA:
        return (struct sgd_rate){1, decay};
    case PARAMETER_FROZEN_NORM_WEIGHT:
    case PARAMETER_FROZEN_NORM_BIAS:
    case PARAMETER_NORM_MEAN:
    case PARAMETER_NORM_VARIANCE:
        break;
    }
    return (struct sgd_rate){0, 0}; // never trained
}

enum status solver_init(struct solver *solver, struct detector_model *model, struct error *err) {
    const struct model_config *config = &model->config;
    const struct parameters *parameters = &model->network.parameters;
    *solver = (struct solver){
        .network = &model->network,
        .settings = {.momentum = (float)config->solver.momentum},
        .rates = arena_alloc_zero(&model->arena, parameters->count, sizeof *solver->rates),
        .velocity = arena_alloc_zero(&model->arena, parameters->num_trainable_floats,
                                     sizeof *solver->velocity),
        .clip_norm = config->solver.clip_norm,
    };
    if (!solver->rates || !solver->velocity)
        return error_memory(err, "momentum", parameters->num_trainable_floats * 4);
    for (int64_t i = 0; i < parameters->count; i++)
        solver->rates[i] = rate_of(config, parameters->items[i]);
    return STATUS_OK;
}

enum { LANES = 16, BLOCK = 64 * 1024 };

VECTORISED static double squares_of(const float *values, int64_t count) {
    double total = 0;
    for (int64_t first = 0; first < count; first += BLOCK) {
        int64_t size = count - first < BLOCK ? count - first : BLOCK;
        double lanes[LANES] = {0};
        for (int64_t i = 0; i < size; i++) {
            double value = (double)values[first + i];
            lanes[i % LANES] += value * value;
        }
        for (int i = 0; i < LANES; i++)
            total += lanes[i];
    }
    return total;
}

double solver_gradient_norm(const struct solver *solver) {
    const struct parameters *parameters = &solver->network->parameters;
    return sqrt(squares_of(parameters->grad, parameters->num_trainable_floats));
}

const struct parameter *solver_first_not_finite(const struct solver *solver) {
    const struct parameters *parameters = &solver->network->parameters;
    for (int64_t i = 0; i < parameters->count; i++) {
        const struct parameter *p = parameters->items[i];
        for (int64_t j = 0; p->grad && j < p->count; j++)
            if (!isfinite(p->grad[j])) return p;
    }
    return NULL;
}

VECTORISED static void scale(float factor, int64_t count, float *values) {
    for (int64_t i = 0; i < count; i++)
        values[i] *= factor;
}

void solver_step(struct nn *nn, struct solver *solver, double learning_rate, double gradient_norm) {
    struct parameters *parameters = &solver->network->parameters;
    if (solver->clip_norm > 0 && gradient_norm > solver->clip_norm)
        scale((float)(solver->clip_norm / gradient_norm), parameters->num_trainable_floats,
              parameters->grad);
    const struct sgd_rates rates = {(float)learning_rate, solver->rates};
    sgd_forward(nn, parameters, solver->velocity, &solver->settings, &rates);
    parameters_clear_gradients(parameters);
}
