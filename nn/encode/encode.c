#include "nn/encode/encode.h"

void encode_forward(struct nn *nn, const struct encoding *encoding, const struct encoded *encoded) {
    struct encode_call *call = nn_call(nn, OP_encode, sizeof *call);
    call->encoding = *encoding;
    call->encoded = *encoded;
    call->call.label = "box targets";
    nn_run(nn, &call->call);
}
