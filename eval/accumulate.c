#include "eval/accumulate.h"

#include <float.h>

#include "eval/ranking.h"

enum status accumulation_scratch_init(struct accumulation_scratch *scratch, int64_t max_results,
                                      struct arena *arena, struct error *err) {
    *scratch = (struct accumulation_scratch){
        .order = arena_alloc(arena, max_results, sizeof *scratch->order),
        .merged = arena_alloc(arena, max_results, sizeof *scratch->merged),
        .ranks = arena_alloc(arena, max_results, sizeof *scratch->ranks),
        .verdicts = arena_alloc(arena, max_results, sizeof *scratch->verdicts),
        .precision = arena_alloc(arena, max_results, sizeof *scratch->precision),
    };
    if (scratch->order && scratch->merged && scratch->ranks && scratch->verdicts &&
        scratch->precision)
        return STATUS_OK;
    return error_memory(err, "accumulation", max_results * 28);
}

// Lists the category's results (those that max_dets left) by falling score: positions relative to
// the category's first result, whose number is *first.
static int64_t order_results(const struct cells *cells, int64_t category,
                             struct accumulation_scratch *scratch, int64_t *first) {
    int64_t begin = cells->category_begins[category];
    int64_t end = cells->category_begins[category + 1];
    *first = begin < end ? cells->cells[begin].result_begin : 0;
    int64_t count = 0;
    int32_t *ranks = scratch->merged; // by position, until they are put in order
    for (int64_t c = begin; c < end; c++) {
        const struct cell *cell = &cells->cells[c];
        for (int64_t i = 0; i < cell->num_results; i++)
            scratch->order[count++] = (int32_t)(cell->result_begin + i - *first);
    }
    rank_by_score(scratch->order, count, cells->scores + *first, scratch->merged);
    for (int64_t c = begin; c < end; c++) {
        const struct cell *cell = &cells->cells[c];
        for (int64_t i = 0; i < cell->num_results; i++)
            ranks[cell->result_begin + i - *first] = (int32_t)i;
    }
    for (int64_t i = 0; i < count; i++)
        scratch->ranks[i] = ranks[scratch->order[i]];
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

// Walks the results at threshold t, with at most max_dets of each image. Writes the precision at
// each true positive and returns their number.
static int64_t find_true_positives(const struct accumulation_scratch *scratch, int64_t count,
                                   int64_t t, int64_t max_dets) {
    int64_t true_positives = 0;
    int64_t false_positives = 0;
    for (int64_t i = 0; i < count; i++) {
        if (scratch->ranks[i] >= max_dets) continue;
        uint32_t counts = ~scratch->verdicts[i].ignored >> t & 1;
        uint32_t matched = scratch->verdicts[i].matched >> t & counts;
        false_positives += counts - matched;
        if (!matched) continue;
        true_positives++;
        double seen = (double)false_positives + (double)true_positives + DBL_EPSILON;
        scratch->precision[true_positives - 1] = (double)true_positives / seen;
    }
    return true_positives;
}

static int64_t count_true_positives(const struct accumulation_scratch *scratch, int64_t count,
                                    int64_t t, int64_t max_dets) {
    int64_t true_positives = 0;
    for (int64_t i = 0; i < count; i++) {
        const struct verdict *verdict = &scratch->verdicts[i];
        uint32_t seen = scratch->ranks[i] < max_dets;
        true_positives += (verdict->matched & ~verdict->ignored) >> t & seen;
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
        while (position < true_positives && (double)(position + 1) / (double)num_counted < recall)
            position++;
        samples[r * stride] = position < true_positives ? precision[position] : 0;
    }
}

// Precision and recall of one area range from the verdicts in scratch.
static void fill_area(struct metric *metric, int64_t category, int64_t area, int64_t num_counted,
                      const struct accumulation_scratch *scratch, int64_t count) {
    const struct metric_settings *settings = &metric->settings;
    int64_t stride = metric->num_classes * settings->num_areas; // between recalls
    int64_t offset = category * settings->num_areas + area;
    for (int64_t t = 0; t < settings->num_thresholds; t++) {
        int64_t samples = t * METRIC_NUM_RECALLS * stride + offset;
        double *recall = metric->recall + (t * stride + offset) * METRIC_NUM_MAX_DETS;
        for (int64_t m = 0; m < METRIC_NUM_MAX_DETS; m++) {
            int64_t max_dets = settings->max_dets[m];
            double *precision = m == METRIC_NUM_MAX_DETS - 1 ? metric->precision
                                : max_dets == 100            ? metric->precision_at_100
                                                             : NULL;
            int64_t found = precision ? find_true_positives(scratch, count, t, max_dets)
                                      : count_true_positives(scratch, count, t, max_dets);
            recall[m] = (double)found / (double)num_counted;
            if (precision)
                sample_precision(precision + samples, stride, scratch->precision, found,
                                 num_counted);
        }
    }
}

void accumulate_category(const struct accumulation *accumulation, int64_t category, int worker) {
    struct accumulation_scratch *scratch = &accumulation->scratch[worker];
    struct metric *metric = accumulation->metric;
    int64_t num_areas = metric->settings.num_areas;
    int64_t first = 0;
    int64_t count = order_results(accumulation->cells, category, scratch, &first);
    for (int64_t a = 0; a < num_areas; a++) {
        int64_t num_counted = count_truths(accumulation, category, &metric->settings.areas[a]);
        if (num_counted == 0) continue; // the values stay at -1
        const struct verdict *verdicts = accumulation->verdicts + first * num_areas + a;
        for (int64_t i = 0; i < count; i++)
            scratch->verdicts[i] = verdicts[scratch->order[i] * num_areas];
        fill_area(metric, category, a, num_counted, scratch, count);
    }
}
