// gctmask plot: charts of training.
#include <stdio.h>
#include <string.h>

#include "tools/command.h"
#include "tools/plot_charts.h"
#include "tools/plot_page.h"
#include "train/run_folder.h"

struct plot_options {
    const char *out;
    double smooth;
};

static const struct option OPTIONS[] = {
    {.name = "out",
     OPTION_FIELD(struct plot_options, out),
     .metavar = "DIR",
     .help = "where the charts go; by default RUN/plots, for several runs ./plots"},
    {.name = "smooth",
     OPTION_FIELD(struct plot_options, smooth),
     OPTION_BETWEEN(0, 1),
     .default_text = "0.01",
     .metavar = "SHARE",
     .help =
         "width of the mean over time, as a share of the steps shown; 0 draws the values alone"},
    {0},
};

static const struct example EXAMPLES[] = {
    {"gctmask plot run", "charts of one run, in run/plots"},
    {"gctmask plot runs/bn runs/gct --out compare", "two runs in the same charts"},
    {0},
};

// What is written.
struct plot {
    const char *folder;
    const struct plotted_runs *runs;
    double smoothing;
    struct arena *arena;
    struct output page;
    struct output missing; // names of charts that nothing was recorded for
};

static enum status save_chart(struct plot *plot, const struct chart_plan *plan,
                              const struct output *chart, struct error *err) {
    char path[PATH_BYTES];
    char name[64];
    snprintf(name, sizeof name, "%s.svg", plan->name);
    TRY(path_join(path, plot->folder, name, err));
    plot_page_add(&plot->page, plan, chart);
    return output_save(path, chart->data, chart->size, err);
}

static enum status write_chart(struct plot *plot, const struct chart_plan *plan,
                               struct error *err) {
    struct output chart;
    output_open_memory(&chart);
    enum status status =
        plot_chart_write(&chart, plan, plot->runs, plot->smoothing, plot->arena, err);
    if (status == STATUS_OK) status = output_finish(&chart, err);
    if (status == STATUS_OK && chart.size > 0)
        status = save_chart(plot, plan, &chart, err);
    else
        output_printf(&plot->missing, "%s%s", plot->missing.size ? ", " : "", plan->name);
    output_discard(&chart);
    return status;
}

static enum status write_page(struct plot *plot, struct error *err) {
    plot_page_begin(&plot->page, plot->runs);
    for (const struct chart_plan *plan = CHART_PLANS; plan->name; plan++)
        TRY(write_chart(plot, plan, err));
    plot_page_end(&plot->page);
    TRY(output_finish(&plot->missing, err));
    return output_commit(&plot->page, err);
}

static enum status write_all(struct invocation *invocation, const char *folder,
                             const struct plotted_runs *runs, struct error *err) {
    const struct plot_options *options = invocation->options;
    struct plot plot = {
        .folder = folder, .runs = runs, .smoothing = options->smooth, .arena = invocation->arena};
    char path[PATH_BYTES];
    TRY(folder_make(folder, err));
    TRY(path_join(path, folder, "index.html", err));
    TRY(output_open_file(&plot.page, path, err));
    output_open_memory(&plot.missing);
    enum status status = write_page(&plot, err);
    if (status == STATUS_OK) output_printf(invocation->out, "%s\n", path);
    if (status == STATUS_OK && plot.missing.size)
        log_message(&invocation->log, LOG_INFO, "no chart of %s: nothing is recorded of it",
                    plot.missing.data);
    output_discard(&plot.missing);
    output_discard(&plot.page);
    return status;
}

static enum status plot(struct invocation *invocation, const struct plotted_runs *runs,
                        struct error *err) {
    const struct plot_options *options = invocation->options;
    if (runs->count == 0) {
        invocation->outcome = EXIT_CODE_NOTHING_TO_DO;
        return STATUS_OK;
    }
    char beside[PATH_BYTES];
    TRY(path_join(beside, invocation->operands[0], RUN_PLOTS, err));
    const char *folder = options->out                   ? options->out
                         : invocation->num_operands > 1 ? RUN_PLOTS
                                                        : beside;
    return write_all(invocation, folder, runs, err);
}

static enum status run_plot(struct invocation *invocation, struct error *err) {
    struct plotted_runs runs;
    enum status status = plotted_runs_read(&runs, invocation->operands, invocation->num_operands,
                                           &invocation->log, invocation->arena, err);
    if (status == STATUS_OK) status = plot(invocation, &runs, err);
    plotted_runs_free(&runs);
    return status;
}

const struct command plot_command = {
    .name = "plot",
    .summary = "draw charts of training, of one run or of several together",
    .description =
        "Reads what runs have recorded, also while they train, and draws losses, average "
        "precision, validation loss, learning rate and gradient norm over the steps: a picture "
        "in SVG for each, and a page, index.html, that shows all of them and needs no other file. "
        "Each run has its own colour.",
    .options = OPTIONS,
    .options_bytes = sizeof(struct plot_options),
    .operands = "RUN...",
    .min_operands = 1,
    .max_operands = LINE_CHART_MAX_RUNS,
    .examples = EXAMPLES,
    .run = run_plot,
};
