// Where RoIAlign reads, the same on every device; roi_align.h has the formulas.
#pragma once

#include <math.h>

#include "nn/host_device.h"
#include "nn/roi_align/roi_align.h"

// Samples of a bin and axis at most. Only boxes far larger than any image would have more, and they
// must not keep us busy for hours.
enum { ROI_ALIGN_MAX_GRID = 4096 };

// One axis of one RoI.
struct roi_span {
    float start;
    float bin;    // of aligned RoIs it may be negative
    int64_t grid; // samples of a bin; 0 if there is nothing to sample
};

HOST_DEVICE static inline struct roi_span roi_align_span(const struct roi_align *settings,
                                                         float low, float high, float scale) {
    float offset = settings->aligned ? 0.5f : 0;
    struct roi_span span = {.start = low * scale - offset, .grid = settings->sampling};
    float size = high * scale - offset - span.start;
    if (!settings->aligned && size < 1) size = 1;
    span.bin = size / (float)settings->output_size;
    if (settings->sampling == 0) {
        float wanted = ceilf(span.bin);
        if (wanted > 0)
            span.grid =
                wanted < (float)ROI_ALIGN_MAX_GRID ? (int64_t)wanted : (int64_t)ROI_ALIGN_MAX_GRID;
    }
    return span;
}

// The position of sample i of bin p.
HOST_DEVICE static inline float roi_align_at(const struct roi_span *span, int64_t p, int64_t i) {
    return span->start + (float)p * span->bin + ((float)i + 0.5f) * span->bin / (float)span->grid;
}

// Two neighbours and their weights, which add up to 1; both are the last position behind it.
struct roi_read {
    int64_t low, high;
    float low_weight, high_weight;
};

// False if a read at this position is 0, which includes positions that are not numbers.
HOST_DEVICE static inline bool roi_align_read(float at, int64_t extent, struct roi_read *read) {
    if (!(at >= -1 && at <= (float)extent)) return false;
    if (at < 0) at = 0;
    read->low = (int64_t)at;
    read->high = read->low + 1;
    if (read->low >= extent - 1) {
        read->low = read->high = extent - 1;
        at = (float)read->low;
    }
    read->high_weight = at - (float)read->low;
    read->low_weight = 1 - read->high_weight;
    return true;
}

// A position on one axis and its share in a bin.
struct roi_tap {
    int32_t index;
    float weight;
};

// Samples come in ascending order, so only the last two taps may be at index already.
HOST_DEVICE static inline int64_t roi_align_add_tap(struct roi_tap *taps, int64_t count,
                                                    int64_t index, float weight) {
    for (int64_t i = count - 1; i >= 0 && i >= count - 2; i--) {
        if (taps[i].index != index) continue;
        taps[i].weight += weight;
        return count;
    }
    taps[count].index = (int32_t)index;
    taps[count].weight = weight;
    return count + 1;
}

// The taps of bin p; returns how many there are, at most extent, and at most two for each sample.
// Their indices ascend.
HOST_DEVICE static inline int64_t roi_align_taps(const struct roi_span *span, int64_t p,
                                                 int64_t extent, struct roi_tap *taps) {
    float grid = (float)span->grid;
    int64_t count = 0;
    for (int64_t s = 0; s < span->grid; s++) {
        struct roi_read read;
        int64_t i = span->bin < 0 ? span->grid - 1 - s : s;
        if (!roi_align_read(roi_align_at(span, p, i), extent, &read)) continue;
        count = roi_align_add_tap(taps, count, read.low, read.low_weight / grid);
        count = roi_align_add_tap(taps, count, read.high, read.high_weight / grid);
    }
    return count;
}

// Room for the taps of a bin of any RoI: no position twice, and two for each sample.
static inline int64_t roi_align_taps_per_bin(const struct roi_align_call *call) {
    int64_t most = 0;
    for (int i = 0; i < call->pyramid.num_levels; i++) {
        const struct tensor *level = call->pyramid.levels[i];
        if (level->h > most) most = level->h;
        if (level->w > most) most = level->w;
    }
    int64_t sampling = call->settings.sampling;
    return sampling && sampling < most / 2 ? 2 * sampling : most;
}
