// RoIAlign on the CPU.
//
// Both axes are sampled independently, so the mean over a bin's samples is a sum over positions
// with the weights y[row] x[column]: neighbouring samples share positions, and each is read once.
// An axis of a RoI is thus a short list of taps for each bin.
//
// Backward adds to positions, where RoIs overlap. Each level is cut into bands of rows, a thread
// takes one band at a time and goes through all RoIs in their order: the sums do not depend on the
// threads.

#include <string.h>

#include "base/check.h"
#include "nn/device.h"
#include "nn/roi_align/roi_align_math.h"
#include "nn/vectorised.h"

enum {
    PARTS = 64, // of the work; each has taps of its own
    BAND_ROWS = 8,
};

// One bin on one axis; indices ascend.
struct taps {
    const struct roi_tap *items;
    int64_t count;
};

// Room for one axis of one RoI.
struct axis {
    struct roi_tap *items; // [output_size, per_bin]
    int64_t per_bin;
    int64_t counts[ROI_ALIGN_MAX_OUTPUT];
};

static struct taps axis_taps(const struct axis *axis, int64_t p) {
    return (struct taps){axis->items + p * axis->per_bin, axis->counts[p]};
}

// ---- Taps ----

static void sample_axis(struct axis *axis, const struct roi_span *span, int64_t output_size,
                        int64_t extent) {
    for (int64_t p = 0; p < output_size; p++)
        axis->counts[p] = roi_align_taps(span, p, extent, axis->items + p * axis->per_bin);
}

static void sample_rows(const struct roi_align_call *call, int64_t roi, struct axis *rows) {
    int level = call->rois.levels[roi];
    const float *box = call->rois.boxes + 4 * roi;
    struct roi_span span =
        roi_align_span(&call->settings, box[1], box[3], call->pyramid.scales[level]);
    sample_axis(rows, &span, call->settings.output_size, call->pyramid.levels[level]->h);
}

static void sample_columns(const struct roi_align_call *call, int64_t roi, struct axis *columns) {
    int level = call->rois.levels[roi];
    const float *box = call->rois.boxes + 4 * roi;
    struct roi_span span =
        roi_align_span(&call->settings, box[0], box[2], call->pyramid.scales[level]);
    sample_axis(columns, &span, call->settings.output_size, call->pyramid.levels[level]->w);
}

static int64_t axis_floats(const struct roi_align_call *call) {
    int64_t num_taps = call->settings.output_size * roi_align_taps_per_bin(call);
    return num_taps * (int64_t)(sizeof(struct roi_tap) / sizeof(float));
}

// The number-th axis in memory for several.
static struct axis axis_in(const struct roi_align_call *call, float *memory, int64_t number) {
    return (struct axis){
        .items = (struct roi_tap *)(void *)(memory + number * axis_floats(call)),
        .per_bin = roi_align_taps_per_bin(call),
    };
}

// ---- Forward ----

struct source {
    const float *features;
    float weight;
};

struct cursor {
    int64_t row, column; // which tap
};

static inline struct source next_source(const float *features, int64_t width, int64_t c,
                                        struct taps rows, struct taps columns,
                                        struct cursor *cursor) {
    struct roi_tap row = rows.items[cursor->row];
    struct roi_tap column = columns.items[cursor->column];
    if (++cursor->column == columns.count) {
        cursor->column = 0;
        cursor->row++;
    }
    return (struct source){features + (row.index * width + column.index) * c,
                           row.weight * column.weight};
}

// out[c] = the bin, from one image's features [h, width, c].
VECTORISED static void gather(const float *restrict features, int64_t width, int64_t c,
                              struct taps rows, struct taps columns, float *restrict out) {
    struct cursor cursor = {0, 0};
    int64_t left = rows.count * columns.count;
    for (int64_t j = 0; j < c; j++)
        out[j] = 0;
    for (; left >= 4; left -= 4) {
        struct source s0 = next_source(features, width, c, rows, columns, &cursor);
        struct source s1 = next_source(features, width, c, rows, columns, &cursor);
        struct source s2 = next_source(features, width, c, rows, columns, &cursor);
        struct source s3 = next_source(features, width, c, rows, columns, &cursor);
        for (int64_t j = 0; j < c; j++)
            out[j] += (s0.features[j] * s0.weight + s1.features[j] * s1.weight) +
                      (s2.features[j] * s2.weight + s3.features[j] * s3.weight);
    }
    for (; left > 0; left--) {
        struct source s = next_source(features, width, c, rows, columns, &cursor);
        for (int64_t j = 0; j < c; j++)
            out[j] += s.features[j] * s.weight;
    }
}

// Positions of an axis that are read: [begin, end).
struct range {
    int32_t begin, end;
};

static struct range touched(const struct axis *axis, int64_t output_size) {
    struct range range = {INT32_MAX, 0};
    for (int64_t p = 0; p < output_size; p++) {
        struct taps taps = axis_taps(axis, p);
        if (taps.count == 0) continue;
        int32_t end = taps.items[taps.count - 1].index + 1;
        if (taps.items[0].index < range.begin) range.begin = taps.items[0].index;
        if (end > range.end) range.end = end;
    }
    return range;
}

static void align_roi(const struct roi_align_call *call, int64_t roi, struct axis *rows,
                      struct axis *columns) {
    const struct tensor *level = call->pyramid.levels[call->rois.levels[roi]];
    const float *features = level->data + call->rois.images[roi] * level->h * level->w * level->c;
    int64_t size = call->settings.output_size;
    float *out = call->call.out->data + roi * size * size * level->c;
    sample_rows(call, roi, rows);
    sample_columns(call, roi, columns);
    for (int64_t p = 0; p < size; p++) {
        for (int64_t q = 0; q < size; q++)
            gather(features, level->w, level->c, axis_taps(rows, p), axis_taps(columns, q),
                   out + (p * size + q) * level->c);
    }
}

void cpu_roi_align_forward(struct nn *nn, struct call *base) {
    struct roi_align_call *call = (struct roi_align_call *)base;
    float *memory = nn_scratch(nn, PARTS * 2 * axis_floats(call));
    if (!memory) return;
#pragma omp parallel for schedule(dynamic)
    for (int64_t part = 0; part < PARTS; part++) {
        struct axis rows = axis_in(call, memory, 2 * part);
        struct axis columns = axis_in(call, memory, 2 * part + 1);
        for (int64_t roi = part; roi < call->rois.count; roi += PARTS)
            align_roi(call, roi, &rows, &columns);
    }
    nn_scratch_free(nn, memory);
}

// ---- Backward ----

static void find_touched_rows(const struct roi_align_call *call, float *memory,
                              struct range *ranges) {
#pragma omp parallel for schedule(dynamic)
    for (int64_t part = 0; part < PARTS; part++) {
        struct axis rows = axis_in(call, memory, 2 * part);
        for (int64_t roi = part; roi < call->rois.count; roi += PARTS) {
            sample_rows(call, roi, &rows);
            ranges[roi] = touched(&rows, call->settings.output_size);
        }
    }
}

static struct taps taps_within(struct taps taps, struct range band) {
    while (taps.count && taps.items[0].index < band.begin) {
        taps.items++;
        taps.count--;
    }
    while (taps.count && taps.items[taps.count - 1].index >= band.end)
        taps.count--;
    return taps;
}

// Adds a bin's gradient [c] to that of one image's features [h, width, c].
VECTORISED static void scatter(const float *restrict bin, int64_t width, int64_t c,
                               struct taps rows, struct taps columns, float *restrict grad) {
    for (int64_t i = 0; i < rows.count; i++) {
        for (int64_t k = 0; k < columns.count; k++) {
            float weight = rows.items[i].weight * columns.items[k].weight;
            float *to = grad + (rows.items[i].index * width + columns.items[k].index) * c;
            for (int64_t j = 0; j < c; j++)
                to[j] += bin[j] * weight;
        }
    }
}

// Adds what one RoI gives to a band of its image's gradient.
static void scatter_roi(const struct roi_align_call *call, int64_t roi, struct range band,
                        struct axis *rows, struct axis *columns, float *grad) {
    int64_t size = call->settings.output_size;
    int64_t width = call->pyramid.levels[call->rois.levels[roi]]->w;
    int64_t c = call->call.out->c;
    const float *bins = call->call.out->grad + roi * size * size * c;
    sample_rows(call, roi, rows);
    sample_columns(call, roi, columns);
    for (int64_t p = 0; p < size; p++) {
        struct taps within = taps_within(axis_taps(rows, p), band);
        for (int64_t q = 0; within.count && q < size; q++)
            scatter(bins + (p * size + q) * c, width, c, within, axis_taps(columns, q), grad);
    }
}

struct backward {
    const struct roi_align_call *call;
    const struct range *ranges; // touched by each RoI
    int level;
    bool add;
    float *grad; // the level's
};

static void backward_band(const struct backward *b, int64_t image, struct range band,
                          struct axis *rows, struct axis *columns) {
    const struct tensor *level = b->call->pyramid.levels[b->level];
    const struct rois *rois = &b->call->rois;
    int64_t row_floats = level->w * level->c;
    float *grad = b->grad + image * level->h * row_floats;
    if (!b->add)
        memset(grad + band.begin * row_floats, 0,
               (size_t)((band.end - band.begin) * row_floats) * sizeof *grad);
    for (int64_t roi = 0; roi < rois->count; roi++) {
        if (rois->images[roi] != image || rois->levels[roi] != b->level) continue;
        if (b->ranges[roi].begin >= band.end || b->ranges[roi].end <= band.begin) continue;
        scatter_roi(b->call, roi, band, rows, columns, grad);
    }
}

static void backward_level(const struct backward *b, float *memory) {
    const struct tensor *level = b->call->pyramid.levels[b->level];
    int64_t num_bands = (level->h + BAND_ROWS - 1) / BAND_ROWS;
#pragma omp parallel for schedule(dynamic)
    for (int64_t part = 0; part < PARTS; part++) {
        struct axis rows = axis_in(b->call, memory, 2 * part);
        struct axis columns = axis_in(b->call, memory, 2 * part + 1);
        for (int64_t i = part; i < level->n * num_bands; i += PARTS) {
            int64_t begin = i % num_bands * BAND_ROWS;
            int64_t end = begin + BAND_ROWS < level->h ? begin + BAND_ROWS : level->h;
            struct range band = {(int32_t)begin, (int32_t)end};
            backward_band(b, i / num_bands, band, &rows, &columns);
        }
    }
}

void cpu_roi_align_backward(struct nn *nn, struct call *base) {
    struct roi_align_call *call = (struct roi_align_call *)base;
    int64_t range_floats = (int64_t)(sizeof(struct range) / sizeof(float));
    float *memory = nn_scratch(nn, PARTS * 2 * axis_floats(call));
    float *range_memory = nn_scratch(nn, call->rois.count * range_floats);
    if (nn_failed(nn)) return;
    struct range *ranges = (struct range *)(void *)range_memory;
    find_touched_rows(call, memory, ranges);
    for (int i = 0; i < call->pyramid.num_levels; i++) {
        struct backward b = {.call = call, .ranges = ranges, .level = i};
        b.grad = nn_grad(nn, call->pyramid.levels[i], &b.add);
        if (b.grad) backward_level(&b, memory);
    }
    nn_scratch_free(nn, range_memory);
    nn_scratch_free(nn, memory);
}
