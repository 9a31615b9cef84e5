#include "nn/conv/conv_weights.h"

#include <string.h>

#include "base/check.h"
#include "nn/conv/winograd_weights.h"

enum { TURN_BLOCK = 16 }; // inputs whose weights are read side by side

struct pack {
    struct pack *next;
    const struct dnn_layout *layout;
    enum conv_weights_form form;
    uint64_t version; // of the parameters that it was made from
    float *data;
};

struct conv_cache {
    uint64_t version; // of bias and scales
    float *bias;
    float *scales;
    struct pack *packs;
};

static void *keep(struct nn *nn, int64_t count, size_t bytes) {
    void *memory = arena_alloc_zero(&nn->model, count, bytes);
    if (!memory) nn_fail(nn, STATUS_MEMORY, "packed weights: out of memory");
    return memory;
}

static struct conv_cache *cache_of(struct nn *nn, struct conv *conv) {
    if (!conv->cache) {
        struct conv_cache *cache = keep(nn, 1, sizeof *cache);
        if (!cache) return NULL;
        if (conv->norm || conv->bias) cache->bias = keep(nn, conv->out_channels, sizeof(float));
        if (conv->norm) cache->scales = keep(nn, conv->out_channels, sizeof(float));
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
static void fold(const struct conv *conv, const float *output_scales, const float *input_scales,
                 float *plain) {
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
                plain[at + k] = conv->weight->data[at + k] * factor;
        }
    }
}

static void turn(const struct conv *conv, const float *output_scales, float *turned) {
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
                const float *from = conv->weight->data + (o * in + i) * area;
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

static void fill_pack(struct nn *nn, struct conv *conv, const float *scales, struct pack *pack) {
    const float *plain = conv->weight->data;
    float *folded = NULL;
    float *transformed = NULL;
    if (scales || is_turned(pack->form)) {
        folded = nn_scratch(nn, conv->weight->count);
        if (!folded) return;
        if (is_turned(pack->form))
            turn(conv, scales, folded);
        else
            fold(conv, scales, NULL, folded);
        plain = folded;
    }
    if (is_winograd(pack->form)) {
        bool turned = is_turned(pack->form);
        transformed = nn_scratch(nn, WINOGRAD_POINTS * conv->in_channels * conv->out_channels);
        if (!transformed) return;
        winograd_transform_weights(plain, turned ? conv->in_channels : conv->out_channels,
                                   turned ? conv->out_channels : conv->in_channels, transformed);
        plain = transformed;
    }
    struct error err;
    if (dnn_pack(nn->onednn, pack->layout, plain, pack->data, &err) != STATUS_OK)
        nn_fail(nn, err.code, "%s: %s", conv->label, err.message);
    nn_scratch_free(nn, transformed);
    nn_scratch_free(nn, folded);
}

const float *conv_packed(struct nn *nn, struct conv *conv, const struct dnn_layout *layout,
                         enum conv_weights_form form) {
    struct conv_cache *cache = cache_of(nn, conv);
    if (!cache) return NULL;
    struct pack *pack = cache->packs;
    while (pack && (pack->layout != layout || pack->form != form))
        pack = pack->next;
    if (!pack) {
        pack = keep(nn, 1, sizeof *pack);
        if (!pack) return NULL;
        *pack = (struct pack){.layout = layout, .form = form};
        pack->data = keep(nn, dnn_layout_floats(layout), sizeof(float));
        if (!pack->data) return NULL;
        pack->next = cache->packs;
        cache->packs = pack;
    }
    if (pack->version == cache->version) return pack->data;
    fill_pack(nn, conv, cache->scales, pack);
    if (nn_failed(nn)) return NULL; // still stale
    pack->version = cache->version;
    return pack->data;
}

void conv_pack_scaled(struct nn *nn, struct conv *conv, const struct dnn_layout *layout,
                      const float *scales, float *packed) {
    if (dnn_can_scale_inputs(layout)) {
        const float *weights = conv_packed(nn, conv, layout, CONV_WEIGHTS_DIRECT);
        if (weights) dnn_scale_inputs(layout, weights, scales, packed);
        return;
    }
    float *plain = nn_scratch(nn, conv->weight->count);
    if (!plain) return;
    fold(conv, conv_output_scales(nn, conv), scales, plain);
    struct error err;
    if (dnn_pack(nn->onednn, layout, plain, packed, &err) != STATUS_OK)
        nn_fail(nn, err.code, "%s: %s", conv->label, err.message);
    nn_scratch_free(nn, plain);
}
