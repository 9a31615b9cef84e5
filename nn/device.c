#include "nn/device.h"

#include "base/check.h"
#include "nn/cuda/module.h"

typedef void kernel(struct nn *nn, struct call *call);

struct kernels {
    const char *name;
    kernel *forward;
    kernel *backward; // NULL where nothing flows back
};

static const struct kernels CPU[NUM_OPS] = {
#define OP(name)      [OP_##name] = {#name, cpu_##name##_forward, cpu_##name##_backward},
#define FORWARD(name) [OP_##name] = {#name, cpu_##name##_forward, NULL},
#include "nn/ops.def"
#undef OP
#undef FORWARD
};

void device_forward(struct nn *nn, struct call *call) {
    if (nn->device == NN_PLAN) return;
    if (nn->device == NN_CUDA)
        cuda_forward(nn, call);
    else
        CPU[call->op].forward(nn, call);
}

// The memory that gradients take, without what kernels need in between.
static void plan_backward(struct nn *nn, struct call *call) {
    bool add = false;
    for (int i = 0; i < call->num_inputs; i++)
        (void)nn_grad(nn, call->inputs[i], &add);
}

void device_backward(struct nn *nn, struct call *call) {
    CHECK(CPU[call->op].backward);
    if (nn->device == NN_PLAN)
        plan_backward(nn, call);
    else if (nn->device == NN_CUDA)
        cuda_backward(nn, call);
    else
        CPU[call->op].backward(nn, call);
}

bool device_has_backward(enum op op) {
    return CPU[op].backward != NULL;
}

const char *op_name(enum op op) {
    return CPU[op].name;
}
