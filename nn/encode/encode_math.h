// Encoding one row, the same on every device.
#pragma once

#include "nn/encode/encode.h"

HOST_DEVICE static inline void encode_row(const struct encoding *e, const struct encoded *out,
                                          int64_t row) {
    int64_t image = row / e->count;
    int64_t box = e->first + row % e->count;
    int32_t match = e->matches[image * e->stride + box];
    float deltas[4] = {0, 0, 0, 0};
    if (match >= 0)
        box_encode(e->boxes + 4 * box, e->truths + 4 * (int64_t)match, &e->coding, deltas);
    for (int j = 0; j < 4; j++)
        out->deltas[4 * row + j] = deltas[j];
    out->matched[row] = match >= 0 ? 1.0f : 0.0f;
    if (out->sampled) out->sampled[row] = match != MATCH_IGNORED ? 1.0f : 0.0f;
}
