// RoIAlign on CUDA, all levels in one launch.
//
// As on the CPU, an axis of a RoI is a short list of taps for each bin (roi_align_math.h); a first
// kernel makes all lists. Forward, a thread reads some channels of one bin. Backward, a block owns
// some channels of a square tile of positions, and goes through the RoIs that touch it in their
// order: no two threads add to one place, so the sums are always the same.

#include "nn/cuda/numbers.h"

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
    int64_t per_bin;      // taps at most
    struct roi_tap *taps; // [count, axes, output size, per_bin]
    int32_t *counts;      // [count, axes, output size]
    int32_t *ranges;      // [count, axes, 2]: positions that are read, from begin to end
    float *memory;        // that the last three lie in
};

static __device__ int64_t list_of(const struct pyramid_view &v, int64_t roi, int axis, int64_t p) {
    return (roi * NUM_AXES + axis) * v.settings.output_size + p;
}

static struct pyramid_view view_of(struct operands *o, const struct roi_align_call *call) {
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
static __global__ void __launch_bounds__(BLOCK_THREADS) find_taps(struct pyramid_view v) {
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

static void run_find_taps(struct nn *nn, const struct pyramid_view &v) {
    int64_t lists = v.count * NUM_AXES * v.settings.output_size;
    LAUNCH(nn, find_taps, blocks_for(lists, BLOCK_THREADS), BLOCK_THREADS, 0, v);
}

// ---- Forward ----

// Channels that a thread sums up at once, where there are that many.
enum { CHANNELS_EACH = 4, CHANNELS_MANY = 128 };

// A block has some bins and goes through their channels. A thread's channels are each blockDim.x
// apart, so that a warp reads neighbours.
template <int EACH, class Number>
static __global__ void __launch_bounds__(BLOCK_THREADS) gather(struct pyramid_view v, Number *out) {
    unsigned size = (unsigned)v.settings.output_size;
    unsigned bin = blockIdx.x * blockDim.y + threadIdx.y;
    unsigned roi = bin / size / size;
    if (roi >= v.count) return;
    const struct level &level = v.levels[v.of_level[roi]];
    const Number *features = (const Number *)level.data + v.images[roi] * level.h * level.w * v.c;
    int64_t rows = list_of(v, roi, ROWS, bin / size % size);
    int64_t columns = list_of(v, roi, COLUMNS, bin % size);
    const struct roi_tap *row_taps = v.taps + rows * v.per_bin;
    const struct roi_tap *column_taps = v.taps + columns * v.per_bin;
    for (int64_t j = threadIdx.x; j < v.c; j += blockDim.x * EACH) {
        float totals[EACH] = {};
        for (int32_t r = 0; r < v.counts[rows]; r++) {
            const Number *line = features + row_taps[r].index * level.w * v.c;
            float along[EACH] = {};
            for (int32_t k = 0; k < v.counts[columns]; k++) {
                struct roi_tap tap = column_taps[k];
                for (int i = 0; i < EACH; i++) {
                    int64_t channel = j + i * blockDim.x;
                    if (channel < v.c)
                        along[i] += loaded(line[tap.index * v.c + channel]) * tap.weight;
                }
            }
            for (int i = 0; i < EACH; i++)
                totals[i] += along[i] * row_taps[r].weight;
        }
        for (int i = 0; i < EACH; i++) {
            int64_t channel = j + i * blockDim.x;
            if (channel < v.c) out[bin * v.c + channel] = rounded<Number>(totals[i]);
        }
    }
}

// Threads side by side have channels, as far as there are any, and then bins.
template <int EACH>
static void run_gather(struct nn *nn, const struct pyramid_view &v, const struct tensor *out) {
    int64_t bins = v.count * v.settings.output_size * v.settings.output_size;
    unsigned channels = 1;
    while (channels < BLOCK_THREADS && channels * EACH < v.c)
        channels *= 2;
    dim3 block(channels, BLOCK_THREADS / channels);
    with_type(out->type, [&](auto number) {
        using Number = decltype(number);
        LAUNCH(nn, (gather<EACH, Number>), blocks_for(bins, block.y), block, 0, v,
               data_of(out).as<Number>());
    });
}

void cuda_roi_align_forward(struct nn *nn, struct call *base) {
    const struct roi_align_call *call = (const struct roi_align_call *)base;
    if (tensor_count(base->out) == 0) return;
    struct operands o = {.nn = nn};
    struct pyramid_view v = view_of(&o, call);
    run_find_taps(nn, v);
    if (v.c < CHANNELS_MANY)
        run_gather<1>(nn, v, base->out);
    else
        run_gather<CHANNELS_EACH>(nn, v, base->out);
    nn_scratch_free(nn, v.memory);
    operands_end(&o);
}

// ---- Backward ----

enum {
    TILE_SIDE = 8,
    TILE_CHANNELS = 64,
    ROWS_EACH = 2, // that a thread has of a tile
    TILE_GROUPS = TILE_SIDE / ROWS_EACH,
    READ_AHEAD = 4,
    BLOCKS_AT_LEAST = 3, // on a processor: that leaves registers enough
};

static_assert(TILE_CHANNELS * TILE_GROUPS == (int)BLOCK_THREADS, "a block's threads");
static_assert(NUM_AXES * (int)ROI_ALIGN_MAX_OUTPUT <= (int)BLOCK_THREADS,
              "a thread for each list of a RoI");

// All levels' gradients.
struct pyramid_backward {
    struct pyramid_view v;
    const void *dout; // of the type that the kernel is for, like the next
    int num_levels;
    void *grads[ROI_MAX_LEVELS];   // NULL if nobody wants it
    bool add[ROI_MAX_LEVELS];      // to what is there
    int64_t tiles[ROI_MAX_LEVELS]; // of all images; 0 without a gradient
    int32_t *rois;                 // [n, levels, count]: those of an image and level, in order
    int32_t *num_rois;             // [n, levels]
};

// A thread for each axis of each RoI.
static __global__ void __launch_bounds__(BLOCK_THREADS) find_ranges(struct pyramid_view v) {
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

static __device__ unsigned thread_number() {
    return threadIdx.y * blockDim.x + threadIdx.x;
}

// Appends the numbers of those threads of a block that want it to a list of count, in the threads'
// order; returns how many there are then. All threads must call it.
static __device__ int32_t append(int32_t *list, int32_t count, bool wanted, int32_t number) {
    __shared__ int32_t of_warps[BLOCK_THREADS / 32];
    unsigned warp = thread_number() / 32;
    unsigned lane = thread_number() % 32;
    unsigned votes = __ballot_sync(0xffffffffu, wanted);
    if (lane == 0) of_warps[warp] = (int32_t)__popc(votes);
    __syncthreads();
    int32_t at = count + (int32_t)__popc(votes & ((1u << lane) - 1));
    for (unsigned i = 0; i < BLOCK_THREADS / 32; i++) {
        if (i < warp) at += of_warps[i];
        count += of_warps[i];
    }
    if (wanted) list[at] = number;
    __syncthreads();
    return count;
}

// A block for each image and level.
static __global__ void __launch_bounds__(BLOCK_THREADS) list_rois(struct pyramid_backward b) {
    int64_t image = blockIdx.x / b.num_levels;
    int level = (int)(blockIdx.x % b.num_levels);
    int32_t count = 0;
    for (int64_t begin = 0; begin < b.v.count; begin += BLOCK_THREADS) {
        int64_t roi = begin + threadIdx.x;
        bool wanted = roi < b.v.count && b.v.images[roi] == image && b.v.of_level[roi] == level;
        count = append(b.rois + blockIdx.x * b.v.count, count, wanted, (int32_t)roi);
    }
    if (threadIdx.x == 0) b.num_rois[blockIdx.x] = count;
}

// Where a block's tile begins.
struct tile {
    int level;
    int64_t image, row, column, channel;
};

static __host__ __device__ int64_t tiles_along(int64_t extent) {
    return (extent + TILE_SIDE - 1) / TILE_SIDE;
}

// The last level comes first: there a position has the most RoIs, and its blocks take longest.
static __device__ struct tile tile_of(const struct pyramid_backward &b) {
    int64_t pieces = (b.v.c + TILE_CHANNELS - 1) / TILE_CHANNELS;
    int64_t number = blockIdx.x / pieces;
    struct tile tile = {};
    tile.channel = blockIdx.x % pieces * TILE_CHANNELS;
    for (tile.level = b.num_levels - 1; number >= b.tiles[tile.level]; tile.level--)
        number -= b.tiles[tile.level];
    int64_t across = tiles_along(b.v.levels[tile.level].w);
    int64_t down = tiles_along(b.v.levels[tile.level].h);
    tile.column = number % across * TILE_SIDE;
    tile.row = number / across % down * TILE_SIDE;
    tile.image = number / across / down;
    return tile;
}

// Whether a RoI of the tile's image and level may read anything of it.
static __device__ bool touches(const struct pyramid_view &v, int64_t roi, const struct tile &tile) {
    const int32_t *rows = v.ranges + (roi * NUM_AXES + ROWS) * 2;
    const int32_t *columns = v.ranges + (roi * NUM_AXES + COLUMNS) * 2;
    return rows[0] < tile.row + TILE_SIDE && tile.row < rows[1] &&
           columns[0] < tile.column + TILE_SIDE && tile.column < columns[1];
}

// What a tile's positions weigh in the lists of as many RoIs as fit, [rois, axes, output size].
struct weights {
    alignas(16) float values[BLOCK_THREADS][TILE_SIDE];
    bool any[BLOCK_THREADS];
};

// A thread for each list.
static __device__ void find_weights(const struct pyramid_view &v, const struct tile &tile,
                                    const int32_t *rois, int32_t count, struct weights *weights) {
    int size = (int)v.settings.output_size;
    int thread = (int)thread_number();
    int axis = thread / size % NUM_AXES;
    if (thread >= count * NUM_AXES * size) return;
    int64_t list = list_of(v, rois[thread / size / NUM_AXES], axis, thread % size);
    int64_t begin = axis == ROWS ? tile.row : tile.column;
    float *values = weights->values[thread];
    bool any = false;
    for (int i = 0; i < TILE_SIDE; i++)
        values[i] = 0;
    for (int32_t i = 0; i < v.counts[list]; i++) {
        struct roi_tap tap = v.taps[list * v.per_bin + i];
        int64_t at = tap.index - begin;
        if (at < 0 || at >= TILE_SIDE) continue;
        values[at] = tap.weight;
        any = true;
    }
    weights->any[thread] = any;
}

// along[i] = what a row of bins [output size, c] gives to the tile's columns. lists is the first
// list of columns. Some bins are read before the first is used.
template <class Number>
static __device__ void along_columns(const struct weights &weights, int lists, int size,
                                     const Number *bins, int64_t c, float along[TILE_SIDE]) {
    for (int i = 0; i < TILE_SIDE; i++)
        along[i] = 0;
    for (int first = 0; first < size; first += READ_AHEAD) {
        float values[READ_AHEAD];
        for (int k = 0; k < READ_AHEAD; k++)
            values[k] = first + k < size && weights.any[lists + first + k]
                            ? loaded(bins[(first + k) * c])
                            : 0;
        for (int k = 0; k < READ_AHEAD; k++) {
            if (first + k >= size || !weights.any[lists + first + k]) continue;
            for (int i = 0; i < TILE_SIDE; i++)
                along[i] += weights.values[lists + first + k][i] * values[k];
        }
    }
}

// Adds what a RoI, whose lists come after the given ones, gives to a thread's rows of a tile; bins
// is one channel of its gradient.
template <class Number>
static __device__ void add_roi(const struct weights &weights, int lists, int size,
                               const Number *bins, int64_t c, float totals[ROWS_EACH][TILE_SIDE]) {
    for (int p = 0; p < size; p++) {
        const float *rows = weights.values[lists + p] + threadIdx.y * ROWS_EACH;
        bool any = false;
        for (int r = 0; r < ROWS_EACH; r++)
            any = any || rows[r] != 0;
        if (!any) continue;
        float along[TILE_SIDE];
        along_columns(weights, lists + size, size, bins + p * size * c, c, along);
        for (int r = 0; r < ROWS_EACH; r++)
            for (int i = 0; i < TILE_SIDE; i++)
                totals[r][i] += rows[r] * along[i];
    }
}

template <class Number>
static __device__ void store(const struct pyramid_backward &b, const struct tile &tile,
                             const float totals[ROWS_EACH][TILE_SIDE]) {
    const struct level &level = b.v.levels[tile.level];
    int64_t j = tile.channel + threadIdx.x;
    int64_t first = tile.row + threadIdx.y * ROWS_EACH;
    bool add = b.add[tile.level];
    if (j >= b.v.c) return;
    for (int r = 0; r < ROWS_EACH; r++) {
        if (first + r >= level.h) return;
        Number *grad = (Number *)b.grads[tile.level] +
                       ((tile.image * level.h + first + r) * level.w + tile.column) * b.v.c + j;
        for (int i = 0; i < TILE_SIDE; i++) {
            if (tile.column + i >= level.w) break;
            float old = add ? loaded(grad[i * b.v.c]) : 0;
            grad[i * b.v.c] = rounded<Number>(add ? old + totals[r][i] : totals[r][i]);
        }
    }
}

// A block asks of as many RoIs at once as it has threads which touch its tile, and goes through
// those. A thread has some rows of one channel in registers.
template <class Number>
static __global__ void __launch_bounds__(BLOCK_THREADS, BLOCKS_AT_LEAST)
    scatter(struct pyramid_backward b) {
    __shared__ int32_t touching[BLOCK_THREADS];
    __shared__ struct weights weights;
    struct tile tile = tile_of(b);
    int64_t place = tile.image * b.num_levels + tile.level;
    const int32_t *rois = b.rois + place * b.v.count;
    int size = (int)b.v.settings.output_size;
    int at_once = (int)BLOCK_THREADS / (NUM_AXES * size);
    int64_t j = tile.channel + threadIdx.x;
    const Number *dout =
        (const Number *)b.dout + (j < b.v.c ? j : 0); // threads beyond the last read another's
    float totals[ROWS_EACH][TILE_SIDE] = {};
    bool touched = false;
    for (int32_t begin = 0; begin < b.num_rois[place]; begin += BLOCK_THREADS) {
        int32_t asked = begin + (int32_t)thread_number();
        int32_t roi = asked < b.num_rois[place] ? rois[asked] : -1;
        int32_t count = append(touching, 0, roi >= 0 && touches(b.v, roi, tile), roi);
        for (int32_t first = 0; first < count; first += at_once) {
            int32_t now = count - first < at_once ? count - first : at_once;
            find_weights(b.v, tile, touching + first, now, &weights);
            __syncthreads();
            for (int32_t i = 0; i < now; i++)
                add_roi(weights, i * NUM_AXES * size, size,
                        dout + (int64_t)touching[first + i] * size * size * b.v.c, b.v.c, totals);
            __syncthreads();
        }
        touched = touched || count > 0;
    }
    if (touched || !b.add[tile.level]) store<Number>(b, tile, totals);
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
    b.rois = (int32_t *)(void *)nn_scratch(nn, places * (v.count + 1));
    b.num_rois = b.rois + places * v.count;
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
    if (v.count) {
        run_find_taps(nn, v);
        LAUNCH(nn, find_ranges, blocks_for(v.count * NUM_AXES, BLOCK_THREADS), BLOCK_THREADS, 0, v);
    }
    if (tiles > 0 && v.c > 0) {
        LAUNCH(nn, list_rois, (unsigned)(v.n * b.num_levels), BLOCK_THREADS, 0, b);
        with_type(base->out->type, [&](auto number) {
            using Number = decltype(number);
            LAUNCH(nn, (scatter<Number>), (unsigned)(tiles * blocks_for(v.c, TILE_CHANNELS)),
                   dim3(TILE_CHANNELS, TILE_GROUPS), 0, b);
        });
    }
    nn_scratch_free(nn, (float *)(void *)b.rois);
    nn_scratch_free(nn, v.memory);
    operands_end(&o);
}
