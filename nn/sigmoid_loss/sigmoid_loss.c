#include "nn/sigmoid_loss/sigmoid_loss.h"

#include "nn/loss.h"

struct tensor *sigmoid_loss_forward(struct nn *nn, struct tensor *logits,
                                    const struct sigmoid_targets *targets, float scale) {
    struct sigmoid_loss_call *call = nn_call(nn, OP_sigmoid_loss, sizeof *call);
    call->targets = *targets;
    call->scale = scale;
    return loss_run(nn, &call->call, logits);
}
