// The kernel of a reduction over positions, one launch: blocks take pieces of the rows, and the
// last one of an image adds up what they found and goes on with the sums (finish).
#pragma once

#include "nn/cuda/block.h"
#include "nn/cuda/column_sizes.h"
#include "nn/cuda/columns.h"
#include "nn/cuda/vectors.h"

static const int64_t COLUMN_MAX_IMAGES = NUM_TICKETS; // of a launch

enum {
    COLUMN_VECTOR_BYTES = 16,
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
template <class Number> struct column_task {
    const Number *x, *y;
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

// Of the rows of a thread's channels.
template <int KIND, int WIDTH, class Number>
static __device__ void column_collect(const struct column_task<Number> &task, int64_t image,
                                      int64_t channel, float found[WIDTH]) {
    constexpr int AT_ONCE = KIND == COLUMNS_DOT ? COLUMN_LOADS_AT_ONCE / 2 : COLUMN_LOADS_AT_ONCE;
    int64_t step = (int64_t)gridDim.y * blockDim.y;
    int64_t first = image * task.rows * task.c + channel;
    for (int64_t row = (int64_t)blockIdx.y * blockDim.y + threadIdx.y; row < task.rows;
         row += AT_ONCE * step) {
        struct vector<Number, WIDTH> x[AT_ONCE] = {};
        struct vector<Number, WIDTH> y[AT_ONCE] = {};
        for (int i = 0; i < AT_ONCE; i++) {
            int64_t at = first + (row + i * step) * task.c;
            if (row + i * step >= task.rows) continue; // zeros, which add nothing
            x[i] = load_vector<WIDTH>(task.x + at);
            if (KIND == COLUMNS_DOT) y[i] = load_vector<WIDTH>(task.y + at);
        }
        for (int i = 0; i < AT_ONCE; i++)
            for (int k = 0; k < WIDTH; k++)
                found[k] = column_join<KIND>(
                    found[k], column_measure<KIND>(loaded(x[i].at[k]), loaded(y[i].at[k])));
    }
}

// out[c] = parts[num_parts, c] joined, by one block of at most COLUMN_THREADS threads.
template <int KIND, int WIDTH>
static __device__ void column_join_parts(const float *parts, int64_t num_parts, int64_t c, bool add,
                                         float *out) {
    enum { AT_ONCE = 8 };
    __shared__ double totals[COLUMN_THREADS][WIDTH];
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
            struct vector<float, WIDTH> values[AT_ONCE] = {};
            for (int i = 0; i < AT_ONCE; i++)
                if (part + i * lines < num_parts)
                    values[i] = load_vector<WIDTH>(parts + (part + i * lines) * c + unit * WIDTH);
            for (int i = 0; i < AT_ONCE; i++)
                for (int k = 0; k < WIDTH; k++)
                    total[k] = column_join<KIND>(total[k], (double)values[i].at[k]);
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

template <int KIND, int WIDTH, class Number, class Finish>
static __global__ void __launch_bounds__(COLUMN_THREADS, 2)
    reduce_columns(struct column_task<Number> task, Finish finish) {
    __shared__ float found[COLUMN_THREADS * WIDTH]; // [lines, channels of the block]
    int64_t image = blockIdx.z;
    int64_t channels = blockDim.x * WIDTH;
    int64_t first = blockIdx.x * channels;
    int64_t channel = first + threadIdx.x * WIDTH;
    float *out = task.out + image * task.c;
    float *parts = task.parts + image * gridDim.y * task.c;
    float own[WIDTH] = {};
    if (channel < task.c) column_collect<KIND, WIDTH>(task, image, channel, own);
    for (int k = 0; k < WIDTH; k++)
        found[thread_number() * WIDTH + k] = own[k];
    __syncthreads();
    int64_t at = first + thread_number(); // a thread for each of the block's channels
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
        column_join_parts<KIND, (WIDTH > 1 ? 4 : 1)>(parts, gridDim.y, task.c, task.add, out);
    finish(task.first_image + image, out);
}

// ---- Launches ----

template <int KIND, int WIDTH, class Number, class Finish>
static void column_launch(struct nn *nn, const struct column_cuts &cuts, int64_t images,
                          const struct column_task<Number> &task, Finish finish) {
    CHECK(is_aligned(task.x, WIDTH * (int64_t)sizeof(Number)));
    CHECK(is_aligned(task.y, WIDTH * (int64_t)sizeof(Number)));
    unsigned lanes = (unsigned)cuts.channels / WIDTH;
    dim3 grid((unsigned)cuts.groups, (unsigned)cuts.pieces, (unsigned)images);
    dim3 block(lanes, COLUMN_THREADS / lanes);
    LAUNCH(nn, (reduce_columns<KIND, WIDTH, Number, Finish>), grid, block, 0, task, finish);
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
        int64_t at = first * rows * c;
        with_type(x.type, [&](auto number) {
            using Number = decltype(number);
            constexpr int WIDTH = COLUMN_VECTOR_BYTES / (int)sizeof(Number);
            struct column_task<Number> task;
            task.x = x.at(at).template as<Number>();
            task.y = y.at(at).template as<Number>();
            task.rows = rows;
            task.c = c;
            task.parts = parts;
            task.out = out + first * c;
            task.add = add;
            task.tickets = cuda_tickets(nn);
            task.first_image = first;
            if (c % WIDTH == 0)
                column_launch<KIND, WIDTH>(nn, cuts, images, task, finish);
            else
                column_launch<KIND, 1>(nn, cuts, images, task, finish);
        });
    }
    nn_scratch_free(nn, parts);
}
