#include "nn/sgd/sgd.h"

#include "base/check.h"

void sgd_forward(struct nn *nn, struct parameters *parameters, float *velocity,
                 const struct sgd *settings, const struct sgd_rates *rates) {
    CHECK(nn->device == NN_PLAN || (parameters->grad && velocity && rates->items));
    struct sgd_call *call = nn_call(nn, OP_sgd, sizeof *call);
    call->parameters = parameters;
    call->velocity = velocity;
    call->settings = settings;
    call->rates = *rates;
    nn_run(nn, &call->call);
    parameters_trained(parameters);
}
