// RoIAlign on CUDA, all levels in one launch. As on the CPU, an axis of a RoI is a short list of
// taps for each bin (roi_align_math.h); a first kernel makes all lists. Then a thread reads some
// channels of one bin.

#include "nn/roi_align/roi_align_cuda.h"

enum { READ_AHEAD = 4 };

// The taps of all bins of all axes.
struct tap_lists {
    int64_t per_bin;      // at most
    struct roi_tap *taps; // [count, axes, output size, per_bin]
    int32_t *counts;      // [count, axes, output size]
};

// A thread for each list.
static __global__ void __launch_bounds__(BLOCK_THREADS)
    find_taps(struct pyramid_view v, struct tap_lists lists) {
    int64_t list = global_index();
    int64_t size = v.settings.output_size;
    if (list >= v.count * NUM_AXES * size) return;
    int64_t roi = list / size / NUM_AXES;
    int axis = (int)(list / size % NUM_AXES);
    struct roi_span span = span_of(v, roi, axis);
    lists.counts[list] =
        (int32_t)roi_align_taps(&span, list % size, extent_of(v.levels[v.of_level[roi]], axis),
                                lists.taps + list * lists.per_bin);
}

// The list of a bin.
struct taps {
    const struct roi_tap *first;
    int32_t count;
};

static __device__ struct taps taps_of(const struct pyramid_view &v, const struct tap_lists &lists,
                                      int64_t roi, int axis, int64_t p) {
    int64_t list = (roi * NUM_AXES + axis) * v.settings.output_size + p;
    return {lists.taps + list * lists.per_bin, lists.counts[list]};
}

// What the columns of a bin come to in a row of positions. Some are read before the first is used.
template <int EACH, class Number>
static __device__ void read_row(const Number *line, int64_t c, const struct taps &columns,
                                float along[EACH]) {
    for (int32_t first = 0; first < columns.count; first += READ_AHEAD) {
        channels<Number, EACH> read[READ_AHEAD] = {};
        float weights[READ_AHEAD] = {};
        for (int k = 0; k < READ_AHEAD; k++) {
            if (first + k >= columns.count) continue;
            struct roi_tap tap = columns.first[first + k];
            read[k] = channels_at<EACH>(line + tap.index * c);
            weights[k] = tap.weight;
        }
        for (int k = 0; k < READ_AHEAD; k++)
            if (first + k < columns.count) add_channels<EACH>(read[k], weights[k], along);
    }
}

// Threads side by side have the channels of a bin, as far as they reach, and then other bins.
template <int EACH, class Number>
static __global__ void __launch_bounds__(BLOCK_THREADS)
    gather(struct pyramid_view v, struct tap_lists lists, Number *out) {
    unsigned size = (unsigned)v.settings.output_size;
    unsigned bin = blockIdx.x * blockDim.y + threadIdx.y;
    unsigned roi = bin / size / size;
    if (roi >= v.count) return;
    const struct level &level = v.levels[v.of_level[roi]];
    const Number *features = (const Number *)level.data + v.images[roi] * level.h * level.w * v.c;
    struct taps rows = taps_of(v, lists, roi, ROWS, bin / size % size);
    struct taps columns = taps_of(v, lists, roi, COLUMNS, bin % size);
    for (int64_t j = threadIdx.x * EACH; j < v.c; j += blockDim.x * EACH) {
        float totals[EACH] = {};
        for (int32_t r = 0; r < rows.count; r++) {
            struct roi_tap tap = rows.first[r];
            float along[EACH] = {};
            read_row<EACH>(features + tap.index * level.w * v.c + j, v.c, columns, along);
            for (int i = 0; i < EACH; i++)
                totals[i] += along[i] * tap.weight;
        }
        store_channels<EACH>(totals, out + bin * v.c + j);
    }
}

// Blocks are as wide as a bin has channels, as far as they reach.
template <int EACH> static dim3 block_of(int64_t c) {
    unsigned across = 1;
    while (across < BLOCK_THREADS && across * EACH < c)
        across *= 2;
    return dim3(across, BLOCK_THREADS / across);
}

void cuda_roi_align_forward(struct nn *nn, struct call *base) {
    const struct roi_align_call *call = (const struct roi_align_call *)base;
    const struct tensor *out = base->out;
    if (tensor_count(out) == 0) return;
    struct operands o = {.nn = nn};
    struct pyramid_view v = view_of(&o, call);
    int64_t num_lists = v.count * NUM_AXES * v.settings.output_size;
    int64_t num_taps = num_lists * roi_align_taps_per_bin(call);
    int64_t tap_floats = (int64_t)(sizeof(struct roi_tap) / sizeof(float));
    float *memory = nn_scratch(nn, num_taps * tap_floats + num_lists);
    struct tap_lists lists = {roi_align_taps_per_bin(call), (struct roi_tap *)(void *)memory,
                              (int32_t *)(void *)(memory + num_taps * tap_floats)};
    LAUNCH(nn, find_taps, blocks_for(num_lists, BLOCK_THREADS), BLOCK_THREADS, 0, v, lists);
    with_channels(out->type, v.c, [&](auto number, auto each) {
        using Number = decltype(number);
        constexpr int EACH = decltype(each)::value;
        dim3 block = block_of<EACH>(v.c);
        LAUNCH(nn, (gather<EACH, Number>), blocks_for(tensor_rows(out), block.y), block, 0, v,
               lists, data_of(out).as<Number>());
    });
    nn_scratch_free(nn, memory);
    operands_end(&o);
}
