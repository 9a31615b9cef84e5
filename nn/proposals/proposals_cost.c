#include "nn/nms/nms_cost.h"
#include "nn/proposals/proposals_call.h"
#include "nn/top_k/top_k_cost.h"

enum { KEY_VALUES = 2, BOX_VALUES = 4 };

// Returns how many anchors are chosen.
static int64_t cost_levels(struct cost_sheet *sheet, const struct proposals *p) {
    int64_t slots = 0;
    int64_t anchors = 0;
    for (int i = 0; i < p->num_levels; i++) {
        const struct tensor *logits = p->levels[i].logits;
        int64_t count = logits->h * logits->w * p->num_anchors;
        if (p->pre_nms == 0) continue;
        anchors += count;
        slots += count < p->pre_nms ? count : p->pre_nms;
    }
    cost_select(sheet, anchors, slots);
    return slots;
}

// As if no box were too small, and as many remained as may.
void cost_proposals_forward(struct cost_sheet *sheet, const struct call *base) {
    const struct proposals *p = ((const struct proposals_call *)base)->proposals;
    for (int64_t image = 0; image < p->levels[0].logits->n; image++) {
        int64_t slots = cost_levels(sheet, p);
        int64_t kept = slots < p->post_nms ? slots : p->post_nms;
        double decoded = (double)((KEY_VALUES + BOX_VALUES) * slots); // of a key and deltas
        double operations = (double)(30 * slots);
        if (kept == 0) continue;
        cost_pass(sheet, "small boxes dropped", decoded, operations);
        cost_sort(sheet, slots);
        cost_pass(sheet, "boxes decoded", decoded + (double)((BOX_VALUES + 1) * slots), operations);
        cost_nms(sheet, slots, p->post_nms);
        cost_pass(sheet, "list", (double)((1 + 2 * BOX_VALUES + KEY_VALUES + 2 + 4) * kept), 0);
    }
}
