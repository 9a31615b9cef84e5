// Gates on CUDA: a reading pass for the sums, a kernel for the gates of each image (one block, its
// threads share the channels), and a pass that scales. Backward the same with gradients.

#include "nn/gate/gate_cuda.h"

#include "nn/cuda/block.h"
#include "nn/cuda/columns.h"
#include "nn/cuda/rows.h"
#include "nn/cuda/tiles.h"

extern "C" {
#include "nn/gate/gate_math.h"
}

// A gate as kernels see it.
struct gate_view {
    int64_t channels;
    enum gate_embedding embedding;
    enum gate_normalisation normalisation;
    enum gate_activation activation;
    float epsilon;
    const float *alpha, *gamma, *beta;
};

static struct gate_view view_of(struct operands *operands, const struct gate *gate) {
    return gate_view{gate->channels,
                     gate->embedding,
                     gate->normalisation,
                     gate->activation,
                     gate->epsilon,
                     operand_values(operands, gate->alpha),
                     operand_values(operands, gate->gamma),
                     operand_values(operands, gate->beta)};
}

void cuda_gate_embed(struct nn *nn, const struct gate *gate, struct tensor *x) {
    static const enum columns_sum SUMS[] = {COLUMNS_SUM_SQUARES, COLUMNS_SUM_ABS, COLUMNS_MAX_ABS};
    if (x->embedding) {
        CHECK(x->embedding_kind == (int)gate->embedding);
        return;
    }
    x->embedding = nn_scratch(nn, x->n * x->c);
    x->embedding_kind = (int)gate->embedding;
    if (x->embedding)
        cuda_columns_reduce(nn, SUMS[gate->embedding], data_of(x), NULL, x->n, x->h * x->w, x->c,
                            x->embedding);
}

// ---- Forward ----

static __device__ float embedding_of(const struct gate_view &gate, float sum) {
    return gate.embedding == GATE_EMBEDDING_L2 ? sqrtf(sum + gate.epsilon) : sum;
}

// s = alpha e
static __device__ float magnitude_of(const struct gate_view &gate, const float *sums, int64_t j) {
    return gate.alpha[j] * embedding_of(gate, sums[j]);
}

// t[c] = (s[c] - mean) / radius
struct normaliser {
    float mean, radius;
};

// Of the image whose sums these are; all threads of the block get it.
static __device__ struct normaliser normaliser_of(const struct gate_view &gate, const float *sums) {
    double count = (double)gate.channels;
    double epsilon = (double)gate.epsilon;
    double total = 0;
    for (int64_t j = threadIdx.x; j < gate.channels; j += blockDim.x) {
        double s = (double)magnitude_of(gate, sums, j);
        if (gate.normalisation == GATE_NORMALISATION_L2) s *= s;
        if (gate.normalisation == GATE_NORMALISATION_L1) s = fabs(s);
        total += s;
    }
    double mean = block_sum(total) / count;
    double centre = 0;
    double spread = mean;
    if (gate.normalisation == GATE_NORMALISATION_MEAN_VARIANCE) {
        // A second pass: the mean of squares less the squared mean would cancel.
        double variance = 0;
        centre = mean;
        for (int64_t j = threadIdx.x; j < gate.channels; j += blockDim.x) {
            double d = (double)magnitude_of(gate, sums, j) - mean;
            variance += d * d;
        }
        spread = block_sum(variance) / count;
    }
    spread += epsilon;
    if (gate.normalisation != GATE_NORMALISATION_L1) spread = sqrt(spread);
    return normaliser{(float)centre, (float)spread};
}

static __device__ float normalised(const struct gate_view &gate, struct normaliser n,
                                   const float *sums, int64_t j) {
    return (magnitude_of(gate, sums, j) - n.mean) / n.radius;
}

static __global__ void __launch_bounds__(BLOCK_THREADS)
    open_gates(struct gate_view gate, const float *embeddings, float *gates) {
    const float *sums = embeddings + blockIdx.x * gate.channels;
    struct normaliser n = normaliser_of(gate, sums);
    for (int64_t j = threadIdx.x; j < gate.channels; j += blockDim.x) {
        float u = gate.gamma[j] * normalised(gate, n, sums, j) + gate.beta[j];
        gates[blockIdx.x * gate.channels + j] = gate_open(gate.activation, u);
    }
}

void cuda_gate_compute(struct nn *nn, const struct gate *gate, const float *embeddings, int64_t n,
                       float *gates) {
    if (n == 0) return;
    struct operands o = {.nn = nn};
    struct gate_view view = view_of(&o, gate);
    LAUNCH(nn, open_gates, (unsigned)n, BLOCK_THREADS, 0, view, embeddings, gates);
    operands_end(&o);
}

// ---- Gradients ----

// With q = dLoss/dt: dLoss/ds = (q - level) / radius - slope (sign of s, or s - mean).
struct pull_back {
    double level, inverse, slope, mean;
};

static __device__ struct pull_back pull_back_of(const struct gate_view &gate, struct normaliser n,
                                                const float *sums, const float *du) {
    bool centred = gate.normalisation == GATE_NORMALISATION_MEAN_VARIANCE;
    double along = 0; // of q s, of q t for mean and variance
    double total = 0; // of q
    for (int64_t j = threadIdx.x; j < gate.channels; j += blockDim.x) {
        float s = magnitude_of(gate, sums, j);
        double q = (double)du[j] * (double)gate.gamma[j];
        along += q * (double)(centred ? (s - n.mean) / n.radius : s);
        total += q;
    }
    double r = (double)n.radius;
    double share = block_sum(along) / ((double)gate.channels * r * r);
    total = block_sum(total);
    if (gate.normalisation == GATE_NORMALISATION_L2) return pull_back{0, 1 / r, share / r, 0};
    if (gate.normalisation == GATE_NORMALISATION_L1) return pull_back{0, 1 / r, share, 0};
    return pull_back{total / (double)gate.channels, 1 / r, share, (double)n.mean};
}

// gradients[n, 3, c]: what each image adds to those of alpha, gamma and beta; the last two here.
static __global__ void __launch_bounds__(BLOCK_THREADS)
    close_gates(struct gate_view gate, const float *embeddings, const float *opened,
                float *gradients) {
    int64_t c = gate.channels;
    int64_t image = blockIdx.x;
    const float *sums = embeddings + image * c;
    struct normaliser n = normaliser_of(gate, sums);
    for (int64_t j = threadIdx.x; j < c; j += blockDim.x) {
        float t = normalised(gate, n, sums, j);
        float u = gate.gamma[j] * t + gate.beta[j];
        float slope = gate_slope(gate.activation, u, gate_open(gate.activation, u));
        float du = opened[image * c + j] * slope;
        gradients[(image * 3 + 1) * c + j] = du * t;
        gradients[(image * 3 + 2) * c + j] = du;
    }
}

// The first, and pull[n, c].
static __global__ void __launch_bounds__(BLOCK_THREADS)
    pull_embeddings(struct gate_view gate, const float *embeddings, float *gradients, float *pull) {
    int64_t c = gate.channels;
    int64_t image = blockIdx.x;
    const float *sums = embeddings + image * c;
    const float *du = gradients + (image * 3 + 2) * c;
    struct pull_back back = pull_back_of(gate, normaliser_of(gate, sums), sums, du);
    for (int64_t j = threadIdx.x; j < c; j += blockDim.x) {
        float e = embedding_of(gate, sums[j]);
        double s = (double)gate.alpha[j] * (double)e;
        double q = (double)du[j] * (double)gate.gamma[j];
        double sign = (double)(s > 0) - (double)(s < 0);
        double direction = gate.normalisation == GATE_NORMALISATION_L1 ? sign : s - back.mean;
        double ds = (q - back.level) * back.inverse - back.slope * direction;
        float de = (float)(ds * (double)gate.alpha[j]);
        gradients[image * 3 * c + j] = (float)(ds * (double)e);
        // d sqrt(sum x^2 + epsilon) / dx = x / e
        pull[image * c + j] = gate.embedding == GATE_EMBEDDING_L2 ? de / e : de;
    }
}

// parameter[c] += the sum over images of gradients[n, stride]
static __global__ void __launch_bounds__(BLOCK_THREADS)
    accumulate(const float *gradients, int64_t n, int64_t stride, int64_t c, float *parameter) {
    int64_t j = global_index();
    if (j >= c) return;
    double total = 0;
    for (int64_t i = 0; i < n; i++)
        total += (double)gradients[i * stride + j];
    parameter[j] += (float)total;
}

void cuda_gate_gradient(struct nn *nn, const struct gate *gate, const float *embeddings,
                        const float *opened, int64_t n, float *pull) {
    if (n == 0) return;
    int64_t c = gate->channels;
    struct operands o = {.nn = nn};
    float *gradients = nn_scratch(nn, n * 3 * c);
    struct gate_view view = view_of(&o, gate);
    LAUNCH(nn, close_gates, (unsigned)n, BLOCK_THREADS, 0, view, embeddings, opened, gradients);
    LAUNCH(nn, pull_embeddings, (unsigned)n, BLOCK_THREADS, 0, view, embeddings, gradients, pull);
    const struct parameter *parameters[] = {gate->alpha, gate->gamma, gate->beta};
    for (int i = 0; i < 3; i++) {
        float *target = operand_gradient(&o, parameters[i]);
        if (target)
            LAUNCH(nn, accumulate, blocks_for(c, BLOCK_THREADS), BLOCK_THREADS, 0,
                   (const float *)gradients + i * c, n, 3 * c, c, target);
    }
    operands_end(&o);
    nn_scratch_free(nn, gradients);
}

// ---- Gradient of the input ----

template <int EMBEDDING, class Number>
static __global__ void __launch_bounds__(BLOCK_THREADS)
    pull_rows(const Number *x, const Number *scaled, const float *gates, const float *pull,
              int64_t n, int64_t rows, int64_t c, bool add, Number *grad) {
    int64_t j = tile_channel();
    if (j >= c) return;
    for (int64_t image = blockIdx.z; image < n; image += gridDim.z) {
        float gate = gates[image * c + j];
        float by = pull[image * c + j];
        for (int64_t row = tile_first_row(); row < rows; row += tile_row_step()) {
            int64_t at = (image * rows + row) * c + j;
            float old = add ? loaded(grad[at]) : 0;
            float value = loaded(scaled[at]) * gate;
            if (EMBEDDING == GATE_EMBEDDING_L2) value += by * loaded(x[at]);
            if (EMBEDDING == GATE_EMBEDDING_L1) {
                float input = loaded(x[at]);
                value += by * (input > 0 ? 1.0f : input < 0 ? -1.0f : 0.0f);
            }
            grad[at] = rounded<Number>(add ? old + value : value);
        }
    }
}

// The gradient of a maximum goes to the first position that holds it.
template <class Number>
static __global__ void __launch_bounds__(BLOCK_THREADS)
    add_to_maxima(const Number *x, const float *maxima, const float *pull, int64_t n, int64_t rows,
                  int64_t c, Number *grad) {
    int64_t i = global_index();
    if (i >= n * c) return;
    int64_t first = i / c * rows * c + i % c;
    for (int64_t row = 0; row < rows; row++) {
        float value = loaded(x[first + row * c]);
        if (fabsf(value) != maxima[i]) continue;
        float by = value > 0 ? pull[i] : value < 0 ? -pull[i] : 0;
        grad[first + row * c] = rounded<Number>(loaded(grad[first + row * c]) + by);
        return;
    }
}

void cuda_gate_defer(struct nn *nn, struct tensor *x, float *pull) {
    if (!x->pull) {
        x->pull = pull;
        return;
    }
    cuda_rows_add(nn, pull, x->n * x->c, x->pull);
    nn_scratch_free(nn, pull);
}

template <int EMBEDDING>
static void run_pull_rows(struct nn *nn, const struct gate_flow *f, bool add, struct numbers grad) {
    int64_t c = f->gate->channels;
    struct tiles tiles = tiles_of(f->n, f->rows, c, TILE_ROWS_EACH);
    with_type(grad.type, [&](auto number) {
        using Number = decltype(number);
        LAUNCH(nn, (pull_rows<EMBEDDING, Number>), tiles.grid, tiles.block, 0,
               (const Number *)f->x.as<Number>(), (const Number *)f->scaled.as<Number>(), f->gates,
               f->pull, f->n, f->rows, c, add, grad.as<Number>());
    });
}

void cuda_gate_pull(struct nn *nn, const struct gate_flow *f, bool add, struct numbers grad) {
    int64_t c = f->gate->channels;
    if (f->n * f->rows * c == 0) return;
    switch (f->gate->embedding) {
    case GATE_EMBEDDING_L2:
        run_pull_rows<GATE_EMBEDDING_L2>(nn, f, add, grad);
        return;
    case GATE_EMBEDDING_L1:
        run_pull_rows<GATE_EMBEDDING_L1>(nn, f, add, grad);
        return;
    case GATE_EMBEDDING_LINF:
        run_pull_rows<GATE_EMBEDDING_LINF>(nn, f, add, grad);
        with_type(grad.type, [&](auto number) {
            using Number = decltype(number);
            LAUNCH(nn, (add_to_maxima<Number>), blocks_for(f->n * c, BLOCK_THREADS), BLOCK_THREADS,
                   0, (const Number *)f->x.as<Number>(), f->embeddings, f->pull, f->n, f->rows, c,
                   grad.as<Number>());
        });
        return;
    }
}

// ---- The operation ----

void cuda_gate_forward(struct nn *nn, struct call *base) {
    struct gate_call *call = (struct gate_call *)base;
    struct tensor *x = base->inputs[0];
    call->gates = nn_scratch(nn, x->n * x->c);
    cuda_gate_embed(nn, call->gate, x);
    if (nn_failed(nn)) return;
    cuda_gate_compute(nn, call->gate, x->embedding, x->n, call->gates);
    const struct rows_pass pass = {x,          call->gates, call->norm, call->residual,
                                   call->relu, base->out};
    cuda_rows_apply(nn, &pass);
    if (nn->mode == NN_INFERENCE) {
        nn_scratch_free(nn, call->gates);
        call->gates = NULL;
    }
}

void cuda_gate_backward(struct nn *nn, struct call *base) {
    struct gate_call *call = (struct gate_call *)base;
    struct tensor *x = base->inputs[0];
    int64_t rows = x->h * x->w;
    cuda_rows_relu_gradient(nn, base->out, call->relu);
    // The gradient behind the norm is the residual's too, so it is scaled in a copy.
    struct numbers copy;
    if (call->norm) copy = scratch_numbers(nn, x->type, tensor_count(x));
    float *opened = nn_scratch(nn, 2 * x->n * x->c);
    if (nn_failed(nn)) return;
    float *pull = opened + x->n * x->c;
    struct numbers scaled = copy.data ? copy : grad_of(base->out);
    if (copy.data) {
        float *factors = cuda_norm_factors(nn, call->norm, x->c);
        cuda_rows_scale(nn, grad_of(base->out), factors, 1, tensor_rows(x), x->c, copy);
        nn_scratch_free(nn, factors);
    }
    cuda_columns_reduce(nn, COLUMNS_DOT, scaled, data_of(x), x->n, rows, x->c, opened);
    cuda_gate_gradient(nn, call->gate, x->embedding, opened, x->n, pull);
    bool add = false;
    struct numbers grad = wanted_grad(nn, x, &add);
    const struct gate_flow flow = {call->gate,   data_of(x), scaled, call->gates,
                                   x->embedding, pull,       x->n,   rows};
    if (grad.data) cuda_gate_pull(nn, &flow, add, grad);
    nn_scratch_free(nn, opened);
    nn_scratch_free(nn, copy.data);
    nn_scratch_free(nn, call->gates);
    call->gates = NULL;
    cuda_rows_residual_gradient(nn, base->out, call->residual);
}
