// Matching one box, the same on every device.
#pragma once

#include "nn/box_math.h"
#include "nn/match/match.h"

// The index-th candidate of an image; false if there is none.
HOST_DEVICE static inline bool candidate_box(const struct candidates *candidates,
                                             const struct truth_boxes *truths, int64_t image,
                                             int64_t index, struct box *box) {
    const float *corners = candidates->boxes;
    if (index >= candidates->each) {
        int64_t truth = truths->begins[image] + (index - candidates->each);
        if (truth >= truths->begins[image + 1]) return false;
        corners = truths->boxes + 4 * truth;
    } else {
        if (candidates->counts && index >= candidates->counts[image]) return false;
        corners += 4 * ((candidates->shared ? 0 : image * candidates->each) + index);
    }
    box->x1 = corners[0];
    box->y1 = corners[1];
    box->x2 = corners[2];
    box->y2 = corners[3];
    return true;
}

// Equal arguments give equal overlaps, here and where the best ones are looked for.
HOST_DEVICE static inline float truth_overlap(const struct truth_boxes *truths, int64_t j,
                                              struct box box, float area) {
    const float *corners = truths->boxes + 4 * j;
    struct box truth = {corners[0], corners[1], corners[2], corners[3]};
    return box_overlap(truth, box_area(truth), box, area);
}

// best[j] is the largest overlap of truth j with any candidate, 0 if there is none; read only where
// the rule keeps the best.
HOST_DEVICE static inline int32_t match_box(struct box box, const struct truth_boxes *truths,
                                            int64_t image, const struct matching_rule *rule,
                                            const float *best) {
    float area = box_area(box);
    float largest = -1;
    int32_t truth = MATCH_BACKGROUND;
    bool is_best = false;
    for (int64_t j = truths->begins[image]; j < truths->begins[image + 1]; j++) {
        float overlap = truth_overlap(truths, j, box, area);
        is_best = is_best || (rule->keeps_best && overlap > 0 && overlap == best[j]);
        if (!(overlap > largest)) continue;
        largest = overlap;
        truth = (int32_t)j;
    }
    if (truth < 0 || largest >= rule->object || is_best) return truth;
    return largest < rule->background ? MATCH_BACKGROUND : MATCH_IGNORED;
}
