#include "nn/detections/detections_call.h"
#include "nn/nms/nms_cost.h"
#include "nn/top_k/top_k_cost.h"

enum { KEY_VALUES = 2, BOX_VALUES = 4, ROW_VALUES = 4 };

// As if one class of each proposal passed, and as many boxes remained as may.
void cost_detections_forward(struct cost_sheet *sheet, const struct call *base) {
    const struct detections *d = ((const struct detections_call *)base)->detections;
    int64_t count = d->proposals->count;
    int64_t pairs = d->num_images ? count / d->num_images : 0;
    int64_t kept = pairs < d->max_detections ? pairs : d->max_detections;
    double classes = (double)d->logits->c;
    double boxes = (double)(2 * BOX_VALUES * pairs); // proposals and deltas
    // Of an image's proposals the sums and logits, of all the image.
    double found = (ROW_VALUES + classes) * (double)pairs + boxes + (double)count;
    double operations = 4 * classes * (double)pairs;
    if (pairs == 0) return;
    cost_pass(sheet, "softmax summed", (classes + ROW_VALUES) * (double)count,
              3 * classes * (double)count);
    for (int64_t image = 0; image < d->num_images; image++)
        cost_pass(sheet, "pairs counted", found, operations);
    for (int64_t image = 0; image < d->num_images && kept > 0; image++) {
        cost_pass(sheet, "pairs found", found + (double)(KEY_VALUES * pairs), operations);
        cost_sort(sheet, pairs);
        cost_pass(sheet, "boxes decoded", boxes + (double)((KEY_VALUES + BOX_VALUES + 1) * pairs),
                  (double)(30 * pairs));
        cost_nms(sheet, pairs, d->max_detections);
        cost_pass(sheet, "list", (double)((KEY_VALUES + 2 * (BOX_VALUES + 1) + 4) * kept), 0);
    }
}
