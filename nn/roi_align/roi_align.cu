// RoIAlign on CUDA, all levels in one launch.
//
// As on the CPU, an axis of a RoI is a short list of taps for each bin (roi_align_math.h); a first
// kernel makes all lists. Forward, a thread reads one channel of one bin. Backward, a thread owns
// one channel of one position and goes through the RoIs that touch it in their order: no two
// threads add to one place, so the sums are always the same.

#include "nn/cuda/kernel.h"

extern "C" {
#include "nn/roi_align/roi_align_math.h"
}

enum { ROWS, COLUMNS, NUM_AXES, TILE_COLUMNS = 8, TILE_CHANNELS = 32 };

struct level {
    int64_t h, w;
    float scale;
    const float *data;
};

// All that kernels need to know.
struct view {
    struct roi_align settings;
    struct level levels[ROI_MAX_LEVELS];
    int64_t n, c, count;
    const float *boxes;
    const int32_t *images, *of_level;
    int64_t per_bin;      // taps at most
    struct roi_tap *taps; // [count, axes, output size, per_bin]
    int32_t *counts;      // [count, axes, output size]
    int32_t *ranges;      // [count, axes, 2]: positions that are read, from begin to end
    float *memory;        // that the last three lie in
};

static __device__ int64_t list_of(const struct view &v, int64_t roi, int axis, int64_t p) {
    return (roi * NUM_AXES + axis) * v.settings.output_size + p;
}

static struct view view_of(struct operands *o, const struct roi_align_call *call) {
    const struct rois *rois = &call->rois;
    struct view v = {};
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
    v.per_bin = roi_align_taps_per_bin(call);
    int64_t lists = v.count * NUM_AXES * v.settings.output_size;
    int64_t tap_floats = (int64_t)(sizeof(struct roi_tap) / sizeof(float));
    v.memory = nn_scratch(o->nn, lists * (v.per_bin * tap_floats + 1) + v.count * NUM_AXES * 2);
    v.taps = (struct roi_tap *)(void *)v.memory;
    v.counts = (int32_t *)(void *)(v.memory + lists * v.per_bin * tap_floats);
    v.ranges = v.counts + lists;
    return v;
}

// A thread for each list.
static __global__ void __launch_bounds__(BLOCK_THREADS) find_taps(struct view v) {
    int64_t list = global_index();
    int64_t size = v.settings.output_size;
    if (list >= v.count * NUM_AXES * size) return;
    int64_t roi = list / size / NUM_AXES;
    int axis = (int)(list / size % NUM_AXES);
    const struct level &level = v.levels[v.of_level[roi]];
    const float *box = v.boxes + 4 * roi + (axis == ROWS ? 1 : 0);
    struct roi_span span = roi_align_span(&v.settings, box[0], box[2], level.scale);
    v.counts[list] = (int32_t)roi_align_taps(&span, list % size, axis == ROWS ? level.h : level.w,
                                             v.taps + list * v.per_bin);
}

static void run_find_taps(struct nn *nn, const struct view &v) {
    int64_t lists = v.count * NUM_AXES * v.settings.output_size;
    LAUNCH(nn, find_taps, blocks_for(lists, BLOCK_THREADS), BLOCK_THREADS, 0, v);
}

// ---- Forward ----

// A block for each bin and piece of the channels.
static __global__ void __launch_bounds__(BLOCK_THREADS) gather(struct view v, float *out) {
    int64_t size = v.settings.output_size;
    int64_t q = blockIdx.x % size;
    int64_t p = blockIdx.x / size % size;
    int64_t roi = blockIdx.x / size / size;
    const struct level &level = v.levels[v.of_level[roi]];
    const float *features = level.data + v.images[roi] * level.h * level.w * v.c;
    int64_t rows = list_of(v, roi, ROWS, p);
    int64_t columns = list_of(v, roi, COLUMNS, q);
    const struct roi_tap *row_taps = v.taps + rows * v.per_bin;
    const struct roi_tap *column_taps = v.taps + columns * v.per_bin;
    for (int64_t j = threadIdx.x; j < v.c; j += blockDim.x) {
        float total = 0;
        for (int32_t r = 0; r < v.counts[rows]; r++) {
            const float *line = features + row_taps[r].index * level.w * v.c + j;
            float along = 0;
            for (int32_t k = 0; k < v.counts[columns]; k++)
                along += line[column_taps[k].index * v.c] * column_taps[k].weight;
            total += along * row_taps[r].weight;
        }
        out[blockIdx.x * v.c + j] = total;
    }
}

static unsigned threads_for(int64_t c) {
    unsigned threads = 32;
    while (threads < BLOCK_THREADS && threads < c)
        threads *= 2;
    return threads;
}

void cuda_roi_align_forward(struct nn *nn, struct call *base) {
    const struct roi_align_call *call = (const struct roi_align_call *)base;
    if (tensor_count(base->out) == 0) return;
    struct operands o = {.nn = nn};
    struct view v = view_of(&o, call);
    int64_t size = v.settings.output_size;
    run_find_taps(nn, v);
    LAUNCH(nn, gather, (unsigned)(v.count * size * size), threads_for(v.c), 0, v, base->out->data);
    nn_scratch_free(nn, v.memory);
    operands_end(&o);
}

// ---- Backward ----

// A thread for each axis of each RoI.
static __global__ void __launch_bounds__(BLOCK_THREADS) find_ranges(struct view v) {
    int64_t i = global_index();
    if (i >= v.count * NUM_AXES) return;
    int32_t begin = INT32_MAX;
    int32_t end = 0;
    for (int64_t p = 0; p < v.settings.output_size; p++) {
        int64_t list = i * v.settings.output_size + p;
        int32_t count = v.counts[list];
        if (count == 0) continue;
        const struct roi_tap *taps = v.taps + list * v.per_bin;
        if (taps[0].index < begin) begin = taps[0].index;
        if (taps[count - 1].index >= end) end = taps[count - 1].index + 1;
    }
    v.ranges[2 * i] = begin;
    v.ranges[2 * i + 1] = end;
}

// The weight of a position in a list; 0 if it is not there.
static __device__ float weight_in(const struct view &v, int64_t list, int64_t position) {
    const struct roi_tap *taps = v.taps + list * v.per_bin;
    for (int32_t i = 0; i < v.counts[list] && taps[i].index <= position; i++)
        if (taps[i].index == position) return taps[i].weight;
    return 0;
}

// What a RoI gives to one channel of a position.
static __device__ float flow_from(const struct view &v, const float *dout, int64_t roi, int64_t row,
                                  int64_t column, int64_t j) {
    int64_t size = v.settings.output_size;
    float total = 0;
    for (int64_t p = 0; p < size; p++) {
        float row_weight = weight_in(v, list_of(v, roi, ROWS, p), row);
        if (row_weight == 0) continue;
        float along = 0;
        for (int64_t q = 0; q < size; q++) {
            float weight = weight_in(v, list_of(v, roi, COLUMNS, q), column);
            if (weight != 0) along += weight * dout[((roi * size + p) * size + q) * v.c + j];
        }
        total += along * row_weight;
    }
    return total;
}

// Whether a RoI reads anything of a row from column begin to end.
static __device__ bool touches(const struct view &v, int64_t roi, int64_t image, int level,
                               int64_t row, int64_t begin, int64_t end) {
    if (v.images[roi] != image || v.of_level[roi] != level) return false;
    const int32_t *rows = v.ranges + (roi * NUM_AXES + ROWS) * 2;
    const int32_t *columns = v.ranges + (roi * NUM_AXES + COLUMNS) * 2;
    return rows[0] <= row && row < rows[1] && columns[0] < end && begin < columns[1];
}

// A block has some neighbouring columns of one row, and some channels. It asks of as many RoIs at
// once as it has threads which touch its positions, and then goes through those.
static __global__ void __launch_bounds__(TILE_COLUMNS *TILE_CHANNELS)
    scatter(struct view v, const float *dout, int number, bool add, float *grad) {
    __shared__ bool touching[TILE_COLUMNS * TILE_CHANNELS];
    const struct level &level = v.levels[number];
    int64_t pieces = (v.c + TILE_CHANNELS - 1) / TILE_CHANNELS;
    int64_t j = blockIdx.x % pieces * TILE_CHANNELS + threadIdx.x;
    int64_t first = blockIdx.x / pieces * TILE_COLUMNS;
    int64_t column = first + threadIdx.y;
    int64_t row = blockIdx.y % level.h;
    int64_t image = blockIdx.y / level.h;
    int64_t thread = threadIdx.y * TILE_CHANNELS + threadIdx.x;
    float total = 0;
    for (int64_t begin = 0; begin < v.count; begin += TILE_COLUMNS * TILE_CHANNELS) {
        int64_t asked = begin + thread;
        touching[thread] =
            asked < v.count && touches(v, asked, image, number, row, first, first + TILE_COLUMNS);
        __syncthreads();
        for (int64_t i = 0; i < TILE_COLUMNS * TILE_CHANNELS; i++)
            if (touching[i] && j < v.c) total += flow_from(v, dout, begin + i, row, column, j);
        __syncthreads();
    }
    if (column >= level.w || j >= v.c) return;
    int64_t at = ((image * level.h + row) * level.w + column) * v.c + j;
    grad[at] = add ? grad[at] + total : total;
}

static void level_backward(struct nn *nn, const struct view &v, const float *dout, int number,
                           struct tensor *level) {
    bool add = false;
    float *grad = nn_grad(nn, level, &add);
    if (!grad || tensor_count(level) == 0) return;
    dim3 grid(blocks_for(level->w, TILE_COLUMNS) * blocks_for(v.c, TILE_CHANNELS),
              (unsigned)(level->n * level->h));
    LAUNCH(nn, scatter, grid, dim3(TILE_CHANNELS, TILE_COLUMNS), 0, v, dout, number, add, grad);
}

void cuda_roi_align_backward(struct nn *nn, struct call *base) {
    const struct roi_align_call *call = (const struct roi_align_call *)base;
    struct operands o = {.nn = nn};
    struct view v = view_of(&o, call);
    if (v.count) {
        run_find_taps(nn, v);
        LAUNCH(nn, find_ranges, blocks_for(v.count * NUM_AXES, BLOCK_THREADS), BLOCK_THREADS, 0, v);
    }
    for (int i = 0; i < call->pyramid.num_levels; i++)
        level_backward(nn, v, base->out->grad, i, call->pyramid.levels[i]);
    nn_scratch_free(nn, v.memory);
    operands_end(&o);
}
