#include "nn/softmax_loss/softmax_loss.h"

#include <string.h>

#include "base/check.h"
#include "nn/device.h"
#include "nn/loss.h"
#include "nn/softmax/softmax_math.h"

static double part_loss(const float *logits, int64_t c, const int32_t *labels, int64_t rows) {
    double total = 0;
    for (int64_t i = 0; i < rows; i++) {
        if (labels[i] < 0) continue;
        CHECK(labels[i] < c);
        const float *x = logits + i * c;
        struct softmax_row row = softmax_row_of(x, c);
        total += log(row.sum) + ((double)row.max - (double)x[labels[i]]);
    }
    return total;
}

void cpu_softmax_loss_forward(struct nn *nn, struct call *base) {
    (void)nn;
    const struct softmax_loss_call *call = (struct softmax_loss_call *)base;
    const struct tensor *logits = base->inputs[0];
    int64_t rows = tensor_rows(logits);
    double parts[LOSS_PARTS];
#pragma omp parallel for schedule(static)
    for (int64_t part = 0; part < LOSS_PARTS; part++) {
        int64_t begin = loss_part(rows, part);
        parts[part] = part_loss(logits->data + begin * logits->c, logits->c, call->labels + begin,
                                loss_part(rows, part + 1) - begin);
    }
    loss_write(parts, call->scale, base->out);
}

static void row_gradient(const float *x, int64_t c, int32_t label, float scale, float *grad) {
    struct softmax_row row = softmax_row_of(x, c);
    for (int64_t j = 0; j < c; j++)
        grad[j] += scale * (softmax_of(row, x[j]) - (j == label ? 1.0f : 0.0f));
}

void cpu_softmax_loss_backward(struct nn *nn, struct call *base) {
    const struct softmax_loss_call *call = (struct softmax_loss_call *)base;
    struct tensor *logits = base->inputs[0];
    int64_t c = logits->c;
    bool add = false;
    float *grad = nn_grad(nn, logits, &add);
    if (!grad) return;
    int64_t rows = tensor_rows(logits);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < rows; i++) {
        if (!add) memset(grad + i * c, 0, (size_t)c * sizeof *grad);
        if (call->labels[i] >= 0)
            row_gradient(logits->data + i * c, c, call->labels[i], call->scale, grad + i * c);
    }
}
