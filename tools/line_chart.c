#include "tools/line_chart.h"

#include <math.h>
#include <stdio.h>

#include "base/check.h"
#include "eval/svg.h"
#include "tools/chart_marks.h"
#include "tools/readable.h"

enum {
    CHART_WIDTH = 700,
    MARGIN = 14,
    RIGHT_MARGIN = 24, // half of the last number at the axis of steps
    COLUMN_GAP = 22,
    TITLE_HEIGHT = 36,
    LEGEND_ROW_HEIGHT = 20,
    LEGEND_GAP = 6, // below it
    PANEL_TITLE_HEIGHT = 30,
    PANEL_FOOT_HEIGHT = 46, // numbers and title of the axis of steps
    WIDE_FIELD_HEIGHT = 290,
    FIELD_HEIGHT = 170,
    Y_TICK_DISTANCE = 42,
    X_TICK_DISTANCE = 55,
    KEY_WIDTH = 24, // the piece of line in the legend
};

// Plain CSS without variables, because converters to PDF and PNG do not know these.
static const char STYLE[] =
    ".chart{font-family:\"Helvetica Neue\",Helvetica,Arial,\"Liberation Sans\",\"DejaVu Sans\","
    "sans-serif}\n"
    ".chart text{fill:#555d69;font-size:12px}\n"
    ".chart .title{fill:#14181f;font-size:16px;font-weight:bold}\n"
    ".chart .panel{fill:#14181f;font-size:13px;font-weight:bold}\n"
    ".chart .key,.chart .best{fill:#14181f;font-size:13px}\n"
    ".chart .remark{fill:#555d69;font-size:12px;font-weight:normal}\n"
    ".chart .mid{text-anchor:middle}.chart .end{text-anchor:end}\n"
    ".chart .ground{fill:#fff}\n"
    ".chart .grid{stroke:#e4e7ec;stroke-width:1}\n"
    ".chart .base{stroke:#7b8494;stroke-width:1}\n"
    ".chart .line,.chart .faint,.chart .points{fill:none;stroke:currentColor;stroke-linecap:round;"
    "stroke-linejoin:round}\n"
    ".chart .line{stroke-width:2}\n"
    ".chart .faint{stroke-width:1.5;stroke-opacity:.6}\n"
    ".chart .points{stroke-width:2.5;stroke-opacity:.22}\n"
    ".chart .marker{fill:currentColor;stroke:#fff;stroke-width:1.2}\n"
    ".chart .unseen{fill:currentColor}\n"
    ".chart .d1{stroke-dasharray:7 4}.chart .d2{stroke-dasharray:1 4.5}\n"
    ".chart .points{stroke-dasharray:none}\n"
    ".several .points{stroke-opacity:.13}\n"
    ".chart .ink{color:#555d69}.chart .c0{color:#2d448c}.chart .c1{color:#d79300}.chart "
    ".c2{color:#0eb56d}"
    ".chart .c3{color:#ac3112}.chart .c4{color:#9697e6}.chart .c5{color:#956e8b}"
    ".chart .c6{color:#210b1a}\n"
    "@media(prefers-color-scheme:dark){\n"
    ".chart text{fill:#a3adbc}\n"
    ".chart .title,.chart .panel,.chart .key,.chart .best{fill:#e9ecf2}\n"
    ".chart .remark{fill:#a3adbc}\n"
    ".chart .ground{fill:#191d25}\n"
    ".chart .grid{stroke:#2b313c}\n"
    ".chart .base{stroke:#7b8494}\n"
    ".chart .marker{stroke:#191d25}\n"
    ".chart .ink{color:#a3adbc}.chart .c0{color:#5185ee}.chart .c1{color:#ffd754}.chart "
    ".c2{color:#17cd78}"
    ".chart .c3{color:#f1572a}.chart .c4{color:#afd7ff}.chart .c5{color:#c677a6}"
    ".chart .c6{color:#fbfff5}\n"
    "}\n";

// Where everything is, in pixels.
struct layout {
    int num_columns;
    double top;          // of the first row of panels
    double row_height;   // a panel with all that belongs to it
    double title_height; // of a panel
    double field_height;
    double number_width; // at the y axes
    double field_width;
};

// ---- Text ----

// Fonts differ: wide enough for the wider ones.
static double text_width(const char *text, double size) {
    double count = 0;
    for (; *text; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return 0.6 * size * count;
}

static void write_title(struct output *out, const struct line_chart *chart) {
    output_printf(out, "<text class=\"title\" x=\"%d\" y=\"23\">", MARGIN);
    markup_text(out, chart->title);
    if (*chart->remark) {
        output_text(out, "<tspan class=\"remark\" dx=\"10\">");
        markup_text(out, chart->remark);
        output_text(out, "</tspan>");
    }
    output_text(out, "</text>\n");
}

// ---- Legend ----

struct legend {
    struct output *out; // NULL: only count the rows
    double x, y;
    int num_rows;
};

// colour: of a run, or "ink".
static void place_key(struct legend *legend, const char *line_class, bool has_marker,
                      const char *colour, const char *name) {
    const double font_size = 13;
    const double gap = 20;
    double width = KEY_WIDTH + 7 + text_width(name, font_size);
    bool starts_row = legend->num_rows == 0 || legend->x + width > CHART_WIDTH - MARGIN;
    if (starts_row) {
        legend->num_rows++;
        legend->x = MARGIN;
        legend->y += LEGEND_ROW_HEIGHT;
    }
    if (legend->out) {
        char class[48];
        snprintf(class, sizeof class, "%s %s", line_class, colour);
        svg_line(legend->out, class, legend->x, legend->y - 4.5, legend->x + KEY_WIDTH,
                 legend->y - 4.5);
        snprintf(class, sizeof class, "marker %s", colour);
        if (has_marker)
            svg_circle(legend->out, class, legend->x + KEY_WIDTH / 2.0, legend->y - 4.5, 3.5, NULL);
        svg_text(legend->out, "key", legend->x + KEY_WIDTH + 7, legend->y, name);
    }
    legend->x += width + gap;
}

// Returns the number of rows. out may be NULL.
static int write_legend(struct output *out, const struct line_chart *chart) {
    static const char *const classes[LINE_NUM_STYLES] = {
        [LINE_FAINT_POINTS] = "points", [LINE_FAINT] = "faint", [LINE_MEAN] = "line",
        [LINE_STRONG] = "line",         [LINE_MARKED] = "line",
    };
    struct legend legend = {.out = out, .y = TITLE_HEIGHT - 6};
    for (int i = 0; i < chart->num_runs && chart->num_runs > 1; i++) {
        char colour[16];
        snprintf(colour, sizeof colour, "c%d d%d", i % LINE_CHART_COLOURS, i / LINE_CHART_COLOURS);
        place_key(&legend, "line", false, colour, chart->runs[i]);
    }
    for (int i = 0; i < LINE_NUM_STYLES; i++)
        if (chart->style_names[i])
            place_key(&legend, classes[i], i == LINE_MARKED, chart->num_runs > 1 ? "ink" : "c0",
                      chart->style_names[i]);
    return legend.num_rows;
}

// ---- Axes ----

static enum status choose_y_axis(struct axis *axis, const struct chart_panel *panel, double height,
                                 struct arena *arena, struct error *err) {
    const double reach = 2; // the first steps of training and spikes may leave the panel
    struct range all = range_of_nothing();
    for (int i = 0; i < panel->num_lines; i++) {
        const struct series *series = &panel->lines[i].series;
        struct range range = series_values(series);
        if (panel->cuts_outliers) TRY(series_usual_values(series, reach, &range, arena, err));
        if (range.low > range.high) continue;
        range_include(&all, range.low);
        range_include(&all, range.high);
    }
    axis_choose(axis, panel->scale, all, (int)(height / Y_TICK_DISTANCE), height, 0);
    return STATUS_OK;
}

static void draw_y_axis(struct output *out, const struct axis *axis, double left, double right) {
    for (int i = 0; i < axis->num_ticks; i++) {
        char label[AXIS_LABEL_BYTES];
        axis_label(axis, axis->ticks[i], label);
        double y = axis_place(axis, axis->ticks[i]);
        svg_line(out, "grid", left, y, right, y);
        svg_text(out, "number end", left - 8, y + 4, label);
    }
}

static void draw_x_axis(struct output *out, const struct axis *axis, double bottom) {
    svg_line(out, "base", axis->begin, bottom, axis->end, bottom);
    for (int i = 0; i < axis->num_ticks; i++) {
        char label[AXIS_LABEL_BYTES];
        axis_label(axis, axis->ticks[i], label);
        double x = axis_place(axis, axis->ticks[i]);
        svg_line(out, "base", x, bottom, x, bottom + 4);
        svg_text(out, "number mid", x, bottom + 18, label);
    }
    svg_text(out, "number mid", (axis->begin + axis->end) / 2, bottom + 35, "step");
}

// ---- Panels ----

// "▲ 3 up to 1.3e+06, 2 missing": what the picture does not show.
static void write_unseen(struct output *out, const struct unseen_values *unseen, double x,
                         double y) {
    char text[160] = "";
    char count[READABLE_BYTES];
    int used = 0;
    if (unseen->num_above)
        used = snprintf(text, sizeof text, "\u25b2 %s up to %.3g",
                        readable_count(unseen->num_above, count), unseen->beyond.high);
    if (unseen->num_below)
        used += snprintf(text + used, sizeof text - (size_t)used, "%s\u25bc %s down to %.3g",
                         used ? ", " : "", readable_count(unseen->num_below, count),
                         unseen->beyond.low);
    if (unseen->num_gaps)
        snprintf(text + used, sizeof text - (size_t)used, "%s%s missing", used ? ", " : "",
                 readable_count(unseen->num_gaps, count));
    if (*text) svg_text(out, "remark end", x, y, text);
}

static bool is_measured(enum line_style style) {
    return style != LINE_FAINT && style != LINE_MEAN;
}

static void draw_panel(struct output *out, const struct line_chart *chart,
                       const struct layout *layout, int index, const struct axis *y_axis) {
    const struct chart_panel *panel = &chart->panels[index];
    double column_width = layout->number_width + layout->field_width + COLUMN_GAP;
    int row = index / layout->num_columns;
    int column = index % layout->num_columns;
    double left = MARGIN + layout->number_width + column * column_width;
    double top = layout->top + layout->title_height + row * layout->row_height;
    double right = left + layout->field_width;
    double bottom = top + layout->field_height;
    char clip[64];
    snprintf(clip, sizeof clip, "%.48s-%d", chart->name, index);
    struct panel_field field = {.y = *y_axis, .clip = clip};
    field.y.begin = bottom;
    field.y.end = top;
    axis_choose(&field.x, AXIS_STEPS, chart->steps, (int)(layout->field_width / X_TICK_DISTANCE),
                left, right);
    // Lines at the edges keep their width.
    output_printf(out,
                  "<clipPath id=\"%s\"><rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
                  "height=\"%.1f\"/></clipPath>\n",
                  clip, left - 2, top - 2, layout->field_width + 4, layout->field_height + 4);
    if (*panel->title) svg_text(out, "panel", left, top - 14, panel->title);
    draw_y_axis(out, &field.y, left, right);
    draw_x_axis(out, &field.x, bottom);
    struct unseen_values unseen = {.beyond = range_of_nothing()};
    for (int i = 0; i < panel->num_lines; i++)
        chart_draw_line(out, &field, &panel->lines[i]);
    for (int i = 0; i < panel->num_lines; i++)
        if (is_measured(panel->lines[i].style))
            chart_draw_unseen(out, &field, &panel->lines[i], &unseen);
    if (panel->labels_best) chart_label_best(out, &field, &panel->lines[0]);
    write_unseen(out, &unseen, right, *panel->title ? top - 14 : 23);
}

// ---- The whole ----

static enum status lay_out(struct layout *layout, const struct line_chart *chart,
                           struct axis *y_axes, struct arena *arena, struct error *err) {
    bool is_single = chart->num_panels == 1;
    int num_rows = write_legend(NULL, chart);
    *layout = (struct layout){
        .num_columns = is_single ? 1 : 2,
        .top = TITLE_HEIGHT + (num_rows ? LEGEND_ROW_HEIGHT * num_rows + LEGEND_GAP : 0),
        .title_height = is_single ? 10 : PANEL_TITLE_HEIGHT,
        .field_height = is_single ? WIDE_FIELD_HEIGHT : FIELD_HEIGHT,
    };
    layout->row_height = layout->title_height + layout->field_height + PANEL_FOOT_HEIGHT;
    for (int i = 0; i < chart->num_panels; i++) {
        TRY(choose_y_axis(&y_axes[i], &chart->panels[i], layout->field_height, arena, err));
        for (int k = 0; k < y_axes[i].num_ticks; k++) {
            const double font_size = 12;
            char label[AXIS_LABEL_BYTES];
            axis_label(&y_axes[i], y_axes[i].ticks[k], label);
            layout->number_width =
                fmax(layout->number_width, ceil(text_width(label, font_size)) + 8);
        }
    }
    double width = CHART_WIDTH - MARGIN - RIGHT_MARGIN - (layout->num_columns - 1) * COLUMN_GAP;
    layout->field_width = width / layout->num_columns - layout->number_width;
    return STATUS_OK;
}

enum status line_chart_write(struct output *out, const struct line_chart *chart,
                             struct arena *arena, struct error *err) {
    CHECK(chart->num_panels >= 1 && chart->num_runs <= LINE_CHART_MAX_RUNS);
    struct axis *y_axes = arena_alloc(arena, chart->num_panels, sizeof *y_axes);
    if (!y_axes) return error_memory(err, "a chart", chart->num_panels * (long long)sizeof *y_axes);
    struct layout layout;
    TRY(lay_out(&layout, chart, y_axes, arena, err));
    int num_rows = (chart->num_panels + layout.num_columns - 1) / layout.num_columns;
    double height = layout.top + num_rows * layout.row_height;
    output_printf(out,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart%s\" width=\"%d\" "
                  "height=\"%g\" viewBox=\"0 0 %d %g\" role=\"img\" aria-label=\"",
                  chart->num_runs > 1 ? " several" : "", CHART_WIDTH, height, CHART_WIDTH, height);
    markup_text(out, chart->title);
    output_text(out, "\">\n");
    output_printf(out, "<style>\n%s</style>\n", STYLE);
    output_text(out, "<rect class=\"ground\" width=\"100%\" height=\"100%\"/>\n");
    write_title(out, chart);
    write_legend(out, chart);
    for (int i = 0; i < chart->num_panels; i++)
        draw_panel(out, chart, &layout, i, &y_axes[i]);
    svg_end(out);
    return STATUS_OK;
}
