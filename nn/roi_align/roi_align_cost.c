#include "nn/cuda/cost_launch.h"
#include "nn/roi_align/roi_align_math.h"

enum { TAP_VALUES = 2, AXES = 2, BOX_VALUES = 4, LISTED_VALUES = 5 };

// Taps of all lists, where two bilinear samples of a bin meet in three positions.
enum { USUAL_TAPS = 3 };

static double taps_of(const struct roi_align_call *call) {
    double lists = (double)(call->rois.count * AXES * call->settings.output_size);
    return lists * (TAP_VALUES * USUAL_TAPS + 1);
}

static void find_taps(struct cost_sheet *sheet, const struct roi_align_call *call) {
    double boxes = (double)((BOX_VALUES + 1) * call->rois.count);
    cost_pass(sheet, "taps", boxes + taps_of(call), 10 * taps_of(call));
}

static double positions_of(const struct roi_align_call *call) {
    double count = 0;
    for (int i = 0; i < call->pyramid.num_levels; i++)
        count += (double)tensor_count(call->pyramid.levels[i]);
    return count;
}

// As if the regions lay everywhere.
void cost_roi_align_forward(struct cost_sheet *sheet, const struct call *base) {
    const struct roi_align_call *call = (const struct roi_align_call *)base;
    double out = (double)tensor_count(base->out);
    if (out == 0) return;
    find_taps(sheet, call);
    cost_pass(sheet, "regions", cost_numbers(sheet, positions_of(call) + out) + taps_of(call),
              2 * USUAL_TAPS * (USUAL_TAPS + 1) * out);
}

// As if the regions lay everywhere, and each level had a share of them that is its share of the
// positions. All levels are one launch.
void cost_roi_align_backward(struct cost_sheet *sheet, const struct call *base) {
    const struct roi_align_call *call = (const struct roi_align_call *)base;
    double maps = 0;
    double share = 0;
    for (int i = 0; i < call->pyramid.num_levels; i++) {
        const struct tensor *level = call->pyramid.levels[i];
        double count = (double)tensor_count(level);
        if (!level->wants_grad || count == 0) continue;
        maps += (1 + cost_adds(level)) * count;
        share += count / positions_of(call);
    }
    double out = (double)tensor_count(base->out);
    double rois = (double)call->rois.count;
    if (maps == 0) return;
    cost_pass(sheet, "regions by level", (2 + BOX_VALUES + LISTED_VALUES) * rois, 0);
    cost_pass(sheet, "maps' gradient",
              cost_numbers(sheet, maps + share * out) + share * (BOX_VALUES + LISTED_VALUES) * rois,
              2 * USUAL_TAPS * (USUAL_TAPS + 1) * share * out);
}
