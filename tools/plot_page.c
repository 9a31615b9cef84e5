#include "tools/plot_page.h"

#include <math.h>

#include "eval/page.h"
#include "tools/plot_charts.h"
#include "tools/readable.h"

// What the page has beyond the evaluation report's style and the charts' own.
static const char STYLE[] = "header,main,footer{max-width:1480px}\n"
                            "header .card{margin-top:14px}\n"
                            ".charts{columns:2 600px;column-gap:16px;margin-top:16px}\n"
                            ".charts .card{padding:6px 6px 2px;margin-bottom:16px;"
                            "break-inside:avoid}\n"
                            "td small{color:var(--soft)}\n"
                            ".charts figcaption{padding:0 14px 10px}\n"
                            ".card .chart .ground{fill:none}\n"
                            "i.swatch{display:inline-block;width:22px;height:3px;border-radius:2px;"
                            "background:currentColor;vertical-align:middle;margin-right:9px}\n";

// ---- The table of runs ----

static void write_loss(struct output *out, double loss) {
    output_text(out, "<td class=\"n\">");
    if (isfinite(loss)) output_printf(out, "%.4g", loss);
    output_text(out, "</td>");
}

// The highest value of an evaluation and its step, in percent.
static void write_best(struct output *out, const struct metrics *metrics, size_t offset) {
    double best = -1;
    int64_t step = 0;
    for (int64_t i = 0; i < metrics->num_evals; i++) {
        double value = *(const double *)((const char *)&metrics->evals[i] + offset);
        if (!(value > best)) continue;
        best = value;
        step = metrics->evals[i].step;
    }
    char text[READABLE_BYTES];
    output_text(out, "<td class=\"n\">");
    if (best >= 0)
        output_printf(out, "<b>%.1f</b> <small>at %s</small>", 100 * best,
                      readable_count(step, text));
    output_text(out, "</td>");
}

static void write_run(struct output *out, const struct plotted_run *run, int index) {
    const struct metrics *metrics = &run->metrics;
    int64_t step = 0;
    double loss = (double)NAN;
    double validation_loss = (double)NAN;
    if (metrics->num_evals > 0) {
        step = metrics->evals[metrics->num_evals - 1].step;
        validation_loss = metrics->evals[metrics->num_evals - 1].loss;
    }
    if (metrics->num_train > 0) {
        step = metrics->train[metrics->num_train - 1].step;
        loss = metrics->train[metrics->num_train - 1].loss;
    }
    char text[READABLE_BYTES];
    output_printf(out, "<tr><td><span class=\"chart\"><i class=\"swatch c%d\"></i></span><bdi>",
                  index % LINE_CHART_COLOURS);
    markup_text(out, run->name);
    output_printf(out, "</bdi></td><td class=\"n\">%s</td>", readable_count(step, text));
    write_loss(out, loss);
    write_loss(out, validation_loss);
    write_best(out, metrics, offsetof(struct metrics_eval, box_ap));
    write_best(out, metrics, offsetof(struct metrics_eval, mask_ap));
    output_text(out, "</tr>\n");
}

static void write_table(struct output *out, const struct plotted_runs *runs) {
    output_text(
        out,
        "<div class=\"card scroll\"><table class=\"sortable\"><thead><tr><th>run</th>"
        "<th class=\"n\">step</th><th class=\"n\">loss</th><th class=\"n\">validation loss</th><th "
        "class=\"n\">best box AP</th><th class=\"n\">best mask AP</th></tr></thead><tbody>\n");
    for (int i = 0; i < runs->count; i++)
        write_run(out, &runs->runs[i], i);
    output_text(out, "</tbody></table></div>\n");
}

// ---- The page ----

static void write_pieces(struct output *out, const char *const *pieces) {
    for (; *pieces; pieces++)
        output_text(out, *pieces);
}

void plot_page_begin(struct output *out, const struct plotted_runs *runs) {
    output_text(out, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                     "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
                     "<title>Training of ");
    for (int i = 0; i < runs->count; i++) {
        if (i) output_text(out, ", ");
        markup_text(out, runs->runs[i].name);
    }
    output_text(out, "</title>\n<style>\n");
    write_pieces(out, page_style);
    output_text(out, STYLE);
    output_text(out, "</style></head>\n<body><header><h1>Training</h1>\n");
    write_table(out, runs);
    output_text(out, "</header>\n<main><div class=\"charts\">\n");
}

void plot_page_add(struct output *out, const struct chart_plan *plan, const struct output *chart) {
    output_text(out, "<figure class=\"card\">\n");
    output_write(out, chart->data, chart->size);
    output_printf(out, "<figcaption>%s</figcaption></figure>\n", plan->note);
}

void plot_page_end(struct output *out) {
    output_text(out,
                "</div></main>\n<footer>Arrowheads stand for values beyond the edge of a chart."
                "</footer>\n<script>\n");
    write_pieces(out, page_script);
    output_text(out, "</script></body></html>\n");
}
