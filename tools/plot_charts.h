// Which charts there are of training: each row of a table makes one of what all runs measured.
#pragma once

#include "tools/line_chart.h"
#include "tools/plot_runs.h"

enum { CHART_MAX_PANELS = 6 };

struct chart_plan {
    const char *name;  // of the file without ".svg"; NULL ends the table
    const char *title; // of the chart
    const char *note;  // for the page: what there is to see
    enum chart_content {
        CONTENT_SMOOTHED,    // a mean over time, with the measured values behind it
        CONTENT_EXACT,       // values as they are
        CONTENT_EVALUATIONS, // average precisions, in percent
        CONTENT_VALIDATION,  // the loss on validation images beside that of training
    } content;
    enum axis_kind scale;
    struct {
        const char *title; // NULL ends the list; "" if the chart has one panel
        size_t offset;     // in struct metrics_train, or in struct metrics_eval for evaluations
    } panels[CHART_MAX_PANELS];
};

extern const struct chart_plan CHART_PLANS[];

// Writes one chart, or nothing if no run has a value for it.
// smoothing: the width of the mean over time, as a share of the steps shown; 0: no mean.
MUST_CHECK enum status plot_chart_write(struct output *out, const struct chart_plan *plan,
                                        const struct plotted_runs *runs, double smoothing,
                                        struct arena *arena, struct error *err);
