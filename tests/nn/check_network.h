// A small network of all kinds of layers that hold parameters, for tests of what all share: memory,
// failures, threads, repeatability.
#pragma once

#include "nn/conv/conv.h"
#include "nn/deconv/deconv.h"
#include "nn/gate/gate.h"
#include "nn/linear/linear.h"

enum { NETWORK_SIZE = 24, NETWORK_CHANNELS = 3, NETWORK_OUTPUTS = 5, NETWORK_GATES = 5 };

struct network {
    struct arena arena;
    struct parameters parameters;
    struct gate gates[NETWORK_GATES];
    struct frozen_norm norm;
    struct conv stem;   // 7x7, stride 2, norm; its gate is folded into the weights
    struct conv middle; // 3x3 with a residual; likewise
    struct conv down;   // 1x1, stride 2
    struct conv head;   // 3x3, 8 images at once; the activations are scaled
    struct deconv deconv;
    struct linear fc, out;
};

// With parameters that follow from a fixed seed. What the network keeps on a device belongs to one
// nn, so each has a network of its own.
void network_create(struct network *network);
void network_destroy(struct network *network);

// [n, 24, 24, 3] to [n, 1, 1, 5]; releases what it no longer needs.
struct tensor *network_forward(struct nn *nn, struct network *network, struct tensor *x);

// n images that follow from a fixed seed.
struct tensor *network_input(struct nn *nn, int64_t n);

// Gives y a gradient and runs the backward pass; quiet after a failure.
void network_backward(struct nn *nn, struct tensor *y);
