#include "nn/device.h"
#include "nn/match/match_math.h"

enum { MANY_BOXES = 4096 }; // worth several threads

static float best_overlap(const struct match_call *call, int64_t image, int64_t truth,
                          int64_t count) {
    float best = 0;
    for (int64_t i = 0; i < count; i++) {
        struct box box;
        if (!candidate_box(&call->candidates, &call->truths, image, i, &box)) continue;
        best = box_larger(truth_overlap(&call->truths, truth, box, box_area(box)), best);
    }
    return best;
}

static void match_image(const struct match_call *call, int64_t image, float *best) {
    const struct truth_boxes *truths = &call->truths;
    int64_t count = candidates_of_image(&call->candidates, truths);
    int32_t *matches = call->matches + image * count;
    int64_t begin = truths->begins[image];
    int64_t end = call->rule.keeps_best ? truths->begins[image + 1] : begin;
#pragma omp parallel for schedule(static) if (count > MANY_BOXES)
    for (int64_t j = begin; j < end; j++)
        best[j] = best_overlap(call, image, j, count);
#pragma omp parallel for schedule(static) if (count > MANY_BOXES)
    for (int64_t i = 0; i < count; i++) {
        struct box box;
        matches[i] = candidate_box(&call->candidates, truths, image, i, &box)
                         ? match_box(box, truths, image, &call->rule, best)
                         : MATCH_IGNORED;
    }
}

void cpu_match_forward(struct nn *nn, struct call *base) {
    const struct match_call *call = (const struct match_call *)base;
    float *best = nn_scratch(nn, call->truths.count);
    if (!best) return;
    for (int64_t image = 0; image < call->truths.num_images; image++)
        match_image(call, image, best);
    nn_scratch_free(nn, best);
}
