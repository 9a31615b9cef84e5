#include "nn/matmul.h"

#include <string.h>

#include "nn/rows.h"

// Sizes of pieces are powers of two.
enum { MAX_ROWS = 4096, MIN_ROWS = 64 };

void matmul(struct nn *nn, const char *label, const struct dnn_matmul *shape, const float *a,
            const float *b, float *c) {
    struct dnn_primitive *primitive = NULL;
    struct error err;
    if (nn_failed(nn)) return;
    if (dnn_matmul(nn->onednn, shape, &primitive, &err) != STATUS_OK) {
        nn_fail(nn, err.code, "%s: %s", label, err.message);
        return;
    }
    float *scratch = nn_scratch(nn, dnn_scratch_floats(primitive));
    if (!scratch) return;
    const struct dnn_arguments arguments = {.src = a, .weights = b, .dst = c, .scratch = scratch};
    if (dnn_run(nn->onednn, primitive, &arguments, &err) != STATUS_OK)
        nn_fail(nn, err.code, "%s: %s", label, err.message);
    nn_scratch_free(nn, scratch);
}

static int64_t piece_of(int64_t left) {
    int64_t piece = MAX_ROWS;
    while (piece > left && piece > MIN_ROWS)
        piece /= 2;
    return piece;
}

// count rows of c numbers, filled up to wanted ones; *copy is scratch memory. NULL after a failure.
static const float *filled(struct nn *nn, const float *rows, int64_t count, int64_t wanted,
                           int64_t c, float **copy) {
    *copy = NULL;
    if (count >= wanted) return rows;
    *copy = nn_scratch(nn, wanted * c);
    if (!*copy) return NULL;
    memcpy(*copy, rows, (size_t)(count * c) * sizeof **copy);
    memset(*copy + count * c, 0, (size_t)((wanted - count) * c) * sizeof **copy);
    return *copy;
}

void matmul_rows_weights(const struct matmul_rows *r, const float *x, bool add, float *dw) {
    struct nn *nn = r->nn;
    for (int64_t first = 0, piece = 0; first < r->rows && !nn_failed(nn); first += piece) {
        int64_t left = r->rows - first;
        float *copies[2];
        piece = piece_of(left);
        const float *a = filled(nn, r->dy + first * r->out, left, piece, r->out, &copies[0]);
        const float *b = filled(nn, x + first * r->in, left, piece, r->in, &copies[1]);
        const struct dnn_matmul shape = {
            .m = r->out,
            .n = r->in,
            .k = piece,
            .transpose_a = true,
            .accumulate = add || first > 0,
        };
        matmul(nn, r->label, &shape, a, b, dw);
        nn_scratch_free(nn, copies[1]);
        nn_scratch_free(nn, copies[0]);
    }
}

void matmul_rows_input(const struct matmul_rows *r, const float *weights, bool add, float *dx) {
    struct nn *nn = r->nn;
    for (int64_t first = 0, piece = 0; first < r->rows && !nn_failed(nn); first += piece) {
        int64_t left = r->rows - first;
        float *copy = NULL;
        piece = piece_of(left);
        const float *a = filled(nn, r->dy + first * r->out, left, piece, r->out, &copy);
        float *dst = dx + first * r->in;
        float *separate = copy ? nn_scratch(nn, piece * r->in) : NULL;
        const struct dnn_matmul shape = {
            .m = piece,
            .n = r->in,
            .k = r->out,
            .accumulate = add && !separate,
        };
        matmul(nn, r->label, &shape, a, weights, separate ? separate : dst);
        if (separate && !nn_failed(nn) && add) rows_add(separate, left * r->in, dst);
        if (separate && !nn_failed(nn) && !add)
            memcpy(dst, separate, (size_t)(left * r->in) * sizeof *dst);
        nn_scratch_free(nn, separate);
        nn_scratch_free(nn, copy);
    }
}
