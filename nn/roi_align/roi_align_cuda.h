// What RoIAlign's kernels on CUDA share: the pyramid as they see it, and channels that a thread
// reads and writes at once.
#pragma once

#include <type_traits>

#include "nn/cuda/packs.h"

extern "C" {
#include "nn/roi_align/roi_align_math.h"
}

enum { ROWS, COLUMNS, NUM_AXES };

struct level {
    int64_t h, w;
    float scale;
    const void *data; // of the type that the kernel is for
};

// All that kernels need to know.
struct pyramid_view {
    struct roi_align settings;
    struct level levels[ROI_MAX_LEVELS];
    int64_t n, c, count;
    const float *boxes;
    const int32_t *images, *of_level;
};

static inline struct pyramid_view view_of(struct operands *o, const struct roi_align_call *call) {
    const struct rois *rois = &call->rois;
    struct pyramid_view v = {};
    v.settings = call->settings;
    for (int i = 0; i < call->pyramid.num_levels; i++) {
        const struct tensor *level = call->pyramid.levels[i];
        v.levels[i] = {level->h, level->w, call->pyramid.scales[i], level->data};
    }
    v.n = call->pyramid.levels[0]->n;
    v.c = call->pyramid.levels[0]->c;
    v.count = rois->count;
    v.boxes = operand_in(o, rois->boxes, 4 * rois->count);
    v.images = operand_in(o, rois->images, rois->count);
    v.of_level = operand_in(o, rois->levels, rois->count);
    return v;
}

static __device__ inline int64_t extent_of(const struct level &level, int axis) {
    return axis == ROWS ? level.h : level.w;
}

static __device__ inline struct roi_span span_of(const struct pyramid_view &v, int64_t roi,
                                                 int axis) {
    const float *box = v.boxes + 4 * roi + (axis == ROWS ? 1 : 0);
    return roi_align_span(&v.settings, box[0], box[2], v.levels[v.of_level[roi]].scale);
}

// ---- Channels ----

enum { CHANNELS_EACH = 4 }; // that a thread takes at once, where their number is a multiple

// Neighbouring channels that a thread reads and writes at once.
template <class Number, int EACH> using channels = pack<Number, EACH>;

template <int EACH, class Number>
static __device__ channels<Number, EACH> channels_at(const Number *numbers) {
    return *(const channels<Number, EACH> *)(const void *)numbers;
}

template <int EACH, class Number>
static __device__ void add_channels(const channels<Number, EACH> &read, float weight,
                                    float totals[EACH]) {
    for (int i = 0; i < EACH; i++)
        totals[i] += read.get(i) * weight;
}

template <int EACH, class Number>
static __device__ void store_channels(const float totals[EACH], Number *numbers) {
    channels<Number, EACH> written;
    for (int i = 0; i < EACH; i++)
        written.set(i, totals[i]);
    if constexpr (sizeof written % sizeof(uint64_t) == 0) { // else nvcc stores numbers one by one
        uint64_t words[sizeof written / sizeof(uint64_t)];
        memcpy(words, &written, sizeof words);
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
            ((uint64_t *)(void *)numbers)[i] = words[i];
    } else {
        *(channels<Number, EACH> *)(void *)numbers = written;
    }
}

// Calls run with a number of the type and with how many channels a thread takes at once.
template <class Run> static void with_channels(enum number_type type, int64_t c, Run run) {
    with_type(type, [&](auto number) {
        if (c % CHANNELS_EACH == 0)
            run(number, std::integral_constant<int, CHANNELS_EACH>());
        else
            run(number, std::integral_constant<int, 1>());
    });
}
