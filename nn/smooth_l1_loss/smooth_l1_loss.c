#include "nn/smooth_l1_loss/smooth_l1_loss.h"

#include "base/check.h"
#include "nn/loss.h"

struct tensor *smooth_l1_loss_forward(struct nn *nn, struct tensor *predictions,
                                      const struct box_targets *targets, float beta, float scale) {
    CHECK(targets->num_groups >= 1 && beta >= 0);
    CHECK(targets->groups || targets->num_groups == 1 || nn->device == NN_PLAN);
    CHECK(tensor_count(predictions) % (4 * targets->num_groups) == 0);
    struct smooth_l1_loss_call *call = nn_call(nn, OP_smooth_l1_loss, sizeof *call);
    call->targets = *targets;
    call->rows = tensor_count(predictions) / (4 * targets->num_groups);
    call->beta = beta;
    call->scale = scale;
    return loss_run(nn, &call->call, predictions);
}
