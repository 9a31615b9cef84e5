#include "nn/device.h"
#include "nn/rows.h"
#include "nn/softmax/softmax_math.h"

void cpu_softmax_forward(struct nn *nn, struct call *call) {
    (void)nn;
    const struct tensor *x = call->inputs[0];
    int64_t c = x->c;
    int64_t rows = tensor_rows(x);
#pragma omp parallel for schedule(static) if (rows * c > ROWS_WORTH_A_THREAD)
    for (int64_t i = 0; i < rows; i++) {
        const float *from = x->data + i * c;
        float *to = call->out->data + i * c;
        struct softmax_row row = softmax_row_of(from, c);
        for (int64_t j = 0; j < c; j++)
            to[j] = softmax_of(row, from[j]);
    }
}
