#include "tools/plot_charts.h"

#include <math.h>
#include <stdio.h>

#include "tools/readable.h"

const struct chart_plan CHART_PLANS[] = {
    {.name = "loss",
     .title = "Loss",
     .note = "The sum of the five losses on training images.",
     .content = CONTENT_SMOOTHED,
     .scale = AXIS_LINEAR,
     .panels = {{"", offsetof(struct metrics_train, loss)}}},
    {.name = "ap",
     .title = "Average precision",
     .note = "On validation images, in percent.",
     .content = CONTENT_EVALUATIONS,
     .scale = AXIS_LINEAR,
     .panels = {{"box AP", offsetof(struct metrics_eval, box_ap)},
                {"mask AP", offsetof(struct metrics_eval, mask_ap)},
                {"box AP50", offsetof(struct metrics_eval, box_ap50)},
                {"mask AP50", offsetof(struct metrics_eval, mask_ap50)}}},
    {.name = "losses",
     .title = "Losses",
     .note =
         "The sum and its parts: box head (class, box), mask head, and region proposals (object "
         "or not, box).",
     .content = CONTENT_SMOOTHED,
     .scale = AXIS_LINEAR,
     .panels = {{"sum", offsetof(struct metrics_train, loss)},
                {"mask", offsetof(struct metrics_train, mask)},
                {"class", offsetof(struct metrics_train, classes)},
                {"box", offsetof(struct metrics_train, box)},
                {"proposals: object", offsetof(struct metrics_train, rpn_class)},
                {"proposals: box", offsetof(struct metrics_train, rpn_box)}}},
    {.name = "validation_loss",
     .title = "Validation loss",
     .note = "Where it rises while the training loss falls, the model overfits.",
     .content = CONTENT_VALIDATION,
     .scale = AXIS_LINEAR,
     .panels = {{"", offsetof(struct metrics_eval, loss)}}},
    {.name = "learning_rate",
     .title = "Learning rate",
     .note = "Warm-up, then drops.",
     .content = CONTENT_EXACT,
     .scale = AXIS_LOGARITHMIC,
     .panels = {{"", offsetof(struct metrics_train, learning_rate)}}},
    {.name = "gradient_norm",
     .title = "Gradient norm",
     .note = "Before clipping. Spikes are steps that the model may not recover from.",
     .content = CONTENT_SMOOTHED,
     .scale = AXIS_LINEAR,
     .panels = {{"", offsetof(struct metrics_train, gradient_norm)}}},
    {0},
};

// The lines of a panel, as they are collected.
struct collector {
    const struct plotted_runs *runs;
    double smoothing_steps; // 0: none
    struct chart_line *lines;
    int num_lines;
    struct arena *arena;
};

static void add_line(struct collector *collector, const struct series *series,
                     enum line_style style, int run) {
    if (series_num_values(series) > 0)
        collector->lines[collector->num_lines++] = (struct chart_line){*series, style, run};
}

// The mean over time. A spike counts as no more than a far value: it would lift the line for long.
static enum status smooth(struct collector *collector, struct series *series, struct error *err) {
    const double reach = 10;
    struct range usual;
    TRY(series_usual_values(series, reach, &usual, collector->arena, err));
    TRY(series_clamp(series, usual, series, collector->arena, err));
    return series_smooth(series, collector->smoothing_steps, series, collector->arena, err);
}

static enum status add_training(struct collector *collector, size_t offset, enum line_style style,
                                struct error *err) {
    bool is_mean = style == LINE_MEAN || style == LINE_FAINT;
    for (int i = 0; i < collector->runs->count; i++) {
        struct series series;
        TRY(plotted_run_training(&collector->runs->runs[i], offset, &series, collector->arena,
                                 err));
        if (is_mean && collector->smoothing_steps > 0) TRY(smooth(collector, &series, err));
        add_line(collector, &series, style, i);
    }
    return STATUS_OK;
}

static enum status add_evaluations(struct collector *collector, size_t offset, double factor,
                                   struct error *err) {
    for (int i = 0; i < collector->runs->count; i++) {
        struct series series;
        TRY(plotted_run_evaluations(&collector->runs->runs[i], offset, factor, &series,
                                    collector->arena, err));
        add_line(collector, &series, LINE_MARKED, i);
    }
    return STATUS_OK;
}

static enum status add_lines(struct collector *collector, enum chart_content content, size_t offset,
                             struct error *err) {
    const double percent = 100;
    switch (content) {
    case CONTENT_SMOOTHED:
        if (collector->smoothing_steps == 0)
            return add_training(collector, offset, LINE_STRONG, err);
        TRY(add_training(collector, offset, LINE_FAINT_POINTS, err));
        return add_training(collector, offset, LINE_MEAN, err);
    case CONTENT_EXACT:
        return add_training(collector, offset, LINE_STRONG, err);
    case CONTENT_EVALUATIONS:
        return add_evaluations(collector, offset, percent, err);
    case CONTENT_VALIDATION:
        TRY(add_evaluations(collector, offset, 1, err));
        if (collector->num_lines == 0) return STATUS_OK; // nothing to compare with
        return add_training(collector, offsetof(struct metrics_train, loss), LINE_FAINT, err);
    }
    return STATUS_OK;
}

// "mean over about 1,200 steps": what the kernel exp(-distance / width) takes in on both sides, to
// two digits.
static void describe_smoothing(double width, char text[64]) {
    char number[READABLE_BYTES];
    double steps = 2 * width;
    double unit = fmax(pow(10, floor(log10(steps)) - 1), 1);
    readable_count((int64_t)(round(steps / unit) * unit), number);
    snprintf(text, 64, "mean over about %s steps", number);
}

// Collects the panels that have a value.
static enum status collect_panels(struct chart_panel *panels, int *num_panels,
                                  const struct chart_plan *plan, struct collector *collector,
                                  struct error *err) {
    for (int i = 0; i < CHART_MAX_PANELS && plan->panels[i].title; i++) {
        enum { MAX_LINES_OF_RUN = 2 };
        int max_lines = MAX_LINES_OF_RUN * collector->runs->count;
        collector->lines = arena_alloc(collector->arena, max_lines, sizeof *collector->lines);
        collector->num_lines = 0;
        if (!collector->lines)
            return error_memory(err, "a chart", max_lines * (long long)sizeof *collector->lines);
        TRY(add_lines(collector, plan->content, plan->panels[i].offset, err));
        if (collector->num_lines == 0) continue;
        panels[(*num_panels)++] = (struct chart_panel){
            .title = plan->panels[i].title,
            .scale = plan->scale,
            .cuts_outliers =
                plan->content == CONTENT_SMOOTHED || plan->content == CONTENT_VALIDATION,
            .labels_best = plan->content == CONTENT_EVALUATIONS && collector->runs->count == 1,
            .lines = collector->lines,
            .num_lines = collector->num_lines,
        };
    }
    return STATUS_OK;
}

static enum status write_panels(struct output *out, const struct chart_plan *plan,
                                struct collector *collector, struct error *err) {
    const struct plotted_runs *runs = collector->runs;
    struct chart_panel panels[CHART_MAX_PANELS];
    const char *names[LINE_CHART_MAX_RUNS];
    struct line_chart chart = {.name = plan->name,
                               .title = plan->title,
                               .remark = "",
                               .steps = runs->steps,
                               .panels = panels,
                               .runs = names,
                               .num_runs = runs->count};
    char remark[64];
    TRY(collect_panels(panels, &chart.num_panels, plan, collector, err));
    if (chart.num_panels == 0) return STATUS_OK;
    for (int i = 0; i < runs->count; i++)
        names[i] = runs->runs[i].name;
    if (plan->content == CONTENT_SMOOTHED && collector->smoothing_steps > 0) {
        describe_smoothing(collector->smoothing_steps, remark);
        chart.remark = remark;
    }
    if (plan->content == CONTENT_EVALUATIONS) chart.remark = "percent";
    if (plan->content == CONTENT_VALIDATION) {
        chart.style_names[LINE_FAINT] = "training";
        chart.style_names[LINE_MARKED] = "validation";
    }
    return line_chart_write(out, &chart, collector->arena, err);
}

// How wide the mean is; 0 if it would take in hardly more than single lines.
static double smoothing_width(const struct plotted_runs *runs, double smoothing) {
    double span = runs->steps.high - runs->steps.low;
    int64_t most_lines = 1;
    for (int i = 0; i < runs->count; i++)
        if (runs->runs[i].metrics.num_train > most_lines)
            most_lines = runs->runs[i].metrics.num_train;
    double width = smoothing * span;
    return width * (double)most_lines > span ? width : 0;
}

enum status plot_chart_write(struct output *out, const struct chart_plan *plan,
                             const struct plotted_runs *runs, double smoothing, struct arena *arena,
                             struct error *err) {
    struct arena_mark mark = arena_mark(arena);
    struct collector collector = {
        .runs = runs,
        .smoothing_steps = smoothing_width(runs, smoothing),
        .arena = arena,
    };
    enum status status = write_panels(out, plan, &collector, err);
    arena_release(arena, mark);
    return status;
}
