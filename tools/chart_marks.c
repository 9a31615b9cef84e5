#include "tools/chart_marks.h"

#include <math.h>
#include <stdio.h>

#include "eval/svg.h"

static void begin_path(struct output *out, const struct panel_field *field, const char *class,
                       int run) {
    output_printf(out, "<path class=\"%s c%d d%d\" clip-path=\"url(#%s)\" d=\"", class,
                  run % LINE_CHART_COLOURS, run / LINE_CHART_COLOURS, field->clip);
}

static void end_path(struct output *out) {
    output_text(out, "\"/>\n");
}

// The values whose points lie in one column of pixels, without gaps between them.
struct column {
    int64_t first, lowest, highest, last;
};

// The column that starts at index first, which is a value, with resolution columns to a pixel.
static struct column find_column(const struct series *series, const struct axis *x, int64_t first,
                                 double resolution) {
    struct column column = {first, first, first, first};
    double place = floor(axis_place(x, series->steps[first]) * resolution);
    for (int64_t i = first + 1; i < series->count && series_is_value(series->values[i]); i++) {
        if (floor(axis_place(x, series->steps[i]) * resolution) != place) break;
        if (series->values[i] < series->values[column.lowest]) column.lowest = i;
        if (series->values[i] > series->values[column.highest]) column.highest = i;
        column.last = i;
    }
    return column;
}

static void write_point(struct output *out, const struct panel_field *field,
                        const struct series *series, int64_t index, char command) {
    output_printf(out, "%c%.1f %.1f", command, axis_place(&field->x, series->steps[index]),
                  axis_place(&field->y, series->values[index]));
}

// First, lowest, highest and last value of each column make the same picture as all values do
// (Jugel et al., "M4: A Visualization-Oriented Time Series Data Aggregation", VLDB 2014).
static void draw_curve(struct output *out, const struct panel_field *field,
                       const struct chart_line *line, const char *class) {
    const double resolution = 2;
    const struct series *series = &line->series;
    begin_path(out, field, class, line->run);
    bool is_open = false; // the pen is down
    for (int64_t i = 0; i < series->count;) {
        if (!series_is_value(series->values[i])) {
            is_open = false;
            i++;
            continue;
        }
        struct column column = find_column(series, &field->x, i, resolution);
        write_point(out, field, series, column.first, is_open ? 'L' : 'M');
        int64_t low_first = column.lowest < column.highest;
        int64_t inner[] = {low_first ? column.lowest : column.highest,
                           low_first ? column.highest : column.lowest};
        int64_t previous = column.first;
        for (int k = 0; k < 2; k++)
            if (inner[k] != previous && inner[k] != column.last)
                write_point(out, field, series, previous = inner[k], 'L');
        if (column.last != column.first) write_point(out, field, series, column.last, 'L');
        i = column.last + 1;
        bool ends = i == series->count || !series_is_value(series->values[i]);
        // A value between gaps is a dot.
        if (ends && !is_open && column.last == column.first) output_text(out, "h0");
        is_open = true;
    }
    end_path(out);
}

// A dot for each value, or a bar over all values of a column.
static void draw_points(struct output *out, const struct panel_field *field,
                        const struct chart_line *line) {
    const struct series *series = &line->series;
    begin_path(out, field, "points", line->run);
    for (int64_t i = 0; i < series->count;) {
        if (!series_is_value(series->values[i])) {
            i++;
            continue;
        }
        struct column column = find_column(series, &field->x, i, 1);
        double y_low = axis_place(&field->y, series->values[column.lowest]);
        double y_high = axis_place(&field->y, series->values[column.highest]);
        output_printf(out, "M%.1f %.1f", axis_place(&field->x, series->steps[i]), y_low);
        if (y_low - y_high < 0.1)
            output_text(out, "h0");
        else
            output_printf(out, "V%.1f", y_high);
        i = column.last + 1;
    }
    end_path(out);
}

static void draw_markers(struct output *out, const struct panel_field *field,
                         const struct chart_line *line) {
    enum { MAX_LARGE = 60, MAX_MARKERS = 200 };
    const struct series *series = &line->series;
    int64_t count = series_num_values(series);
    if (count > MAX_MARKERS) return;
    char class[32];
    snprintf(class, sizeof class, "marker c%d", line->run % LINE_CHART_COLOURS);
    for (int64_t i = 0; i < series->count; i++) {
        if (!series_is_value(series->values[i])) continue;
        char tooltip[64];
        snprintf(tooltip, sizeof tooltip, "step %.0f: %.4g", series->steps[i], series->values[i]);
        svg_circle(out, class, axis_place(&field->x, series->steps[i]),
                   axis_place(&field->y, series->values[i]),
                   count > MAX_LARGE || line->style == LINE_FAINT ? 2.2 : 3.5, tooltip);
    }
}

void chart_draw_line(struct output *out, const struct panel_field *field,
                     const struct chart_line *line) {
    if (line->style == LINE_FAINT_POINTS)
        draw_points(out, field, line);
    else
        draw_curve(out, field, line, line->style == LINE_FAINT ? "faint" : "line");
    if (line->style == LINE_MARKED || series_num_values(&line->series) == 1)
        draw_markers(out, field, line);
}

void chart_draw_unseen(struct output *out, const struct panel_field *field,
                       const struct chart_line *line, struct unseen_values *unseen) {
    const double apart = 6; // pixels between arrowheads
    const struct series *series = &line->series;
    double last[2] = {-apart, -apart};
    output_printf(out, "<path class=\"unseen c%d\" d=\"", line->run % LINE_CHART_COLOURS);
    for (int64_t i = 0; i < series->count; i++) {
        double value = series->values[i];
        if (!series_is_value(value)) {
            unseen->num_gaps++;
            continue;
        }
        bool is_above = value > field->y.high;
        bool is_below = value < field->y.low && field->y.kind != AXIS_LOGARITHMIC;
        if (!is_above && !is_below) continue;
        unseen->num_above += is_above;
        unseen->num_below += is_below;
        range_include(&unseen->beyond, value);
        double x = axis_place(&field->x, series->steps[i]);
        if (x - last[is_above] < apart) continue;
        last[is_above] = x;
        output_printf(out, "M%.1f %.1f%s", x, is_above ? field->y.end - 9 : field->y.begin + 9,
                      is_above ? "l3.5 6h-7z" : "l3.5-6h-7z");
    }
    end_path(out);
}

void chart_label_best(struct output *out, const struct panel_field *field,
                      const struct chart_line *line) {
    const double edge = 20;
    const struct series *series = &line->series;
    int64_t best = -1;
    for (int64_t i = 0; i < series->count; i++)
        if (series_is_value(series->values[i]) &&
            (best < 0 || series->values[i] > series->values[best]))
            best = i;
    if (best < 0) return;
    double x = axis_place(&field->x, series->steps[best]);
    double y = axis_place(&field->y, series->values[best]);
    const char *class = x > field->x.end - edge     ? "best end"
                        : x < field->x.begin + edge ? "best"
                                                    : "best mid";
    // The panel's title stands above its left.
    const double title_width = 110;
    bool is_below = y - 22 < field->y.end && x < field->x.begin + title_width;
    char text[32];
    snprintf(text, sizeof text, "%.1f", series->values[best]);
    svg_text(out, class, x, is_below ? y + 19 : y - 9, text);
}
