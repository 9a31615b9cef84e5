// A module that was built without cuDNN.
#include "nn/cuda/cudnn/products.h"

enum status cudnn_describe(char *text, size_t bytes, struct error *err) {
    (void)err;
    if (bytes > 0) text[0] = 0;
    return STATUS_OK;
}

enum status cudnn_plans_open(struct plans **plans, int device, cudaStream_t stream,
                             struct error *err) {
    (void)device, (void)stream, (void)err;
    *plans = NULL;
    return STATUS_OK;
}

void cudnn_plans_close(struct plans *plans) {
    (void)plans;
}

bool cudnn_forward(struct nn *nn, const struct dnn_shape *shape, struct numbers x,
                   struct numbers weights, const struct dnn_epilogue *epilogue, struct numbers y) {
    (void)nn, (void)shape, (void)x, (void)weights, (void)epilogue, (void)y;
    return false;
}

bool cudnn_backward_data(struct nn *nn, const struct dnn_shape *shape, struct numbers dy,
                         struct numbers weights, bool add, struct numbers dx) {
    (void)nn, (void)shape, (void)dy, (void)weights, (void)add, (void)dx;
    return false;
}

bool cudnn_backward_weights(struct nn *nn, const struct dnn_shape *shape, struct numbers x,
                            struct numbers dy, struct numbers dweights) {
    (void)nn, (void)shape, (void)x, (void)dy, (void)dweights;
    return false;
}
