#include <stddef.h>

#include "nn/bf16.h"
#include "nn/conv/conv_product.h"
#include "nn/conv/conv_weights.h"
#include "nn/onednn.h"

enum {
    PIECE_NUMBERS = 1 << 19, // of bf16 at most in a piece
    ROWS_AT_ONCE = 32,       // that a thread rounds
};

bool conv_product_applies(const struct nn *nn, const struct conv *conv) {
    return nn->precision == NN_BF16 && conv->kernel == 1 && conv->padding == 0 &&
           conv->groups == 1 && conv->images_at_once == 1;
}

// ---- Rounding ----

// Neighbouring positions of one image's result.
struct piece {
    int64_t first, count;
};

// Those from first to end that lie in one line; returns the end of what was rounded.
static int64_t round_line(const struct conv_call *call, const float *image, const float *gates,
                          int64_t first, int64_t end, uint16_t *rows) {
    const struct tensor *x = call->call.inputs[0];
    int64_t width = call->call.out->w;
    int64_t stride = call->conv->stride;
    int64_t line = first / width;
    int64_t line_end = (line + 1) * width < end ? (line + 1) * width : end;
    const float *from = image + (line * x->w + first % width) * stride * x->c;
    bf16_of_rows(from, stride * x->c, gates, line_end - first, x->c, rows);
    return line_end;
}

static void round_piece(const struct conv_call *call, const float *image, const float *gates,
                        struct piece piece, uint16_t *rows) {
    int64_t c = call->conv->in_channels;
#pragma omp parallel for schedule(static)
    for (int64_t begin = 0; begin < piece.count; begin += ROWS_AT_ONCE) {
        int64_t left = piece.count - begin;
        int64_t end = begin + (left < ROWS_AT_ONCE ? left : ROWS_AT_ONCE);
        for (int64_t at = begin; at < end;)
            at =
                round_line(call, image, gates, piece.first + at, piece.first + end, rows + at * c) -
                piece.first;
    }
}

// ---- Products ----

static void run_piece(struct nn *nn, const struct conv_call *call, int64_t image,
                      struct piece piece, uint16_t *rows) {
    struct conv *conv = call->conv;
    const struct tensor *x = call->call.inputs[0];
    const struct tensor *y = call->call.out;
    const struct dnn_linear shape = {
        .rows = piece.count,
        .in = conv->in_channels,
        .out = conv->out_channels,
        .bias = conv->bias || conv->norm,
        .residual = call->residual != NULL,
        .relu = call->relu,
        .bf16 = true,
    };
    struct dnn_primitive *primitive = NULL;
    struct error err;
    if (dnn_linear(nn->onednn, &shape, &primitive, &err) != STATUS_OK) {
        nn_fail(nn, err.code, "%s: %s", conv->label, err.message);
        return;
    }
    int64_t at = (image * y->h * y->w + piece.first) * y->c;
    const struct dnn_arguments arguments = {
        .src = rows,
        .weights = conv_packed(nn, conv, dnn_weights_layout(primitive), CONV_WEIGHTS_DIRECT),
        .bias = conv_folded_bias(nn, conv),
        .residual = call->residual ? call->residual->data + at : NULL,
        .dst = y->data + at,
        .scratch = nn_scratch(nn, dnn_scratch_floats(primitive)),
    };
    if (nn_failed(nn)) return;
    round_piece(call, x->data + image * x->h * x->w * x->c,
                call->gates ? call->gates + image * x->c : NULL, piece, rows);
    if (dnn_run(nn->onednn, primitive, &arguments, &err) != STATUS_OK)
        nn_fail(nn, err.code, "%s: %s", conv->label, err.message);
    nn_scratch_free(nn, arguments.scratch);
}

void conv_product_run(struct nn *nn, const struct conv_call *call) {
    const struct tensor *y = call->call.out;
    int64_t positions = y->h * y->w;
    // Pieces of one image, which does not depend on others then; nearly equal ones.
    int64_t pieces = (positions * call->conv->in_channels + PIECE_NUMBERS - 1) / PIECE_NUMBERS;
    int64_t step = (positions + pieces - 1) / pieces;
    uint16_t *rows = bf16_scratch(nn, step * call->conv->in_channels);
    for (int64_t image = 0; image < y->n; image++) {
        for (int64_t first = 0; first < positions && !nn_failed(nn); first += step) {
            int64_t left = positions - first;
            run_piece(nn, call, image, (struct piece){first, left < step ? left : step}, rows);
        }
    }
    nn_scratch_free(nn, rows);
}
