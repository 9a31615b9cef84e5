// In the place of nn/cuda/cudnn: the products by oneDNN, each as one piece of work on the context's
// stream, which may touch the device's memory while it runs and not before, like a kernel.
#include <cstdlib>

#include "nn/cuda/columns.h"
#include "nn/cuda/cudnn/products.h"

#include "tests/cuda/emulator/memory.h"
#include "tests/cuda/emulator/stream.h"

extern "C" {
#include "tests/cuda/onednn/convolution.h"
}

// What has been prepared for a device.
struct plans {
    struct onednn *dnn;
};

enum status cudnn_describe(char *text, size_t bytes, struct error *err) {
    (void)err;
    snprintf(text, bytes, "oneDNN %s", onednn_version().text);
    return STATUS_OK;
}

enum status cudnn_plans_open(struct plans **result, int device, cudaStream_t stream,
                             struct error *err) {
    (void)device, (void)stream;
    *result = NULL;
    struct onednn *dnn = NULL;
    TRY(onednn_create(&dnn, err));
    *result = new plans{dnn};
    return STATUS_OK;
}

void cudnn_plans_close(struct plans *plans) {
    if (!plans) return;
    onednn_destroy(plans->dnn);
    delete plans;
}

// A failure comes when nobody can be told any more, and is the test's.
static void compute(struct onednn *dnn, enum dnn_pass pass, const struct dnn_shape *shape,
                    const struct convolution_operands *operands) {
    struct error err;
    emulator_open_device_memory(true);
    if (convolution_compute(dnn, pass, shape, operands, &err) != STATUS_OK) {
        fprintf(stderr, "emulator: %s\n", err.message);
        abort();
    }
    emulator_open_device_memory(false);
}

static void launch(struct nn *nn, const char *name, enum dnn_pass pass,
                   const struct dnn_shape *shape, const struct convolution_operands *operands) {
    const void *all[] = {operands->x,    operands->weights,  operands->dy,
                         operands->bias, operands->residual, operands->result};
    if (nn_failed(nn)) return;
    for (int i = 0; i < (int)(sizeof all / sizeof *all); i++)
        emulator_check_pointer(name, i, all[i]);
    struct onednn *dnn = cuda_plans(nn)->dnn;
    command_add(nn, name,
                [=, shape = *shape, operands = *operands](cudaStream_t stream, struct error *) {
                    emulator_enqueue(stream, [=] { compute(dnn, pass, &shape, &operands); });
                    return STATUS_OK;
                });
}

static float *floats(struct numbers numbers) {
    return numbers.as<float>();
}

// Numbers of 16 bits are left to kernels of our own.
bool cudnn_forward(struct nn *nn, const struct dnn_shape *shape, struct numbers x,
                   struct numbers weights, const struct dnn_epilogue *epilogue, struct numbers y) {
    if (x.type != NUMBER_FLOAT32) return false;
    const struct convolution_operands operands = {.x = floats(x),
                                                  .weights = floats(weights),
                                                  .bias = epilogue->bias,
                                                  .residual = floats(epilogue->residual),
                                                  .relu = epilogue->relu,
                                                  .result = floats(y)};
    launch(nn, "a convolution", DNN_FORWARD, shape, &operands);
    if (epilogue->squares)
        cuda_columns_reduce(nn, COLUMNS_SUM_SQUARES, y, NULL, shape->n, shape->out_h * shape->out_w,
                            shape->out, epilogue->squares);
    return true;
}

bool cudnn_backward_data(struct nn *nn, const struct dnn_shape *shape, struct numbers dy,
                         struct numbers weights, bool add, struct numbers dx) {
    if (dy.type != NUMBER_FLOAT32) return false;
    const struct convolution_operands operands = {
        .weights = floats(weights), .dy = floats(dy), .add = add, .result = floats(dx)};
    launch(nn, "the gradient of an input", DNN_BACKWARD_DATA, shape, &operands);
    return true;
}

bool cudnn_backward_weights(struct nn *nn, const struct dnn_shape *shape, struct numbers x,
                            struct numbers dy, struct numbers dweights) {
    if (x.type != NUMBER_FLOAT32) return false;
    const struct convolution_operands operands = {
        .x = floats(x), .dy = floats(dy), .result = floats(dweights)};
    launch(nn, "the gradient of weights", DNN_BACKWARD_WEIGHTS, shape, &operands);
    return true;
}
