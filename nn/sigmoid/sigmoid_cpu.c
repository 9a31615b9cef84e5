#include "nn/device.h"
#include "nn/rows.h"
#include "nn/sigmoid/sigmoid_math.h"

void cpu_sigmoid_forward(struct nn *nn, struct call *call) {
    (void)nn;
    const float *x = call->inputs[0]->data;
    float *y = call->out->data;
    int64_t count = tensor_count(call->out);
#pragma omp parallel for schedule(static) if (count > ROWS_WORTH_A_THREAD)
    for (int64_t i = 0; i < count; i++)
        y[i] = sigmoid_of(x[i]);
}
