#include "eval/charts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CHART_WIDTH = 520, CHART_HEIGHT = 330 };
static const struct chart_field square_field = {52, 10, 456, 276};

// ---- Precision and recall ----

// Which curves there are; a threshold of -1 is the mean of all.
struct curve {
    const char *name;
    const char *class; // for the style sheet
    int64_t threshold;
};

static int64_t list_curves(struct curve curves[3], const struct metric *metric) {
    const struct metric_settings *settings = &metric->settings;
    int64_t count = 0;
    for (int64_t t = 0; t < settings->num_thresholds; t++) {
        if (settings->thresholds[t] == 0.5) curves[count++] = (struct curve){"IoU 0.50", "c1", t};
        if (settings->thresholds[t] == 0.75) curves[count++] = (struct curve){"IoU 0.75", "c2", t};
    }
    curves[count++] = (struct curve){"mean", "c3", -1};
    return count;
}

static int64_t area_of_all(const struct metric_settings *settings) {
    for (int64_t a = 0; a < settings->num_areas; a++)
        if (strcmp(settings->areas[a].name, "all") == 0) return a;
    return 0;
}

// Precision at one recall, the mean over thresholds and classes as far as the curve and class_index
// (-1: all) say; -1 without objects.
static double precision_of(const struct metric *metric, const struct curve *curve,
                           int64_t class_index, int64_t recall) {
    const struct metric_settings *settings = &metric->settings;
    int64_t area = area_of_all(settings);
    int64_t first = class_index < 0 ? 0 : class_index;
    int64_t end = class_index < 0 ? metric->num_classes : class_index + 1;
    double sum = 0;
    int64_t count = 0;
    for (int64_t t = 0; t < settings->num_thresholds; t++) {
        if (curve->threshold >= 0 && t != curve->threshold) continue;
        const double *row = metric->precision + (t * METRIC_NUM_RECALLS + recall) *
                                                    metric->num_classes * settings->num_areas;
        for (int64_t k = first; k < end; k++) {
            double value = row[k * settings->num_areas + area];
            if (value < 0) continue;
            sum += value;
            count++;
        }
    }
    return count ? sum / (double)count : -1;
}

static void write_curve(struct output *out, const struct metric *metric,
                        const struct curve *curve) {
    output_printf(out, "<path class=\"curve %s\" d=\"", curve->class);
    for (int64_t r = 0; r < METRIC_NUM_RECALLS; r++) {
        double precision = precision_of(metric, curve, -1, r);
        if (precision < 0) break; // without objects there is no curve
        double recall = (double)r / (METRIC_NUM_RECALLS - 1);
        output_printf(out, "%c%.1f %.1f", r ? 'L' : 'M', chart_x(&square_field, recall),
                      chart_y(&square_field, precision));
    }
    output_text(out, "\"/>\n");
}

// [[class][curve][recall] in thousandths], only numbers; class 0 is "all", as in the list.
static void write_curve_data(struct output *out, const struct metric *metric,
                             const struct curve *curves, int64_t num_curves) {
    output_printf(out,
                  "<script type=\"application/json\" class=\"curve-data\">{\"field\":[%g,%g,%g,%g],"
                  "\"curves\":[",
                  square_field.left, square_field.top, square_field.width, square_field.height);
    bool first = true;
    for (int64_t k = -1; k < metric->num_classes; k++) {
        if (k >= 0 && metric->classes[k].num_objects == 0) continue;
        output_text(out, first ? "[" : ",\n[");
        first = false;
        for (int64_t c = 0; c < num_curves; c++) {
            output_text(out, c ? ",[" : "[");
            for (int64_t r = 0; r < METRIC_NUM_RECALLS; r++) {
                double precision = precision_of(metric, &curves[c], k, r);
                output_printf(out, "%s%d", r ? "," : "",
                              precision < 0 ? 0 : (int)lrint(1000 * precision));
            }
            output_text(out, "]");
        }
        output_text(out, "]");
    }
    output_text(out, "]}</script>\n");
}

void chart_precision_recall(struct output *out, const struct metric *metric) {
    struct curve curves[3];
    int64_t num_curves = list_curves(curves, metric);
    svg_begin(out, CHART_WIDTH, CHART_HEIGHT, "Precision over recall");
    chart_axes(out, &square_field, "recall", "precision");
    for (int64_t c = 0; c < num_curves; c++)
        write_curve(out, metric, &curves[c]);
    svg_end(out);
    output_text(out, "<p class=\"legend\">");
    for (int64_t c = 0; c < num_curves; c++)
        output_printf(out, "<span class=\"key %s\">%s</span>", curves[c].class, curves[c].name);
    output_text(out, "</p>\n");
    write_curve_data(out, metric, curves, num_curves);
}

// ---- Scores ----

enum { NUM_SCORE_BINS = 20 };

void chart_scores(struct output *out, const struct scenes *scenes,
                  const struct breakdown *breakdown) {
    int64_t correct[NUM_SCORE_BINS] = {0};
    int64_t wrong[NUM_SCORE_BINS] = {0};
    int64_t most = 1;
    for (int64_t r = 0; r < scenes->num_results; r++) {
        if (breakdown->results[r].is_ignored) continue;
        double score = scenes->results[r].annotation->score;
        double clipped = score > 0 ? (score < 1 ? score : 1) : 0;
        int64_t bin = (int64_t)(clipped * NUM_SCORE_BINS);
        if (bin == NUM_SCORE_BINS) bin--;
        bool is_correct = breakdown->results[r].judgement == JUDGED_CORRECT;
        correct[bin] += is_correct;
        wrong[bin] += !is_correct;
        if (correct[bin] > most) most = correct[bin];
        if (wrong[bin] > most) most = wrong[bin];
    }
    const double middle = 146;
    const double reach = 118;
    const double step = square_field.width / NUM_SCORE_BINS;
    svg_begin(out, CHART_WIDTH, CHART_HEIGHT,
              "Numbers of true positives (up) and false positives (down) by score");
    svg_text(out, "axis", square_field.left, 18, "true positives");
    svg_text(out, "axis", square_field.left, 284, "false positives");
    for (int b = 0; b < NUM_SCORE_BINS; b++) {
        double x = square_field.left + b * step;
        double up = reach * (double)correct[b] / (double)most;
        double down = reach * (double)wrong[b] / (double)most;
        char tooltip[96];
        snprintf(tooltip, sizeof tooltip, "score %.2f to %.2f: %lld true, %lld false positives",
                 (double)b / NUM_SCORE_BINS, (double)(b + 1) / NUM_SCORE_BINS,
                 (long long)correct[b], (long long)wrong[b]);
        svg_rectangle(out, "bar right", x + 1, middle - up, step - 2, up, tooltip);
        svg_rectangle(out, "bar wrong", x + 1, middle, step - 2, down, tooltip);
    }
    svg_line(out, "base", square_field.left, middle, square_field.left + square_field.width,
             middle);
    for (int i = 0; i <= 5; i++) {
        char number[16];
        snprintf(number, sizeof number, "%g", i / 5.0);
        svg_text(out, "tick mid", chart_x(&square_field, i / 5.0), 301, number);
    }
    char number[32];
    snprintf(number, sizeof number, "%lld", (long long)most);
    svg_text(out, "tick end", square_field.left - 7, middle - reach + 4, number);
    svg_text(out, "tick end", square_field.left - 7, middle + 4, "0");
    svg_text(out, "tick end", square_field.left - 7, middle + reach + 4, number);
    svg_text(out, "axis mid", square_field.left + square_field.width / 2, 319, "score");
    svg_end(out);
}

// ---- Thresholds ----

enum { NUM_CUTS = 101 }; // scores 0, 0.01, ... 1

struct cut {
    int64_t num_correct; // of results that score at least so much
    int64_t num_wrong;
    double values[3]; // precision, recall, F1
};

static void fill_cuts(struct cut cuts[NUM_CUTS], const struct scenes *scenes,
                      const struct breakdown *breakdown) {
    for (int64_t r = 0; r < scenes->num_results; r++) {
        if (breakdown->results[r].is_ignored) continue;
        double score = fmin(fmax(scenes->results[r].annotation->score, 0), 1);
        struct cut *cut = &cuts[(int64_t)(score * (NUM_CUTS - 1))];
        bool is_correct = breakdown->results[r].judgement == JUDGED_CORRECT;
        cut->num_correct += is_correct;
        cut->num_wrong += !is_correct;
    }
    for (int i = NUM_CUTS - 1; i >= 0; i--) {
        if (i + 1 < NUM_CUTS) {
            cuts[i].num_correct += cuts[i + 1].num_correct;
            cuts[i].num_wrong += cuts[i + 1].num_wrong;
        }
        double num_correct = (double)cuts[i].num_correct;
        double num_results = num_correct + (double)cuts[i].num_wrong;
        double num_objects = (double)breakdown->num_objects;
        cuts[i].values[0] = num_results > 0 ? num_correct / num_results : 1;
        cuts[i].values[1] = num_objects > 0 ? num_correct / num_objects : 0;
        cuts[i].values[2] =
            num_results + num_objects > 0 ? 2 * num_correct / (num_results + num_objects) : 0;
    }
}

void chart_thresholds(struct output *out, const struct scenes *scenes,
                      const struct breakdown *breakdown) {
    static const char *const names[] = {"precision", "recall", "F1"};
    struct cut cuts[NUM_CUTS] = {0};
    fill_cuts(cuts, scenes, breakdown);
    int best = 0;
    for (int i = 1; i < NUM_CUTS; i++)
        if (cuts[i].values[2] > cuts[best].values[2]) best = i;
    svg_begin(out, CHART_WIDTH, CHART_HEIGHT, "Precision, recall and F1 over the score threshold");
    chart_axes(out, &square_field, "lowest score that counts", "");
    for (int c = 0; c < 3; c++) {
        output_printf(out, "<path class=\"curve c%d\" d=\"", c + 1);
        for (int i = 0; i < NUM_CUTS; i++)
            output_printf(out, "%c%.1f %.1f", i ? 'L' : 'M',
                          chart_x(&square_field, i / (double)(NUM_CUTS - 1)),
                          chart_y(&square_field, cuts[i].values[c]));
        output_text(out, "\"/>\n");
    }
    double x = chart_x(&square_field, best / (double)(NUM_CUTS - 1));
    svg_line(out, "ideal", x, chart_y(&square_field, 1), x, chart_y(&square_field, 0));
    char text[64];
    snprintf(text, sizeof text, "best F1 %.2f at %.2f", cuts[best].values[2],
             best / (double)(NUM_CUTS - 1));
    svg_text(out, best > NUM_CUTS / 2 ? "label end" : "label", best > NUM_CUTS / 2 ? x - 8 : x + 8,
             chart_y(&square_field, 0.04), text);
    svg_end(out);
    output_text(out, "<p class=\"legend\">");
    for (int c = 0; c < 3; c++)
        output_printf(out, "<span class=\"key c%d\">%s</span>", c + 1, names[c]);
    output_text(out, "</p>\n");
}

// ---- Calibration ----

void chart_calibration(struct output *out, const struct calibration *calibration) {
    svg_begin(out, CHART_WIDTH, CHART_HEIGHT,
              "Share of true positives by score, against the score itself");
    chart_axes(out, &square_field, "score", "share of true positives");
    for (int b = 0; b < CALIBRATION_BINS; b++) {
        const struct calibration_bin *bin = &calibration->bins[b];
        if (bin->num_results == 0) continue;
        double left = chart_x(&square_field, (double)b / CALIBRATION_BINS);
        double top = chart_y(&square_field, bin->precision);
        char tooltip[128];
        snprintf(tooltip, sizeof tooltip,
                 "%lld results of mean score %.3f, of which %.3f are true positives",
                 (long long)bin->num_results, bin->mean_score, bin->precision);
        svg_rectangle(out, "bar right", left + 1.5, top, square_field.width / CALIBRATION_BINS - 3,
                      chart_y(&square_field, 0) - top, tooltip);
    }
    svg_line(out, "ideal", chart_x(&square_field, 0), chart_y(&square_field, 0),
             chart_x(&square_field, 1), chart_y(&square_field, 1));
    for (int b = 0; b < CALIBRATION_BINS; b++) {
        const struct calibration_bin *bin = &calibration->bins[b];
        double score = fmin(fmax(bin->mean_score, 0), 1);
        if (bin->num_results)
            svg_circle(out, "dot", chart_x(&square_field, score),
                       chart_y(&square_field, bin->precision), 3.5, NULL);
    }
    svg_end(out);
}

// ---- Errors ----

void chart_errors(struct output *out, const struct breakdown *breakdown) {
    enum { NUM_ROWS = NUM_ERROR_KINDS + 2, ROW_HEIGHT = 30, LEFT = 120, BARS = 300 };
    double gains[NUM_ROWS];
    const char *names[NUM_ROWS];
    for (int kind = 0; kind < NUM_ERROR_KINDS; kind++) {
        gains[kind] = breakdown->errors[kind].delta_ap;
        names[kind] = error_kind_name((enum judgement)kind);
    }
    gains[NUM_ERROR_KINDS] = breakdown->false_positive_delta;
    gains[NUM_ERROR_KINDS + 1] = breakdown->false_negative_delta;
    names[NUM_ERROR_KINDS] = "false positives";
    names[NUM_ERROR_KINDS + 1] = "false negatives";
    double most = 0.01;
    for (int i = 0; i < NUM_ROWS; i++)
        most = fmax(most, gains[i]);
    svg_begin(out, CHART_WIDTH, NUM_ROWS * ROW_HEIGHT + 22, "AP gained if an error were repaired");
    for (int i = 0; i < NUM_ROWS; i++) {
        bool is_sum = i >= NUM_ERROR_KINDS;
        double y = i * ROW_HEIGHT + (is_sum ? 16 : 0);
        char text[64];
        snprintf(text, sizeof text, "%+.1f AP", 100 * gains[i]);
        double width = BARS * fmax(gains[i], 0) / most;
        svg_text(out, "label end", LEFT - 10, y + 19, names[i]);
        svg_rectangle(out, "track", LEFT, y + 5, BARS, ROW_HEIGHT - 10, NULL);
        svg_rectangle(out, is_sum ? "bar sum" : "bar wrong", LEFT, y + 5, width, ROW_HEIGHT - 10,
                      is_sum ? "all of them together" : error_kind_text((enum judgement)i));
        svg_text(out, "value", LEFT + BARS + 10, y + 19, text);
    }
    svg_end(out);
}

// ---- Confusions ----

// The classes in the most frequent confusions, ascending, and the background at the end.
static int64_t choose_classes(const struct confusion *confusion, int64_t *classes, int64_t max) {
    enum { MAX_PAIRS = 64 };
    struct confused_pair pairs[MAX_PAIRS];
    int64_t num_pairs = confusion_top(confusion, false, pairs, MAX_PAIRS);
    int64_t count = 0;
    for (int64_t i = 0; i < 2 * num_pairs && count < max; i++) {
        int64_t class = i % 2 ? pairs[i / 2].result_class : pairs[i / 2].object_class;
        int64_t place = count;
        while (place > 0 && classes[place - 1] > class)
            place--;
        if (place > 0 && classes[place - 1] == class) continue;
        memmove(classes + place + 1, classes + place, (size_t)(count - place) * sizeof *classes);
        classes[place] = class;
        count++;
    }
    classes[count++] = confusion->num_classes;
    return count;
}

// A name, cut to what fits beside the matrix.
static void short_name(char *text, size_t size, const struct confusion *confusion, int64_t class) {
    enum { MAX_CHARACTERS = 16 };
    char buffer[SCENE_NAME_BYTES];
    const char *name = class == confusion->num_classes
                           ? "background"
                           : scene_class_name(confusion->scenes, class, buffer);
    int64_t characters = 0;
    size_t length = 0;
    for (; name[length] && length + 4 < size; length++) {
        bool begins_character = ((unsigned char)name[length] & 0xc0) != 0x80;
        if (begins_character && characters++ == MAX_CHARACTERS) break;
        text[length] = name[length];
    }
    snprintf(text + length, size - length, "%s", name[length] ? "\xe2\x80\xa6" : "");
}

static void matrix_cell(struct output *out, const struct confusion *confusion, int64_t object,
                        int64_t result, double x, double y, double side) {
    int64_t count = confusion_at(confusion, object, result);
    int64_t row_sum = 0;
    for (int64_t k = 0; k <= confusion->num_classes; k++)
        row_sum += confusion_at(confusion, object, k);
    double share = row_sum ? (double)count / (double)row_sum : 0;
    char object_name[80];
    char result_name[80];
    char tooltip[240];
    short_name(object_name, sizeof object_name, confusion, object);
    short_name(result_name, sizeof result_name, confusion, result);
    snprintf(tooltip, sizeof tooltip, "%s, found as %s: %lld (%.1f %%)", object_name, result_name,
             (long long)count, 100 * share);
    output_printf(out,
                  "<rect class=\"cell %s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
                  "fill-opacity=\"%.3f\"><title>",
                  object == result ? "right" : "wrong", x + 0.5, y + 0.5, side - 1, side - 1,
                  count ? 0.12 + 0.88 * share : 0);
    markup_text(out, tooltip);
    output_text(out, "</title></rect>\n");
    if (count == 0) return;
    char number[24];
    snprintf(number, sizeof number, "%lld", (long long)count);
    svg_text(out, share > 0.55 ? "count mid strong" : "count mid", x + side / 2, y + side / 2 + 4,
             number);
}

void chart_confusion(struct output *out, const struct confusion *confusion) {
    enum { MAX_CLASSES = 14, LEFT = 140, TOP = 110, RIGHT = 50, SIDE = 36 };
    int64_t classes[MAX_CLASSES + 1];
    int64_t count = choose_classes(confusion, classes, MAX_CLASSES);
    double side = SIDE;
    svg_begin(out, LEFT + (double)count * side + RIGHT, TOP + (double)count * side + 8,
              "Confusion matrix: rows are annotated classes, columns are what they were found as");
    svg_text(out, "axis end", LEFT - 10, TOP - 10, "annotated \\ found as");
    for (int64_t i = 0; i < count; i++) {
        char name[80];
        short_name(name, sizeof name, confusion, classes[i]);
        double x = LEFT + (double)i * side;
        svg_text(out, "label end", LEFT - 10, TOP + (double)i * side + side / 2 + 4, name);
        output_printf(out, "<text class=\"label\" transform=\"translate(%.1f %d) rotate(-45)\">",
                      x + side / 2 + 2, TOP - 8);
        markup_text(out, name);
        output_text(out, "</text>\n");
        for (int64_t j = 0; j < count; j++) {
            // Background taken for background is nothing that could be counted.
            if (i == count - 1 && j == count - 1) continue;
            matrix_cell(out, confusion, classes[i], classes[j], LEFT + (double)j * side,
                        TOP + (double)i * side, side);
        }
    }
    svg_end(out);
}

// ---- Intervals ----

void chart_interval(struct output *out, const struct compared_value *value, double reach) {
    const double middle = 110;
    const double scale = reach > 0 ? 100 / reach : 0;
    char label[96];
    snprintf(label, sizeof label, "%+.2f, 95 %% interval %+.2f to %+.2f", 100 * value->difference,
             100 * value->low, 100 * value->high);
    const char *class = !value->is_clear ? "unclear" : value->difference > 0 ? "better" : "worse";
    svg_begin(out, 2 * middle, 20, label);
    svg_line(out, "base", middle, 1, middle, 19);
    output_printf(out, "<g class=\"interval %s\">", class);
    svg_line(out, "whisker", middle + scale * value->low, 10, middle + scale * value->high, 10);
    svg_circle(out, "point", middle + scale * value->difference, 10, 4.5, label);
    output_text(out, "</g>\n");
    svg_end(out);
}
