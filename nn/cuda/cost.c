#include "nn/cuda/cost.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "nn/cuda/column_sizes.h"
#include "nn/cuda/cost_launch.h"
#include "nn/cuda/tile_sizes.h"
#include "nn/loss.h"

// NVIDIA's data sheets of the A100 80 GB and the H100, both SXM; rates without sparsity. Products
// in TF32 multiply numbers of eleven significant bits.
const struct cost_processor COST_PROCESSORS[COST_NUM_PROCESSORS] = {
    {"A100 float32", COST_FLOAT32, 0.8 * 2.039e12, 19.5e12, 19.5e12},
    {"A100 TF32", COST_TF32, 0.8 * 2.039e12, 156e12, 19.5e12},
    {"A100 16 bits", COST_16_BITS, 0.8 * 2.039e12, 312e12, 19.5e12},
    {"H100 float32", COST_FLOAT32, 0.8 * 3.35e12, 67e12, 67e12},
    {"H100 TF32", COST_TF32, 0.8 * 3.35e12, 494.7e12, 67e12},
    {"H100 16 bits", COST_16_BITS, 0.8 * 3.35e12, 989.4e12, 67e12},
};

static const double VALUE_BYTES = 4;

// ---- Calls ----

typedef void cost_function(struct cost_sheet *sheet, const struct call *call);

static const struct {
    cost_function *forward, *backward;
} COUNTS[NUM_OPS] = {
#define OP(name)      [OP_##name] = {cost_##name##_forward, cost_##name##_backward},
#define FORWARD(name) [OP_##name] = {cost_##name##_forward, NULL},
#include "nn/ops.def"
#undef OP
#undef FORWARD
};

// Losses, and networks' inputs, are float32 beside activations of 16 bits.
static enum number_type activations_of(const struct call *call) {
    for (int i = 0; i < call->num_inputs; i++)
        if (call->inputs[i]->type != NUMBER_FLOAT32) return call->inputs[i]->type;
    return call->out ? call->out->type : NUMBER_FLOAT32;
}

void cost_forward(void *context, const struct call *call) {
    struct cost_sheet *sheet = context;
    sheet->op = call->op;
    sheet->type = activations_of(call);
    sheet->backward = false;
    COUNTS[call->op].forward(sheet, call);
}

void cost_backward(void *context, const struct call *call) {
    struct cost_sheet *sheet = context;
    sheet->op = call->op;
    sheet->type = activations_of(call);
    sheet->backward = true;
    COUNTS[call->op].backward(sheet, call);
}

void cost_begin_step(struct cost_sheet *sheet) {
    sheet->num_measured = 0;
    sheet->num_deferred = 0;
}

// ---- Rows ----

static void add(struct cost_row *to, const struct cost_row *row) {
    to->launches += row->launches;
    to->bytes += row->bytes;
    to->operations += row->operations;
    for (int i = 0; i < COST_NUM_PROCESSORS; i++)
        to->seconds[i] += row->seconds[i];
}

struct cost_row cost_sum(const struct cost_sheet *sheet, enum op op, bool only_gates) {
    struct cost_row sum = {.op = op, .for_gates = only_gates};
    for (int i = 0; i < sheet->num_rows; i++) {
        const struct cost_row *row = &sheet->rows[i];
        if ((op == NUM_OPS || row->op == op) && (row->for_gates || !only_gates)) add(&sum, row);
    }
    return sum;
}

static struct cost_row *row_of(struct cost_sheet *sheet, const struct cost_row *launch) {
    for (int i = 0; i < sheet->num_rows; i++) {
        struct cost_row *row = &sheet->rows[i];
        if (row->op == launch->op && row->backward == launch->backward &&
            row->for_gates == launch->for_gates && strcmp(row->kernel, launch->kernel) == 0)
            return row;
    }
    CHECK(sheet->num_rows < COST_MAX_ROWS);
    struct cost_row *row = &sheet->rows[sheet->num_rows++];
    *row = (struct cost_row){.op = launch->op,
                             .backward = launch->backward,
                             .kernel = launch->kernel,
                             .for_gates = launch->for_gates};
    return row;
}

static void add_launch(struct cost_sheet *sheet, const char *kernel, bool for_gates, bool product,
                       double values, double operations) {
    struct cost_row launch = {
        .op = sheet->op,
        .backward = sheet->backward,
        .kernel = kernel,
        .for_gates = for_gates,
    };
    double bytes = values * VALUE_BYTES;
    if (sheet->scope != COST_TF32) {
        launch.launches = 1;
        launch.bytes = bytes;
        launch.operations = operations;
    }
    for (int i = 0; i < COST_NUM_PROCESSORS; i++) {
        const struct cost_processor *p = &COST_PROCESSORS[i];
        if (sheet->scope != COST_ALL && sheet->scope != p->precision) continue;
        double rate = product ? p->products_per_second : p->others_per_second;
        launch.seconds[i] = fmax(bytes / p->bytes_per_second, operations / rate);
    }
    add(row_of(sheet, &launch), &launch);
}

void cost_pass(struct cost_sheet *sheet, const char *kernel, double values, double operations) {
    add_launch(sheet, kernel, false, false, values, operations);
}

void cost_gate_pass(struct cost_sheet *sheet, const char *kernel, double values,
                    double operations) {
    add_launch(sheet, kernel, true, false, values, operations);
}

void cost_product(struct cost_sheet *sheet, const char *kernel, double values, double operations) {
    add_launch(sheet, kernel, false, true, values, operations);
}

static double values_of(enum number_type type, double count) {
    return count * (double)number_bytes(type) / VALUE_BYTES;
}

double cost_numbers(const struct cost_sheet *sheet, double count) {
    return values_of(sheet->type, count);
}

void cost_converted(struct cost_sheet *sheet, const char *kernel, enum number_type type,
                    double count) {
    if (type != sheet->type)
        cost_pass(sheet, kernel, values_of(type, count) + cost_numbers(sheet, count), 0);
}

double cost_adds(const struct tensor *input) {
    return input->grad ? 1 : 0;
}

static bool is_new(const struct tensor **list, int *count, const struct tensor *x) {
    for (int i = 0; i < *count; i++)
        if (list[i] == x) return false;
    CHECK(*count < COST_MAX_MEASURED);
    list[(*count)++] = x;
    return true;
}

bool cost_first_measure(struct cost_sheet *sheet, const struct tensor *x) {
    return is_new(sheet->measured, &sheet->num_measured, x);
}

bool cost_first_deferral(struct cost_sheet *sheet, const struct tensor *x) {
    return is_new(sheet->deferred, &sheet->num_deferred, x);
}

// Nothing waits for x any more; false if nothing did.
static bool settle(struct cost_sheet *sheet, const struct tensor *x) {
    for (int i = 0; i < sheet->num_deferred; i++) {
        if (sheet->deferred[i] != x) continue;
        sheet->deferred[i] = sheet->deferred[--sheet->num_deferred];
        return true;
    }
    return false;
}

// ---- What several operations launch ----

// more: what the last block goes on to read and write.
static void columns(struct cost_sheet *sheet, const char *kernel, bool for_gates,
                    const struct cost_columns *k, double more, double operations) {
    double results = (double)(k->n * k->c);
    double rows = (double)k->rows * results;
    int64_t pieces = column_cuts_of(k->rows, k->c).pieces;
    double parts = pieces > 1 ? (double)pieces * results : 0;
    if (results == 0) return;
    add_launch(sheet, kernel, for_gates, false, k->arrays * rows + 2 * parts + results + more,
               2 * rows + parts + operations);
}

void cost_columns_reduce(struct cost_sheet *sheet, const char *kernel,
                         const struct cost_columns *k) {
    columns(sheet, kernel, false, k, 0, 0);
}

void cost_gate_columns_reduce(struct cost_sheet *sheet, const char *kernel,
                              const struct cost_columns *k) {
    columns(sheet, kernel, true, k, 0, 0);
}

void cost_gate_columns_end(struct cost_sheet *sheet, const char *kernel,
                           const struct cost_columns *k, double more, double operations) {
    columns(sheet, kernel, true, k, more, operations);
}

void cost_norm_factors(struct cost_sheet *sheet, const struct frozen_norm *norm, int64_t c) {
    if (norm) cost_pass(sheet, "norm's factors", 6 * (double)c, 5 * (double)c);
}

// What a gate leaves to the producer of its input: beside ReLU's gradient, in one launch with it,
// which reads and writes the same, its factors, and otherwise a pass of its own.
static void add_pull(struct cost_sheet *sheet, const struct tensor *out, bool relu) {
    double count = (double)tensor_count(out);
    double values = values_of(out->type, (relu ? 0 : 3) * count) + (double)(out->n * out->c);
    cost_gate_pass(sheet, "input's gradient through gates", values, 2 * count);
}

void cost_relu_gradient(struct cost_sheet *sheet, const struct tensor *out, bool relu) {
    double count = (double)tensor_count(out);
    bool settles = settle(sheet, out);
    if (relu && count > 0) cost_pass(sheet, "ReLU's gradient", values_of(out->type, 3 * count), 0);
    if (settles) add_pull(sheet, out, relu);
}

void cost_residual_gradient(struct cost_sheet *sheet, const struct tensor *residual) {
    if (!residual || !residual->wants_grad || !residual->grad) return;
    double count = (double)tensor_count(residual);
    cost_pass(sheet, "residual's gradient", values_of(residual->type, 3 * count), count);
}

void cost_bias_gradient(struct cost_sheet *sheet, double array, int64_t rows, int64_t c,
                        const struct parameter *parameter) {
    const struct cost_columns k = {array, 1, rows, c};
    if (parameter && parameter->grad) columns(sheet, "bias' gradient", false, &k, (double)c, 0);
}

void cost_loss(struct cost_sheet *sheet, double values, double operations) {
    enum { DOUBLE_VALUES = 2 };
    const double parts = DOUBLE_VALUES * LOSS_PARTS;
    cost_pass(sheet, "sum", values + parts, operations);
    cost_pass(sheet, "parts of the sum", parts + 1, LOSS_PARTS);
}
