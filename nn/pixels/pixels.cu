// Pictures go to the device as bytes, with the tables that resizing needs of them; a kernel for
// each picture writes its plane. Bytes are resized in width by a kernel of their own before that,
// as Pillow does it.

#include <vector>

#include "nn/cuda/kernel.h"

extern "C" {
#include "base/resample.h"
#include "nn/pixels/pixels_call.h"
}

// ---- On the device ----

// A picture, and how its resized pixels come about, with all its tables.
struct source {
    const uint8_t *bytes; // [height, width, 3]
    int64_t width;
    int64_t top, left;                     // of the part
    int64_t first_row, num_rows;           // of the picture, that the part is made of, of bytes
    struct resample_taps across, down;     // of bytes
    const resample_blend *columns, *lines; // of floats
    const float *values;                   // [3, PIXELS_BYTE_VALUES]
    int32_t channels[3];                   // pixels_rules.source
};

static __device__ float value_of(const struct source &s, int c, uint8_t byte) {
    return s.values[c * PIXELS_BYTE_VALUES + byte];
}

// Channel by channel: the weighted sums of count pixels that lie stride bytes apart.
static __device__ void weighted_sum(const uint8_t *from, int64_t stride, const int32_t *weights,
                                    int64_t count, uint8_t *pixel) {
    int32_t sums[3] = {RESAMPLE_UNIT / 2, RESAMPLE_UNIT / 2, RESAMPLE_UNIT / 2};
    for (int64_t tap = 0; tap < count; tap++)
        for (int c = 0; c < 3; c++)
            sums[c] += weights[tap] * from[tap * stride + c];
    for (int c = 0; c < 3; c++) {
        int32_t rounded = sums[c] >> RESAMPLE_BITS;
        pixel[c] = (uint8_t)(rounded < 255 ? rounded : 255);
    }
}

// narrowed [num_rows, width, 3]: the picture's rows, resized in width, in the part's columns.
static __global__ void __launch_bounds__(BLOCK_THREADS)
    resize_width(struct source s, int64_t width, uint8_t *narrowed) {
    int64_t i = global_index();
    if (i >= s.num_rows * width) return;
    int64_t x = s.left + i % width;
    const uint8_t *row = s.bytes + (s.first_row + i / width) * s.width * 3;
    weighted_sum(row + 3 * (int64_t)s.across.firsts[x], 3,
                 s.across.weights + x * s.across.max_count, s.across.counts[x], narrowed + 3 * i);
}

// The pixel (y, x) of the part, in three ways.
struct as_it_is {
    __device__ void operator()(const struct source &s, int64_t y, int64_t x, float *out) const {
        const uint8_t *pixel = s.bytes + ((s.top + y) * s.width + s.left + x) * 3;
        for (int c = 0; c < 3; c++)
            out[c] = value_of(s, c, pixel[s.channels[c]]);
    }
};

struct summed {
    const uint8_t *narrowed;
    int64_t width;

    __device__ void operator()(const struct source &s, int64_t y, int64_t x, float *out) const {
        int64_t at = s.top + y;
        uint8_t pixel[3];
        weighted_sum(narrowed + ((s.down.firsts[at] - s.first_row) * width + x) * 3, 3 * width,
                     s.down.weights + at * s.down.max_count, s.down.counts[at], pixel);
        for (int c = 0; c < 3; c++)
            out[c] = value_of(s, c, pixel[s.channels[c]]);
    }
};

struct blended {
    static __device__ float across(const struct source &s, const resample_blend &columns,
                                   int64_t line, int c) {
        const uint8_t *row = s.bytes + line * s.width * 3 + s.channels[c];
        return columns.low_weight * value_of(s, c, row[3 * (int64_t)columns.low]) +
               columns.high_weight * value_of(s, c, row[3 * (int64_t)columns.high]);
    }

    __device__ void operator()(const struct source &s, int64_t y, int64_t x, float *out) const {
        const resample_blend columns = s.columns[s.left + x];
        const resample_blend lines = s.lines[s.top + y];
        for (int c = 0; c < 3; c++)
            out[c] = lines.low_weight * across(s, columns, lines.low, c) +
                     lines.high_weight * across(s, columns, lines.high, c);
    }
};

// plane [padded.height, padded.width, 3].
template <class Pixel>
static __global__ void __launch_bounds__(BLOCK_THREADS)
    fill(struct source s, Pixel pixel, struct extent extent, struct extent padded, float *plane) {
    int64_t i = global_index();
    if (i >= (int64_t)padded.height * padded.width) return;
    int64_t y = i / padded.width;
    int64_t x = i % padded.width;
    float out[3] = {0, 0, 0};
    if (y < extent.height && x < extent.width) pixel(s, y, x, out);
    for (int c = 0; c < 3; c++)
        plane[3 * i + c] = out[c];
}

// ---- What the device is given ----

// One piece of memory, which the program writes and the device gets a copy of: the rules' values,
// then for each picture its tables and its bytes.
struct parcel {
    char *program, *device;
    int64_t bytes; // that are packed so far
};

static int64_t rounded_up(int64_t bytes) {
    const int64_t alignment = 16;
    return (bytes + alignment - 1) / alignment * alignment;
}

static int64_t bytes_of(const struct pixels_picture *p) {
    return rounded_up(3 * (int64_t)p->width * p->height);
}

static int64_t table_bytes(const struct pixels_rules *rules, const struct pixels_picture *p) {
    const struct extent to = p->crop.resized;
    if (pixels_keep_size(p)) return 0;
    if (rules->resizes_bytes)
        return rounded_up(
            (resample_taps_ints(to.width, p->width) + resample_taps_ints(to.height, p->height)) *
            (int64_t)sizeof(int32_t));
    return rounded_up((to.width + to.height) * (int64_t)sizeof(struct resample_blend));
}

// Where something in the parcel lies on the device.
template <class Type> static Type *on_device(const struct parcel *parcel, const Type *packed) {
    return (Type *)(parcel->device + ((const char *)packed - parcel->program));
}

static struct resample_taps taps_on_device(const struct parcel *parcel,
                                           const struct resample_taps &taps) {
    return {taps.max_count, on_device(parcel, taps.firsts), on_device(parcel, taps.counts),
            on_device(parcel, taps.weights)};
}

static void pack_taps(const struct parcel *parcel, int32_t *ints, const struct pixels_picture *p,
                      struct source *s) {
    const struct crop &crop = p->crop;
    struct resample_taps across;
    struct resample_taps down;
    resample_taps_fill(&across, ints, crop.resized.width, p->width);
    resample_taps_fill(&down, ints + resample_taps_ints(crop.resized.width, p->width),
                       crop.resized.height, p->height);
    int32_t last = crop.top + crop.extent.height - 1;
    s->first_row = down.firsts[crop.top];
    s->num_rows = down.firsts[last] + down.counts[last] - s->first_row;
    s->across = taps_on_device(parcel, across);
    s->down = taps_on_device(parcel, down);
}

static const resample_blend *pack_blends(const struct parcel *parcel, resample_blend *blends,
                                         int64_t to, int64_t from) {
    for (int64_t at = 0; at < to; at++)
        blends[at] = resample_blend_at(at, from, to);
    return on_device(parcel, blends);
}

static struct source pack(struct parcel *parcel, const struct pixels_rules *rules,
                          const struct pixels_picture *p) {
    const struct extent to = p->crop.resized;
    struct source s = {};
    char *tables = parcel->program + parcel->bytes;
    char *bytes = tables + table_bytes(rules, p);
    if (!pixels_keep_size(p) && rules->resizes_bytes) {
        pack_taps(parcel, (int32_t *)(void *)tables, p, &s);
    } else if (!pixels_keep_size(p)) {
        resample_blend *blends = (resample_blend *)(void *)tables;
        s.columns = pack_blends(parcel, blends, to.width, p->width);
        s.lines = pack_blends(parcel, blends + to.width, to.height, p->height);
    }
    memcpy(bytes, p->bytes, 3 * (size_t)p->width * (size_t)p->height);
    s.bytes = on_device(parcel, (uint8_t *)bytes);
    s.width = p->width;
    s.top = p->crop.top;
    s.left = p->crop.left;
    s.values = (const float *)(void *)parcel->device;
    memcpy(s.channels, rules->source, sizeof s.channels);
    parcel->bytes += table_bytes(rules, p) + bytes_of(p);
    return s;
}

// ---- Launches ----

template <class Pixel>
static void launch(struct nn *nn, const struct source &s, const Pixel &pixel,
                   const struct pixels_picture *p, struct extent padded, float *plane) {
    int64_t count = (int64_t)padded.height * padded.width;
    LAUNCH(nn, (fill<Pixel>), blocks_for(count, BLOCK_THREADS), BLOCK_THREADS, 0, s, pixel,
           p->crop.extent, padded, plane);
}

static void launch_summed(struct nn *nn, const struct source &s, const struct pixels_picture *p,
                          struct extent padded, float *plane) {
    int64_t width = p->crop.extent.width;
    int64_t count = s.num_rows * width;
    uint8_t *narrowed = (uint8_t *)nn_scratch(nn, rounded_up(3 * count) / (int64_t)sizeof(float));
    LAUNCH(nn, resize_width, blocks_for(count, BLOCK_THREADS), BLOCK_THREADS, 0, s, width,
           narrowed);
    launch(nn, s, summed{narrowed, width}, p, padded, plane);
    nn_scratch_free(nn, narrowed);
}

void cuda_pixels_forward(struct nn *nn, struct call *base) {
    const struct pixels *pixels = ((const struct pixels_call *)base)->pixels;
    const struct pixels_rules *rules = pixels->rules;
    int64_t plane_floats = 3 * (int64_t)pixels->padded.height * pixels->padded.width;
    int64_t bytes = sizeof rules->values;
    for (int64_t i = 0; i < pixels->count; i++)
        bytes += table_bytes(rules, &pixels->pictures[i]) + bytes_of(&pixels->pictures[i]);
    int64_t floats = bytes / (int64_t)sizeof(float);
    struct parcel parcel = {(char *)nn_own_memory(nn, floats), (char *)nn_scratch(nn, floats),
                            sizeof rules->values};
    if (nn_failed(nn)) return;
    memcpy(parcel.program, rules->values, sizeof rules->values);
    std::vector<struct source> sources;
    for (int64_t i = 0; i < pixels->count; i++)
        sources.push_back(pack(&parcel, rules, &pixels->pictures[i]));
    cuda_copy(nn, parcel.device, parcel.program, bytes);
    for (int64_t i = 0; i < pixels->count; i++) {
        const struct pixels_picture *p = &pixels->pictures[i];
        float *plane = base->out->data + i * plane_floats;
        if (pixels_keep_size(p))
            launch(nn, sources[i], as_it_is{}, p, pixels->padded, plane);
        else if (rules->resizes_bytes)
            launch_summed(nn, sources[i], p, pixels->padded, plane);
        else
            launch(nn, sources[i], blended{}, p, pixels->padded, plane);
    }
    nn_scratch_free(nn, parcel.device);
}
