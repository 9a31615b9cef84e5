#include "nn/loss.h"

struct tensor *loss_run(struct nn *nn, struct call *call, struct tensor *predictions) {
    call->is_loss = true;
    call->out = nn_result(nn);
    call_add_input(call, predictions);
    nn_run(nn, call);
    return call->out;
}

void loss_write(const double parts[LOSS_PARTS], float scale, struct tensor *out) {
    double total = 0;
    for (int part = 0; part < LOSS_PARTS; part++)
        total += parts[part];
    out->data[0] = (float)((double)scale * total);
}
