#include "heads/matching.h"

#include <math.h>

enum { MANY_BOXES = 4096 }; // worth several threads

static float best_overlap(const struct box *boxes, int64_t count, struct box truth) {
    float area = box_area(truth);
    float best = 0;
    for (int64_t i = 0; i < count; i++)
        best = box_larger(box_overlap(truth, area, boxes[i], box_area(boxes[i])), best);
    return best;
}

static int32_t match(struct box box, const struct box *truths, int64_t num_truths,
                     const struct matching_rule *rule, const float *best) {
    float area = box_area(box);
    float largest = -1;
    int32_t truth = MATCH_BACKGROUND;
    bool is_best = false;
    for (int64_t j = 0; j < num_truths; j++) {
        // The same arithmetic as in best_overlap, so that equal overlaps compare equal.
        float overlap = box_overlap(truths[j], box_area(truths[j]), box, area);
        is_best = is_best || (best[j] > 0 && overlap == best[j]);
        if (!(overlap > largest)) continue;
        largest = overlap;
        truth = (int32_t)j;
    }
    if (truth < 0 || largest >= rule->object) return truth;
    if (rule->keeps_best && is_best) return truth;
    return largest < rule->background ? MATCH_BACKGROUND : MATCH_IGNORED;
}

void match_boxes(const struct box *boxes, int64_t count, const struct box *truths,
                 int64_t num_truths, const struct matching_rule *rule, float *best,
                 int32_t *matches) {
#pragma omp parallel for schedule(static) if (count > MANY_BOXES)
    for (int64_t j = 0; j < num_truths; j++)
        best[j] = best_overlap(boxes, count, truths[j]);
#pragma omp parallel for schedule(static) if (count > MANY_BOXES)
    for (int64_t i = 0; i < count; i++)
        matches[i] = match(boxes[i], truths, num_truths, rule, best);
}

// Keeps limit of the num entries of matches that items name.
static void thin_out(int32_t *matches, int32_t *items, int64_t num, int64_t limit,
                     struct random *random) {
    for (int64_t i = 0; i < num - limit; i++) {
        int64_t other = i + random_below(random, num - i);
        int32_t dropped = items[other];
        items[other] = items[i];
        matches[dropped] = MATCH_IGNORED;
    }
}

static int64_t collect(const int32_t *matches, int64_t count, bool objects, int32_t *items) {
    int64_t num = 0;
    for (int64_t i = 0; i < count; i++)
        if (objects ? matches[i] >= 0 : matches[i] == MATCH_BACKGROUND) items[num++] = (int32_t)i;
    return num;
}

void sample_matches(int32_t *matches, int64_t count, const struct sampling *sampling,
                    struct random *random, int32_t *scratch) {
    if (sampling->count == 0) return;
    int64_t limit = (int64_t)floor((double)sampling->count * sampling->positives);
    int64_t objects = collect(matches, count, true, scratch);
    thin_out(matches, scratch, objects, limit, random);
    int64_t taken = objects < limit ? objects : limit;
    int64_t backgrounds = collect(matches, count, false, scratch);
    thin_out(matches, scratch, backgrounds, sampling->count - taken, random);
}
