// What stands in the field of a chart: lines, points, markers. Each is drawn only as finely as can
// be seen, so that a million values make a path as short as a few thousand do.
#pragma once

#include "base/output.h"
#include "tools/line_chart.h"

struct panel_field {
    struct axis x, y;
    const char *clip; // id of the clip path of the field
};

// Which of the values cannot be seen.
struct unseen_values {
    int64_t num_gaps;
    int64_t num_above, num_below; // the axis
    struct range beyond;          // of these
};

void chart_draw_line(struct output *out, const struct panel_field *field,
                     const struct chart_line *line);

// Draws an arrowhead at the edge where values lie beyond it, and adds to unseen.
void chart_draw_unseen(struct output *out, const struct panel_field *field,
                       const struct chart_line *line, struct unseen_values *unseen);

// Writes the largest value beside its point.
void chart_label_best(struct output *out, const struct panel_field *field,
                      const struct chart_line *line);
