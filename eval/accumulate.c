#include "eval/accumulate.h"

#include <float.h>

#include "eval/ranking.h"

enum status accumulation_scratch_init(struct accumulation_scratch *scratch, int64_t max_results,
                                      struct arena *arena, struct error *err) {
    *scratch = (struct accumulation_scratch){
        .order = arena_alloc(arena, max_results, sizeof *scratch->order),
        .merged = arena_alloc(arena, max_results, sizeof *scratch->merged),
        .ranks = arena_alloc(arena, max_results, sizeof *scratch->ranks),
        .events = arena_alloc(arena, max_results, sizeof *scratch->events),
        .precision = arena_alloc(arena, max_results, sizeof *scratch->precision),
    };
    if (scratch->order && scratch->merged && scratch->ranks && scratch->events &&
        scratch->precision)
        return STATUS_OK;
    return error_memory(err, "accumulation", max_results * 36);
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

// Collects the events of one area range among results of rank below max_dets. verdicts are those of
// the category, [results, num_areas], from the area's own on.
static void collect_events(struct accumulation_scratch *scratch, int64_t count,
                           const struct verdict *verdicts, const struct metric_settings *settings,
                           int64_t max_dets) {
    uint32_t all_thresholds = (uint32_t)((UINT64_C(1) << settings->num_thresholds) - 1);
    int32_t position = 0;
    scratch->num_events = 0;
    for (int64_t i = 0; i < count; i++) {
        struct verdict verdict = verdicts[scratch->order[i] * settings->num_areas];
        if (scratch->ranks[i] >= max_dets || verdict.ignored == all_thresholds) continue;
        if (verdict.matched | verdict.ignored)
            scratch->events[scratch->num_events++] =
                (struct ranked_verdict){position, scratch->ranks[i], verdict};
        position++;
    }
}

// Writes the precision at each true positive of threshold t and returns their number.
static int64_t find_true_positives(const struct accumulation_scratch *scratch, int64_t t) {
    int64_t true_positives = 0;
    int64_t num_ignored = 0;
    for (int64_t i = 0; i < scratch->num_events; i++) {
        const struct ranked_verdict *event = &scratch->events[i];
        if (event->verdict.ignored >> t & 1) {
            num_ignored++;
        } else if (event->verdict.matched >> t & 1) {
            // True and false positives up to here.
            double seen = (double)(event->position + 1 - num_ignored) + DBL_EPSILON;
            true_positives++;
            scratch->precision[true_positives - 1] = (double)true_positives / seen;
        }
    }
    return true_positives;
}

static int64_t count_true_positives(const struct accumulation_scratch *scratch, int64_t t,
                                    int64_t max_dets) {
    int64_t true_positives = 0;
    for (int64_t i = 0; i < scratch->num_events; i++) {
        const struct verdict *verdict = &scratch->events[i].verdict;
        uint32_t counts = scratch->events[i].rank < max_dets;
        true_positives += (verdict->matched & ~verdict->ignored) >> t & counts;
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

// Precision and recall of one area range.
static void fill_area(struct metric *metric, int64_t category, int64_t area, int64_t num_counted,
                      struct accumulation_scratch *scratch, int64_t count,
                      const struct verdict *verdicts) {
    const struct metric_settings *settings = &metric->settings;
    int64_t stride = metric->num_classes * settings->num_areas; // between recalls
    int64_t offset = category * settings->num_areas + area;
    // From the largest max_dets down: the events of a larger one hold those of a smaller one.
    for (int64_t m = METRIC_NUM_MAX_DETS - 1; m >= 0; m--) {
        int64_t max_dets = settings->max_dets[m];
        double *precision = m == METRIC_NUM_MAX_DETS - 1 ? metric->precision
                            : max_dets == 100            ? metric->precision_at_100
                                                         : NULL;
        if (precision) collect_events(scratch, count, verdicts + area, settings, max_dets);
        for (int64_t t = 0; t < settings->num_thresholds; t++) {
            int64_t found = precision ? find_true_positives(scratch, t)
                                      : count_true_positives(scratch, t, max_dets);
            metric->recall[(t * stride + offset) * METRIC_NUM_MAX_DETS + m] =
                (double)found / (double)num_counted;
            if (precision)
                sample_precision(precision + t * METRIC_NUM_RECALLS * stride + offset, stride,
                                 scratch->precision, found, num_counted);
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
        fill_area(metric, category, a, num_counted, scratch, count,
                  accumulation->verdicts + first * num_areas);
    }
}
