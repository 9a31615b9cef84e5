#include "nn/gate/gate_cost.h"

enum { PARAMETERS = 3 }; // alpha, gamma, beta

void cost_gates(struct cost_sheet *sheet, const struct gate *gate, const struct tensor *x) {
    const struct cost_columns sums = {x->type == NUMBER_FLOAT32 ? 1 : cost_numbers(sheet, 1), x->n,
                                      x->h * x->w, x->c};
    double numbers = (double)(x->n * x->c);
    if (numbers == 0) return;
    if (cost_first_measure(sheet, x)) cost_gate_columns_reduce(sheet, "gates' sums", &sums);
    cost_gate_pass(sheet, "gates", 2 * numbers + (double)(PARAMETERS * gate->channels),
                   20 * numbers);
}

void cost_gates_gradient(struct cost_sheet *sheet, const struct gate *gate, int64_t n) {
    const struct parameter *parameters[PARAMETERS] = {gate->alpha, gate->gamma, gate->beta};
    double c = (double)gate->channels;
    double numbers = (double)n * c;
    if (n == 0) return;
    cost_gate_pass(sheet, "gates closed", 4 * numbers + PARAMETERS * c, 30 * numbers);
    cost_gate_pass(sheet, "sums' gradient", 4 * numbers + (PARAMETERS - 1) * c, 40 * numbers);
    for (int i = 0; i < PARAMETERS; i++)
        if (parameters[i]->grad) cost_gate_pass(sheet, "parameters", numbers + 2 * c, numbers);
}

void cost_gates_defer(struct cost_sheet *sheet, const struct tensor *x) {
    double numbers = (double)(x->n * x->c);
    if (!cost_first_deferral(sheet, x))
        cost_gate_pass(sheet, "sums' gradient", 3 * numbers, numbers);
}

void cost_gates_pull(struct cost_sheet *sheet, const struct gate *gate, const struct tensor *x) {
    double count = (double)tensor_count(x);
    bool is_maximum = gate->embedding == GATE_EMBEDDING_LINF;
    double arrays = (is_maximum ? 2 : 3) + cost_adds(x);
    if (count == 0) return;
    cost_gate_pass(sheet, "input's gradient through gates", cost_numbers(sheet, arrays * count),
                   4 * count);
    // On average a maximum is found half-way.
    if (is_maximum)
        cost_gate_pass(sheet, "maxima's gradient", cost_numbers(sheet, count / 2), count / 2);
}

// ---- The operation ----

void cost_gate_forward(struct cost_sheet *sheet, const struct call *base) {
    const struct gate_call *call = (const struct gate_call *)base;
    const struct tensor *x = base->inputs[0];
    double count = (double)tensor_count(x);
    if (count == 0) return;
    cost_gates(sheet, call->gate, x);
    cost_norm_factors(sheet, call->norm, x->c);
    cost_gate_pass(sheet, "map scaled", cost_numbers(sheet, (call->residual ? 3 : 2) * count),
                   3 * count);
}

void cost_gate_backward(struct cost_sheet *sheet, const struct call *base) {
    const struct gate_call *call = (const struct gate_call *)base;
    const struct tensor *x = base->inputs[0];
    const struct cost_columns dots = {cost_numbers(sheet, 2), x->n, x->h * x->w, x->c};
    double count = (double)tensor_count(x);
    if (count == 0) return;
    cost_relu_gradient(sheet, base->out, call->relu);
    cost_norm_factors(sheet, call->norm, x->c);
    if (call->norm) cost_gate_pass(sheet, "norm's gradient", cost_numbers(sheet, 2 * count), count);
    cost_gate_columns_reduce(sheet, "gates' gradient from maps", &dots);
    cost_gates_gradient(sheet, call->gate, x->n);
    if (x->wants_grad) cost_gates_pull(sheet, call->gate, x);
    cost_residual_gradient(sheet, call->residual);
}
