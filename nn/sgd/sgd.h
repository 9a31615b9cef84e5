// Stochastic gradient descent with momentum, in PyTorch's form (torch.optim.SGD):
//     d = gradient_factor g + weight_decay p
//     v = momentum v + d
//     p = p - rate v                     rate = learning_rate factor
//     p = p - rate (d + momentum v)      with Nesterov's momentum
#pragma once

#include "nn/nn.h"
#include "nn/parameters.h"

struct sgd {
    float momentum;
    bool nesterov;
};

struct sgd_rates {
    float learning_rate;
    float gradient_factor; // 1, or less where gradients are to be shorter than they are
    const struct sgd_rate {
        float factor; // of the learning rate
        float weight_decay;
    } * items; // one for each of parameters->items; those of frozen ones are not looked at
};

struct sgd_call {
    struct call call;
    struct parameters *parameters;
    float *velocity;
    const struct sgd *settings;
    struct sgd_rates rates;
};

// One step for all trainable parameters, from their gradients, which are zeros then. velocity is
// laid out like parameters->grad and starts as zeros.
void sgd_forward(struct nn *nn, struct parameters *parameters, float *velocity,
                 const struct sgd *settings, const struct sgd_rates *rates);
