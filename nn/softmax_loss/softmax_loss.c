#include "nn/softmax_loss/softmax_loss.h"

#include "base/check.h"
#include "nn/loss.h"

struct tensor *softmax_loss_forward(struct nn *nn, struct tensor *logits, const int32_t *labels,
                                    float scale) {
    CHECK(logits->c >= 1);
    struct softmax_loss_call *call = nn_call(nn, OP_softmax_loss, sizeof *call);
    call->labels = labels;
    call->scale = scale;
    return loss_run(nn, &call->call, logits);
}
