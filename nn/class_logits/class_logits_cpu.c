#include "base/check.h"
#include "nn/class_logits/class_logits.h"
#include "nn/device.h"
#include "nn/vectorised.h"

enum { LANES = 16 };

VECTORISED static void dot_rows(const float *x, const float *weights, float bias, int64_t rows,
                                int64_t c, float *out) {
    for (int64_t row = 0; row < rows; row++) {
        float sums[LANES] = {0};
        float total = bias;
        int64_t j = 0;
        for (; j + LANES <= c; j += LANES)
            for (int l = 0; l < LANES; l++)
                sums[l] += x[row * c + j + l] * weights[j + l];
        for (; j < c; j++)
            total += x[row * c + j] * weights[j];
        for (int l = 0; l < LANES; l++)
            total += sums[l];
        out[row] = total;
    }
}

void cpu_class_logits_forward(struct nn *nn, struct call *base) {
    (void)nn;
    const struct class_logits_call *call = (const struct class_logits_call *)base;
    const struct conv *conv = call->conv;
    const struct tensor *x = base->inputs[0];
    int64_t rows = x->h * x->w;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < x->n; i++) {
        int32_t label = call->labels[i];
        CHECK(label >= 0 && label < conv->out_channels);
        dot_rows(x->data + i * rows * x->c, conv->weight->data + label * x->c,
                 conv->bias->data[label], rows, x->c, base->out->data + i * rows);
    }
}
