#include "bench/kernel_times.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "nn/conv/conv_cpu.h"
#include "nn/conv/winograd.h"
#include "nn/device.h"

enum { MAX_ROWS = 256, NAME_BYTES = 64 };

// The last three are the parts of a convolution's backward pass.
enum pass { PASS_FORWARD, PASS_BACKWARD, PASS_DATA, PASS_WEIGHTS, PASS_REST, NUM_PASSES };

// All calls of one operation on one shape, in a step.
struct row {
    enum op op;
    char name[NAME_BYTES];
    int64_t count;              // of calls
    double seconds[NUM_PASSES]; // so far
    double best[NUM_PASSES];    // the least of all steps
    double flops[NUM_PASSES];
};

static struct {
    bool running;
    struct row rows[MAX_ROWS];
    int num_rows;
    int num_steps;
    double inner[NUM_PASSES]; // of the backward call under way
} times;

// ---- Adding up ----

static void name_call(const struct call *call, char name[NAME_BYTES]) {
    const struct tensor *x = call->num_inputs ? call->inputs[0] : call->out;
    if (!x) {
        snprintf(name, NAME_BYTES, "%s", op_name(call->op));
        return;
    }
    long long n = x->n;
    long long h = x->h;
    long long w = x->w;
    long long c = x->c;
    if (call->op != OP_conv) {
        snprintf(name, NAME_BYTES, "%s, %lld x %lldx%lldx%lld", op_name(call->op), n, h, w, c);
        return;
    }
    const struct conv *conv = ((const struct conv_call *)call)->conv;
    snprintf(name, NAME_BYTES, "%lldx%lld s%lld %lld->%lld, %lld x %lldx%lld%s",
             (long long)conv->kernel, (long long)conv->kernel, (long long)conv->stride, c,
             (long long)conv->out_channels, n, h, w, conv->gate ? " gated" : "");
}

static struct row *row_of(const struct call *call) {
    char name[NAME_BYTES];
    name_call(call, name);
    for (int i = 0; i < times.num_rows; i++)
        if (strcmp(times.rows[i].name, name) == 0) return &times.rows[i];
    CHECK(times.num_rows < MAX_ROWS);
    struct row *row = &times.rows[times.num_rows++];
    *row = (struct row){.op = call->op};
    memcpy(row->name, name, sizeof name);
    return row;
}

// Operations whose work is matrix products.
static bool multiplies(enum op op) {
    return op == OP_conv || op == OP_linear || op == OP_deconv;
}

// The linker calls these device_forward and so on.
void __real_device_forward(struct nn *nn, struct call *call);
void __wrap_device_forward(struct nn *nn, struct call *call);
void __real_device_backward(struct nn *nn, struct call *call);
void __wrap_device_backward(struct nn *nn, struct call *call);
void __real_conv_run(struct nn *nn, const struct conv *conv, struct dnn_primitive *primitive,
                     struct dnn_arguments arguments, float *scratch);
void __wrap_conv_run(struct nn *nn, const struct conv *conv, struct dnn_primitive *primitive,
                     struct dnn_arguments arguments, float *scratch);
void __real_winograd_run(struct nn *nn, const struct winograd *w);
void __wrap_winograd_run(struct nn *nn, const struct winograd *w);
void __real_winograd_weights_gradient(struct nn *nn, const struct conv_gradient *g, float *plain);
void __wrap_winograd_weights_gradient(struct nn *nn, const struct conv_gradient *g, float *plain);
void __real_conv_columns_gradient(struct nn *nn, const struct conv_gradient *g, float *plain);
void __wrap_conv_columns_gradient(struct nn *nn, const struct conv_gradient *g, float *plain);

void __wrap_device_forward(struct nn *nn, struct call *call) {
    double start = clock_seconds();
    __real_device_forward(nn, call);
    if (!times.running) return;
    struct row *row = row_of(call);
    row->count++;
    row->seconds[PASS_FORWARD] += clock_seconds() - start;
    if (multiplies(call->op)) row->flops[PASS_FORWARD] += 2 * call->multiply_adds;
}

void __wrap_device_backward(struct nn *nn, struct call *call) {
    double *inner = times.inner;
    double start = clock_seconds();
    memset(inner, 0, sizeof times.inner);
    __real_device_backward(nn, call);
    if (!times.running) return;
    inner[PASS_BACKWARD] = clock_seconds() - start;
    if (call->op == OP_conv)
        inner[PASS_REST] = inner[PASS_BACKWARD] - inner[PASS_DATA] - inner[PASS_WEIGHTS];
    struct row *row = row_of(call);
    for (int pass = PASS_BACKWARD; pass < NUM_PASSES; pass++)
        row->seconds[pass] += inner[pass];
    if (inner[PASS_DATA] > 0) row->flops[PASS_DATA] += 2 * call->multiply_adds;
    if (inner[PASS_WEIGHTS] > 0) row->flops[PASS_WEIGHTS] += 2 * call->multiply_adds;
    // By the weights and by the input.
    if (call->op != OP_conv && multiplies(call->op))
        row->flops[PASS_BACKWARD] += 4 * call->multiply_adds;
}

void __wrap_conv_run(struct nn *nn, const struct conv *conv, struct dnn_primitive *primitive,
                     struct dnn_arguments arguments, float *scratch) {
    double start = clock_seconds();
    __real_conv_run(nn, conv, primitive, arguments, scratch);
    // Of the three passes only that of the weights reads the gradient of the output as such.
    times.inner[arguments.diff_dst ? PASS_WEIGHTS : PASS_DATA] += clock_seconds() - start;
}

void __wrap_winograd_run(struct nn *nn, const struct winograd *w) {
    double start = clock_seconds();
    __real_winograd_run(nn, w);
    times.inner[PASS_DATA] += clock_seconds() - start;
}

void __wrap_winograd_weights_gradient(struct nn *nn, const struct conv_gradient *g, float *plain) {
    double start = clock_seconds();
    __real_winograd_weights_gradient(nn, g, plain);
    times.inner[PASS_WEIGHTS] += clock_seconds() - start;
}

void __wrap_conv_columns_gradient(struct nn *nn, const struct conv_gradient *g, float *plain) {
    double start = clock_seconds();
    __real_conv_columns_gradient(nn, g, plain);
    times.inner[PASS_WEIGHTS] += clock_seconds() - start;
}

void kernel_times_start(void) {
    memset(&times, 0, sizeof times);
    times.running = true;
}

void kernel_times_stop(void) {
    times.running = false;
}

void kernel_times_end_step(void) {
    if (!times.running) return;
    for (int i = 0; i < times.num_rows; i++) {
        struct row *row = &times.rows[i];
        for (int pass = 0; pass < NUM_PASSES; pass++) {
            if (times.num_steps == 0 || row->seconds[pass] < row->best[pass])
                row->best[pass] = row->seconds[pass];
            row->seconds[pass] = 0;
        }
    }
    times.num_steps++;
}

static double total_of(enum pass pass) {
    double total = 0;
    for (int i = 0; i < times.num_rows; i++)
        if (times.rows[i].op != OP_sgd) total += times.rows[i].best[pass];
    return total;
}

double kernel_times_forward(void) {
    return total_of(PASS_FORWARD);
}

double kernel_times_backward(void) {
    return total_of(PASS_BACKWARD);
}

// ---- The report ----

static int compare_rows(const void *a, const void *b) {
    const struct row *x = a;
    const struct row *y = b;
    double mine = x->best[PASS_FORWARD] + x->best[PASS_BACKWARD];
    double other = y->best[PASS_FORWARD] + y->best[PASS_BACKWARD];
    return (mine < other) - (mine > other);
}

static void print_pass(const struct row *row, enum pass pass, double peak_flops) {
    if (row->best[pass] <= 0) {
        printf(" | %8s %6s", "", "");
        return;
    }
    printf(" | %8.2f", 1e3 * row->best[pass]);
    double flops = row->flops[pass] / times.num_steps;
    if (flops > 0)
        printf(" %4.0f %%", 100 * flops / row->best[pass] / peak_flops);
    else
        printf(" %6s", "");
}

static void print_row(const struct row *row, double peak_flops) {
    printf("%-36s %5.0f %7.2f", row->name, (double)row->count / times.num_steps,
           1e-9 * row->flops[PASS_FORWARD] / times.num_steps);
    for (int pass = 0; pass < NUM_PASSES; pass++)
        print_pass(row, (enum pass)pass, peak_flops);
    printf("\n");
}

static struct row sum_of(enum op op) {
    struct row sum = {.op = op};
    snprintf(sum.name, sizeof sum.name, "all %s", op_name(op));
    for (int i = 0; i < times.num_rows; i++) {
        const struct row *row = &times.rows[i];
        if (row->op != op) continue;
        sum.count += row->count;
        for (int pass = 0; pass < NUM_PASSES; pass++) {
            sum.best[pass] += row->best[pass];
            sum.flops[pass] += row->flops[pass];
        }
    }
    return sum;
}

void kernel_times_print(double peak_flops) {
    static const char *const PASSES[] = {"forward", "backward", "data", "weights", "rest"};
    printf("%-36s %5s %7s", "operation, of what", "times", "GFLOP");
    for (int pass = 0; pass < NUM_PASSES; pass++)
        printf(" | %8s %6s", PASSES[pass], "rate");
    printf("\n");
    qsort(times.rows, (size_t)times.num_rows, sizeof times.rows[0], compare_rows);
    for (int i = 0; i < times.num_rows; i++)
        print_row(&times.rows[i], peak_flops);
    for (int op = 0; op < NUM_OPS; op++) {
        struct row sum = sum_of((enum op)op);
        if (sum.count) print_row(&sum, peak_flops);
    }
}
