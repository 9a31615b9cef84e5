#include "bench/peak.h"

#include <time.h>

#include "nn/onednn.h"

enum { SIDE = 2048 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void fill(struct tensor *t) {
    for (int64_t i = 0; i < tensor_count(t); i++)
        t->data[i] = (float)((uint32_t)i * 2654435761u >> 8) * 0x1p-23f - 1;
}

enum status measure_matrix_product(struct nn *nn, int num_rounds, double *flops,
                                   struct error *err) {
    const struct dnn_linear shape = {.rows = SIDE, .in = SIDE, .out = SIDE};
    struct dnn_primitive *primitive = NULL;
    nn_begin(nn, NN_INFERENCE);
    TRY(dnn_linear(nn->onednn, &shape, &primitive, err));
    struct tensor *a = nn_tensor(nn, SIDE, 1, 1, SIDE);
    struct tensor *b = nn_tensor(nn, SIDE, 1, 1, SIDE);
    struct tensor *c = nn_tensor(nn, SIDE, 1, 1, SIDE);
    float *packed = nn_scratch(nn, dnn_layout_floats(dnn_weights_layout(primitive)));
    float *scratch = nn_scratch(nn, dnn_scratch_floats(primitive));
    TRY(nn_status(nn, err));
    fill(a);
    fill(b);
    TRY(dnn_pack(nn->onednn, dnn_weights_layout(primitive), b->data, packed, err));
    const struct dnn_arguments arguments = {
        .src = a->data, .weights = packed, .dst = c->data, .scratch = scratch};
    double best = 0;
    for (int i = 0; i < num_rounds; i++) {
        double start = now();
        TRY(dnn_run(nn->onednn, primitive, &arguments, err));
        double seconds = now() - start;
        if (i == 0 || seconds < best) best = seconds;
    }
    *flops = 2.0 * SIDE * SIDE * SIDE / best;
    return STATUS_OK;
}
