#include "bench/op_times.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "nn/device.h"

static struct op_times *attached;

void op_times_attach(struct op_times *times) {
    attached = times;
}

// The linker calls these device_forward and so on.
void __real_device_forward(struct nn *nn, struct call *call);
void __wrap_device_forward(struct nn *nn, struct call *call);
void __real_device_backward(struct nn *nn, struct call *call);
void __wrap_device_backward(struct nn *nn, struct call *call);

static void run(struct nn *nn, struct call *call, void (*kernel)(struct nn *, struct call *),
                struct op_time *time) {
    nn_wait(nn);
    double start = clock_seconds();
    kernel(nn, call);
    nn_wait(nn);
    time->seconds += clock_seconds() - start;
    time->calls++;
}

void __wrap_device_forward(struct nn *nn, struct call *call) {
    if (attached)
        run(nn, call, __real_device_forward, &attached->forward[call->op]);
    else
        __real_device_forward(nn, call);
}

void __wrap_device_backward(struct nn *nn, struct call *call) {
    if (attached)
        run(nn, call, __real_device_backward, &attached->backward[call->op]);
    else
        __real_device_backward(nn, call);
}

static void keep_less(struct op_time *least, const struct op_time *time) {
    if (least->calls == 0 || time->seconds < least->seconds) *least = *time;
}

void op_times_keep_least(struct op_times *least, const struct op_times *times) {
    for (int op = 0; op < NUM_OPS; op++) {
        keep_less(&least->forward[op], &times->forward[op]);
        keep_less(&least->backward[op], &times->backward[op]);
    }
}

// ---- The table ----

// All calls of an operation in one direction.
struct line {
    const char *name;
    bool backward;
    struct op_time time;
    double bytes, operations, floor; // floor: seconds
};

static void add(struct line *line, const struct cost_row *row, int processor) {
    line->bytes += row->bytes;
    line->operations += row->operations;
    line->floor += row->seconds[processor];
}

static struct line make_line(const struct op_time *time, enum op op, bool backward,
                             const struct cost_sheet *sheet, int processor) {
    struct line line = {.name = op_name(op), .backward = backward, .time = *time};
    for (int i = 0; i < sheet->num_rows; i++)
        if (sheet->rows[i].op == op && sheet->rows[i].backward == backward)
            add(&line, &sheet->rows[i], processor);
    return line;
}

static int slower_first(const void *a, const void *b) {
    double x = ((const struct line *)a)->time.seconds;
    double y = ((const struct line *)b)->time.seconds;
    return (x < y) - (x > y);
}

static void print_line(const struct line *line, double all_seconds) {
    double seconds = line->time.seconds;
    printf("%-15s %-8s %5lld %9.3f %5.1f %% %8.3f %6.2f %9.2f %7.2f %9.3f %6.1f\n", line->name,
           line->backward ? "backward" : "", (long long)line->time.calls, 1e3 * seconds,
           100 * seconds / all_seconds, 1e-9 * line->bytes, 1e-12 * line->bytes / seconds,
           1e-9 * line->operations, 1e-12 * line->operations / seconds, 1e3 * line->floor,
           line->floor > 0 ? seconds / line->floor : 0);
}

void op_times_print(const struct op_times *times, const struct cost_sheet *sheet, int processor) {
    struct line lines[2 * NUM_OPS];
    struct line all = {.name = "all"};
    int count = 0;
    for (int op = 0; op < NUM_OPS; op++) {
        lines[count++] = make_line(&times->forward[op], (enum op)op, false, sheet, processor);
        lines[count++] = make_line(&times->backward[op], (enum op)op, true, sheet, processor);
    }
    for (int i = 0; i < count; i++) {
        all.time.calls += lines[i].time.calls;
        all.time.seconds += lines[i].time.seconds;
        all.bytes += lines[i].bytes;
        all.operations += lines[i].operations;
        all.floor += lines[i].floor;
    }
    qsort(lines, (size_t)count, sizeof *lines, slower_first);
    printf("%-24s %5s %9s %7s %8s %6s %9s %7s %9s %6s\n", "operation", "calls", "ms", "share", "GB",
           "TB/s", "GFLOP", "TFLOP/s", "floor ms", "times");
    for (int i = 0; i < count; i++)
        if (lines[i].time.calls > 0) print_line(&lines[i], all.time.seconds);
    print_line(&all, all.time.seconds);
}
