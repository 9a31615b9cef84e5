#include "nn/sgd/sgd.h"

#include "nn/device.h"
#include "nn/vectorised.h"

enum { PARTS = 64 }; // that the buffer of all parameters is cut into, for threads

struct step {
    float rate;
    float weight_decay;
    float momentum;
    float gradient_factor;
};

VECTORISED static void step_plain(struct step step, float *restrict grad, int64_t count,
                                  float *restrict velocity, float *restrict data) {
    for (int64_t i = 0; i < count; i++) {
        float d = step.gradient_factor * grad[i] + step.weight_decay * data[i];
        grad[i] = 0;
        velocity[i] = step.momentum * velocity[i] + d;
        data[i] -= step.rate * velocity[i];
    }
}

VECTORISED static void step_nesterov(struct step step, float *restrict grad, int64_t count,
                                     float *restrict velocity, float *restrict data) {
    for (int64_t i = 0; i < count; i++) {
        float d = step.gradient_factor * grad[i] + step.weight_decay * data[i];
        grad[i] = 0;
        velocity[i] = step.momentum * velocity[i] + d;
        data[i] -= step.rate * (d + step.momentum * velocity[i]);
    }
}

// The floats from begin to end of the buffer, where trainable parameters lie one after another; the
// frozen ones lie behind all of them.
static void step_range(const struct sgd_call *call, int64_t begin, int64_t end) {
    const struct parameters *parameters = call->parameters;
    for (int64_t i = 0; i < parameters->count; i++) {
        const struct parameter *p = parameters->items[i];
        int64_t first = p->data - parameters->data;
        int64_t last = first + p->count;
        if (first < begin) first = begin;
        if (last > end) last = end;
        if (first >= last) continue;
        struct step step = {
            .rate = call->rates.learning_rate * call->rates.items[i].factor,
            .weight_decay = call->rates.items[i].weight_decay,
            .momentum = call->settings->momentum,
            .gradient_factor = call->rates.gradient_factor,
        };
        float *grad = parameters->grad + first;
        if (call->settings->nesterov)
            step_nesterov(step, grad, last - first, call->velocity + first,
                          parameters->data + first);
        else
            step_plain(step, grad, last - first, call->velocity + first, parameters->data + first);
    }
}

void cpu_sgd_forward(struct nn *nn, struct call *base) {
    (void)nn;
    const struct sgd_call *call = (struct sgd_call *)base;
    int64_t count = call->parameters->num_trainable_floats;
#pragma omp parallel for schedule(static)
    for (int64_t part = 0; part < PARTS; part++)
        step_range(call, count * part / PARTS, count * (part + 1) / PARTS);
}
