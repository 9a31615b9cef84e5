// RoIAlign's gradient on CUDA, all levels in one launch. A block owns some channels of a square
// tile of positions, and each warp some of the positions: it asks of as many RoIs at once as it has
// lanes what they give to a position, and then goes through what they do give, in an order that
// follows from the RoIs alone. No two threads add to one place, so the sums are always the same.

#include "nn/roi_align/roi_align_cuda.h"

enum {
    WARP = 32,
    NUM_WARPS = BLOCK_THREADS / WARP,
    TILE_SIDE = 4,
    POSITIONS_EACH = TILE_SIDE * TILE_SIDE / NUM_WARPS, // that a warp has
    MAX_LISTS = 512, // of bins, whose weights a block has at once
    GATHER_AHEAD = 8,
    BLOCKS_AT_LEAST = 3, // on a processor: that leaves registers enough
};

static_assert(POSITIONS_EACH * NUM_WARPS == TILE_SIDE * TILE_SIDE, "all positions have a warp");
static_assert(NUM_AXES * (int)ROI_ALIGN_MAX_OUTPUT <= (int)MAX_LISTS, "room for a RoI's lists");

// A RoI of a level, and which positions it may read: from begin to end.
struct listed {
    int32_t roi;
    int32_t begin[NUM_AXES], end[NUM_AXES];
};

// All levels' gradients.
struct pyramid_backward {
    struct pyramid_view v;
    const void *dout; // of the type that the kernel is for, like the next
    int num_levels;
    void *grads[ROI_MAX_LEVELS];   // NULL if nobody wants it
    bool add[ROI_MAX_LEVELS];      // to what is there
    int64_t tiles[ROI_MAX_LEVELS]; // of all images; 0 without a gradient
    struct listed *rois;           // [n, levels, count]: those of an image and level, in order
    int32_t *num_rois;             // [n, levels]
};

// Appends what some threads of a block have to a list of count, in the threads' order; returns how
// many there are then. All threads must call it, one behind the other.
template <class Item>
static __device__ int32_t append(Item *list, int32_t count, bool wanted, const Item &item) {
    __shared__ int32_t of_warps[NUM_WARPS];
    unsigned thread = threadIdx.y * blockDim.x + threadIdx.x;
    unsigned votes = __ballot_sync(0xffffffffu, wanted);
    if (thread % WARP == 0) of_warps[thread / WARP] = (int32_t)__popc(votes);
    __syncthreads();
    int32_t at = count + (int32_t)__popc(votes & ((1u << thread % WARP) - 1));
    for (unsigned i = 0; i < NUM_WARPS; i++) {
        if (i < thread / WARP) at += of_warps[i];
        count += of_warps[i];
    }
    if (wanted) list[at] = item;
    __syncthreads();
    return count;
}

// Samples lie between the first and the last one, and read a position on either side.
static __device__ void find_range(const struct pyramid_view &v, int64_t roi, int axis,
                                  struct listed *listed) {
    struct roi_span span = span_of(v, roi, axis);
    int64_t extent = extent_of(v.levels[v.of_level[roi]], axis);
    float first = roi_align_at(&span, 0, 0);
    float last = roi_align_at(&span, v.settings.output_size - 1, span.grid - 1);
    float low = fminf(first, last);
    float high = fmaxf(first, last);
    listed->begin[axis] = listed->end[axis] = 0;
    if (span.grid == 0 || !(low <= (float)extent && high >= -1)) return;
    listed->begin[axis] = low < (float)extent - 1 ? (int32_t)fmaxf(low, 0) : (int32_t)extent - 1;
    listed->end[axis] = high < (float)extent - 1 ? (int32_t)fmaxf(high, 0) + 2 : (int32_t)extent;
}

// A block for each image and level.
static __global__ void __launch_bounds__(BLOCK_THREADS) list_rois(struct pyramid_backward b) {
    int64_t image = (int64_t)blockIdx.x / b.num_levels;
    int level = (int)blockIdx.x % b.num_levels;
    int32_t count = 0;
    for (int64_t begin = 0; begin < b.v.count; begin += BLOCK_THREADS) {
        int64_t roi = begin + threadIdx.x;
        bool wanted = roi < b.v.count && b.v.images[roi] == image && b.v.of_level[roi] == level;
        struct listed listed = {(int32_t)roi, {}, {}};
        for (int axis = 0; axis < NUM_AXES && wanted; axis++)
            find_range(b.v, roi, axis, &listed);
        count = append(b.rois + blockIdx.x * b.v.count, count, wanted, listed);
    }
    if (threadIdx.x == 0) b.num_rois[blockIdx.x] = count;
}

// Where a block's tile begins.
struct tile {
    int level;
    int64_t image;
    int64_t begin[NUM_AXES];
};

static __host__ __device__ int64_t tiles_along(int64_t extent) {
    return (extent + TILE_SIDE - 1) / TILE_SIDE;
}

// The last level comes first: there a position has the most RoIs, and its blocks take longest.
static __device__ struct tile tile_of(const struct pyramid_backward &b) {
    int64_t number = blockIdx.x;
    struct tile tile = {};
    for (tile.level = b.num_levels - 1; number >= b.tiles[tile.level]; tile.level--)
        number -= b.tiles[tile.level];
    int64_t across = tiles_along(b.v.levels[tile.level].w);
    int64_t down = tiles_along(b.v.levels[tile.level].h);
    tile.begin[COLUMNS] = number % across * TILE_SIDE;
    tile.begin[ROWS] = number / across % down * TILE_SIDE;
    tile.image = number / across / down;
    return tile;
}

struct position {
    int row, column;
};

// Where in a tile a warp's index-th position lies.
static __device__ struct position position_of(int index) {
    int number = (int)threadIdx.y + index * NUM_WARPS;
    return {number / TILE_SIDE, number % TILE_SIDE};
}

// Whether a RoI of the tile's image and level may read anything of it.
static __device__ bool touches(const struct listed &listed, const struct tile &tile) {
    bool touches = true;
    for (int axis = 0; axis < NUM_AXES; axis++)
        touches = touches && listed.begin[axis] < tile.begin[axis] + TILE_SIDE &&
                  tile.begin[axis] < listed.end[axis];
    return touches;
}

// What a tile's positions weigh in the bins of some RoIs: a list for each bin of each axis.
struct weights {
    float values[TILE_SIDE][MAX_LISTS]; // [side][rois, axes, output size]
};

// What the taps of bin p come to, those of a tile's positions.
static __device__ void weigh(const struct roi_span &span, int64_t p, int64_t extent, int64_t begin,
                             float values[TILE_SIDE]) {
    float grid = (float)span.grid;
    for (int64_t s = 0; s < span.grid; s++) {
        struct roi_read read;
        int64_t i = span.bin < 0 ? span.grid - 1 - s : s;
        if (!roi_align_read(roi_align_at(&span, p, i), extent, &read)) continue;
        for (int k = 0; k < TILE_SIDE; k++) {
            if (read.low == begin + k) values[k] += read.low_weight / grid;
            if (read.high == begin + k) values[k] += read.high_weight / grid;
        }
    }
}

// A thread for each list.
static __device__ void find_weights(const struct pyramid_view &v, const struct tile &tile,
                                    const int32_t *rois, int count, struct weights *weights) {
    int size = (int)v.settings.output_size;
    unsigned lists = (unsigned)(count * NUM_AXES * size);
    for (unsigned list = threadIdx.y * WARP + threadIdx.x; list < lists; list += BLOCK_THREADS) {
        int axis = (int)list / size % NUM_AXES;
        float values[TILE_SIDE] = {};
        weigh(span_of(v, rois[(int)list / size / NUM_AXES], axis), (int)list % size,
              extent_of(v.levels[tile.level], axis), tile.begin[axis], values);
        for (int k = 0; k < TILE_SIDE; k++)
            weights->values[k][list] = values[k];
    }
}

// The bins of an axis that read a position: count of them from first on, those between included.
struct bins {
    int first, count;
    const float *weights; // of all bins
};

static __device__ struct bins bins_of(const float *weights, int size) {
    struct bins bins = {0, 0, weights};
    for (int p = 0; p < size; p++) {
        if (weights[p] == 0) continue;
        if (bins.count == 0) bins.first = p;
        bins.count = p + 1 - bins.first;
    }
    return bins;
}

// Adds what the lanes' bins give, each to the channels that a lane has of them; votes says which
// lanes have one. Some bins are read before the first is used.
template <int EACH, class Number>
static __device__ void add_bins(unsigned votes, int bin, float weight, const Number *dout,
                                int64_t c, float totals[EACH]) {
    while (votes) {
        channels<Number, EACH> read[GATHER_AHEAD] = {};
        float weights[GATHER_AHEAD] = {};
        unsigned left = votes;
        for (int i = 0; i < GATHER_AHEAD; i++, left &= left - 1) {
            if (!left) continue;
            int lane = __ffs((int)left) - 1;
            int number = __shfl_sync(0xffffffffu, bin, lane);
            weights[i] = __shfl_sync(0xffffffffu, weight, lane);
            read[i] = channels_at<EACH>(dout + number * c);
        }
        for (int i = 0; i < GATHER_AHEAD; i++, votes &= votes - 1)
            if (votes) add_channels<EACH>(read[i], weights[i], totals);
    }
}

// Adds what as many RoIs as a warp has lanes give to a position of the tile: of each RoI the first
// pair of bins that reads it, then of each the second one, and so on.
template <int EACH, class Number>
static __device__ void add_rois(const struct weights &weights, const int32_t *rois, int count,
                                int size, struct position at, const Number *dout, int64_t c,
                                float totals[EACH]) {
    int lane = (int)threadIdx.x;
    struct bins rows = {};
    struct bins columns = {};
    if (lane < count) {
        int lists = lane * NUM_AXES * size;
        rows = bins_of(weights.values[at.row] + lists, size);
        columns = bins_of(weights.values[at.column] + lists + size, size);
    }
    int pairs = rows.count * columns.count;
    float sums[EACH]; // in registers
    for (int i = 0; i < EACH; i++)
        sums[i] = totals[i];
    for (int pair = 0; __ballot_sync(0xffffffffu, pair < pairs); pair++) {
        int bin = 0;
        float weight = 0;
        if (pair < pairs) {
            int p = rows.first + pair / columns.count;
            int q = columns.first + pair % columns.count;
            bin = (rois[lane] * size + p) * size + q;
            weight = rows.weights[p] * columns.weights[q];
        }
        add_bins<EACH>(__ballot_sync(0xffffffffu, weight != 0), bin, weight, dout, c, sums);
    }
    for (int i = 0; i < EACH; i++)
        totals[i] = sums[i];
}

// Stores a position's gradient, where it lies on the map.
template <int EACH, class Number>
static __device__ void store(const struct pyramid_backward &b, const struct tile &tile,
                             struct position at, int64_t channel, float totals[EACH]) {
    const struct level &level = b.v.levels[tile.level];
    int64_t row = tile.begin[ROWS] + at.row;
    int64_t column = tile.begin[COLUMNS] + at.column;
    if (channel >= b.v.c || row >= level.h || column >= level.w) return;
    Number *grad = (Number *)b.grads[tile.level] +
                   ((tile.image * level.h + row) * level.w + column) * b.v.c + channel;
    if (b.add[tile.level]) add_channels<EACH>(channels_at<EACH>(grad), 1, totals);
    store_channels<EACH>(totals, grad);
}

// A block asks of as many RoIs at once as it has threads which touch its tile, and goes through
// those, as many at once as a warp has lanes.
template <int EACH, class Number>
static __global__ void __launch_bounds__(BLOCK_THREADS, BLOCKS_AT_LEAST)
    scatter(struct pyramid_backward b) {
    __shared__ int32_t touching[BLOCK_THREADS];
    __shared__ struct weights weights;
    struct tile tile = tile_of(b);
    int64_t place = tile.image * b.num_levels + tile.level;
    const struct listed *rois = b.rois + place * b.v.count;
    int size = (int)b.v.settings.output_size;
    int fit = MAX_LISTS / (NUM_AXES * size);
    int at_once = fit < WARP ? fit : (int)WARP;
    int64_t channel = (int64_t)(blockIdx.y * WARP + threadIdx.x) * EACH;
    const Number *dout = (const Number *)b.dout +
                         (channel < b.v.c ? channel : 0); // lanes beyond the last read another's
    float totals[POSITIONS_EACH][EACH] = {};
    bool touched = false;
    for (int32_t begin = 0; begin < b.num_rois[place]; begin += BLOCK_THREADS) {
        int32_t asked = begin + (int32_t)(threadIdx.y * WARP + threadIdx.x);
        struct listed listed = {};
        if (asked < b.num_rois[place]) listed = rois[asked];
        int32_t count = append(touching, 0, touches(listed, tile), listed.roi);
        for (int32_t first = 0; first < count; first += at_once) {
            int now = count - first < at_once ? count - first : at_once;
            find_weights(b.v, tile, touching + first, now, &weights);
            __syncthreads();
            for (int i = 0; i < POSITIONS_EACH; i++)
                add_rois<EACH>(weights, touching + first, now, size, position_of(i), dout, b.v.c,
                               totals[i]);
            __syncthreads();
        }
        touched = touched || count > 0;
    }
    for (int i = 0; i < POSITIONS_EACH && (touched || !b.add[tile.level]); i++)
        store<EACH, Number>(b, tile, position_of(i), channel, totals[i]);
}

// Memory for the lists of RoIs is the caller's to free.
static struct pyramid_backward backward_of(struct nn *nn, const struct roi_align_call *call,
                                           const struct pyramid_view &v) {
    struct pyramid_backward b = {};
    b.v = v;
    b.dout = call->call.out->grad;
    b.num_levels = call->pyramid.num_levels;
    for (int i = 0; i < b.num_levels; i++) {
        struct tensor *level = call->pyramid.levels[i];
        b.grads[i] = nn_grad(nn, level, &b.add[i]);
        if (b.grads[i]) b.tiles[i] = level->n * tiles_along(level->h) * tiles_along(level->w);
    }
    int64_t places = v.n * b.num_levels;
    int64_t listed_floats = (int64_t)(sizeof(struct listed) / sizeof(float));
    float *memory = nn_scratch(nn, places * (v.count * listed_floats + 1));
    b.rois = (struct listed *)(void *)memory;
    b.num_rois = (int32_t *)(void *)(memory + places * v.count * listed_floats);
    return b;
}

void cuda_roi_align_backward(struct nn *nn, struct call *base) {
    const struct roi_align_call *call = (const struct roi_align_call *)base;
    struct operands o = {.nn = nn};
    struct pyramid_view v = view_of(&o, call);
    struct pyramid_backward b = backward_of(nn, call, v);
    int64_t tiles = 0;
    for (int i = 0; i < b.num_levels; i++)
        tiles += b.tiles[i];
    if (tiles > 0 && v.c > 0) {
        LAUNCH(nn, list_rois, (unsigned)(v.n * b.num_levels), BLOCK_THREADS, 0, b);
        with_channels(base->out->type, v.c, [&](auto number, auto each) {
            using Number = decltype(number);
            constexpr int EACH = decltype(each)::value;
            dim3 grid((unsigned)tiles, blocks_for(v.c, WARP * EACH));
            LAUNCH(nn, (scatter<EACH, Number>), grid, dim3(WARP, NUM_WARPS), 0, b);
        });
    }
    nn_scratch_free(nn, b.rois);
    operands_end(&o);
}
