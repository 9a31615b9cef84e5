// Convolutions as matrix products whose left operand is never stored ("implicit GEMM"; Chetlur et
// al., "cuDNN", 2014, section 3): a block has 64 x 64 results, goes through the sum 16 terms at a
// time, which its threads bring to shared memory together, and each thread has 4 x 4 results.

#include "nn/cuda/implicit_gemm.h"

#include "nn/cuda/columns.h"
#include "nn/cuda/rows.h"
#include "nn/cuda/tile_sizes.h"

enum {
    TILE = TILE_OF_PRODUCT,
    DEPTH = 16,
    SIDE = 16, // threads of a block, squared
    EACH = TILE / SIDE,
};
static const int64_t SPLIT_POSITIONS = 4096; // that one block sums up of a gradient of weights

// The squares that the threads of a block found in each of its columns, added up. between is shared
// memory that is free.
template <class Factors>
static __device__ void store_squares(const Factors &f, const float squares[EACH], int64_t column,
                                     float between[][TILE + 1]) {
    for (unsigned j = 0; j < EACH; j++)
        between[threadIdx.y][threadIdx.x + j * SIDE] = squares[j];
    __syncthreads();
    unsigned thread = threadIdx.y * SIDE + threadIdx.x;
    if (thread >= TILE || column + thread >= f.columns) return;
    float sum = 0;
    for (unsigned i = 0; i < SIDE; i++)
        sum += between[i][thread];
    f.store_square(blockIdx.x, column + thread, sum);
}

// Factors gives a(row, term), b(term, column) and takes store(row, column, sum), which returns what
// was stored.
template <class Factors> static __global__ void __launch_bounds__(SIDE *SIDE) multiply(Factors f) {
    __shared__ float a[DEPTH][TILE + 1]; // one more, so that columns lie in different banks
    __shared__ float b[DEPTH][TILE + 1];
    unsigned thread = threadIdx.y * SIDE + threadIdx.x;
    int64_t row = (int64_t)blockIdx.x * TILE;
    int64_t column = (int64_t)blockIdx.y * TILE;
    float sums[EACH][EACH] = {};
    f.begin(blockIdx.z);
    for (int64_t term = 0; term < f.terms; term += DEPTH) {
        for (unsigned i = thread; i < DEPTH * TILE; i += SIDE * SIDE) {
            int64_t at = term + i % DEPTH;
            bool there = at < f.terms;
            int64_t r = row + i / DEPTH;
            int64_t k = column + i / DEPTH;
            a[i % DEPTH][i / DEPTH] = there && r < f.rows ? f.a(r, at) : 0;
            b[i % DEPTH][i / DEPTH] = there && k < f.columns ? f.b(at, k) : 0;
        }
        __syncthreads();
        for (int d = 0; d < DEPTH; d++)
            for (unsigned i = 0; i < EACH; i++)
                for (unsigned j = 0; j < EACH; j++)
                    sums[i][j] += a[d][threadIdx.y + i * SIDE] * b[d][threadIdx.x + j * SIDE];
        __syncthreads();
    }
    float squares[EACH] = {};
    for (unsigned i = 0; i < EACH; i++) {
        for (unsigned j = 0; j < EACH; j++) {
            int64_t r = row + threadIdx.y + i * SIDE;
            int64_t k = column + threadIdx.x + j * SIDE;
            if (r >= f.rows || k >= f.columns) continue;
            float stored = f.store(r, k, sums[i][j]);
            squares[j] += stored * stored;
        }
    }
    if constexpr (Factors::HAS_SQUARES)
        if (f.parts) store_squares(f, squares, column, a);
}

template <class Factors> static void run(struct nn *nn, const Factors &f, int64_t depth) {
    if (f.rows == 0 || f.columns == 0 || depth == 0) return;
    dim3 grid(blocks_for(f.rows, TILE), blocks_for(f.columns, TILE), (unsigned)depth);
    LAUNCH(nn, (multiply<Factors>), grid, dim3(SIDE, SIDE), 0, f);
}

// A place in the kernel and a channel, from their common index.
struct place {
    int64_t row, column, channel;
};

static __device__ struct place place_of(int64_t index, int64_t kernel, int64_t channels) {
    // 32 bits are enough for the index of a weight of one output, and divide faster.
    uint32_t i = (uint32_t)index;
    uint32_t c = (uint32_t)channels;
    uint32_t k = (uint32_t)kernel;
    return place{i / c / k, i / c % k, i % c};
}

// The number of a position of [n, h, w] and its parts.
struct position {
    int64_t image, row, column;
};

static __device__ struct position position_of(int64_t index, int64_t h, int64_t w) {
    return position{index / (h * w), index / w % h, index % w};
}

// ---- Forward ----

template <class Number> struct forward {
    static constexpr bool HAS_SQUARES = true;
    struct dnn_shape s;
    const Number *x, *weights;
    const float *bias;
    const Number *residual;
    bool relu;
    Number *y;
    float *parts; // [blocks of rows, out], of the sums of squares; NULL: not wanted
    int64_t rows, columns, terms, group;

    __device__ void begin(int64_t z) {
        group = z;
    }

    __device__ float a(int64_t row, int64_t term) const {
        struct position out = position_of(row, s.out_h, s.out_w);
        struct place place = place_of(term, s.kernel, s.in / s.groups);
        int64_t h = out.row * s.stride - s.padding + place.row;
        int64_t w = out.column * s.stride - s.padding + place.column;
        if (h < 0 || h >= s.h || w < 0 || w >= s.w) return 0;
        return loaded(x[((out.image * s.h + h) * s.w + w) * s.in + group * (s.in / s.groups) +
                        place.channel]);
    }

    __device__ float b(int64_t term, int64_t column) const {
        return loaded(weights[(group * columns + column) * terms + term]);
    }

    __device__ float store(int64_t row, int64_t column, float sum) const {
        int64_t channel = group * columns + column;
        int64_t at = row * s.out + channel;
        if (bias) sum += bias[channel];
        if (residual) sum += loaded(residual[at]);
        if (relu && sum < 0) sum = 0; // a NaN stays one
        y[at] = rounded<Number>(sum);
        return loaded(y[at]);
    }

    __device__ void store_square(int64_t block, int64_t column, float sum) const {
        parts[block * s.out + group * columns + column] = sum;
    }
};

void implicit_gemm_forward(struct nn *nn, const struct dnn_shape *s, struct numbers x,
                           struct numbers weights, const struct dnn_epilogue *epilogue,
                           struct numbers y) {
    int64_t rows = s->n * s->out_h * s->out_w;
    int64_t blocks = blocks_for(rows, TILE);
    float *parts = epilogue->squares ? nn_scratch(nn, blocks * s->out) : NULL;
    with_type(x.type, [&](auto number) {
        using Number = decltype(number);
        struct forward<Number> f = {
            .s = *s, .x = x.as<Number>(), .weights = weights.as<Number>()
        };
        f.bias = epilogue->bias;
        f.residual = epilogue->residual.as<Number>();
        f.relu = epilogue->relu;
        f.y = y.as<Number>();
        f.parts = parts;
        f.rows = rows;
        f.columns = s->out / s->groups;
        f.terms = s->kernel * s->kernel * (s->in / s->groups);
        run(nn, f, s->groups);
    });
    if (!parts) return;
    cuda_columns_reduce(nn, COLUMNS_SUM, parts, NULL, 1, blocks, s->out, epilogue->squares);
    nn_scratch_free(nn, parts);
}

// ---- Gradient of the input ----

template <class Number> struct data_gradient {
    static constexpr bool HAS_SQUARES = false;
    struct dnn_shape s;
    const Number *dy, *weights;
    bool add;
    Number *dx;
    int64_t rows, columns, terms, group;

    __device__ void begin(int64_t z) {
        group = z;
    }

    __device__ float a(int64_t row, int64_t term) const {
        struct position in = position_of(row, s.h, s.w);
        struct place place = place_of(term, s.kernel, s.out / s.groups);
        int64_t h = in.row + s.padding - place.row;
        int64_t w = in.column + s.padding - place.column;
        if (h < 0 || w < 0 || h % s.stride || w % s.stride) return 0;
        if (h / s.stride >= s.out_h || w / s.stride >= s.out_w) return 0;
        return loaded(dy[((in.image * s.out_h + h / s.stride) * s.out_w + w / s.stride) * s.out +
                         group * (s.out / s.groups) + place.channel]);
    }

    __device__ float b(int64_t term, int64_t column) const {
        struct place place = place_of(term, s.kernel, s.out / s.groups);
        int64_t out = group * (s.out / s.groups) + place.channel;
        return loaded(
            weights[((out * s.kernel + place.row) * s.kernel + place.column) * columns + column]);
    }

    __device__ float store(int64_t row, int64_t column, float sum) const {
        int64_t at = row * s.in + group * columns + column;
        dx[at] = rounded<Number>(add ? loaded(dx[at]) + sum : sum);
        return sum;
    }
};

void implicit_gemm_backward_data(struct nn *nn, const struct dnn_shape *s, struct numbers dy,
                                 struct numbers weights, bool add, struct numbers dx) {
    with_type(dy.type, [&](auto number) {
        using Number = decltype(number);
        struct data_gradient<Number> f = {
            .s = *s, .dy = dy.as<Number>(), .weights = weights.as<Number>()
        };
        f.add = add;
        f.dx = dx.as<Number>();
        f.rows = s->n * s->h * s->w;
        f.columns = s->in / s->groups;
        f.terms = s->kernel * s->kernel * (s->out / s->groups);
        run(nn, f, s->groups);
    });
}

// ---- Gradient of the weights ----

// Positions are cut into parts, each of which a block of its own sums up.
template <class Number, class Sum> struct weight_gradient {
    static constexpr bool HAS_SQUARES = false;
    struct dnn_shape s;
    const Number *x, *dy;
    Sum *parts; // [parts, out, kernel, kernel, in / groups]
    int64_t rows, columns, terms, group;
    int64_t positions, first, part;

    __device__ void begin(int64_t z) {
        group = z % s.groups;
        part = z / s.groups;
        first = part * SPLIT_POSITIONS;
        terms = positions - first < SPLIT_POSITIONS ? positions - first : SPLIT_POSITIONS;
    }

    __device__ float a(int64_t row, int64_t term) const {
        return loaded(dy[(first + term) * s.out + group * rows + row]);
    }

    __device__ float b(int64_t term, int64_t column) const {
        struct position out = position_of(first + term, s.out_h, s.out_w);
        struct place place = place_of(column, s.kernel, s.in / s.groups);
        int64_t h = out.row * s.stride - s.padding + place.row;
        int64_t w = out.column * s.stride - s.padding + place.column;
        if (h < 0 || h >= s.h || w < 0 || w >= s.w) return 0;
        return loaded(x[((out.image * s.h + h) * s.w + w) * s.in + group * (s.in / s.groups) +
                        place.channel]);
    }

    __device__ float store(int64_t row, int64_t column, float sum) const {
        int64_t at = ((part * s.groups + group) * rows + row) * columns + column;
        parts[at] = rounded<Sum>(sum);
        return sum;
    }
};

template <class Number, class Sum>
static void sum_weights(struct nn *nn, const struct dnn_shape *s, struct numbers x,
                        struct numbers dy, struct numbers sums, int64_t parts) {
    struct weight_gradient<Number, Sum> f = {
        .s = *s, .x = x.as<Number>(), .dy = dy.as<Number>(), .parts = sums.as<Sum>()
    };
    f.rows = s->out / s->groups;
    f.columns = s->kernel * s->kernel * (s->in / s->groups);
    f.positions = s->n * s->out_h * s->out_w;
    run(nn, f, parts * s->groups);
}

void implicit_gemm_backward_weights(struct nn *nn, const struct dnn_shape *s, struct numbers x,
                                    struct numbers dy, struct numbers dweights) {
    int64_t count = s->out * s->kernel * s->kernel * (s->in / s->groups);
    int64_t positions = s->n * s->out_h * s->out_w;
    int64_t parts = (positions + SPLIT_POSITIONS - 1) / SPLIT_POSITIONS;
    float *sums = parts > 1 ? nn_scratch(nn, parts * count) : NULL;
    with_type(x.type, [&](auto number) {
        using Number = decltype(number);
        if (sums)
            sum_weights<Number, float>(nn, s, x, dy, sums, parts);
        else
            sum_weights<Number, Number>(nn, s, x, dy, dweights, parts);
    });
    if (!sums) return;
    void *copy = NULL;
    struct numbers total = dweights;
    if (dweights.type != NUMBER_FLOAT32)
        total = numbers(copy = nn_scratch(nn, count), NUMBER_FLOAT32);
    cuda_columns_reduce(nn, COLUMNS_SUM, sums, NULL, 1, parts, count, total.as<float>());
    if (copy) cuda_rows_convert(nn, total, count, dweights);
    nn_scratch_free(nn, copy);
    nn_scratch_free(nn, sums);
}
