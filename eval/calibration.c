#include "eval/calibration.h"

#include <math.h>

static int64_t bin_of(double score) {
    return score < 1 ? (int64_t)(score * CALIBRATION_BINS) : CALIBRATION_BINS - 1;
}

struct calibration calibration_compute(const struct scenes *scenes,
                                       const struct breakdown *breakdown) {
    struct calibration calibration = {.expected_error = -1, .largest_error = -1};
    for (int64_t r = 0; r < scenes->num_results; r++) {
        const struct judged_result *judged = &breakdown->results[r];
        if (judged->is_ignored) continue;
        double score = fmin(fmax(scenes->results[r].annotation->score, 0), 1);
        struct calibration_bin *bin = &calibration.bins[bin_of(score)];
        bin->num_results++;
        bin->num_correct += judged->judgement == JUDGED_CORRECT;
        bin->mean_score += score; // the sum, until all are in
        calibration.num_results++;
    }
    if (calibration.num_results == 0) return calibration;
    calibration.expected_error = 0;
    for (int b = 0; b < CALIBRATION_BINS; b++) {
        struct calibration_bin *bin = &calibration.bins[b];
        if (bin->num_results == 0) continue;
        double count = (double)bin->num_results;
        bin->mean_score /= count;
        bin->precision = (double)bin->num_correct / count;
        double error = fabs(bin->precision - bin->mean_score);
        calibration.expected_error += error * count / (double)calibration.num_results;
        if (error > calibration.largest_error) calibration.largest_error = error;
    }
    return calibration;
}

void calibration_print(const struct calibration *calibration, struct output *out) {
    output_text(out, "Calibration at IoU 0.50\n");
    output_printf(out, " %-10s %9s %10s %10s\n", "score", "results", "mean score", "precision");
    for (int b = 0; b < CALIBRATION_BINS; b++) {
        const struct calibration_bin *bin = &calibration->bins[b];
        output_printf(out, " %.1f-%.1f    %9lld", (double)b / CALIBRATION_BINS,
                      (double)(b + 1) / CALIBRATION_BINS, (long long)bin->num_results);
        if (bin->num_results)
            output_printf(out, " %10.3f %10.3f\n", bin->mean_score, bin->precision);
        else
            output_printf(out, " %10s %10s\n", "-", "-");
    }
    if (calibration->num_results)
        output_printf(out, " expected calibration error %.3f, largest %.3f\n",
                      calibration->expected_error, calibration->largest_error);
}

void calibration_write_json(const struct calibration *calibration, struct json_writer *w) {
    json_write_begin_object(w);
    json_write_key_int64(w, "results", calibration->num_results);
    json_write_key_double(w, "expected_error", calibration->expected_error);
    json_write_key_double(w, "largest_error", calibration->largest_error);
    json_write_key(w, "bins");
    json_write_begin_array(w);
    for (int b = 0; b < CALIBRATION_BINS; b++) {
        const struct calibration_bin *bin = &calibration->bins[b];
        json_write_begin_object(w);
        json_write_key_double(w, "from", (double)b / CALIBRATION_BINS);
        json_write_key_double(w, "to", (double)(b + 1) / CALIBRATION_BINS);
        json_write_key_int64(w, "results", bin->num_results);
        json_write_key_int64(w, "correct", bin->num_correct);
        json_write_key_double(w, "mean_score", bin->mean_score);
        json_write_key_double(w, "precision", bin->precision);
        json_write_end_object(w);
    }
    json_write_end_array(w);
    json_write_end_object(w);
}
