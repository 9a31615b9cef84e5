// Copies of weights in the layouts that oneDNN chose for its primitives. In inference they are kept
// between steps, in memory of the context, and made anew when the parameters change. In training
// each step changes the parameters, and a copy would serve once: there it lies in step memory,
// until the operation ends.
//
//     struct pack *pack = pack_find(nn, &cache->packs, layout, kind);
//     if (pack && pack->version == version) return pack->data;
//     const float *weights = pack ? pack_source(nn, parameter) : NULL;
//     ... bring the weights into plain order ...
//     return pack_make(nn, pack, parameter, plain, version);
//
// and where the operation ends:
//
//     pack_release(nn, cache->packs);
#pragma once

#include "nn/nn.h"
#include "nn/onednn.h"
#include "nn/parameters.h"

struct pack {
    struct pack *next;
    const struct dnn_layout *layout;
    int64_t kind;     // which of the layer's weights, as the layer says
    uint64_t version; // of the parameters that it was made from; 0 before
    void *data;       // NULL between operations of a training
    bool kept;        // data is the context's, not the step's
};

// Zeroed memory that is kept as long as the context; NULL after a failure.
void *pack_keep(struct nn *nn, int64_t count, size_t bytes);

// The pack of that layout and kind, which may be a new one, with room for its data; NULL after a
// failure.
struct pack *pack_find(struct nn *nn, struct pack **packs, const struct dnn_layout *layout,
                       int64_t kind);

// The parameter's values; NULL after a failure.
const float *pack_source(struct nn *nn, const struct parameter *parameter);

// Fills pack from plain weights (in PyTorch's order), which were made from the parameter: that is
// not needed for now. Returns the data; NULL after a failure.
const void *pack_make(struct nn *nn, struct pack *pack, const struct parameter *parameter,
                      const float *plain, uint64_t version);

// Gives back what lies in step memory. Every operation with packs must end with it, after a failure
// too.
void pack_release(struct nn *nn, struct pack *packs);
