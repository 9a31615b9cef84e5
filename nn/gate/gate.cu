// Gates on CUDA: a reading pass for the sums, whose last block of each image opens its gates, and a
// pass that scales. Backward the same with gradients.

#include "nn/gate/gate_cuda.h"

#include "nn/cuda/columns_kernel.h"
#include "nn/cuda/rows.h"
#include "nn/cuda/tiles.h"
#include "nn/gate/gate_kernel.h"

// ---- Forward ----

struct opening {
    static constexpr bool GOES_ON = true;
    struct gate_view gate;
    float *gates;
    __device__ void operator()(int64_t image, const float *sums) const {
        open_gates_of(gate, sums, gates + image * gate.channels);
    }
};

// By as many threads as where the sums are made, so that both open the same gates to the bit.
static __global__ void __launch_bounds__(COLUMN_THREADS)
    open_gates(struct opening opening, const float *embeddings) {
    opening(blockIdx.x, embeddings + blockIdx.x * opening.gate.channels);
}

static void measure(struct nn *nn, const struct tensor *x, const struct opening &opening) {
    struct numbers values = data_of(x);
    int64_t rows = x->h * x->w;
    switch (opening.gate.embedding) {
    case GATE_EMBEDDING_L2:
        column_reduce<COLUMNS_SUM_SQUARES>(nn, values, numbers(), x->n, rows, x->c, false,
                                           x->embedding, opening);
        return;
    case GATE_EMBEDDING_L1:
        column_reduce<COLUMNS_SUM_ABS>(nn, values, numbers(), x->n, rows, x->c, false, x->embedding,
                                       opening);
        return;
    case GATE_EMBEDDING_LINF:
        column_reduce<COLUMNS_MAX_ABS>(nn, values, numbers(), x->n, rows, x->c, false, x->embedding,
                                       opening);
        return;
    }
}

float *cuda_gate_open(struct nn *nn, const struct gate *gate, struct tensor *x) {
    float *gates = nn_scratch(nn, x->n * x->c);
    struct operands o = {.nn = nn};
    struct opening opening = {gate_view_of(&o, gate), gates};
    CHECK(!x->embedding || x->embedding_kind == (int)gate->embedding);
    if (x->embedding && x->n > 0) {
        LAUNCH(nn, open_gates, (unsigned)x->n, COLUMN_THREADS, 0, opening,
               (const float *)x->embedding);
    } else if (!x->embedding) {
        x->embedding = nn_scratch(nn, x->n * x->c);
        x->embedding_kind = (int)gate->embedding;
        if (!nn_failed(nn)) measure(nn, x, opening);
    }
    operands_end(&o);
    return gates;
}

// ---- Gradients ----

// Of each image. targets are those of the parameters where there is one image, and otherwise
// [n, 3, c], with alpha's first.
struct closing {
    static constexpr bool GOES_ON = true;
    struct gate_view gate;
    const float *embeddings;
    struct gate_targets targets;
    float *opened, *pull;
    __device__ void operator()(int64_t image, const float *) const {
        int64_t at = image * gate.channels;
        struct gate_targets own = targets;
        if (!own.add) {
            own.alpha += 3 * at;
            own.gamma += 3 * at;
            own.beta += 3 * at;
        }
        close_gates_of(gate, embeddings + at, opened + at, own, false, pull + at);
    }
};

// parameter[c] += the sum over images of gradients[n, 3, c]; a row of blocks for each parameter.
static __global__ void __launch_bounds__(BLOCK_THREADS)
    accumulate(const float *gradients, int64_t n, int64_t c, struct gate_targets targets) {
    int64_t j = global_index();
    int64_t parameter = blockIdx.y;
    float *target = parameter == 0 ? targets.alpha : parameter == 1 ? targets.gamma : targets.beta;
    if (j >= c || !target) return;
    double total = 0;
    for (int64_t i = 0; i < n; i++)
        total += (double)gradients[(i * 3 + parameter) * c + j];
    target[j] += (float)total;
}

void cuda_gate_close(struct nn *nn, const struct gate *gate, const struct tensor *x,
                     struct numbers values, struct numbers scaled, float *pull) {
    int64_t n = x->n;
    int64_t c = x->c;
    if (n == 0) return;
    struct operands o = {.nn = nn};
    float *opened = nn_scratch(nn, n * c);
    float *gradients = n > 1 ? nn_scratch(nn, n * 3 * c) : NULL;
    struct gate_targets targets = gate_targets_of(&o, gate);
    struct closing closing = {gate_view_of(&o, gate), x->embedding, targets, opened, pull};
    if (n > 1) closing.targets = {gradients, gradients + c, gradients + 2 * c, false};
    if (!nn_failed(nn))
        column_reduce<COLUMNS_DOT>(nn, scaled, values, n, x->h * x->w, c, false, opened, closing);
    if (n > 1 && gate_trains(gate))
        LAUNCH(nn, accumulate, dim3(blocks_for(c, BLOCK_THREADS), 3), BLOCK_THREADS, 0,
               (const float *)gradients, n, c, targets);
    operands_end(&o);
    nn_scratch_free(nn, gradients);
    nn_scratch_free(nn, opened);
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
    call->gates = cuda_gate_open(nn, call->gate, x);
    if (nn_failed(nn)) return;
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
    float *pull = nn_scratch(nn, x->n * x->c);
    if (nn_failed(nn)) return;
    struct numbers scaled = copy.data ? copy : grad_of(base->out);
    if (copy.data) {
        float *factors = cuda_norm_factors(nn, call->norm, x->c);
        cuda_rows_scale(nn, grad_of(base->out), factors, 1, tensor_rows(x), x->c, copy);
        nn_scratch_free(nn, factors);
    }
    cuda_gate_close(nn, call->gate, x, data_of(x), scaled, pull);
    bool add = false;
    struct numbers grad = wanted_grad(nn, x, &add);
    const struct gate_flow flow = {call->gate,   data_of(x), scaled, call->gates,
                                   x->embedding, pull,       x->n,   rows};
    if (grad.data) cuda_gate_pull(nn, &flow, add, grad);
    nn_scratch_free(nn, pull);
    nn_scratch_free(nn, copy.data);
    nn_scratch_free(nn, call->gates);
    call->gates = NULL;
    cuda_rows_residual_gradient(nn, base->out, call->residual);
}
