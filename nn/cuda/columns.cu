#include "nn/cuda/columns.h"

#include "nn/cuda/tiles.h"

template <int KIND, class X, class Y>
static __device__ float measure(const X *x, const Y *y, int64_t at) {
    float value = loaded(x[at]);
    if (KIND == COLUMNS_SUM_SQUARES) return value * value;
    if (KIND == COLUMNS_SUM_ABS || KIND == COLUMNS_MAX_ABS) return fabsf(value);
    return KIND == COLUMNS_DOT ? value * loaded(y[at]) : value;
}

template <int KIND, class Number> static __device__ Number join(Number a, Number b) {
    if (KIND == COLUMNS_MAX_ABS) return a > b || a != a ? a : b; // a NaN stays
    return a + b;
}

// What the lines of a block found in one channel, as the first of them.
template <int KIND> static __device__ double join_lines(double value) {
    __shared__ double values[BLOCK_THREADS];
    unsigned number = threadIdx.y * blockDim.x + threadIdx.x;
    values[number] = value;
    for (unsigned lines = blockDim.y / 2; lines > 0; lines /= 2) {
        __syncthreads();
        if (threadIdx.y < lines)
            values[number] = join<KIND>(values[number], values[number + lines * blockDim.x]);
    }
    __syncthreads();
    return values[number];
}

// parts[image, piece of the rows, c]
template <int KIND, class X, class Y>
static __global__ void __launch_bounds__(BLOCK_THREADS)
    reduce_parts(const X *x, const Y *y, int64_t n, int64_t rows, int64_t c, float *parts) {
    int64_t j = tile_channel();
    for (int64_t image = blockIdx.z; image < n; image += gridDim.z) {
        float value = 0;
        int64_t first = image * rows * c + j;
        for (int64_t row = tile_first_row(); j < c && row < rows; row += tile_row_step())
            value = join<KIND>(value, measure<KIND>(x, y, first + row * c));
        double all = join_lines<KIND>((double)value);
        if (threadIdx.y == 0 && j < c) parts[(image * gridDim.y + blockIdx.y) * c + j] = (float)all;
        __syncthreads();
    }
}

// out[n, c] from parts[n, num_parts, c]
template <int KIND, bool ADD>
static __global__ void __launch_bounds__(BLOCK_THREADS)
    reduce_last(const float *parts, int64_t n, int64_t num_parts, int64_t c, float *out) {
    int64_t j = tile_channel();
    for (int64_t image = blockIdx.z; image < n; image += gridDim.z) {
        double value = 0;
        for (int64_t part = threadIdx.y; j < c && part < num_parts; part += blockDim.y)
            value = join<KIND>(value, (double)parts[(image * num_parts + part) * c + j]);
        value = join_lines<KIND>(value);
        if (threadIdx.y == 0 && j < c) {
            float old = ADD ? out[image * c + j] : 0;
            out[image * c + j] = old + (float)value;
        }
        __syncthreads();
    }
}

template <int KIND, class X, class Y>
static void launch_parts(struct nn *nn, const struct tiles &tiles, struct numbers x,
                         struct numbers y, int64_t n, int64_t rows, int64_t c, float *parts) {
    LAUNCH(nn, (reduce_parts<KIND, X, Y>), tiles.grid, tiles.block, 0, (const X *)x.as<X>(),
           (const Y *)y.as<Y>(), n, rows, c, parts);
}

template <int KIND>
static void run_parts(struct nn *nn, const struct tiles &tiles, struct numbers x, struct numbers y,
                      int64_t n, int64_t rows, int64_t c, float *parts) {
    with_type(y.data ? y.type : x.type, [&](auto number) {
        using Number = decltype(number);
        if constexpr (KIND == COLUMNS_DOT) {
            if (x.type == NUMBER_FLOAT32) {
                launch_parts<KIND, float, Number>(nn, tiles, x, y, n, rows, c, parts);
                return;
            }
        }
        launch_parts<KIND, Number, Number>(nn, tiles, x, y, n, rows, c, parts);
    });
}

// Where a block's lines would be more than there are rows, as in sums of a few arrays: a thread for
// each channel.
enum { FEW_ROWS = TILE_THREADS / TILE_MAX_COLUMNS };

static __global__ void __launch_bounds__(BLOCK_THREADS)
    sum_few(const float *x, int64_t n, int64_t rows, int64_t c, float *out) {
    int64_t i = global_index();
    if (i >= n * c) return;
    int64_t first = i / c * rows * c + i % c;
    double value = 0;
    for (int64_t row = 0; row < rows; row++)
        value += (double)x[first + row * c];
    out[i] = (float)value;
}

template <int KIND, bool ADD>
static void reduce(struct nn *nn, struct numbers x, struct numbers y, int64_t n, int64_t rows,
                   int64_t c, float *out) {
    if (n == 0 || c == 0) return;
    if (KIND == COLUMNS_SUM && !ADD && rows <= FEW_ROWS && x.type == NUMBER_FLOAT32) {
        LAUNCH(nn, sum_few, blocks_for(n * c, BLOCK_THREADS), BLOCK_THREADS, 0,
               (const float *)x.as<float>(), n, rows, c, out);
        return;
    }
    struct tiles tiles = tiles_of(n, rows, c, TILE_ROWS_EACH_OF_SUM);
    dim3 last(tiles.grid.x, 1, tiles.grid.z);
    if (tiles.grid.y == 1 && !ADD) {
        run_parts<KIND>(nn, tiles, x, y, n, rows, c, out);
        return;
    }
    float *parts = nn_scratch(nn, n * tiles.grid.y * c);
    run_parts<KIND>(nn, tiles, x, y, n, rows, c, parts);
    LAUNCH(nn, (reduce_last<KIND, ADD>), last, tiles.block, 0, (const float *)parts, n,
           (int64_t)tiles.grid.y, c, out);
    nn_scratch_free(nn, parts);
}

void cuda_columns_reduce(struct nn *nn, enum columns_sum kind, struct numbers x, struct numbers y,
                         int64_t n, int64_t rows, int64_t c, float *out) {
    switch (kind) {
    case COLUMNS_SUM:
        reduce<COLUMNS_SUM, false>(nn, x, y, n, rows, c, out);
        return;
    case COLUMNS_SUM_SQUARES:
        reduce<COLUMNS_SUM_SQUARES, false>(nn, x, y, n, rows, c, out);
        return;
    case COLUMNS_SUM_ABS:
        reduce<COLUMNS_SUM_ABS, false>(nn, x, y, n, rows, c, out);
        return;
    case COLUMNS_MAX_ABS:
        reduce<COLUMNS_MAX_ABS, false>(nn, x, y, n, rows, c, out);
        return;
    case COLUMNS_DOT:
        reduce<COLUMNS_DOT, false>(nn, x, y, n, rows, c, out);
        return;
    }
}

void cuda_columns_add(struct nn *nn, struct numbers x, int64_t rows, int64_t c, float *accumulate) {
    reduce<COLUMNS_SUM, true>(nn, x, numbers(), 1, rows, c, accumulate);
}
