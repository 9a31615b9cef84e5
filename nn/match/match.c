#include "nn/match/match.h"

void match_forward(struct nn *nn, const struct candidates *candidates,
                   const struct truth_boxes *truths, const struct matching_rule *rule,
                   int32_t *matches) {
    struct match_call *call = nn_call(nn, OP_match, sizeof *call);
    call->candidates = *candidates;
    call->truths = *truths;
    call->rule = *rule;
    call->matches = matches;
    call->call.label = candidates->with_truths ? "regions" : "anchors";
    nn_run(nn, &call->call);
}
