#include "nn/detections/detections_call.h"
#include "nn/nms/nms_cost.h"
#include "nn/top_k/sort_sizes.h"
#include "nn/top_k/top_k_cost.h"

enum { KEY_VALUES = 2, BOX_VALUES = 4 };

// As if one class of each proposal passed, and as many boxes remained as may.
void cost_detections_forward(struct cost_sheet *sheet, const struct call *base) {
    const struct detections *d = ((const struct detections_call *)base)->detections;
    int64_t images = d->num_images;
    int64_t pairs = d->proposals->count * d->logits->c;
    int64_t each = pairs < SORT_CHUNK ? pairs : (int64_t)SORT_CHUNK;
    int64_t passing = images ? d->proposals->count / images : 0;
    int64_t kept = passing < d->max_detections ? passing : d->max_detections;
    const struct cost_choice choice = {.lists = images, .scores = pairs, .chosen = images * each};
    double decoded = (double)(2 * BOX_VALUES * images * passing); // of proposals and deltas
    if (passing == 0 || kept == 0) return;
    cost_pass(sheet, "pairs' scores", 2 * (double)pairs + decoded, 8 * (double)pairs);
    cost_select(sheet, &choice);
    cost_sort(sheet, images, each);
    cost_pass(sheet, "boxes decoded",
              decoded + (double)((KEY_VALUES + BOX_VALUES + 1) * images * passing),
              (double)(30 * images * passing));
    cost_nms(sheet, images, passing, d->max_detections);
    cost_pass(sheet, "list", (double)((KEY_VALUES + 2 * (BOX_VALUES + 1) + 4) * images * kept), 0);
}
