#include "nn/device.h"
#include "nn/encode/encode_math.h"

void cpu_encode_forward(struct nn *nn, struct call *base) {
    (void)nn;
    const struct encode_call *call = (const struct encode_call *)base;
    int64_t rows = call->encoding.num_images * call->encoding.count;
    for (int64_t row = 0; row < rows; row++)
        encode_row(&call->encoding, &call->encoded, row);
}
