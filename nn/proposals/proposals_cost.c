#include "nn/nms/nms_cost.h"
#include "nn/proposals/proposals_call.h"
#include "nn/top_k/top_k_cost.h"

enum { KEY_VALUES = 2, BOX_VALUES = 4 };

// As if all levels had as many anchors chosen as the one with the most, no box were too small, and
// as many remained as may.
void cost_proposals_forward(struct cost_sheet *sheet, const struct call *base) {
    const struct proposals *p = ((const struct proposals_call *)base)->proposals;
    int64_t images = p->levels[0].logits->n;
    int64_t lists = images * p->num_levels;
    struct cost_choice choice = {.lists = lists};
    int64_t each = 0;
    for (int i = 0; i < p->num_levels; i++) {
        const struct tensor *logits = p->levels[i].logits;
        int64_t count = logits->h * logits->w * p->num_anchors;
        int64_t k = count < p->pre_nms ? count : p->pre_nms;
        choice.scores += images * count;
        choice.chosen += images * k;
        each = k > each ? k : each;
    }
    double slots = (double)choice.chosen;
    double kept = slots < (double)(images * p->post_nms) ? slots : (double)(images * p->post_nms);
    double decoded = (KEY_VALUES + BOX_VALUES) * slots; // of a key and deltas
    if (kept == 0) return;
    cost_select(sheet, &choice);
    cost_pass(sheet, "small boxes dropped", decoded, 30 * slots);
    cost_sort(sheet, lists, each);
    cost_pass(sheet, "boxes decoded", decoded + BOX_VALUES * slots, 30 * slots);
    cost_nms(sheet, lists, each, p->post_nms);
    cost_pass(sheet, "list", (1 + 2 * BOX_VALUES + KEY_VALUES + 1 + 4) * kept, 0);
}
