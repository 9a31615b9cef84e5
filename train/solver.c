#include "train/solver.h"

#include <math.h>

#include "nn/squares/squares.h"

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
    struct parameters *parameters = &model->network.parameters;
    *solver = (struct solver){
        .network = &model->network,
        .settings = {.momentum = (float)config->solver.momentum},
        .rates = arena_alloc_zero(&model->arena, parameters->count, sizeof *solver->rates),
        .clip_norm = config->solver.clip_norm,
        .loss_scale = 1,
    };
    if (!solver->rates) return error_memory(err, "learning rates", parameters->count);
    TRY(parameters_allocate_state(parameters, &solver->velocity, err));
    for (int64_t i = 0; i < parameters->count; i++)
        solver->rates[i] = rate_of(config, parameters->items[i]);
    return STATUS_OK;
}

double solver_gradient_norm(struct nn *nn, const struct solver *solver) {
    const struct parameters *parameters = &solver->network->parameters;
    double squares = squares_forward(nn, parameters->grad, parameters->num_trainable_floats);
    return sqrt(squares) / solver->loss_scale;
}

const struct parameter *solver_first_not_finite(const struct solver *solver) {
    struct parameters *parameters = &solver->network->parameters;
    float *gradients = NULL;
    if (parameters_read_array(parameters, parameters->grad, &gradients, NULL) != STATUS_OK)
        return NULL;
    for (int64_t i = 0; i < parameters->count; i++) {
        const struct parameter *p = parameters->items[i];
        if (!p->grad) continue;
        const float *gradient = gradients + parameter_offset(p);
        for (int64_t j = 0; j < p->count; j++)
            if (!isfinite(gradient[j])) return p;
    }
    return NULL;
}

void solver_step(struct nn *nn, struct solver *solver, double learning_rate, double gradient_norm) {
    struct parameters *parameters = &solver->network->parameters;
    bool clips = solver->clip_norm > 0 && gradient_norm > solver->clip_norm;
    double factor = clips ? solver->clip_norm / gradient_norm : 1;
    const struct sgd_rates rates = {
        .learning_rate = (float)learning_rate,
        .gradient_factor = (float)(factor / solver->loss_scale),
        .items = solver->rates,
    };
    sgd_forward(nn, parameters, solver->velocity, &solver->settings, &rates);
}
