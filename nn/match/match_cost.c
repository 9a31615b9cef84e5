#include "nn/cuda/cost_launch.h"
#include "nn/match/match.h"

// As if all candidates were there.
void cost_match_forward(struct cost_sheet *sheet, const struct call *base) {
    const struct match_call *call = (const struct match_call *)base;
    const struct candidates *candidates = &call->candidates;
    const struct truth_boxes *truths = &call->truths;
    double images = (double)truths->num_images;
    double matches = images * (double)candidates_of_image(candidates, truths);
    double read = 4 * (double)((candidates->shared ? 1 : truths->num_images) * candidates->each);
    double boxes = read + 4 * (double)truths->count;
    double operations = 20 * matches * (double)truths->count / (images > 0 ? images : 1);
    if (matches == 0) return;
    if (call->rule.keeps_best && truths->count > 0)
        cost_pass(sheet, "best overlaps", boxes, operations);
    cost_pass(sheet, "matches", boxes + matches, operations);
}
