// What turns gradients into better parameters: stochastic gradient descent (nn/sgd) with the
// learning rates and weight decays that the configuration gives to each kind of parameter.
#pragma once

#include "detector/detector_model.h"
#include "nn/sgd/sgd.h"

struct solver {
    struct mask_rcnn *network;
    struct sgd settings;
    struct sgd_rate *rates; // one for each parameter
    float *velocity;        // momentum, laid out like the gradients; zeros at first
    double clip_norm;
    double loss_scale; // that gradients are multiplied with (train/loss_scale.h); 1 at first
};

// model was made for training; the solver's memory is where its parameters are.
MUST_CHECK enum status solver_init(struct solver *solver, struct detector_model *model,
                                   struct error *err);

// The root of the sum of the squares of all gradients, without the loss scale.
double solver_gradient_norm(struct nn *nn, const struct solver *solver);

// The first parameter whose gradient holds a value that is not finite; NULL if all are.
const struct parameter *solver_first_not_finite(const struct solver *solver);

// One step down the gradients, whose norm is given: if it is larger than clip_norm (and that is not
// 0), the step is as if the gradients were shortened to clip_norm. Then the gradients are cleared.
void solver_step(struct nn *nn, struct solver *solver, double learning_rate, double gradient_norm);
