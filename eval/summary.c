#include "eval/summary.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"

// ---- Averages ----

// Which part of a metric's values is averaged; -1 takes all.
struct selection {
    int64_t threshold;
    int64_t class_index;
    int64_t area;
};

// The indices begin..end-1 of one dimension that a selection takes.
struct range {
    int64_t begin, end;
};

static struct range range_of(int64_t chosen, int64_t count) {
    return chosen < 0 ? (struct range){0, count} : (struct range){chosen, chosen + 1};
}

struct mean {
    double sum;
    int64_t count;
};

static void mean_add(struct mean *mean, double value) {
    if (value <= -1) return; // no ground truth
    mean->sum += value;
    mean->count++;
}

static double mean_value(const struct mean *mean) {
    return mean->count ? mean->sum / (double)mean->count : -1;
}

static double average_precision(const struct metric *metric, const double *precision,
                                struct selection selection) {
    const struct metric_settings *settings = &metric->settings;
    struct mean mean = {0};
    if (!precision || selection.area < 0) return -1;
    struct range thresholds = range_of(selection.threshold, settings->num_thresholds);
    struct range classes = range_of(selection.class_index, metric->num_classes);
    for (int64_t t = thresholds.begin; t < thresholds.end; t++)
        for (int64_t r = 0; r < METRIC_NUM_RECALLS; r++)
            for (int64_t k = classes.begin; k < classes.end; k++)
                mean_add(&mean, precision[((t * METRIC_NUM_RECALLS + r) * metric->num_classes + k) *
                                              settings->num_areas +
                                          selection.area]);
    return mean_value(&mean);
}

static double average_recall(const struct metric *metric, int64_t class_index, int64_t area,
                             int64_t max_dets_index) {
    const struct metric_settings *settings = &metric->settings;
    struct mean mean = {0};
    if (area < 0) return -1;
    struct range classes = range_of(class_index, metric->num_classes);
    for (int64_t t = 0; t < settings->num_thresholds; t++)
        for (int64_t k = classes.begin; k < classes.end; k++)
            mean_add(&mean,
                     metric->recall[((t * metric->num_classes + k) * settings->num_areas + area) *
                                        METRIC_NUM_MAX_DETS +
                                    max_dets_index]);
    return mean_value(&mean);
}

static int64_t find_area(const struct metric_settings *settings, const char *name) {
    for (int64_t a = 0; a < settings->num_areas; a++)
        if (strcmp(settings->areas[a].name, name) == 0) return a;
    return -1;
}

// parity: AP50 and AP75 exist only if the thresholds hold exactly that number.
static double precision_at(const struct metric *metric, double threshold, int64_t class_index,
                           int64_t area) {
    struct selection selection = {-1, class_index, area};
    for (int64_t t = 0; t < metric->settings.num_thresholds; t++)
        if (metric->settings.thresholds[t] == threshold) selection.threshold = t;
    if (selection.threshold < 0) return -1;
    return average_precision(metric, metric->precision, selection);
}

struct summary summary_of(const struct metric *metric, int64_t class_index) {
    const struct metric_settings *settings = &metric->settings;
    const double *first = class_index < 0 ? metric->precision_at_100 : metric->precision;
    int64_t all = find_area(settings, "all");
    int64_t small = find_area(settings, "small");
    int64_t medium = find_area(settings, "medium");
    int64_t large = find_area(settings, "large");
    const int64_t most = METRIC_NUM_MAX_DETS - 1;
    struct selection selection = {-1, class_index, all};
    struct summary summary = {.ap = average_precision(metric, first, selection),
                              .ap50 = precision_at(metric, 0.5, class_index, all),
                              .ap75 = precision_at(metric, 0.75, class_index, all),
                              .ar_small = average_recall(metric, class_index, small, most),
                              .ar_medium = average_recall(metric, class_index, medium, most),
                              .ar_large = average_recall(metric, class_index, large, most)};
    selection.area = small;
    summary.ap_small = average_precision(metric, metric->precision, selection);
    selection.area = medium;
    summary.ap_medium = average_precision(metric, metric->precision, selection);
    selection.area = large;
    summary.ap_large = average_precision(metric, metric->precision, selection);
    for (int64_t m = 0; m < METRIC_NUM_MAX_DETS; m++)
        summary.ar[m] = average_recall(metric, class_index, all, m);
    return summary;
}

const char *iou_kind_name(enum iou_kind iou) {
    switch (iou) {
    case IOU_BOX:
        return "box";
    case IOU_MASK:
        return "mask";
    case IOU_BOUNDARY:
        return "boundary";
    }
    CHECK(false);
    return "";
}

// ---- Text ----

static void print_line(struct output *out, bool is_recall, const char *thresholds, const char *area,
                       int64_t max_dets, double value) {
    output_printf(out, " %-18s (%s) @[ IoU=%-9s | area=%6s | maxDets=%3lld ] = %0.3f\n",
                  is_recall ? "Average Recall" : "Average Precision", is_recall ? "AR" : "AP",
                  thresholds, area, (long long)max_dets, value);
}

// One number of the row in percent; a dash where there is none.
static void print_percent(struct output *out, double value, const char *end) {
    if (value < 0)
        output_printf(out, "-%s", end);
    else
        output_printf(out, "%.3f%s", 100 * value, end);
}

void summary_print(const struct metric *metric, struct output *out) {
    const struct metric_settings *settings = &metric->settings;
    struct summary s = summary_of(metric, ALL_CLASSES);
    const int64_t *max_dets = settings->max_dets;
    char range[32];
    snprintf(range, sizeof range, "%.2f:%.2f", settings->thresholds[0],
             settings->thresholds[settings->num_thresholds - 1]);
    output_printf(out, "%s\n", iou_kind_name(settings->iou));
    print_line(out, false, range, "all", 100, s.ap);
    print_line(out, false, "0.50", "all", max_dets[2], s.ap50);
    print_line(out, false, "0.75", "all", max_dets[2], s.ap75);
    print_line(out, false, range, "small", max_dets[2], s.ap_small);
    print_line(out, false, range, "medium", max_dets[2], s.ap_medium);
    print_line(out, false, range, "large", max_dets[2], s.ap_large);
    for (int64_t m = 0; m < METRIC_NUM_MAX_DETS; m++)
        print_line(out, true, range, "all", max_dets[m], s.ar[m]);
    print_line(out, true, range, "small", max_dets[2], s.ar_small);
    print_line(out, true, range, "medium", max_dets[2], s.ar_medium);
    print_line(out, true, range, "large", max_dets[2], s.ar_large);
    output_printf(out, "%s AP,AP50,AP75,APs,APm,APl\n%s ", iou_kind_name(settings->iou),
                  iou_kind_name(settings->iou));
    const double row[] = {s.ap, s.ap50, s.ap75, s.ap_small, s.ap_medium, s.ap_large};
    for (size_t i = 0; i < sizeof row / sizeof *row; i++)
        print_percent(out, row[i], i + 1 < sizeof row / sizeof *row ? "," : "\n");
}

static void print_cell(struct output *out, double value) {
    if (value < 0)
        output_printf(out, " %7s", "-");
    else
        output_printf(out, " %7.2f", 100 * value);
}

void summary_print_classes(const struct metric *metric, struct output *out) {
    output_printf(out, "%8s  %-24s %7s %8s %8s %7s %7s %7s %7s %7s %7s %7s\n", "id", "class",
                  "images", "objects", "results", "AP", "AP50", "AP75", "APs", "APm", "APl", "AR");
    for (int64_t k = 0; k < metric->num_classes; k++) {
        const struct metric_class *class = &metric->classes[k];
        struct summary s = summary_of(metric, k);
        output_printf(out, "%8lld  %-24s %7lld %8lld %8lld", (long long)class->category_id,
                      class->name, (long long)class->num_images, (long long)class->num_objects,
                      (long long)class->num_results);
        const double row[] = {s.ap,
                              s.ap50,
                              s.ap75,
                              s.ap_small,
                              s.ap_medium,
                              s.ap_large,
                              s.ar[METRIC_NUM_MAX_DETS - 1]};
        for (size_t i = 0; i < sizeof row / sizeof *row; i++)
            print_cell(out, row[i]);
        output_text(out, "\n");
    }
}

// ---- JSON ----

static void write_numbers(struct json_writer *w, const struct summary *s) {
    json_write_key_double(w, "AP", s->ap);
    json_write_key_double(w, "AP50", s->ap50);
    json_write_key_double(w, "AP75", s->ap75);
    json_write_key_double(w, "APs", s->ap_small);
    json_write_key_double(w, "APm", s->ap_medium);
    json_write_key_double(w, "APl", s->ap_large);
    // Named by COCO's defaults, whatever --max-dets says; the settings hold the numbers.
    json_write_key_double(w, "AR1", s->ar[0]);
    json_write_key_double(w, "AR10", s->ar[1]);
    json_write_key_double(w, "AR100", s->ar[2]);
    json_write_key_double(w, "ARs", s->ar_small);
    json_write_key_double(w, "ARm", s->ar_medium);
    json_write_key_double(w, "ARl", s->ar_large);
}

static void write_settings(struct json_writer *w, const struct metric_settings *settings) {
    json_write_begin_object(w);
    json_write_key_text(w, "iou", iou_kind_name(settings->iou));
    json_write_key(w, "iou_thresholds");
    json_write_begin_array(w);
    for (int64_t t = 0; t < settings->num_thresholds; t++)
        json_write_double(w, settings->thresholds[t]);
    json_write_end_array(w);
    json_write_key(w, "max_dets");
    json_write_begin_array(w);
    for (int64_t m = 0; m < METRIC_NUM_MAX_DETS; m++)
        json_write_int64(w, settings->max_dets[m]);
    json_write_end_array(w);
    json_write_key(w, "areas");
    json_write_begin_object(w);
    for (int64_t a = 0; a < settings->num_areas; a++) {
        json_write_key(w, settings->areas[a].name);
        json_write_begin_array(w);
        json_write_double(w, settings->areas[a].low);
        json_write_double(w, settings->areas[a].high);
        json_write_end_array(w);
    }
    json_write_end_object(w);
    if (settings->iou == IOU_BOUNDARY)
        json_write_key_double(w, "dilation_ratio", settings->dilation_ratio);
    json_write_end_object(w);
}

void summary_write_json(const struct metric *metric, struct json_writer *w) {
    struct summary summary = summary_of(metric, ALL_CLASSES);
    write_numbers(w, &summary);
    json_write_key_int64(w, "images", metric->num_images);
    json_write_key(w, "per_class");
    json_write_begin_array(w);
    for (int64_t k = 0; k < metric->num_classes; k++) {
        const struct metric_class *class = &metric->classes[k];
        summary = summary_of(metric, k);
        json_write_begin_object(w);
        json_write_key_int64(w, "id", class->category_id);
        json_write_key_text(w, "name", class->name);
        json_write_key_int64(w, "images", class->num_images);
        json_write_key_int64(w, "objects", class->num_objects);
        json_write_key_int64(w, "results", class->num_results);
        write_numbers(w, &summary);
        json_write_end_object(w);
    }
    json_write_end_array(w);
    json_write_key(w, "settings");
    write_settings(w, &metric->settings);
}
