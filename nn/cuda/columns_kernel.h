// The kernel of a reduction over positions, one launch: blocks take pieces of the rows, and the
// last one of an image adds up what they found and goes on with the sums (finish).
#pragma once

#include "nn/cuda/block.h"
#include "nn/cuda/column_sizes.h"
#include "nn/cuda/columns.h"
#include "nn/cuda/packs.h"

static const int64_t COLUMN_MAX_IMAGES = NUM_TICKETS; // of a launch

enum {
    COLUMN_LOADS_AT_ONCE = 4, // of one thread
};

template <int KIND> static __device__ float column_measure(float x, float y) {
    if (KIND == COLUMNS_SUM_SQUARES) return x * x;
    if (KIND == COLUMNS_SUM_ABS || KIND == COLUMNS_MAX_ABS) return fabsf(x);
    return KIND == COLUMNS_DOT ? x * y : x;
}

template <int KIND, class Number> static __device__ Number column_join(Number a, Number b) {
    if (KIND == COLUMNS_MAX_ABS) return a > b || a != a ? a : b; // a NaN stays
    return a + b;
}

// A launch. x [images, rows, c], y like it for COLUMNS_DOT, parts [images, pieces, c], out
// [images, c], which with add is added to.
template <class Pack> struct column_task {
    const Pack *x, *y;
    int64_t rows, c;
    float *parts, *out;
    bool add;
    unsigned *tickets;   // [images]
    int64_t first_image; // of the launch, among all
};

// What becomes of an image's sums: finish(image, sums), called by one block of each. Here nothing.
struct column_end {
    static constexpr bool GOES_ON = false;
    __device__ void operator()(int64_t, const float *) const {
    }
};

// Of the rows of a thread's channels, which begin at pack number first of an image.
template <int KIND, class Pack>
static __device__ void column_collect(const struct column_task<Pack> &task, int64_t image,
                                      int64_t first, float found[Pack::COUNT]) {
    constexpr int AT_ONCE = KIND == COLUMNS_DOT ? COLUMN_LOADS_AT_ONCE / 2 : COLUMN_LOADS_AT_ONCE;
    int64_t step = (int64_t)gridDim.y * blockDim.y;
    int64_t packs = task.c / Pack::COUNT;
    for (int64_t row = (int64_t)blockIdx.y * blockDim.y + threadIdx.y; row < task.rows;
         row += AT_ONCE * step) {
        Pack x[AT_ONCE] = {};
        Pack y[AT_ONCE] = {};
        for (int i = 0; i < AT_ONCE; i++) {
            int64_t at = (image * task.rows + row + i * step) * packs + first;
            if (row + i * step >= task.rows) continue; // zeros, which add nothing
            x[i] = task.x[at];
            if (KIND == COLUMNS_DOT) y[i] = task.y[at];
        }
        for (int i = 0; i < AT_ONCE; i++)
            for (int k = 0; k < Pack::COUNT; k++)
                found[k] =
                    column_join<KIND>(found[k], column_measure<KIND>(x[i].get(k), y[i].get(k)));
    }
}

// out[c] = parts[num_parts, c] joined, by one block of at most COLUMN_THREADS threads.
template <int KIND, int WIDTH>
static __device__ void column_join_parts(const float *parts, int64_t num_parts, int64_t c, bool add,
                                         float *out) {
    enum { AT_ONCE = 8 };
    __shared__ double totals[COLUMN_THREADS][WIDTH];
    const pack<float, WIDTH> *from = (const pack<float, WIDTH> *)(const void *)parts;
    int64_t units = c / WIDTH;
    int64_t threads = num_threads();
    int64_t lines = 1; // of threads that share the parts
    while (2 * lines * units <= threads && 2 * lines <= num_parts)
        lines *= 2;
    int64_t each = lines > 1 ? units : threads;
    int64_t number = thread_number();
    for (int64_t first = 0; first < units; first += each) {
        int64_t unit = first + number % each;
        bool works = number / each < lines && unit < units;
        double total[WIDTH] = {};
        for (int64_t part = number / each; works && part < num_parts; part += AT_ONCE * lines) {
            pack<float, WIDTH> values[AT_ONCE] = {};
            for (int i = 0; i < AT_ONCE; i++)
                if (part + i * lines < num_parts)
                    values[i] = from[(part + i * lines) * units + unit];
            for (int i = 0; i < AT_ONCE; i++)
                for (int k = 0; k < WIDTH; k++)
                    total[k] = column_join<KIND>(total[k], (double)values[i].get(k));
        }
        for (int k = 0; k < WIDTH; k++)
            totals[number][k] = total[k];
        __syncthreads();
        for (int64_t line = 1; works && number < each && line < lines; line++)
            for (int k = 0; k < WIDTH; k++)
                total[k] = column_join<KIND>(total[k], totals[number + line * each][k]);
        for (int k = 0; works && number < each && k < WIDTH; k++) {
            float *to = out + unit * WIDTH + k;
            *to = add ? *to + (float)total[k] : (float)total[k];
        }
        __syncthreads(); // before the next use, and before others read what was written
    }
}

template <int KIND, class Pack, class Finish>
static __global__ void __launch_bounds__(COLUMN_THREADS, 2)
    reduce_columns(struct column_task<Pack> task, Finish finish) {
    __shared__ float found[COLUMN_THREADS * Pack::COUNT]; // [lines, channels of the block]
    int64_t image = blockIdx.z;
    int64_t channels = blockDim.x * Pack::COUNT;
    int64_t first = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; // a pack
    float *out = task.out + image * task.c;
    float *parts = task.parts + image * gridDim.y * task.c;
    float own[Pack::COUNT] = {};
    if (first * Pack::COUNT < task.c) column_collect<KIND>(task, image, first, own);
    for (int k = 0; k < Pack::COUNT; k++)
        found[thread_number() * Pack::COUNT + k] = own[k];
    __syncthreads();
    int64_t at = blockIdx.x * channels + thread_number(); // a thread for each of the channels
    if (thread_number() < channels && at < task.c) {
        double total = 0;
        for (unsigned line = 0; line < blockDim.y; line++)
            total = column_join<KIND>(total, (double)found[line * channels + thread_number()]);
        if (gridDim.y > 1)
            parts[blockIdx.y * task.c + at] = (float)total;
        else
            out[at] = task.add ? out[at] + (float)total : (float)total;
    }
    if (gridDim.y == 1 && !Finish::GOES_ON) return;
    if (!is_last_block(task.tickets + image, gridDim.x * gridDim.y)) return;
    if (gridDim.y > 1)
        column_join_parts<KIND, (Pack::COUNT > 1 ? 4 : 1)>(parts, gridDim.y, task.c, task.add, out);
    finish(task.first_image + image, out);
}

// cuda_columns_reduce, or with add cuda_columns_add, and then finish(image, sums).
template <int KIND, class Finish>
static void column_reduce(struct nn *nn, struct numbers x, struct numbers y, int64_t n,
                          int64_t rows, int64_t c, bool add, float *out, Finish finish) {
    if (n == 0 || c == 0) return;
    struct column_cuts cuts = column_cuts_of(rows, c);
    float *parts = cuts.pieces > 1 ? nn_scratch(nn, n * cuts.pieces * c) : NULL;
    if (nn_failed(nn)) return;
    for (int64_t first = 0; first < n; first += COLUMN_MAX_IMAGES) {
        int64_t images = n - first < COLUMN_MAX_IMAGES ? n - first : COLUMN_MAX_IMAGES;
        struct numbers own_x = x.at(first * rows * c);
        struct numbers own_y = y.at(first * rows * c);
        with_packs(x.type, c, {own_x.data, own_y.data}, [&](auto pack) {
            using Pack = decltype(pack);
            struct column_task<Pack> task = {
                own_x.as<Pack>(), own_y.as<Pack>(), rows, c, parts, out + first *c, add,
                    cuda_tickets(nn), first
            };
            unsigned lanes = (unsigned)cuts.channels / Pack::COUNT;
            dim3 grid((unsigned)cuts.groups, (unsigned)cuts.pieces, (unsigned)images);
            dim3 block(lanes, COLUMN_THREADS / lanes);
            LAUNCH(nn, (reduce_columns<KIND, Pack, Finish>), grid, block, 0, task, finish);
        });
    }
    nn_scratch_free(nn, parts);
}
