#include "eval/html.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/check.h"
#include "eval/charts.h"
#include "eval/page.h"
#include "eval/summary.h"

enum { PATH_BYTES = 4096 };

// ---- Parts ----

// In percent with one digit, or a dash.
static void write_percent(struct output *out, double value) {
    if (value < 0)
        output_text(out, "\xe2\x80\x93");
    else
        output_printf(out, "%.1f", 100 * value);
}

static void write_tile(struct page *page, const struct report *report) {
    struct summary s = summary_of(report->metric, ALL_CLASSES);
    struct output *out = page->out;
    output_printf(out, "<div class=\"card tile\"><h3>%s</h3><div class=\"ap\">",
                  iou_kind_name(report->scenes.iou));
    write_percent(out, s.ap);
    output_text(out, " <small>AP</small></div><dl>");
    const struct {
        const char *name;
        double value;
    } rows[] = {{"AP50", s.ap50},
                {"AP75", s.ap75},
                {"small", s.ap_small},
                {"medium", s.ap_medium},
                {"large", s.ap_large}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        output_printf(out, "<div><dt>%s</dt><dd>", rows[i].name);
        write_percent(out, rows[i].value);
        output_text(out, "</dd></div>");
    }
    output_text(out, "</dl></div>\n");
}

static void write_summary(struct page *page, const struct report *reports, int64_t num_reports) {
    static const char *const columns[] = {"AP",  "AP50", "AP75",  "APs", "APm", "APl",
                                          "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"};
    struct output *out = page->out;
    output_text(out, "<div class=\"tiles\">\n");
    for (int64_t i = 0; i < num_reports; i++)
        write_tile(page, &reports[i]);
    output_text(out, "</div>\n<div class=\"card scroll\"><table><thead><tr><th>IoU of</th>");
    for (size_t c = 0; c < sizeof columns / sizeof *columns; c++)
        output_printf(out, "<th class=\"n\">%s</th>", columns[c]);
    output_text(out, "</tr></thead><tbody>\n");
    for (int64_t i = 0; i < num_reports; i++) {
        struct summary s = summary_of(reports[i].metric, ALL_CLASSES);
        const double row[] = {s.ap,    s.ap50,  s.ap75,  s.ap_small, s.ap_medium, s.ap_large,
                              s.ar[0], s.ar[1], s.ar[2], s.ar_small, s.ar_medium, s.ar_large};
        output_printf(out, "<tr><td>%s</td>", iou_kind_name(reports[i].scenes.iou));
        for (size_t c = 0; c < sizeof row / sizeof *row; c++) {
            output_text(out, "<td class=\"n\">");
            write_percent(out, row[c]);
            output_text(out, "</td>");
        }
        output_text(out, "</tr>\n");
    }
    output_text(out, "</tbody></table></div>\n");
}

static void write_class_name(struct page *page, const struct report *report, int64_t k) {
    char buffer[SCENE_NAME_BYTES];
    markup_text(page->out, scene_class_name(&report->scenes, k, buffer));
}

static void write_curves(struct page *page, const struct report *report) {
    struct output *out = page->out;
    output_text(out, "<div class=\"card curves\"><div class=\"head\"><h3>Precision and recall</h3>"
                     "<label class=\"pick\"><select aria-label=\"class\"><option>all classes"
                     "</option>");
    for (int64_t k = 0; k < report->metric->num_classes; k++) {
        if (report->metric->classes[k].num_objects == 0) continue;
        output_text(out, "<option>");
        write_class_name(page, report, k);
        output_text(out, "</option>");
    }
    output_text(out, "</select></label></div>\n");
    chart_precision_recall(out, report->metric);
    output_text(out, "</div>\n");
}

static void write_class_row(struct page *page, const struct report *report, int64_t k) {
    const struct metric_class *class = &report->metric->classes[k];
    struct summary s = summary_of(report->metric, k);
    struct output *out = page->out;
    output_text(out, "<tr><td><bdi>");
    write_class_name(page, report, k);
    output_printf(out,
                  "</bdi></td><td class=\"n\">%lld</td><td class=\"n\">%lld</td>"
                  "<td class=\"n\">%lld</td><td class=\"n\">",
                  (long long)class->num_images, (long long)class->num_objects,
                  (long long)class->num_results);
    output_printf(out, "<span class=\"meter\"><i style=\"width:%.1f%%\"></i></span>",
                  100 * fmax(s.ap, 0));
    const double row[] = {
        s.ap, s.ap50, s.ap75, s.ap_small, s.ap_medium, s.ap_large, s.ar[METRIC_NUM_MAX_DETS - 1]};
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        if (i == 0) output_text(out, "<span class=\"after-meter\">");
        write_percent(out, row[i]);
        if (i == 0) output_text(out, "</span>");
        output_text(out,
                    i + 1 < sizeof row / sizeof *row ? "</td><td class=\"n\">" : "</td></tr>\n");
    }
}

static void write_classes(struct page *page, const struct report *report) {
    struct output *out = page->out;
    output_text(out, "<div class=\"card scroll tall\"><table class=\"sortable\"><thead><tr>"
                     "<th>class</th><th class=\"n\">images</th><th class=\"n\">objects</th>"
                     "<th class=\"n\">results</th><th class=\"n\">AP</th><th class=\"n\">AP50</th>"
                     "<th class=\"n\">AP75</th><th class=\"n\">APs</th><th class=\"n\">APm</th>"
                     "<th class=\"n\">APl</th><th class=\"n\">AR</th></tr></thead><tbody>\n");
    for (int64_t k = 0; k < report->metric->num_classes; k++) {
        const struct metric_class *class = &report->metric->classes[k];
        if (class->num_objects || class->num_results) write_class_row(page, report, k);
    }
    output_text(out, "</tbody></table></div>\n");
}

static void write_errors(struct page *page, const struct report *report) {
    const struct breakdown *breakdown = &report->breakdown;
    struct output *out = page->out;
    output_text(out, "<div class=\"columns\"><div class=\"card\"><h3>AP gained by repair</h3>\n");
    chart_errors(out, breakdown);
    output_text(out, "</div>\n<div class=\"card scroll\"><h3>Kinds of errors</h3><table><thead>"
                     "<tr><th>kind</th><th class=\"n\">count</th><th class=\"n\">AP gained</th>"
                     "<th>what it is</th></tr></thead><tbody>\n");
    for (int kind = 0; kind < NUM_ERROR_KINDS; kind++)
        output_printf(
            out,
            "<tr><td>%s</td><td class=\"n\">%lld</td><td class=\"n\">%.2f</td>"
            "<td><bdi>%s</bdi></td></tr>\n",
            error_kind_name((enum judgement)kind), (long long)breakdown->errors[kind].count,
            100 * breakdown->errors[kind].delta_ap, error_kind_text((enum judgement)kind));
    output_text(out, "</tbody></table></div></div>\n");
}

static void write_top_confusions(struct page *page, const struct report *report) {
    enum { MAX_PAIRS = 14 };
    struct confused_pair pairs[MAX_PAIRS];
    int64_t count = confusion_top(&report->confusion, false, pairs, MAX_PAIRS);
    struct output *out = page->out;
    if (count == 0) {
        output_text(out, "<p class=\"empty\">None.</p>");
        return;
    }
    output_text(out, "<table><thead><tr><th>annotated as</th><th>found as</th>"
                     "<th class=\"n\">count</th></tr></thead><tbody>\n");
    for (int64_t i = 0; i < count; i++) {
        output_text(out, "<tr><td><bdi>");
        write_class_name(page, report, pairs[i].object_class);
        output_text(out, "</bdi></td><td><bdi>");
        write_class_name(page, report, pairs[i].result_class);
        output_printf(out, "</bdi></td><td class=\"n\">%lld</td></tr>\n",
                      (long long)pairs[i].count);
    }
    output_text(out, "</tbody></table>");
}

static void write_confusions(struct page *page, const struct report *report) {
    const struct confusion *confusion = &report->confusion;
    struct output *out = page->out;
    output_printf(out,
                  "<p>At score %.2f or more and IoU %.2f, %lld of %lld objects are found under "
                  "their class and %lld under another. The matrix shows the classes that are "
                  "confused most; colour is the share of the row.</p>\n",
                  confusion->min_score, CONFUSION_IOU, (long long)confusion->num_right,
                  (long long)confusion->num_objects, (long long)confusion->num_confused);
    if (confusion->num_classes == 0) return;
    output_text(out, "<div class=\"columns wide\"><div class=\"card\">\n");
    chart_confusion(out, confusion);
    output_text(out, "</div>\n<div class=\"card scroll\"><h3>Most frequent</h3>");
    write_top_confusions(page, report);
    output_text(out, "</div></div>\n");
}

static void write_compared_row(struct page *page, const char *name,
                               const struct compared_value *value, double reach) {
    struct output *out = page->out;
    if (value->value < 0) return;
    output_text(out, "<tr><td><bdi>");
    markup_text(out, name);
    output_printf(out,
                  "</bdi></td><td class=\"n\">%.2f</td><td class=\"n\">%.2f</td>"
                  "<td class=\"n\"><i class=\"%s\">%+.2f</i></td><td>",
                  100 * value->other, 100 * value->value,
                  !value->is_clear        ? ""
                  : value->difference > 0 ? "better"
                                          : "worse",
                  100 * value->difference);
    chart_interval(out, value, reach);
    output_printf(out, "</td><td class=\"n\">%+.2f to %+.2f</td></tr>\n", 100 * value->low,
                  100 * value->high);
}

static double reach_of(const struct compared_value *value) {
    return fmax(fabs(value->difference), fmax(fabs(value->low), fabs(value->high)));
}

static void write_comparison(struct page *page, const struct comparison *comparison) {
    struct output *out = page->out;
    output_text(out, "<p>Against <bdi>");
    markup_text(out, comparison->other_path);
    output_printf(out,
                  "</bdi>: differences with 95 %% intervals from %lld resamples of the images. "
                  "Grey: the interval holds 0, or rests on fewer than %d images.</p>\n<div "
                  "class=\"card scroll tall\">"
                  "<table><thead><tr><th></th><th class=\"n\">before</th><th class=\"n\">now</th>"
                  "<th class=\"n\">change</th><th></th><th class=\"n\">95 %% interval</th></tr>"
                  "</thead><tbody>\n",
                  (long long)comparison->num_resamples, (int)COMPARISON_MIN_IMAGES);
    double reach = fmax(reach_of(&comparison->ap),
                        fmax(reach_of(&comparison->ap50), reach_of(&comparison->ap75)));
    write_compared_row(page, "AP", &comparison->ap, reach);
    write_compared_row(page, "AP50", &comparison->ap50, reach);
    write_compared_row(page, "AP75", &comparison->ap75, reach);
    reach = 0;
    for (int64_t k = 0; k < comparison->num_classes; k++)
        reach = fmax(reach, reach_of(&comparison->classes[k].ap));
    for (int64_t k = 0; k < comparison->num_classes; k++)
        write_compared_row(page, comparison->classes[k].name, &comparison->classes[k].ap, reach);
    output_text(out, "</tbody></table></div>\n");
}

// ---- The page ----

static void write_heading(struct page *page, const struct report *report, const char *part,
                          const char *title) {
    const char *kind = iou_kind_name(report->scenes.iou);
    output_printf(page->out, "<h2 id=\"%s-%s\">%s</h2>\n", kind, part, title);
}

static void write_scores(struct page *page, const struct report *report) {
    struct output *out = page->out;
    output_text(out, "<div class=\"columns\">\n");
    write_curves(page, report);
    output_text(out, "<div class=\"card\"><h3>Scores</h3>\n");
    chart_scores(out, &report->scenes, &report->breakdown);
    output_text(out, "</div>\n<div class=\"card\"><h3>Score threshold</h3>\n");
    chart_thresholds(out, &report->scenes, &report->breakdown);
    output_text(out, "</div>\n<div class=\"card\"><h3>Calibration</h3>\n");
    chart_calibration(out, &report->calibration);
    if (report->calibration.num_results)
        output_printf(out,
                      "<p>Expected calibration error %.3f. Bars below the dashed line: scores "
                      "promise more than they keep.</p>\n",
                      report->calibration.expected_error);
    output_text(out, "</div></div>\n");
}

static enum status write_kind(struct page *page, const struct report *report, struct error *err) {
    const char *kind = iou_kind_name(report->scenes.iou);
    output_printf(page->out, "<section class=\"kind\" data-kind=\"%s\" aria-label=\"%s\">\n", kind,
                  kind);
    write_heading(page, report, "scores", "Precision, recall, scores");
    write_scores(page, report);
    if (report->comparison) {
        write_heading(page, report, "compare", "Comparison");
        write_comparison(page, report->comparison);
    }
    write_heading(page, report, "errors", "What the errors cost");
    output_text(page->out, "<p>What AP at IoU 0.5 would gain if one kind of error were repaired "
                           "(TIDE). Errors hide one another, so gains do not add up.</p>\n");
    write_errors(page, report);
    write_heading(page, report, "classes", "Classes");
    write_classes(page, report);
    write_heading(page, report, "confusions", "Confusions");
    write_confusions(page, report);
    write_heading(page, report, "labels", "Likely label errors");
    output_printf(page->out,
                  "<p>Results that score %.2f or more where the annotations say something else. "
                  "Dashed: annotated; solid: found.</p>\n",
                  report->label_errors.min_score);
    TRY(page_write_label_errors(page, report, err));
    write_heading(page, report, "images", "Worst images");
    output_printf(page->out,
                  "<p>The images with the most errors at score %.2f or more. Point at an outline "
                  "for its name, click an image to enlarge it.</p>\n",
                  report->options.min_score);
    TRY(page_write_gallery(page, report, err));
    output_text(page->out, "</section>\n");
    return STATUS_OK;
}

static void write_pieces(struct output *out, const char *const *pieces) {
    for (; *pieces; pieces++)
        output_text(out, *pieces);
}

static void write_navigation(struct page *page, const struct report *reports, int64_t num_reports) {
    static const char *const parts[][2] = {{"scores", "Curves"},         {"compare", "Comparison"},
                                           {"errors", "Errors"},         {"classes", "Classes"},
                                           {"confusions", "Confusions"}, {"labels", "Label errors"},
                                           {"images", "Images"}};
    struct output *out = page->out;
    output_text(out, "<nav aria-label=\"parts\"><div><span class=\"tabs\" role=\"group\" "
                     "aria-label=\"kind of IoU\">");
    for (int64_t i = 0; i < num_reports; i++) {
        const char *kind = iou_kind_name(reports[i].scenes.iou);
        output_printf(out, "<button aria-pressed=\"false\" data-kind=\"%s\">%s</button>", kind,
                      kind);
    }
    output_text(out, "</span>");
    const struct report *last = &reports[num_reports - 1];
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (strcmp(parts[i][0], "compare") == 0 && !last->comparison) continue;
        output_printf(out, "<a data-part=\"%s\" href=\"#%s-%s\">%s</a>", parts[i][0],
                      iou_kind_name(last->scenes.iou), parts[i][0], parts[i][1]);
    }
    output_text(out, "</div></nav>\n");
}

static void write_header(struct page *page, const struct report *reports, int64_t num_reports) {
    const struct scenes *scenes = &reports[0].scenes;
    struct output *out = page->out;
    output_text(out, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                     "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
                     "<title>Evaluation of ");
    markup_text(out, scenes->results_set->path);
    output_text(out, "</title>\n<style>\n");
    write_pieces(out, page_style);
    output_text(out, "</style></head>\n<body><header><h1>Evaluation</h1><p><bdi>");
    markup_text(out, scenes->results_set->path);
    output_text(out, "</bdi> against <bdi>");
    markup_text(out, scenes->truth_set->path);
    output_printf(out, "</bdi><br>%lld images, %lld objects in %lld classes, %lld results</p>\n",
                  (long long)scenes->num_scenes, (long long)reports[0].breakdown.num_objects,
                  (long long)scenes->num_classes, (long long)scenes->results_set->num_annotations);
    write_summary(page, reports, num_reports);
    output_text(out, "</header>\n");
    write_navigation(page, reports, num_reports);
}

static enum status write_page(struct page *page, const struct report *reports, int64_t num_reports,
                              struct error *err) {
    TRY(id_index_init(&page->pictures, reports[0].scenes.truth_set->num_images, &page->arena, err));
    write_header(page, reports, num_reports);
    output_text(page->out, "<main>\n");
    for (int64_t i = 0; i < num_reports; i++)
        TRY(write_kind(page, &reports[i], err));
    output_text(page->out, "</main>\n<footer>AP and AR as pycocotools computes them; errors as in "
                           "TIDE (Bolya et al., ECCV 2020).</footer>\n<script>\n");
    write_pieces(page->out, page_script);
    output_text(page->out, "</script></body></html>\n");
    return STATUS_OK;
}

static enum status make_folder(const char *path, struct error *err) {
    if (mkdir(path, 0777) == 0 || errno == EEXIST) return STATUS_OK;
    return error_set(err, STATUS_CANNOT_WRITE, "%s: cannot make the folder: %s", path,
                     strerror(errno));
}

enum status html_write(const char *folder, const struct report *reports, int64_t num_reports,
                       const struct html_options *options, struct error *err) {
    enum { BLOCK_BYTES = 1 << 18 };
    CHECK(num_reports > 0);
    char path[PATH_BYTES];
    if (snprintf(path, sizeof path, "%s/index.html", folder) >= PATH_BYTES - 64)
        return error_set(err, STATUS_USAGE, "%s: the name of the folder is too long", folder);
    char images[PATH_BYTES];
    snprintf(images, sizeof images, "%s/images", folder);
    TRY(make_folder(folder, err));
    TRY(make_folder(images, err));
    struct output out;
    TRY(output_open_file(&out, path, err));
    struct page page = {.out = &out, .folder = folder, .options = options};
    arena_init(&page.arena, BLOCK_BYTES, 0);
    enum status status = write_page(&page, reports, num_reports, err);
    if (status == STATUS_OK) status = output_commit(&out, err);
    output_discard(&out);
    arena_destroy(&page.arena);
    return status;
}
