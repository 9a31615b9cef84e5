// A module that was built without cuBLAS.
#include "nn/cuda/cublas/products.h"

void cublas_describe(char *text, size_t bytes) {
    if (bytes > 0) text[0] = 0;
}

enum status cublas_matmuls_open(struct matmuls **matmuls, struct error *err) {
    (void)err;
    *matmuls = NULL;
    return STATUS_OK;
}

void cublas_matmuls_close(struct matmuls *matmuls) {
    (void)matmuls;
}

bool cublas_forward(struct nn *nn, const struct dnn_shape *shape, struct numbers x,
                    struct numbers weights, const struct dnn_epilogue *epilogue, struct numbers y) {
    (void)nn, (void)shape, (void)x, (void)weights, (void)epilogue, (void)y;
    return false;
}

bool cublas_backward_data(struct nn *nn, const struct dnn_shape *shape, struct numbers dy,
                          struct numbers weights, bool add, struct numbers dx) {
    (void)nn, (void)shape, (void)dy, (void)weights, (void)add, (void)dx;
    return false;
}

bool cublas_backward_weights(struct nn *nn, const struct dnn_shape *shape, struct numbers x,
                             struct numbers dy, bool add, float *dweights) {
    (void)nn, (void)shape, (void)x, (void)dy, (void)add, (void)dweights;
    return false;
}
