#include <string.h>

#include "nn/device.h"
#include "nn/rows.h"
#include "nn/upsample_add/upsample_add.h"
#include "nn/upsample_add/upsample_add_math.h"
#include "nn/vectorised.h"

// One row of y, from one of lateral and one of top.
VECTORISED static void add_row(const float *restrict lateral, const float *restrict top,
                               int64_t top_w, int64_t w, int64_t c, float *restrict y) {
    for (int64_t column = 0; column < w; column++) {
        const float *from = top + upsample_source(column, top_w, w) * c;
        for (int64_t j = 0; j < c; j++)
            y[column * c + j] = lateral[column * c + j] + from[j];
    }
}

void cpu_upsample_add_forward(struct nn *nn, struct call *base) {
    (void)nn;
    const struct tensor *lateral = base->inputs[0];
    const struct tensor *top = base->inputs[1];
    const struct tensor *y = base->out;
    int64_t row_floats = y->w * y->c;
#pragma omp parallel for schedule(static) if (tensor_count(y) > ROWS_WORTH_A_THREAD)
    for (int64_t row = 0; row < y->n * y->h; row++) {
        int64_t top_row = row / y->h * top->h + upsample_source(row % y->h, top->h, y->h);
        add_row(lateral->data + row * row_floats, top->data + top_row * top->w * top->c, top->w,
                y->w, y->c, y->data + row * row_floats);
    }
}

// grad, one row of top's gradient, += one row of y's.
VECTORISED static void gather_row(const float *restrict dy, int64_t w, int64_t c, int64_t top_w,
                                  float *restrict grad) {
    for (int64_t column = 0; column < top_w; column++) {
        int64_t begin = upsample_begin(column, top_w, w);
        int64_t end = upsample_begin(column + 1, top_w, w);
        for (int64_t from = begin; from < end; from++)
            for (int64_t j = 0; j < c; j++)
                grad[column * c + j] += dy[from * c + j];
    }
}

static void top_backward(const struct tensor *y, const struct tensor *top, bool add, float *grad) {
    int64_t row_floats = top->w * top->c;
#pragma omp parallel for schedule(static) if (tensor_count(y) > ROWS_WORTH_A_THREAD)
    for (int64_t i = 0; i < top->n * top->h; i++) {
        int64_t image = i / top->h;
        int64_t row = i % top->h;
        float *target = grad + i * row_floats;
        if (!add) memset(target, 0, (size_t)row_floats * sizeof *target);
        int64_t end = upsample_begin(row + 1, top->h, y->h);
        for (int64_t from = upsample_begin(row, top->h, y->h); from < end; from++)
            gather_row(y->grad + (image * y->h + from) * y->w * y->c, y->w, y->c, top->w, target);
    }
}

void cpu_upsample_add_backward(struct nn *nn, struct call *base) {
    struct tensor *lateral = base->inputs[0];
    struct tensor *top = base->inputs[1];
    bool add = false;
    float *grad = nn_grad(nn, top, &add);
    if (grad) top_backward(base->out, top, add, grad);
    rows_residual_gradient(nn, base->out, lateral);
}
