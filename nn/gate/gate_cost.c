#include "nn/gate/gate_cost.h"

enum { PARAMETERS = 3 }; // alpha, gamma, beta

// Of n images, from their sums.
static double opened_values(const struct gate *gate, int64_t n) {
    return (double)((2 * n + PARAMETERS) * gate->channels);
}

static int num_trained(const struct gate *gate) {
    return (gate->alpha->grad != NULL) + (gate->gamma->grad != NULL) + (gate->beta->grad != NULL);
}

void cost_gates(struct cost_sheet *sheet, const struct gate *gate, const struct tensor *x) {
    const struct cost_columns sums = {x->type == NUMBER_FLOAT32 ? 1 : cost_numbers(sheet, 1), x->n,
                                      x->h * x->w, x->c};
    double values = opened_values(gate, x->n);
    double operations = 20 * (double)(x->n * x->c);
    if (x->n * x->c == 0) return;
    if (cost_first_measure(sheet, x))
        cost_gate_columns_end(sheet, "gates' sums, gates", &sums, values, operations);
    else
        cost_gate_pass(sheet, "gates", values, operations);
}

// What closing them reads and writes, once their gradients are there: these (twice), the sums, the
// parameters, and what flows on.
double cost_gates_closed(const struct gate *gate, int64_t n, bool adds_pull) {
    double c = (double)gate->channels;
    double images = (double)n;
    double gradients = n > 1 ? PARAMETERS * images : 2 * num_trained(gate);
    return c * ((adds_pull ? 5 : 4) * images + PARAMETERS + gradients);
}

void cost_gates_close(struct cost_sheet *sheet, const struct gate *gate, const struct tensor *x) {
    const struct cost_columns dots = {cost_numbers(sheet, 2), x->n, x->h * x->w, x->c};
    double c = (double)x->c;
    double gradients = num_trained(gate) * (double)x->n * c;
    if (x->n * x->c == 0) return;
    cost_gate_columns_end(sheet, "gates' gradient from maps", &dots,
                          cost_gates_closed(gate, x->n, false), 70 * (double)x->n * c);
    if (x->n > 1 && gate_trains(gate))
        cost_gate_pass(sheet, "parameters", gradients + 2 * num_trained(gate) * c, gradients);
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
    double count = (double)tensor_count(x);
    if (count == 0) return;
    cost_relu_gradient(sheet, base->out, call->relu);
    cost_norm_factors(sheet, call->norm, x->c);
    if (call->norm) cost_gate_pass(sheet, "norm's gradient", cost_numbers(sheet, 2 * count), count);
    cost_gates_close(sheet, call->gate, x);
    if (x->wants_grad) cost_gates_pull(sheet, call->gate, x);
    cost_residual_gradient(sheet, call->residual);
}
