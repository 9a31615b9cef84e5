#include "nn/conv/conv_weights.h"

#include <string.h>

#include "base/check.h"
#include "nn/conv/winograd_weights.h"
#include "nn/pack.h"

enum { TURN_BLOCK = 16 }; // inputs whose weights are read side by side

struct conv_cache {
    uint64_t version; // of bias and scales
    float *bias;
    float *scales;
    struct pack *packs;
};

static struct conv_cache *cache_of(struct nn *nn, struct conv *conv) {
    if (!conv->cache) {
        struct conv_cache *cache = pack_keep(nn, 1, sizeof *cache);
        if (!cache) return NULL;
        if (conv->norm || conv->bias)
            cache->bias = pack_keep(nn, conv->out_channels, sizeof(float));
        if (conv->norm) cache->scales = pack_keep(nn, conv->out_channels, sizeof(float));
        if (nn_failed(nn)) return NULL;
        conv->cache = cache;
    }
    struct conv_cache *cache = conv->cache;
    uint64_t version = conv->weight->owner->version;
    if (cache->version == version) return cache;
    for (int64_t o = 0; o < conv->out_channels; o++) {
        float scale = conv->norm ? frozen_norm_scale(conv->norm, o) : 1;
        float bias = conv->bias ? conv->bias->data[o] : 0;
        if (cache->scales) cache->scales[o] = scale;
        if (cache->bias)
            cache->bias[o] = bias * scale + (conv->norm ? frozen_norm_shift(conv->norm, o) : 0);
    }
    cache->version = version;
    return cache;
}

const float *conv_folded_bias(struct nn *nn, struct conv *conv) {
    struct conv_cache *cache = cache_of(nn, conv);
    return cache ? cache->bias : NULL;
}

const float *conv_output_scales(struct nn *nn, struct conv *conv) {
    struct conv_cache *cache = cache_of(nn, conv);
    return cache ? cache->scales : NULL;
}

// The weights in PyTorch's order with the norm, and perhaps scales of the inputs, multiplied in.
static void fold(const struct conv *conv, const float *weights, const float *output_scales,
                 const float *input_scales, float *plain) {
    int64_t in = conv->in_channels / conv->groups;
    int64_t area = conv->kernel * conv->kernel;
    int64_t outputs_per_group = conv->out_channels / conv->groups;
#pragma omp parallel for schedule(static)
    for (int64_t o = 0; o < conv->out_channels; o++) {
        float scale = output_scales ? output_scales[o] : 1;
        int64_t first_input = o / outputs_per_group * in;
        for (int64_t i = 0; i < in; i++) {
            float factor = input_scales ? scale * input_scales[first_input + i] : scale;
            int64_t at = (o * in + i) * area;
            for (int64_t k = 0; k < area; k++)
                plain[at + k] = weights[at + k] * factor;
        }
    }
}

static void turn(const struct conv *conv, const float *weights, const float *output_scales,
                 float *turned) {
    CHECK(conv->groups == 1);
    int64_t in = conv->in_channels;
    int64_t out = conv->out_channels;
    int64_t area = conv->kernel * conv->kernel;
#pragma omp parallel for schedule(static)
    for (int64_t block = 0; block < in; block += TURN_BLOCK) {
        int64_t end = block + TURN_BLOCK < in ? block + TURN_BLOCK : in;
        for (int64_t o = 0; o < out; o++) {
            float scale = output_scales ? output_scales[o] : 1;
            for (int64_t i = block; i < end; i++) {
                const float *from = weights + (o * in + i) * area;
                float *to = turned + (i * out + o) * area;
                for (int64_t k = 0; k < area; k++)
                    to[area - 1 - k] = from[k] * scale;
            }
        }
    }
}

static bool is_turned(enum conv_weights_form form) {
    return form == CONV_WEIGHTS_TURNED || form == CONV_WEIGHTS_WINOGRAD_TURNED;
}

static bool is_winograd(enum conv_weights_form form) {
    return form == CONV_WEIGHTS_WINOGRAD || form == CONV_WEIGHTS_WINOGRAD_TURNED;
}

static const void *fill_pack(struct nn *nn, const struct conv *conv, const struct conv_cache *cache,
                             struct pack *pack) {
    const enum conv_weights_form form = (enum conv_weights_form)pack->kind;
    const float *plain = pack_source(nn, conv->weight);
    float *folded = NULL;
    float *transformed = NULL;
    if (plain && (cache->scales || is_turned(form))) {
        folded = nn_scratch(nn, conv->weight->count);
        if (!folded) return NULL;
        if (is_turned(form))
            turn(conv, plain, cache->scales, folded);
        else
            fold(conv, plain, cache->scales, NULL, folded);
        plain = folded;
    }
    if (plain && is_winograd(form)) {
        bool turned = is_turned(form);
        transformed = nn_scratch(nn, WINOGRAD_POINTS * conv->in_channels * conv->out_channels);
        if (!transformed) return NULL;
        winograd_transform_weights(plain, turned ? conv->in_channels : conv->out_channels,
                                   turned ? conv->out_channels : conv->in_channels, transformed);
        plain = transformed;
    }
    const void *data = pack_make(nn, pack, conv->weight, plain, cache->version);
    nn_scratch_free(nn, transformed);
    nn_scratch_free(nn, folded);
    return data;
}

const void *conv_packed(struct nn *nn, struct conv *conv, const struct dnn_layout *layout,
                        enum conv_weights_form form) {
    struct conv_cache *cache = cache_of(nn, conv);
    if (!cache) return NULL;
    struct pack *pack = pack_find(nn, &cache->packs, layout, form);
    if (!pack) return NULL;
    return pack->version == cache->version ? pack->data : fill_pack(nn, conv, cache, pack);
}

void conv_release_packed(struct nn *nn, struct conv *conv) {
    if (conv->cache) pack_release(nn, conv->cache->packs);
}

void conv_pack_scaled(struct nn *nn, struct conv *conv, const struct dnn_layout *layout,
                      const float *scales, float *packed) {
    if (dnn_can_scale_inputs(layout)) {
        const float *weights = conv_packed(nn, conv, layout, CONV_WEIGHTS_DIRECT);
        if (weights) dnn_scale_inputs(layout, weights, scales, packed);
        return;
    }
    const float *values = pack_source(nn, conv->weight);
    float *plain = nn_scratch(nn, conv->weight->count);
    if (!values || !plain) return;
    fold(conv, values, conv_output_scales(nn, conv), scales, plain);
    struct error err;
    if (dnn_pack(nn->onednn, layout, plain, packed, &err) != STATUS_OK)
        nn_fail(nn, err.code, "%s: %s", conv->label, err.message);
    nn_scratch_free(nn, plain);
}
