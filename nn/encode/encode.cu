#include "nn/cuda/kernel.h"

extern "C" {
#include "nn/encode/encode_math.h"
}

static __global__ void __launch_bounds__(BLOCK_THREADS)
    encode_rows(struct encoding encoding, struct encoded encoded, int64_t rows) {
    int64_t row = global_index();
    if (row < rows) encode_row(&encoding, &encoded, row);
}

void cuda_encode_forward(struct nn *nn, struct call *base) {
    const struct encode_call *call = (const struct encode_call *)base;
    struct encoding e = call->encoding;
    struct encoded encoded = call->encoded;
    int64_t rows = e.num_images * e.count;
    if (rows == 0) return;
    struct operands o = {.nn = nn};
    e.boxes = operand_in(&o, e.boxes, 4 * (e.first + e.count));
    e.matches = operand_in(&o, e.matches, (e.num_images - 1) * e.stride + e.first + e.count);
    e.truths = operand_in(&o, e.truths, 4 * e.num_truths);
    encoded.deltas = operand_out(&o, encoded.deltas, 4 * rows);
    encoded.matched = operand_out(&o, encoded.matched, rows);
    encoded.sampled = operand_out(&o, encoded.sampled, rows);
    LAUNCH(nn, encode_rows, blocks_for(rows, BLOCK_THREADS), BLOCK_THREADS, 0, e, encoded, rows);
    operands_end(&o);
}
