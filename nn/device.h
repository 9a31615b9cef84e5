// The devices' kernels, as tables made from nn/ops.def.
//
// Each device names its functions DEVICE_OP_forward and DEVICE_OP_backward; all are declared here
// and listed in device.c, so a kernel that is missing does not link.
#pragma once

#include "nn/nn.h"

#define OP(name)                                                                                   \
    void cpu_##name##_forward(struct nn *nn, struct call *call);                                   \
    void cpu_##name##_backward(struct nn *nn, struct call *call);
#define FORWARD(name) void cpu_##name##_forward(struct nn *nn, struct call *call);
#include "nn/ops.def"
#undef OP
#undef FORWARD

void device_forward(struct nn *nn, struct call *call);
void device_backward(struct nn *nn, struct call *call);
bool device_has_backward(enum op op);
