#include "nn/cuda/cost_launch.h"
#include "nn/cuda/tile_sizes.h"
#include "nn/group_norm/group_norm.h"

enum { MOMENT_VALUES = 6 }; // three doubles

void cost_group_norm_forward(struct cost_sheet *sheet, const struct call *base) {
    const struct group_norm_call *call = (const struct group_norm_call *)base;
    const struct tensor *x = base->inputs[0];
    double count = (double)tensor_count(x);
    int64_t pieces = tile_pieces(x->h * x->w, x->c, TILE_ROWS_EACH_OF_SUM);
    double moments = (double)(MOMENT_VALUES * x->n * pieces * x->c);
    if (count == 0) return;
    cost_pass(sheet, "moments", cost_numbers(sheet, count) + moments, 3 * count);
    cost_pass(sheet, "statistics", moments, moments);
    cost_pass(sheet, "normalised", cost_numbers(sheet, (call->residual ? 3 : 2) * count),
              3 * count);
}

void cost_group_norm_backward(struct cost_sheet *sheet, const struct call *base) {
    const struct group_norm_call *call = (const struct group_norm_call *)base;
    const struct tensor *x = base->inputs[0];
    const struct cost_columns sums = {cost_numbers(sheet, 1), x->n, x->h * x->w, x->c};
    const struct cost_columns dots = {cost_numbers(sheet, 2), x->n, x->h * x->w, x->c};
    double count = (double)tensor_count(x);
    if (count == 0) return;
    cost_relu_gradient(sheet, base->out, call->relu);
    if (base->trains || x->wants_grad) {
        cost_pass(sheet, "normalised again", cost_numbers(sheet, 2 * count), 2 * count);
        cost_columns_reduce(sheet, "gradient's sums", &sums);
        cost_columns_reduce(sheet, "gradient's dots", &dots);
        cost_bias_gradient(sheet, 1, x->n, x->c, call->norm->bias);
        cost_bias_gradient(sheet, 1, x->n, x->c, call->norm->weight);
    }
    if (x->wants_grad) {
        cost_pass(sheet, "means", 3 * (double)(x->n * x->c), 4 * (double)(x->n * x->c));
        cost_pass(sheet, "input's gradient", cost_numbers(sheet, (3 + cost_adds(x)) * count),
                  5 * count);
    }
    cost_residual_gradient(sheet, call->residual);
}
