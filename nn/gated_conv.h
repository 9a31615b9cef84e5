// A convolution with everything that belongs to it: gate, norm, residual, ReLU. The brick that the
// backbone and the heads are built of; it chooses the operations.
//
// Where a gate may stand (Yang et al., table 6d): before the convolution, the paper's choice, which
// is computed inside the convolution; before the norm; or after it.
#pragma once

#include "nn/conv/conv.h"
#include "nn/gate/gate.h"
#include "nn/group_norm/group_norm.h"
#include "nn/norm.h"
#include "nn/parameters.h"

enum norm_kind {
    NORM_NONE,      // the convolution has a bias
    NORM_FROZEN_BN, // batch norm with frozen statistics
    NORM_GN,        // group norm
};

struct norm_options {
    enum norm_kind kind;
    int64_t groups; // of NORM_GN
    double epsilon;
};

enum gate_placement { GATE_BEFORE_CONV, GATE_BEFORE_NORM, GATE_AFTER_NORM };

struct gate_options {
    enum gate_embedding embedding;
    enum gate_normalisation normalisation;
    enum gate_activation activation;
    enum gate_placement placement;
    double epsilon;
};

struct gated_conv_options {
    const char *conv_name; // of the parameters, without ".weight"
    const char *norm_name; // NULL without a norm
    const char *gate_name; // NULL without a gate
    int64_t in_channels, out_channels;
    int64_t groups; // 0 is 1
    int64_t kernel, stride;
    int64_t images_at_once; // 0 is 1; see struct conv
    bool float32_result;    // likewise
    struct norm_options norm;
    const struct gate_options *gate; // NULL: none
    bool gate_follows;               // a layer's gate with l2 embeddings reads the result
    struct initial initial;          // of the weight
    bool frozen;                     // nothing here is trained
};

struct gated_conv {
    struct conv conv; // holds the gate if it stands before
    struct gate gate;
    struct frozen_norm frozen_norm;
    struct group_norm group_norm;
    enum norm_kind norm;
    bool gated;
    enum gate_placement placement;
};

// Adds the parameters. The layer must not move afterwards.
void gated_conv_build(struct gated_conv *layer, const struct gated_conv_options *options,
                      struct parameters *parameters);

// relu(layer(x) + residual); residual may be NULL. x stays; what arises in between is released.
struct tensor *gated_conv_forward(struct nn *nn, struct gated_conv *layer, struct tensor *x,
                                  struct tensor *residual, bool relu);
