#include "base/check.h"
#include "nn/proposals/proposals_call.h"

void proposals_forward(struct nn *nn, const struct proposals *proposals, struct box_list *list) {
    CHECK(proposals->num_levels >= 1 && proposals->num_levels <= PROPOSALS_MAX_LEVELS);
    CHECK(proposals->num_anchors >= 1 && proposals->num_anchors <= PROPOSALS_MAX_ANCHORS);
    int64_t n = proposals->levels[0].logits->n;
    CHECK(list->capacity >= n * (list->each ? list->each : proposals->post_nms));
    CHECK(!list->each || list->each >= proposals->post_nms);
    for (int i = 0; i < proposals->num_levels; i++) {
        const struct proposal_level *level = &proposals->levels[i];
        CHECK(level->logits->n == n && level->logits->c == proposals->num_anchors);
        CHECK(level->deltas->n == n && level->deltas->c == 4 * proposals->num_anchors);
        CHECK(level->deltas->h == level->logits->h && level->deltas->w == level->logits->w);
    }
    struct proposals_call *call = nn_call(nn, OP_proposals, sizeof *call);
    call->proposals = proposals;
    call->list = list;
    call->call.label = "proposals";
    list->count = n * (list->each ? list->each : proposals->post_nms);
    nn_run(nn, &call->call);
}
