// The page that shows all charts of the runs: one file that needs no other.
//
//     plot_page_begin(&out, &runs);
//     plot_page_add(&out, plan, &chart); // for each
//     plot_page_end(&out);
#pragma once

#include "tools/plot_charts.h"

// Writes the head, with a table of the runs.
void plot_page_begin(struct output *out, const struct plotted_runs *runs);

// chart: in memory, as plot_chart_write writes it.
void plot_page_add(struct output *out, const struct chart_plan *plan, const struct output *chart);

void plot_page_end(struct output *out);
