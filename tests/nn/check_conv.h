// Convolutions for tests: built from a description, run, and compared with a naive reference in
// double that follows the definitions in nn/conv/conv.h and nn/gate/gate.h.
#pragma once

#include "nn/conv/conv.h"
#include "tests/nn/check_op.h"

enum conv_frozen {
    FREEZE_WEIGHT = 1,
    FREEZE_BIAS = 2,
    FREEZE_GATE = 4,
    FREEZE_INPUT = 8, // x and residual want no gradient
    FREEZE_ALL = FREEZE_WEIGHT | FREEZE_BIAS | FREEZE_GATE | FREEZE_INPUT,
};

enum conv_shortcut { NO_SHORTCUT, OTHER_TENSOR, ITSELF }; // what the residual is

struct conv_case {
    const char *name;
    int64_t n, h, w, in, out;
    int64_t kernel, stride, padding;
    int64_t groups;         // 0 means 1
    int64_t images_at_once; // 0 means 1
    bool bias, norm, relu;
    enum conv_shortcut residual;
    bool computed;     // x is another convolution's result, cut at its ReLU
    bool gate_follows; // see struct conv
    bool gated;
    enum gate_embedding embedding;
    enum gate_normalisation normalisation;
    enum gate_activation activation;
    int uses;        // how often the convolution runs on x; 0 means once
    int levels;      // on how many further tensors, smaller each time
    unsigned frozen; // of enum conv_frozen
};

enum { MAX_CONV_USES = 4 };

// One run of the convolution.
struct conv_use {
    struct tensor *x, *residual, *y;
    struct tensor *source; // what x was computed from; x itself if it was not
    double *x_values, *residual_values;
    double *y_values; // room for the reference
    double *before;   // the same before ReLU
    double *seeds;    // dLoss/dy
    double *gates;    // [n, in], by the reference
};

struct conv_problem {
    struct conv_case c;
    struct nn *nn;
    struct conv conv, identity;
    struct gate gate;
    struct frozen_norm norm;
    double *weight, *bias, *alpha, *gamma, *beta;
    double *scale, *shift; // of the norm
    struct conv_use uses[MAX_CONV_USES];
    int num_uses;
};

// A fresh context, parameters and inputs, filled. The gate and norm are referred to, so the problem
// must stay where it is.
void conv_problem_create(struct conv_problem *p, const struct conv_case *c);

// Runs all uses forward.
void conv_problem_run(struct conv_problem *p);

// y_values of one use from the current values.
void conv_reference(const struct conv_problem *p, struct conv_use *use);

// Everything about one case: forward, gradients of all that is not frozen, nothing for the rest.
void check_conv(const struct conv_case *c);
