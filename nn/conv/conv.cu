// The gated convolution on CUDA; conv.h has the equations.
//
// Where weights are smaller than an image (feature maps), the gate is folded into them, image by
// image, and backward the gate's gradient is read off the weights' gradient: no pass over
// activations either way. Elsewhere (the maps of regions) activations are scaled.

#include "nn/cuda/columns.h"
#include "nn/cuda/dnn.h"
#include "nn/cuda/kept.h"
#include "nn/cuda/rows.h"
#include "nn/gate/gate_cuda.h"

extern "C" {
#include "nn/conv/conv.h"
#include "nn/conv/conv_folds.h"
#include "nn/gate/gate_defers.h"
}

// ---- Weights ----

// [out, kernel, kernel, in / groups], from [out, in / groups, kernel, kernel].
struct layout {
    int64_t count, taps, channels; // kernel^2; in / groups
    int64_t out_of_group;
};

static struct layout layout_of(const struct conv *conv) {
    return layout{conv->weight->count, conv->kernel * conv->kernel,
                  conv->in_channels / conv->groups, conv->out_channels / conv->groups};
}

// Where packed weight i comes from.
static __device__ int64_t source_of(const struct layout &l, int64_t i) {
    int64_t channel = i % l.channels;
    int64_t tap = i / l.channels % l.taps;
    return (i / l.channels / l.taps * l.channels + channel) * l.taps + tap;
}

// What multiplies packed weight i: the norm's scale of its output and the gate of its input.
static __device__ float factor_of(const struct layout &l, int64_t i, const float *norm,
                                  const float *gates) {
    int64_t out = i / l.channels / l.taps;
    float factor = norm ? norm[out] : 1;
    if (gates) factor *= gates[out / l.out_of_group * l.channels + i % l.channels];
    return factor;
}

template <class Number>
static __global__ void __launch_bounds__(BLOCK_THREADS)
    pack(const float *weights, struct layout l, const float *norm, const float *gates,
         Number *packed) {
    int64_t i = global_index();
    if (i < l.count)
        packed[i] = rounded<Number>(weights[source_of(l, i)] * factor_of(l, i, norm, gates));
}

static __global__ void __launch_bounds__(BLOCK_THREADS)
    add_packed(const float *packed, struct layout l, const float *norm, const float *gates,
               float *grad) {
    int64_t i = global_index();
    if (i < l.count) grad[source_of(l, i)] += packed[i] * factor_of(l, i, norm, gates);
}

static void run_pack(struct nn *nn, const struct conv *conv, const float *norm, const float *gates,
                     struct numbers packed) {
    struct operands o = {.nn = nn};
    struct layout layout = layout_of(conv);
    const float *weights = operand_values(&o, conv->weight);
    with_type(packed.type, [&](auto number) {
        using Number = decltype(number);
        LAUNCH(nn, (pack<Number>), blocks_for(layout.count, BLOCK_THREADS), BLOCK_THREADS, 0,
               weights, layout, norm, gates, packed.as<Number>());
    });
    operands_end(&o);
}

// ---- What is kept ----

// In inference, from image to image.
struct conv_cache {
    struct kept norm;    // its factors
    struct kept weights; // packed, with the norm
};

static const float *kept_norm(struct nn *nn, const struct conv *conv, struct conv_cache *cache) {
    int64_t count = 2 * conv->out_channels;
    return cuda_kept(nn, &cache->norm, conv->weight, count, 0, [&](float *values) {
        float *factors = cuda_norm_factors(nn, conv->norm, conv->out_channels);
        cuda_copy(nn, values, factors, count * (int64_t)sizeof *factors);
        nn_scratch_free(nn, factors);
    });
}

static struct numbers kept_weights(struct nn *nn, const struct conv *conv, struct conv_cache *cache,
                                   const float *norm) {
    return cuda_kept_numbers(
        nn, &cache->weights, conv->weight, nn->activations, conv->weight->count, 0,
        [&](struct numbers values) { run_pack(nn, conv, norm, NULL, values); });
}

// The norm's factors, NULL without a norm, and packed weights, if they are wanted: kept ones, or
// scratch memory.
struct prepared {
    const float *norm;
    struct numbers weights;
    float *scratch_norm;
    void *scratch_weights;
};

static struct prepared prepare(struct nn *nn, struct conv *conv, bool wants_weights) {
    struct prepared p = {};
    if (nn->mode == NN_INFERENCE) {
        struct conv_cache *cache = cuda_cache(nn, &conv->cache);
        if (cache && conv->norm) p.norm = kept_norm(nn, conv, cache);
        if (cache && wants_weights) p.weights = kept_weights(nn, conv, cache, p.norm);
        return p;
    }
    if (conv->norm) p.scratch_norm = cuda_norm_factors(nn, conv->norm, conv->out_channels);
    p.norm = p.scratch_norm;
    if (!wants_weights) return p;
    p.weights = scratch_numbers(nn, nn->activations, conv->weight->count);
    p.scratch_weights = p.weights.data;
    run_pack(nn, conv, p.norm, NULL, p.weights);
    return p;
}

static void prepared_end(struct nn *nn, const struct prepared *p) {
    nn_scratch_free(nn, p->scratch_weights);
    nn_scratch_free(nn, p->scratch_norm);
}

// ---- Forward ----

static struct dnn_shape shape_of(const struct conv *conv, const struct tensor *x,
                                 const struct tensor *y, int64_t images) {
    int64_t at_once = conv->images_at_once > 1 ? dnn_regions_at_once(y->h * y->w) : 1;
    return dnn_shape{images, x->h,         x->w,         x->c,         y->h,          y->w,
                     y->c,   conv->groups, conv->kernel, conv->stride, conv->padding, at_once};
}

static struct numbers image_at(struct numbers data, const struct tensor *t, int64_t image) {
    return data.at(image * t->h * t->w * t->c);
}

// What a product reads and writes: x, or a copy of another type, and y.
struct maps {
    struct numbers x, y;
};

// Image by image, each with weights of its own.
static void run_folded(struct nn *nn, const struct conv_call *call, const struct maps *maps,
                       const float *norm, const struct dnn_epilogue *epilogue) {
    const struct tensor *x = call->call.inputs[0];
    const struct tensor *y = call->call.out;
    struct dnn_shape shape = shape_of(call->conv, x, y, 1);
    struct numbers weights = scratch_numbers(nn, nn->activations, call->conv->weight->count);
    for (int64_t i = 0; i < x->n && !nn_failed(nn); i++) {
        struct dnn_epilogue own = *epilogue;
        own.residual = image_at(epilogue->residual, y, i);
        if (own.squares) own.squares = epilogue->squares + i * y->c;
        run_pack(nn, call->conv, norm, call->gates + i * x->c, weights);
        dnn_forward(nn, &shape, image_at(maps->x, x, i), weights, &own, image_at(maps->y, y, i));
    }
    nn_scratch_free(nn, weights.data);
}

// All images at once, x scaled if there are gates.
static void run_whole(struct nn *nn, const struct conv_call *call, const struct maps *maps,
                      struct numbers weights, const struct dnn_epilogue *epilogue) {
    const struct tensor *x = call->call.inputs[0];
    const struct tensor *y = call->call.out;
    struct dnn_shape shape = shape_of(call->conv, x, y, x->n);
    struct numbers scaled;
    if (call->gates) scaled = scratch_numbers(nn, nn->activations, tensor_count(x));
    if (nn_failed(nn)) return;
    if (scaled.data) cuda_rows_scale(nn, maps->x, call->gates, x->n, x->h * x->w, x->c, scaled);
    dnn_forward(nn, &shape, scaled.data ? scaled : maps->x, weights, epilogue, maps->y);
    nn_scratch_free(nn, scaled.data);
}

static void run(struct nn *nn, const struct conv_call *call, const struct prepared *prepared,
                bool folds, const struct dnn_epilogue *epilogue) {
    const struct tensor *x = call->call.inputs[0];
    const struct tensor *y = call->call.out;
    void *copy = NULL;
    struct maps maps;
    maps.x = cuda_rows_as(nn, nn->activations, data_of(x), tensor_count(x), &copy);
    maps.y = data_of(y);
    if (nn_failed(nn)) return;
    if (folds)
        run_folded(nn, call, &maps, prepared->norm, epilogue);
    else
        run_whole(nn, call, &maps, prepared->weights, epilogue);
    nn_scratch_free(nn, copy);
}

// Where the sums of the squares of y go.
static float *squares_of(struct nn *nn, struct tensor *y) {
    y->embedding = nn_scratch(nn, y->n * y->c);
    y->embedding_kind = GATE_EMBEDDING_L2;
    return y->embedding;
}

void cuda_conv_forward(struct nn *nn, struct call *base) {
    struct conv_call *call = (struct conv_call *)base;
    struct conv *conv = call->conv;
    struct tensor *x = base->inputs[0];
    if (conv->gate) {
        cuda_gate_embed(nn, conv->gate, x);
        call->gates = nn_scratch(nn, x->n * x->c);
        if (nn_failed(nn)) return;
        cuda_gate_compute(nn, conv->gate, x->embedding, x->n, call->gates);
    }
    bool folds = call->gates && conv_folds_gate(conv, x);
    struct prepared prepared = prepare(nn, conv, !folds);
    struct operands o = {.nn = nn};
    struct dnn_epilogue epilogue = {operand_values(&o, conv->bias), data_of(call->residual),
                                    call->relu,
                                    conv_sums_squares(conv) ? squares_of(nn, base->out) : NULL};
    if (prepared.norm) epilogue.bias = prepared.norm + conv->out_channels;
    if (nn_failed(nn)) return;
    run(nn, call, &prepared, folds, &epilogue);
    operands_end(&o);
    prepared_end(nn, &prepared);
    if (nn->mode == NN_INFERENCE) {
        nn_scratch_free(nn, call->gates);
        call->gates = NULL;
    }
}

// ---- Backward ----

struct backward {
    struct nn *nn;
    const struct conv_call *call;
    const struct conv *conv;
    struct tensor *x;
    const struct tensor *y;
    struct numbers values, dy; // of x and dLoss/dy, of the product's type
    struct numbers weights;    // packed, with the norm but without gates
    const float *norm;         // the factors of the frozen norm, or NULL
    float *weights_grad;       // of the parameter; NULL if it is frozen
    bool folds;                // the gates were folded into the weights
    float *opened;             // [n, in]: dLoss/dg
};

static void accumulate(const struct backward *b, const float *packed, const float *gates) {
    struct layout layout = layout_of(b->conv);
    if (b->weights_grad)
        LAUNCH(b->nn, add_packed, blocks_for(layout.count, BLOCK_THREADS), BLOCK_THREADS, 0, packed,
               layout, b->norm, gates, b->weights_grad);
}

// From each image's gradient of the unscaled weights to its gates': sum over outputs and taps of
// W dWx for each input channel.
static void folded_weights_backward(const struct backward *b) {
    struct nn *nn = b->nn;
    const struct conv *conv = b->conv;
    struct layout layout = layout_of(conv);
    struct dnn_shape shape = shape_of(conv, b->x, b->y, 1);
    float *packed = nn_scratch(nn, layout.count);
    for (int64_t i = 0; i < b->x->n && !nn_failed(nn); i++) {
        dnn_backward_weights(nn, &shape, image_at(b->values, b->x, i), image_at(b->dy, b->y, i),
                             packed);
        cuda_columns_reduce(nn, COLUMNS_DOT, packed, b->weights, conv->groups,
                            layout.out_of_group * layout.taps, layout.channels,
                            b->opened + i * b->x->c);
        accumulate(b, packed, b->call->gates + i * b->x->c);
    }
    nn_scratch_free(nn, packed);
}

static void weights_backward(const struct backward *b) {
    struct nn *nn = b->nn;
    const struct tensor *x = b->x;
    if (b->call->gates && b->folds) {
        folded_weights_backward(b);
        return;
    }
    if (!b->weights_grad) return;
    struct dnn_shape shape = shape_of(b->conv, x, b->y, x->n);
    float *packed = nn_scratch(nn, b->conv->weight->count);
    struct numbers scaled;
    if (b->call->gates) scaled = scratch_numbers(nn, nn->activations, tensor_count(x));
    if (nn_failed(nn)) return;
    if (scaled.data)
        cuda_rows_scale(nn, b->values, b->call->gates, x->n, x->h * x->w, x->c, scaled);
    dnn_backward_weights(nn, &shape, scaled.data ? scaled : b->values, b->dy, packed);
    accumulate(b, packed, NULL);
    nn_scratch_free(nn, scaled.data);
    nn_scratch_free(nn, packed);
}

// The gates are in the weights of each image, and what flows through their sums waits.
static void deferred_data_backward(const struct backward *b) {
    struct nn *nn = b->nn;
    struct tensor *x = b->x;
    bool add = false;
    struct numbers grad = wanted_grad(nn, x, &add);
    float *pull = nn_scratch(nn, x->n * x->c);
    struct dnn_shape shape = shape_of(b->conv, x, b->y, 1);
    if (nn_failed(nn)) return;
    for (int64_t i = 0; i < x->n; i++) {
        run_pack(nn, b->conv, b->norm, b->call->gates + i * x->c, b->weights);
        dnn_backward_data(nn, &shape, image_at(b->dy, b->y, i), b->weights, add,
                          image_at(grad, x, i));
    }
    cuda_gate_gradient(nn, b->conv->gate, x->embedding, b->opened, x->n, pull);
    cuda_gate_defer(nn, x, pull);
}

// Through the convolution, then through the gate.
static void gated_data_backward(const struct backward *b) {
    struct nn *nn = b->nn;
    const struct gate *gate = b->conv->gate;
    struct tensor *x = b->x;
    int64_t rows = x->h * x->w;
    bool add = false;
    struct numbers grad = wanted_grad(nn, x, &add);
    float *pull = nn_scratch(nn, x->n * x->c);
    struct numbers separate;
    if (add || !grad.data) separate = scratch_numbers(nn, nn->activations, tensor_count(x));
    struct numbers scaled = separate.data ? separate : grad;
    if (nn_failed(nn)) return;
    struct dnn_shape shape = shape_of(b->conv, x, b->y, x->n);
    if (grad.data || !b->folds) dnn_backward_data(nn, &shape, b->dy, b->weights, false, scaled);
    if (!b->folds)
        cuda_columns_reduce(nn, COLUMNS_DOT, scaled, b->values, x->n, rows, x->c, b->opened);
    cuda_gate_gradient(nn, gate, x->embedding, b->opened, x->n, pull);
    const struct gate_flow flow = {gate,         data_of(x), scaled, b->call->gates,
                                   x->embedding, pull,       x->n,   rows};
    if (grad.data) cuda_gate_pull(nn, &flow, add, grad);
    nn_scratch_free(nn, separate.data);
    nn_scratch_free(nn, pull);
}

static void data_backward(const struct backward *b) {
    bool add = false;
    struct numbers grad = wanted_grad(b->nn, b->x, &add);
    struct dnn_shape shape = shape_of(b->conv, b->x, b->y, b->x->n);
    if (grad.data) dnn_backward_data(b->nn, &shape, b->dy, b->weights, add, grad);
}

void cuda_conv_backward(struct nn *nn, struct call *base) {
    struct conv_call *call = (struct conv_call *)base;
    const struct conv *conv = call->conv;
    struct tensor *x = base->inputs[0];
    struct tensor *y = base->out;
    struct operands o = {.nn = nn};
    struct backward b = {.nn = nn, .call = call, .conv = conv, .x = x, .y = y};
    void *copies[2] = {NULL, NULL};
    CHECK(!x->wants_grad || x->type == nn->activations);
    b.folds = conv_folds_gate(conv, x);
    cuda_rows_relu_gradient(nn, y, call->relu);
    cuda_rows_bias_gradient(nn, grad_of(y), tensor_rows(y), y->c, conv->bias);
    float *norm = conv->norm ? cuda_norm_factors(nn, conv->norm, conv->out_channels) : NULL;
    b.norm = norm;
    b.values = cuda_rows_as(nn, nn->activations, data_of(x), tensor_count(x), &copies[0]);
    b.dy = cuda_rows_as(nn, nn->activations, grad_of(y), tensor_count(y), &copies[1]);
    b.weights = scratch_numbers(nn, nn->activations, conv->weight->count);
    b.weights_grad = operand_gradient(&o, conv->weight);
    b.opened = call->gates ? nn_scratch(nn, x->n * x->c) : NULL;
    if (nn_failed(nn)) return;
    run_pack(nn, conv, norm, NULL, b.weights);
    weights_backward(&b);
    if (call->gates && b.folds && x->wants_grad && gate_defers(conv->gate, x))
        deferred_data_backward(&b);
    else if (call->gates && (x->wants_grad || gate_trains(conv->gate)))
        gated_data_backward(&b);
    else
        data_backward(&b);
    nn_scratch_free(nn, b.opened);
    operands_end(&o);
    nn_scratch_free(nn, b.weights.data);
    nn_scratch_free(nn, copies[1]);
    nn_scratch_free(nn, copies[0]);
    nn_scratch_free(nn, norm);
    nn_scratch_free(nn, call->gates);
    call->gates = NULL;
    cuda_rows_residual_gradient(nn, y, call->residual);
}
