#include "nn/cuda/cost_launch.h"
#include "nn/squeeze_excite/squeeze_excite.h"

static double weights_of(const struct squeeze_excite *se) {
    return (double)(se->channels * se->hidden);
}

void cost_squeeze_excite_forward(struct cost_sheet *sheet, const struct call *base) {
    const struct squeeze_excite_call *call = (const struct squeeze_excite_call *)base;
    const struct tensor *x = base->inputs[0];
    const struct cost_columns means = {cost_numbers(sheet, 1), x->n, x->h * x->w, x->c};
    double count = (double)tensor_count(x);
    double weights = weights_of(call->se);
    double numbers = (double)(x->n * (call->se->channels + call->se->hidden));
    if (count == 0) return;
    cost_columns_reduce(sheet, "means", &means);
    for (int i = 0; i < 2; i++)
        cost_pass(sheet, "layers", weights + numbers, 2 * weights * (double)x->n);
    cost_pass(sheet, "map scaled", cost_numbers(sheet, (call->residual ? 3 : 2) * count),
              2 * count);
}

void cost_squeeze_excite_backward(struct cost_sheet *sheet, const struct call *base) {
    const struct squeeze_excite_call *call = (const struct squeeze_excite_call *)base;
    const struct squeeze_excite *se = call->se;
    const struct tensor *x = base->inputs[0];
    const struct cost_columns dots = {cost_numbers(sheet, 2), x->n, x->h * x->w, x->c};
    double count = (double)tensor_count(x);
    double weights = weights_of(se);
    double numbers = (double)(x->n * (se->channels + se->hidden));
    double of_layer = 2 * weights * (double)x->n;
    if (count == 0) return;
    cost_relu_gradient(sheet, base->out, call->relu);
    cost_columns_reduce(sheet, "gates' gradient", &dots);
    cost_pass(sheet, "gates closed", 3 * (double)(x->n * x->c), 3 * (double)(x->n * x->c));
    for (int i = 0; i < 2; i++) {
        if (se->fc1_weight->grad) cost_pass(sheet, "weights", 2 * weights + numbers, of_layer);
        cost_pass(sheet, "layers' inputs", weights + numbers, of_layer);
    }
    cost_bias_gradient(sheet, 1, x->n, se->channels, se->fc2_bias);
    cost_bias_gradient(sheet, 1, x->n, se->hidden, se->fc1_bias);
    if (x->wants_grad)
        cost_pass(sheet, "input's gradient", cost_numbers(sheet, (2 + cost_adds(x)) * count),
                  2 * count);
    cost_residual_gradient(sheet, call->residual);
}
