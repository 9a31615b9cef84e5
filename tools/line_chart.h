// Charts of quantities over the steps of training, as SVG that looks well at 700 pixels of width:
// alone in a file (in light and dark, in a browser or a paper) or within a page.
//
// A chart has one panel or several, which share the colours: each run has its own. The colours and
// their order were chosen so that any two differ for people with protanopia, deuteranopia and
// tritanopia too (by 27 or more in CIELAB, simulated as Machado et al. do, 2009), on white as on
// black.
#pragma once

#include "base/output.h"
#include "tools/axis.h"
#include "tools/series.h"

enum { LINE_CHART_COLOURS = 7, LINE_CHART_DASHES = 3 };
enum { LINE_CHART_MAX_RUNS = LINE_CHART_COLOURS * LINE_CHART_DASHES };

enum line_style {
    LINE_FAINT_POINTS, // measured values behind a smoothed line
    LINE_FAINT,        // a mean that others are compared with
    LINE_MEAN,         // a strong line through faint points
    LINE_STRONG,       // measured values themselves
    LINE_MARKED,       // a strong line with a marker at each value
    LINE_NUM_STYLES,
};

struct chart_line {
    struct series series;
    enum line_style style;
    int run; // decides colour and dashes
};

struct chart_panel {
    const char *title; // "" in a chart of one panel
    enum axis_kind scale;
    bool cuts_outliers;             // spikes may leave the panel; it then says how many
    bool labels_best;               // writes the largest value beside the first line's point
    const struct chart_line *lines; // drawn in this order; with at least one value among them
    int num_lines;
};

struct line_chart {
    const char *name; // of the file without ".svg": letters, digits, "_"
    const char *title;
    const char *remark; // stands behind the title; may be ""
    struct range steps; // of all panels
    const struct chart_panel *panels;
    int num_panels;
    const char *const *runs;                  // names for the legend, if there are several
    int num_runs;                             // at most LINE_CHART_MAX_RUNS
    const char *style_names[LINE_NUM_STYLES]; // for the legend; NULL: not in it
};

// Writes the chart as an element <svg> with its own style, for a file or a page. Errors of writing
// stick to out.
MUST_CHECK enum status line_chart_write(struct output *out, const struct line_chart *chart,
                                        struct arena *arena, struct error *err);
