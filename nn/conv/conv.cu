// The gated convolution on CUDA; conv.h has the equations.
//
// Where weights are smaller than an image (feature maps), the gate is folded into them, image by
// image, and backward the gate's gradient is read off the weights' gradient: no pass over
// activations either way. Elsewhere (the maps of regions) activations are scaled.

#include "nn/conv/conv_pack.h"
#include "nn/cuda/dnn.h"
#include "nn/cuda/kept.h"
#include "nn/cuda/rows.h"
#include "nn/gate/gate_cuda.h"

extern "C" {
#include "nn/conv/conv.h"
#include "nn/conv/conv_folds.h"
#include "nn/gate/gate_defers.h"
}

// ---- What is kept ----

// From image to image.
struct conv_cache {
    struct kept norm;    // its factors
    struct kept weights; // packed, with the norm; in inference
};

// The factors of the frozen norm; NULL without one, or after a failure.
static const float *kept_norm(struct nn *nn, struct conv *conv) {
    struct conv_cache *cache = conv->norm ? cuda_cache(nn, &conv->cache) : NULL;
    if (!cache) return NULL;
    int64_t count = 2 * conv->out_channels;
    return cuda_kept(nn, &cache->norm, conv->norm->weight, count, 0, [&](float *values) {
        float *factors = cuda_norm_factors(nn, conv->norm, conv->out_channels);
        cuda_copy(nn, values, factors, count * (int64_t)sizeof *factors);
        nn_scratch_free(nn, factors);
    });
}

// Packed weights with the norm: kept ones, or scratch memory, whose address is *scratch, which is
// NULL otherwise.
static struct numbers packed_weights(struct nn *nn, struct conv *conv, const float *norm,
                                     void **scratch) {
    *scratch = NULL;
    if (nn->mode == NN_INFERENCE) {
        struct conv_cache *cache = cuda_cache(nn, &conv->cache);
        if (!cache) return numbers();
        return cuda_kept_numbers(
            nn, &cache->weights, conv->weight, nn->activations, conv->weight->count, 0,
            [&](struct numbers values) { cuda_conv_pack(nn, conv, norm, NULL, values); });
    }
    struct numbers weights = scratch_numbers(nn, nn->activations, conv->weight->count);
    *scratch = weights.data;
    cuda_conv_pack(nn, conv, norm, NULL, weights);
    return weights;
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
        cuda_conv_pack(nn, call->conv, norm, call->gates + i * x->c, weights);
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

static void run(struct nn *nn, const struct conv_call *call, const float *norm,
                const struct dnn_epilogue *epilogue) {
    const struct tensor *x = call->call.inputs[0];
    const struct tensor *y = call->call.out;
    void *copy = NULL;
    struct maps maps;
    maps.x = cuda_rows_as(nn, nn->activations, data_of(x), tensor_count(x), &copy);
    maps.y = data_of(y);
    if (nn_failed(nn)) return;
    if (call->gates && conv_folds_gate(call->conv, x)) {
        run_folded(nn, call, &maps, norm, epilogue);
    } else {
        void *scratch = NULL;
        struct numbers weights = packed_weights(nn, call->conv, norm, &scratch);
        run_whole(nn, call, &maps, weights, epilogue);
        nn_scratch_free(nn, scratch);
    }
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
    if (conv->gate) call->gates = cuda_gate_open(nn, conv->gate, x);
    const float *norm = kept_norm(nn, conv);
    bool sums_squares = conv_sums_squares(conv) && dnn_sums_squares(nn);
    struct operands o = {.nn = nn};
    struct dnn_epilogue epilogue = {operand_values(&o, conv->bias), data_of(call->residual),
                                    call->relu, sums_squares ? squares_of(nn, base->out) : NULL};
    if (norm) epilogue.bias = norm + conv->out_channels;
    if (nn_failed(nn)) return;
    run(nn, call, norm, &epilogue);
    operands_end(&o);
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
    const float *norm;         // the factors of the frozen norm, or NULL
    bool folds;                // the gates were folded into the weights
    // What flows through the gates' sums: whether it waits at x (gate_defers.h), where it is, [n,
    // in], and whether something is there already.
    bool defers;
    float *pull;
    bool adds_pull;
};

// Of each image the gradient of the weights without gates, which is that of the gates, too.
static void folded_weights_backward(const struct backward *b) {
    struct nn *nn = b->nn;
    const struct tensor *x = b->x;
    struct dnn_shape shape = shape_of(b->conv, x, b->y, 1);
    float *packed = nn_scratch(nn, b->conv->weight->count);
    for (int64_t i = 0; i < x->n && !nn_failed(nn); i++) {
        int64_t at = i * x->c;
        const struct conv_gates gates = {b->call->gates + at, x->embedding + at, b->pull + at,
                                         b->adds_pull};
        dnn_backward_weights(nn, &shape, image_at(b->values, x, i), image_at(b->dy, b->y, i),
                             packed);
        cuda_conv_unpack_gated(nn, b->conv, packed, b->norm, &gates);
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
    if (!b->conv->weight->grad) return;
    struct dnn_shape shape = shape_of(b->conv, x, b->y, x->n);
    float *packed = nn_scratch(nn, b->conv->weight->count);
    struct numbers scaled;
    if (b->call->gates) scaled = scratch_numbers(nn, nn->activations, tensor_count(x));
    if (nn_failed(nn)) return;
    if (scaled.data)
        cuda_rows_scale(nn, b->values, b->call->gates, x->n, x->h * x->w, x->c, scaled);
    dnn_backward_weights(nn, &shape, scaled.data ? scaled : b->values, b->dy, packed);
    cuda_conv_unpack(nn, b->conv, packed, b->norm);
    nn_scratch_free(nn, scaled.data);
    nn_scratch_free(nn, packed);
}

// Through the convolution alone, whose weights have no gates.
static void plain_data_backward(const struct backward *b, bool add, struct numbers grad) {
    struct nn *nn = b->nn;
    struct dnn_shape shape = shape_of(b->conv, b->x, b->y, b->x->n);
    struct numbers weights = scratch_numbers(nn, nn->activations, b->conv->weight->count);
    if (nn_failed(nn)) return;
    cuda_conv_pack(nn, b->conv, b->norm, NULL, weights);
    dnn_backward_data(nn, &shape, b->dy, weights, add, grad);
    nn_scratch_free(nn, weights.data);
}

// The gates are in the weights of each image, and what flows through their sums waits.
static void deferred_data_backward(const struct backward *b) {
    struct nn *nn = b->nn;
    struct tensor *x = b->x;
    bool add = false;
    struct numbers grad = wanted_grad(nn, x, &add);
    struct numbers weights = scratch_numbers(nn, nn->activations, b->conv->weight->count);
    struct dnn_shape shape = shape_of(b->conv, x, b->y, 1);
    if (nn_failed(nn)) return;
    for (int64_t i = 0; i < x->n; i++) {
        cuda_conv_pack(nn, b->conv, b->norm, b->call->gates + i * x->c, weights);
        dnn_backward_data(nn, &shape, image_at(b->dy, b->y, i), weights, add, image_at(grad, x, i));
    }
    nn_scratch_free(nn, weights.data);
}

// Through the convolution, then through the gate.
static void gated_data_backward(const struct backward *b) {
    struct nn *nn = b->nn;
    const struct gate *gate = b->conv->gate;
    struct tensor *x = b->x;
    bool add = false;
    struct numbers grad = wanted_grad(nn, x, &add);
    struct numbers separate;
    if (add || !grad.data) separate = scratch_numbers(nn, nn->activations, tensor_count(x));
    struct numbers scaled = separate.data ? separate : grad;
    if (nn_failed(nn)) return;
    if (grad.data || !b->folds) plain_data_backward(b, false, scaled);
    if (!b->folds) cuda_gate_close(nn, gate, x, b->values, scaled, b->pull);
    const struct gate_flow flow = {gate,         data_of(x), scaled, b->call->gates,
                                   x->embedding, b->pull,    x->n,   x->h * x->w};
    if (grad.data) cuda_gate_pull(nn, &flow, add, grad);
    nn_scratch_free(nn, separate.data);
}

static void data_backward(const struct backward *b) {
    if (b->defers) {
        deferred_data_backward(b);
        return;
    }
    if (b->call->gates && (b->x->wants_grad || gate_trains(b->conv->gate))) {
        gated_data_backward(b);
        return;
    }
    bool add = false;
    struct numbers grad = wanted_grad(b->nn, b->x, &add);
    if (grad.data) plain_data_backward(b, add, grad);
}

// Where what flows through the gates' sums goes.
static void open_pull(struct backward *b) {
    struct tensor *x = b->x;
    b->folds = conv_folds_gate(b->conv, x);
    if (!b->call->gates) return;
    b->defers = b->folds && x->wants_grad && gate_defers(b->conv->gate, x);
    b->adds_pull = b->defers && x->pull;
    b->pull = b->adds_pull ? x->pull : nn_scratch(b->nn, x->n * x->c);
}

static void close_pull(const struct backward *b) {
    if (b->defers)
        b->x->pull = b->pull;
    else
        nn_scratch_free(b->nn, b->pull);
}

void cuda_conv_backward(struct nn *nn, struct call *base) {
    struct conv_call *call = (struct conv_call *)base;
    struct conv *conv = call->conv;
    struct tensor *x = base->inputs[0];
    struct tensor *y = base->out;
    struct backward b = {.nn = nn, .call = call, .conv = conv, .x = x, .y = y};
    void *copies[2] = {NULL, NULL};
    CHECK(!x->wants_grad || x->type == nn->activations);
    cuda_rows_relu_gradient(nn, y, call->relu);
    cuda_rows_bias_gradient(nn, grad_of(y), tensor_rows(y), y->c, conv->bias);
    b.norm = kept_norm(nn, conv);
    b.values = cuda_rows_as(nn, nn->activations, data_of(x), tensor_count(x), &copies[0]);
    b.dy = cuda_rows_as(nn, nn->activations, grad_of(y), tensor_count(y), &copies[1]);
    open_pull(&b);
    if (nn_failed(nn)) return;
    weights_backward(&b);
    data_backward(&b);
    close_pull(&b);
    nn_scratch_free(nn, copies[1]);
    nn_scratch_free(nn, copies[0]);
    nn_scratch_free(nn, call->gates);
    call->gates = NULL;
    cuda_rows_residual_gradient(nn, y, call->residual);
}
