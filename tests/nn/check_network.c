#include "tests/nn/check_network.h"

#include <string.h>

#include "tests/nn/check_op.h"

static struct parameter *add(struct network *network, enum parameter_kind kind, const char *layer,
                             const char *name, int num_dims, const int64_t *shape,
                             struct initial initial) {
    return parameter_add(&network->parameters, kind, num_dims, shape, initial, "%s.%s", layer,
                         name);
}

static const struct initial WIDE = {INITIAL_UNIFORM, 0.5};

static const struct gate *add_gate(struct network *network, int at, const char *label,
                                   int64_t channels) {
    struct initial one = {INITIAL_CONSTANT, 1};
    network->gates[at] = (struct gate){
        .label = label,
        .channels = channels,
        .epsilon = 1e-5f,
        .alpha = add(network, PARAMETER_GATE_ALPHA, label, "alpha", 1, &channels, one),
        .gamma = add(network, PARAMETER_GATE_GAMMA, label, "gamma", 1, &channels, WIDE),
        .beta = add(network, PARAMETER_GATE_BETA, label, "beta", 1, &channels, WIDE),
    };
    return &network->gates[at];
}

static struct conv add_conv(struct network *network, const char *label, int64_t in, int64_t out,
                            int64_t kernel, int64_t stride) {
    int64_t shape[] = {out, in, kernel, kernel};
    return (struct conv){
        .label = label,
        .in_channels = in,
        .out_channels = out,
        .groups = 1,
        .kernel = kernel,
        .stride = stride,
        .padding = kernel / 2,
        .weight = add(network, PARAMETER_WEIGHT, label, "weight", 4, shape, WIDE),
        .images_at_once = 1,
    };
}

static struct linear add_linear(struct network *network, const char *label, int64_t in,
                                int64_t out) {
    int64_t shape[] = {out, in};
    return (struct linear){
        .label = label,
        .in = in,
        .out = out,
        .weight = add(network, PARAMETER_WEIGHT, label, "weight", 2, shape, WIDE),
        .bias = add(network, PARAMETER_BIAS, label, "bias", 1, &out, WIDE),
    };
}

static void add_norm(struct network *network, int64_t channels) {
    struct initial one = {INITIAL_CONSTANT, 1.25};
    network->norm = (struct frozen_norm){
        .weight = add(network, PARAMETER_NORM_WEIGHT, "norm", "weight", 1, &channels, one),
        .bias = add(network, PARAMETER_NORM_BIAS, "norm", "bias", 1, &channels, WIDE),
        .mean = add(network, PARAMETER_NORM_MEAN, "norm", "mean", 1, &channels, WIDE),
        .variance = add(network, PARAMETER_NORM_VARIANCE, "norm", "variance", 1, &channels, one),
        .epsilon = 1e-5f,
    };
    network->norm.weight->trainable = false;
    network->norm.bias->trainable = false;
}

void network_create(struct network *network) {
    *network = (struct network){0};
    arena_init(&network->arena, 1 << 20, 0);
    parameters_init(&network->parameters, &network->arena);
    network->stem = add_conv(network, "stem", NETWORK_CHANNELS, 8, 7, 2);
    network->middle = add_conv(network, "middle", 8, 8, 3, 1);
    network->down = add_conv(network, "down", 8, 16, 1, 2);
    network->head = add_conv(network, "head", 16, 16, 3, 1);
    network->stem.gate = add_gate(network, 0, "stem.gate", NETWORK_CHANNELS);
    network->middle.gate = add_gate(network, 1, "middle.gate", 8);
    add_gate(network, 2, "gate", 8);
    network->down.gate = add_gate(network, 3, "down.gate", 8);
    network->head.gate = add_gate(network, 4, "head.gate", 16);
    network->head.images_at_once = 8;
    add_norm(network, 8);
    network->stem.norm = &network->norm;
    int64_t out = 16;
    network->head.bias = add(network, PARAMETER_BIAS, "head", "bias", 1, &out, WIDE);
    int64_t shape[] = {16, 8, 2, 2};
    int64_t channels = 8;
    network->deconv = (struct deconv){
        .label = "deconv",
        .in_channels = 16,
        .out_channels = channels,
        .weight = add(network, PARAMETER_WEIGHT, "deconv", "weight", 4, shape, WIDE),
        .bias = add(network, PARAMETER_BIAS, "deconv", "bias", 1, &channels, WIDE),
    };
    network->fc = add_linear(network, "fc", 12 * 12 * 8, 10);
    network->out = add_linear(network, "out", 10, NETWORK_OUTPUTS);
    struct error err;
    EXPECT_OK(parameters_allocate(&network->parameters, true, &err), &err);
    REQUIRE(network->parameters.data);
    parameters_initialise(&network->parameters, 1);
}

void network_destroy(struct network *network) {
    arena_destroy(&network->arena);
}

struct tensor *network_forward(struct nn *nn, struct network *network, struct tensor *x) {
    struct tensor *stem = conv_forward(nn, &network->stem, x, NULL, true);
    struct tensor *middle = conv_forward(nn, &network->middle, stem, stem, true);
    nn_release(nn, stem);
    struct tensor *gated = gate_forward(nn, &network->gates[2], middle, NULL, NULL, false);
    nn_release(nn, middle);
    struct tensor *down = conv_forward(nn, &network->down, gated, NULL, true);
    nn_release(nn, gated);
    struct tensor *head = conv_forward(nn, &network->head, down, NULL, true);
    nn_release(nn, down);
    struct tensor *large = deconv_forward(nn, &network->deconv, head, true);
    nn_release(nn, head);
    struct tensor *fc = linear_forward(nn, &network->fc, large, true);
    nn_release(nn, large);
    struct tensor *y = linear_forward(nn, &network->out, fc, false);
    nn_release(nn, fc);
    return y;
}

struct tensor *network_input(struct nn *nn, int64_t n) {
    struct tensor *x = nn_tensor(nn, n, NETWORK_SIZE, NETWORK_SIZE, NETWORK_CHANNELS);
    if (x->data && nn->device != NN_PLAN) fill(x->data, tensor_count(x), 5, -1, 1);
    return x;
}

void network_backward(struct nn *nn, struct tensor *y) {
    bool add = false;
    float *grad = nn_grad(nn, y, &add);
    if (grad && nn->device != NN_PLAN) fill(grad, tensor_count(y), 6, -1, 1);
    nn_backward(nn);
}
