// gctmask bench: what a detection and a training step cost on a graphics processor.
#include <stdio.h>

#include "detector/detector_model.h"
#include "nn/cuda/cost.h"
#include "tools/command.h"
#include "tools/network_size.h"
#include "train/plan.h"

struct bench_options {
    int device;
    bool count;
    struct option_texts configs;
    const char *size;
    int64_t num_images;
    enum nn_precision precision;
    bool tune;
    struct option_texts overrides;
};

enum { MAX_IMAGES = 1024 };

static const struct option OPTIONS[] = {
    {.name = "device",
     OPTION_FIELD(struct bench_options, device),
     .required = true,
     .choices = (const char *const[]){"cuda", NULL},
     .help = "whose kernels: a graphics processor's"},
    {.name = "count",
     OPTION_FIELD(struct bench_options, count),
     .help = "count bytes and operations, which needs no such processor; nothing else is offered"},
    {.name = "config",
     OPTION_FIELD(struct bench_options, configs),
     .metavar = "FILE,...",
     .default_text = "configs/r50_bn_2fc_90k.json,configs/r50_bn_gct_2fc_90k.json",
     .help = "configurations or model files; each is compared with the first"},
    {.name = "size",
     OPTION_FIELD(struct bench_options, size),
     .metavar = "WxH",
     .default_text = "1333x800",
     .help = "width and height of the network's input, rounded up to multiples of 32"},
    {.name = "images",
     OPTION_FIELD(struct bench_options, num_images),
     OPTION_BETWEEN(1, MAX_IMAGES),
     .default_text = "1",
     .metavar = "N",
     .help = "images that are computed together"},
    {.name = "precision",
     OPTION_FIELD(struct bench_options, precision),
     .choices = NN_PRECISION_NAMES,
     .default_text = "float32",
     .help = "of activations: bfloat16 and float16 take two bytes; tf32 is told beside float32"},
    {.name = "tune",
     OPTION_FIELD(struct bench_options, tune),
     .help =
         "as train and others compute with --tune at best: tf32 and 16 bits by kernels that are "
         "compiled to sum up what gates read, too"},
    {.name = "set",
     OPTION_FIELD(struct bench_options, overrides),
     .metavar = "NAME=VALUE,...",
     .help = "options of the models to change"},
    {0},
};

static const struct example EXAMPLES[] = {
    {"gctmask bench --device cuda --count", "what gates add to Mask R-CNN with a ResNet-50"},
    {"gctmask bench --device cuda --count --precision bf16 --tune",
     "the same in 16 bits, with compiled kernels"},
    {0},
};

// ---- Counting ----

enum phase { DETECTION, TRAINING, NUM_PHASES };
static const char *const PHASE_NAMES[NUM_PHASES] = {"detection", "training step"};

static enum status count_phase(struct cost_sheet *sheet, struct detector_model *model,
                               enum phase phase, const struct bench_options *options,
                               struct extent size, struct error *err) {
    const struct nn_options plan = {
        .device = NN_PLAN, .precision = options->precision, .num_threads = 1};
    int64_t num_images = options->num_images;
    struct nn *nn = NULL;
    TRY(nn_create(&nn, &plan, err));
    *sheet = (struct cost_sheet){.keeps_weights = phase == DETECTION, .tuned = options->tune};
    nn->observer = cost_forward;
    nn->backward_observer = cost_backward;
    nn->observer_context = sheet;
    if (phase == DETECTION) plan_detection(nn, &model->network, num_images, size);
    if (phase == TRAINING) {
        plan_training(nn, &model->network, num_images, size);
        plan_update(nn, &model->network);
    }
    enum status status = nn_status(nn, err);
    nn_destroy(nn);
    return status;
}

static enum status count(struct cost_sheet sheets[NUM_PHASES], const char *path,
                         const struct bench_options *options, struct extent size,
                         struct error *err) {
    struct detector_model model;
    TRY(detector_model_describe(&model, path, &options->overrides, err));
    // Values and gradients of zeros, which nobody touches: they take no memory.
    enum status status = parameters_allocate(&model.network.parameters, true, err);
    for (int phase = 0; phase < NUM_PHASES && status == STATUS_OK; phase++)
        status = count_phase(&sheets[phase], &model, (enum phase)phase, options, size, err);
    detector_model_destroy(&model);
    return status;
}

// ---- Printing ----

static const double MEGA = 1e6, GIGA = 1e9, MILLI = 1e-3, PERCENT = 0.01;

// Where the numbers go, and for which processors.
struct table {
    struct output *out;
    bool in_16_bits;
};

static bool is_shown(const struct table *table, int processor) {
    return (COST_PROCESSORS[processor].precision == COST_16_BITS) == table->in_16_bits;
}

static void write_numbers(const struct cost_row *row, const struct table *table) {
    output_printf(table->out, "%9lld  %10.1f  %10.2f", (long long)row->launches, row->bytes / MEGA,
                  row->operations / GIGA);
    for (int i = 0; i < COST_NUM_PROCESSORS; i++)
        if (is_shown(table, i)) output_printf(table->out, "  %12.3f", row->seconds[i] / MILLI);
    output_text(table->out, "\n");
}

static void write_row(const char *op, const char *kernel, const struct cost_row *row,
                      const struct table *table) {
    char text[64];
    snprintf(text, sizeof text, "%s%s%s", kernel, row->backward ? ", backward" : "",
             row->for_gates ? " *" : "");
    output_printf(table->out, "%-14s  %-42s  ", op, text);
    write_numbers(row, table);
}

static void write_operation(const struct cost_sheet *sheet, enum op op, const struct table *table) {
    struct cost_row sum = cost_sum(sheet, op, false);
    if (sum.launches == 0) return;
    for (int i = 0; i < sheet->num_rows; i++)
        if (sheet->rows[i].op == op) write_row("", sheet->rows[i].kernel, &sheet->rows[i], table);
    write_row(op_name(op), "all", &sum, table);
}

// parts beside all, in percent.
static void write_shares(const char *what, const double parts[COST_NUM_PROCESSORS],
                         const double all[COST_NUM_PROCESSORS], const struct table *table) {
    output_printf(table->out, "%-93s", what);
    for (int i = 0; i < COST_NUM_PROCESSORS; i++)
        if (is_shown(table, i))
            output_printf(table->out, "  %10.2f %%", parts[i] / all[i] / PERCENT);
    output_text(table->out, "\n");
}

static void write_sheet(const struct cost_sheet *sheet, const struct cost_sheet *first,
                        const struct table *table) {
    struct cost_row all = cost_sum(sheet, NUM_OPS, false);
    struct cost_row gates = cost_sum(sheet, NUM_OPS, true);
    struct cost_row before = cost_sum(first, NUM_OPS, false);
    double more[COST_NUM_PROCESSORS];
    output_printf(table->out, "%-14s  %-42s  %9s  %10s  %10s", "operation", "kernel", "launches",
                  "10^6 bytes", "10^9 FLOP");
    for (int i = 0; i < COST_NUM_PROCESSORS; i++)
        if (is_shown(table, i)) output_printf(table->out, "  %12s", COST_PROCESSORS[i].name);
    output_text(table->out, "\n");
    for (int op = 0; op < NUM_OPS; op++)
        write_operation(sheet, (enum op)op, table);
    write_row("all", "", &all, table);
    for (int i = 0; i < COST_NUM_PROCESSORS; i++)
        more[i] = all.seconds[i] - before.seconds[i];
    if (gates.launches) {
        write_row("gates", "", &gates, table);
        write_shares("gates' share of all", gates.seconds, all.seconds, table);
    }
    if (sheet != first) write_shares("more than the first", more, before.seconds, table);
}

static void write_legend(const struct table *table) {
    output_text(table->out,
                "\nMilliseconds at least: of each launch the longer, moving its bytes or "
                "computing. * for gates only.\n");
    if (!table->in_16_bits)
        output_text(table->out, "Launches, bytes and operations are those in float32.\n");
    for (int i = 0; i < COST_NUM_PROCESSORS; i++) {
        const struct cost_processor *p = &COST_PROCESSORS[i];
        if (!is_shown(table, i)) continue;
        output_printf(table->out,
                      "%-13s  %5.2f TB/s, products %6.1f TFLOP/s, all else %5.1f TFLOP/s\n",
                      p->name, p->bytes_per_second / 1e12, p->products_per_second / 1e12,
                      p->others_per_second / 1e12);
    }
}

static enum status run_bench(struct invocation *invocation, struct error *err) {
    const struct bench_options *options = invocation->options;
    const struct option_texts *configs = &options->configs;
    bool in_16_bits = options->precision != NN_FLOAT32 && options->precision != NN_TF32;
    const struct table table = {invocation->out, in_16_bits};
    struct extent size;
    if (!options->count)
        return error_set(err, STATUS_USAGE,
                         "--count is missing: what measures times lies in bench/ of the source");
    TRY(network_size_parse(options->size, &size, err));
    struct cost_sheet(*sheets)[NUM_PHASES] =
        arena_alloc(invocation->arena, configs->count, sizeof *sheets);
    if (!sheets) return error_memory(err, "counts", configs->count);
    for (int64_t i = 0; i < configs->count; i++)
        TRY(count(sheets[i], configs->items[i], options, size, err));
    for (int64_t i = 0; i < configs->count; i++) {
        for (int phase = 0; phase < NUM_PHASES; phase++) {
            output_printf(invocation->out, "\n%s: a %s, %lld x %d x %d\n\n", configs->items[i],
                          PHASE_NAMES[phase], (long long)options->num_images, size.height,
                          size.width);
            write_sheet(&sheets[i][phase], &sheets[0][phase], &table);
        }
    }
    write_legend(&table);
    return STATUS_OK;
}

const struct command bench_command = {
    .name = "bench",
    .summary = "count what detection and training cost on a graphics processor",
    .description =
        "Counts, for each kernel, the bytes that it moves and the operations that it computes in a "
        "detection and in a training step, and the least time that they can take. Nothing is "
        "computed; no graphics processor is needed.",
    .options = OPTIONS,
    .options_bytes = sizeof(struct bench_options),
    .examples = EXAMPLES,
    .run = run_bench,
};
