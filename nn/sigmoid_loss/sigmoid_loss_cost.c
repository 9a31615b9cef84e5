#include "nn/cuda/cost_launch.h"
#include "nn/sigmoid_loss/sigmoid_loss.h"

// Where one channel of each position counts, its logit comes with its neighbours. Elsewhere it is
// as if each logit had a weight, and none had the weight 0.
struct sizes {
    double targets; // how many
    double logits;  // values that are read of them
    double read;    // all that is read
};

static struct sizes sizes_of(const struct sigmoid_loss_call *call) {
    const struct tensor *logits = call->call.inputs[0];
    double all = (double)tensor_count(logits);
    if (!call->targets.channels) return (struct sizes){all, all, 3 * all};
    double positions = (double)tensor_rows(logits);
    double neighbours = logits->c < COST_SECTOR_VALUES ? (double)logits->c : COST_SECTOR_VALUES;
    return (struct sizes){positions, neighbours * positions, (1 + neighbours) * positions};
}

void cost_sigmoid_loss_forward(struct cost_sheet *sheet, const struct call *base) {
    struct sizes sizes = sizes_of((const struct sigmoid_loss_call *)base);
    cost_loss(sheet, sizes.read, 20 * sizes.targets);
}

// The gradient is cleared first unless it is added to.
void cost_sigmoid_loss_backward(struct cost_sheet *sheet, const struct call *base) {
    struct sizes sizes = sizes_of((const struct sigmoid_loss_call *)base);
    const struct tensor *logits = base->inputs[0];
    double written = cost_adds(logits) > 0 ? sizes.logits : (double)tensor_count(logits);
    if (logits->wants_grad && sizes.targets > 0)
        cost_pass(sheet, "gradient", sizes.read + sizes.logits + written, 20 * sizes.targets);
}
