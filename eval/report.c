#include "eval/report.h"

struct report_options report_default_options(void) {
    return (struct report_options){.min_score = 0.5, .min_label_score = 0.8};
}

static enum status compute_parts(struct report *report, struct workers *workers,
                                 struct error *err) {
    const struct metric *metric = report->metric;
    struct scenes *scenes = &report->scenes;
    TRY(scenes_build(scenes, metric->truth, metric->results, &metric->settings, workers, err));
    TRY(breakdown_compute(&report->breakdown, scenes, err));
    TRY(confusion_compute(&report->confusion, scenes, report->options.min_score, err));
    report->calibration = calibration_compute(scenes, &report->breakdown);
    return label_errors_find(&report->label_errors, scenes, &report->breakdown,
                             report->options.min_label_score, err);
}

enum status report_compute(struct report *report, const struct metric *metric,
                           const struct report_options *options, struct workers *workers,
                           struct error *err) {
    *report = (struct report){.metric = metric, .options = *options};
    enum status status = compute_parts(report, workers, err);
    if (status != STATUS_OK) report_destroy(report);
    return status;
}

void report_destroy(struct report *report) {
    label_errors_destroy(&report->label_errors);
    confusion_destroy(&report->confusion);
    breakdown_destroy(&report->breakdown);
    scenes_destroy(&report->scenes);
    *report = (struct report){0};
}

void report_print(const struct report *report, struct output *out) {
    enum { MAX_LABEL_ERRORS = 20 };
    breakdown_print(&report->breakdown, out);
    confusion_print(&report->confusion, out);
    calibration_print(&report->calibration, out);
    label_errors_print(&report->label_errors, &report->scenes, MAX_LABEL_ERRORS, out);
}

void report_write_json(const struct report *report, struct json_writer *w) {
    json_write_key(w, "breakdown");
    breakdown_write_json(&report->breakdown, w);
    json_write_key(w, "confusion");
    confusion_write_json(&report->confusion, w);
    json_write_key(w, "calibration");
    calibration_write_json(&report->calibration, w);
    json_write_key(w, "label_errors");
    label_errors_write_json(&report->label_errors, &report->scenes, w);
    if (!report->comparison) return;
    json_write_key(w, "compare");
    comparison_write_json(report->comparison, w);
}
