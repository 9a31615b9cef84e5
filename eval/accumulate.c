#include "eval/accumulate.h"

#include <float.h>

#include "eval/ranking.h"

// The results of one category in one area range, by falling score over all images.
struct sequence {
    const struct verdict *verdicts; // of the category's first result, [results, num_areas]
    const int32_t *order;           // positions relative to the category's first result
    const int32_t *ranks;           // in their cells, by the same positions
    int64_t count;
    int64_t num_areas;
    int64_t area;
    int64_t num_counted; // ground truths
};

// Lists the category's results (those that max_dets left) in the order of their scores.
static int64_t order_results(const struct cells *cells, int64_t category,
                             struct accumulation_scratch *scratch, int64_t *first) {
    int64_t begin = cells->category_begins[category];
    int64_t end = cells->category_begins[category + 1];
    *first = begin < end ? cells->cells[begin].result_begin : 0;
    int64_t count = 0;
    for (int64_t c = begin; c < end; c++) {
        const struct cell *cell = &cells->cells[c];
        for (int64_t i = 0; i < cell->num_results; i++) {
            int64_t position = cell->result_begin + i - *first;
            scratch->ranks[position] = (int32_t)i;
            scratch->order[count++] = (int32_t)position;
        }
    }
    rank_by_score(scratch->order, count, cells->scores + *first, scratch->merged);
    return count;
}

// The category's ground truths that are not ignored in the area range.
static int64_t count_truths(const struct accumulation *accumulation, int64_t category,
                            const struct area_range *range) {
    const struct cells *cells = accumulation->cells;
    int64_t count = 0;
    for (int64_t c = cells->category_begins[category]; c < cells->category_begins[category + 1];
         c++) {
        const struct cell *cell = &cells->cells[c];
        for (int64_t i = 0; i < cell->num_truths; i++) {
            int32_t truth = cells->truths[cell->truth_begin + i];
            count += !is_ignored(&accumulation->metric->truth->annotations[truth], range);
        }
    }
    return count;
}

// Walks the sequence at threshold t with at most max_dets results of each image. Writes the
// precision at each true positive; returns their number and sets *num_seen to the results walked.
static int64_t find_true_positives(const struct sequence *sequence, int64_t t, int64_t max_dets,
                                   double *precision, int64_t *num_seen) {
    int64_t true_positives = 0;
    int64_t false_positives = 0;
    *num_seen = 0;
    for (int64_t i = 0; i < sequence->count; i++) {
        int32_t position = sequence->order[i];
        if (sequence->ranks[position] >= max_dets) continue;
        ++*num_seen;
        const struct verdict *verdict =
            &sequence->verdicts[position * sequence->num_areas + sequence->area];
        if (verdict->ignored >> t & 1) continue;
        if (!(verdict->matched >> t & 1)) {
            false_positives++;
            continue;
        }
        true_positives++;
        double seen = (double)false_positives + (double)true_positives + DBL_EPSILON;
        precision[true_positives - 1] = (double)true_positives / seen;
    }
    return true_positives;
}

// Precision at the 101 recalls: the best that any equal or higher recall reaches, 0 beyond the
// highest recall. Between true positives precision only falls, so they alone matter.
static void sample_precision(double *samples, int64_t stride, double *precision,
                             int64_t true_positives, int64_t num_counted) {
    for (int64_t i = true_positives - 1; i > 0; i--)
        if (precision[i] > precision[i - 1]) precision[i - 1] = precision[i];
    int64_t position = 0;
    for (int64_t r = 0; r < METRIC_NUM_RECALLS; r++) {
        // numpy.linspace(0, 1, 101): multiples of the step, the last one exact.
        double recall = r == METRIC_NUM_RECALLS - 1 ? 1.0 : (double)r * 0.01;
        while (position < true_positives &&
               (double)(position + 1) / (double)num_counted < recall)
            position++;
        samples[r * stride] = position < true_positives ? precision[position] : 0;
    }
}

static void fill_area(const struct accumulation *accumulation, const struct sequence *sequence,
                      int64_t category, double *precision) {
    struct metric *metric = accumulation->metric;
    const struct metric_settings *settings = &metric->settings;
    int64_t stride = metric->num_classes * settings->num_areas; // between recalls
    int64_t offset = category * settings->num_areas + sequence->area;
    for (int64_t t = 0; t < settings->num_thresholds; t++) {
        int64_t samples = t * METRIC_NUM_RECALLS * stride + offset;
        for (int64_t m = 0; m < METRIC_NUM_MAX_DETS; m++) {
            int64_t num_seen = 0;
            int64_t found = find_true_positives(sequence, t, settings->max_dets[m], precision,
                                                &num_seen);
            metric->recall[(t * stride + offset) * METRIC_NUM_MAX_DETS + m] =
                num_seen ? (double)found / (double)sequence->num_counted : 0;
            if (settings->max_dets[m] == 100)
                sample_precision(metric->precision_at_100 + samples, stride, precision, found,
                                 sequence->num_counted);
            if (m == METRIC_NUM_MAX_DETS - 1 && metric->precision != metric->precision_at_100)
                sample_precision(metric->precision + samples, stride, precision, found,
                                 sequence->num_counted);
        }
    }
}

void accumulate_category(const struct accumulation *accumulation, int64_t category, int worker) {
    struct accumulation_scratch *scratch = &accumulation->scratch[worker];
    int64_t num_areas = accumulation->metric->settings.num_areas;
    int64_t first = 0;
    int64_t count = order_results(accumulation->cells, category, scratch, &first);
    struct sequence sequence = {.verdicts = accumulation->verdicts + first * num_areas,
                                .order = scratch->order,
                                .ranks = scratch->ranks,
                                .count = count,
                                .num_areas = num_areas};
    for (int64_t a = 0; a < num_areas; a++) {
        sequence.area = a;
        sequence.num_counted =
            count_truths(accumulation, category, &accumulation->metric->settings.areas[a]);
        // Without ground truth the values stay at -1.
        if (sequence.num_counted > 0)
            fill_area(accumulation, &sequence, category, scratch->precision);
    }
}
