#include "base/check.h"
#include "nn/detections/detections_call.h"

void detections_forward(struct nn *nn, const struct detections *detections, struct box_list *list) {
    CHECK(detections->logits->n == detections->proposals->count);
    CHECK(detections->deltas->n == detections->proposals->count);
    CHECK(detections->deltas->c == 4 * detections->logits->c && detections->logits->c >= 2);
    CHECK(list->capacity >= detections->num_images * detections->max_detections);
    struct detections_call *call = nn_call(nn, OP_detections, sizeof *call);
    call->detections = detections;
    call->list = list;
    call->call.label = "detections";
    list->count = detections->num_images * detections->max_detections;
    nn_run(nn, &call->call);
}
