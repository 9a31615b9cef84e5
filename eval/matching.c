#include "eval/matching.h"

#include <string.h>

#include "base/array.h"

void matching_destroy(struct matching_scratch *scratch) {
    array_free(&scratch->taken);
    array_free(&scratch->ignored);
    array_free(&scratch->candidate);
    scratch->capacity = 0;
}

static bool reserve(struct matching_scratch *scratch, int64_t num_truths) {
    int64_t capacity = scratch->capacity;
    int64_t capacities[] = {capacity, capacity, capacity};
    bool fits = array_reserve(&scratch->taken, &capacities[0], num_truths, sizeof(uint32_t),
                              NULL) == STATUS_OK &&
                array_reserve(&scratch->ignored, &capacities[1], num_truths, sizeof(bool), NULL) ==
                    STATUS_OK &&
                array_reserve(&scratch->candidate, &capacities[2], num_truths, sizeof(int32_t),
                              NULL) == STATUS_OK;
    if (fits) scratch->capacity = capacities[0];
    return fits;
}

static bool outside(double area, const struct area_range *range) {
    return area < range->low || area > range->high;
}

bool is_ignored(const struct coco_annotation *truth, const struct area_range *range) {
    return truth->is_crowd || outside(truth->area, range);
}

// One cell in one area range.
struct bout {
    const struct metric_settings *settings;
    const struct coco_annotation *annotations; // of the ground truth
    const int32_t *truths;                     // the cell's, positions in annotations
    int64_t num_truths;
    struct matching_scratch *scratch;
};

// The candidate that a result takes at threshold t: the free one of highest overlap, the last of
// equals; one that counts goes before any ignored one. -1 if none reaches the threshold.
static int32_t best_candidate(const struct bout *bout, const double *ious, int64_t num_candidates,
                              int64_t t) {
    const struct matching_scratch *scratch = bout->scratch;
    double threshold = bout->settings->thresholds[t];
    const double just_below_one = 1 - 1e-10;
    for (int ignored = 0; ignored <= 1; ignored++) {
        double best = threshold < just_below_one ? threshold : just_below_one;
        int32_t chosen = -1;
        for (int64_t c = 0; c < num_candidates; c++) {
            int32_t truth = scratch->candidate[c];
            if (scratch->ignored[truth] != ignored || ious[truth] < best) continue;
            bool crowd = bout->annotations[bout->truths[truth]].is_crowd;
            if ((scratch->taken[truth] >> t & 1) && !crowd) continue;
            best = ious[truth];
            chosen = truth;
        }
        if (chosen >= 0) return chosen;
    }
    return -1;
}

// Collects the truths that reach the lowest threshold.
static int64_t find_candidates(const struct bout *bout, const double *ious, double lowest) {
    int64_t count = 0;
    for (int64_t i = 0; i < bout->num_truths; i++)
        if (ious[i] >= lowest) bout->scratch->candidate[count++] = (int32_t)i;
    return count;
}

static struct verdict match_result(const struct bout *bout, const double *ious, double lowest) {
    struct verdict verdict = {0};
    int64_t num_candidates = find_candidates(bout, ious, lowest);
    if (num_candidates == 0) return verdict;
    for (int64_t t = 0; t < bout->settings->num_thresholds; t++) {
        int32_t chosen = best_candidate(bout, ious, num_candidates, t);
        if (chosen < 0) continue;
        uint32_t bit = UINT32_C(1) << t;
        bout->scratch->taken[chosen] |= bit;
        if (bout->scratch->ignored[chosen]) verdict.ignored |= bit;
        // parity: matches are kept as annotation ids, where 0 reads as "none".
        if (bout->annotations[bout->truths[chosen]].id != 0) verdict.matched |= bit;
    }
    return verdict;
}

static double lowest_threshold(const struct metric_settings *settings) {
    double lowest = 1 - 1e-10;
    for (int64_t t = 0; t < settings->num_thresholds; t++)
        if (settings->thresholds[t] < lowest) lowest = settings->thresholds[t];
    return lowest;
}

bool match_cell(struct verdict *verdicts, struct matching_scratch *scratch, const double *ious,
                const double *areas, const struct cells *cells, const struct cell *cell,
                const struct coco_set *truth, const struct metric_settings *settings) {
    if (!reserve(scratch, cell->num_truths)) return false;
    struct bout bout = {settings, truth->annotations, cells->truths + cell->truth_begin,
                        cell->num_truths, scratch};
    double lowest = lowest_threshold(settings);
    uint32_t all_thresholds = (uint32_t)((UINT64_C(1) << settings->num_thresholds) - 1);
    for (int64_t a = 0; a < settings->num_areas; a++) {
        const struct area_range *range = &settings->areas[a];
        for (int64_t i = 0; i < cell->num_truths; i++) {
            scratch->ignored[i] = is_ignored(&truth->annotations[bout.truths[i]], range);
            scratch->taken[i] = 0;
        }
        for (int64_t r = 0; r < cell->num_results; r++) {
            // ious may be NULL where there is nothing to compare with.
            const double *row = cell->num_truths > 0 ? ious + r * cell->num_truths : NULL;
            struct verdict verdict = match_result(&bout, row, lowest);
            if (outside(areas[r], range)) verdict.ignored |= ~verdict.matched & all_thresholds;
            verdicts[r * settings->num_areas + a] = verdict;
        }
    }
    return true;
}
