#include "nn/device.h"

#include "base/check.h"

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
    CPU[call->op].forward(nn, call);
}

void device_backward(struct nn *nn, struct call *call) {
    CHECK(CPU[call->op].backward);
    if (nn->device == NN_PLAN) return;
    CPU[call->op].backward(nn, call);
}

bool device_has_backward(enum op op) {
    return CPU[op].backward != NULL;
}

const char *op_name(enum op op) {
    return CPU[op].name;
}
