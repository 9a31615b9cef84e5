#include "tests/cuda/onednn/convolution.h"

#include <stdlib.h>

#include "base/check.h"

// What a computation needs beside its operands.
struct buffers {
    float *plain;  // weights in PyTorch's order
    float *packed; // and in the layout of the primitive
    float *scratch;
    float *gradient; // of x, where it is to be added
};

static float *floats(int64_t count) {
    enum { ALIGNMENT = 64 };
    size_t bytes = (size_t)count * sizeof(float);
    return aligned_alloc(ALIGNMENT, (bytes + ALIGNMENT) / ALIGNMENT * ALIGNMENT);
}

static void buffers_free(struct buffers *b) {
    free(b->plain);
    free(b->packed);
    free(b->scratch);
    free(b->gradient);
}

// A matrix product's rows are one image, however they are arranged: oneDNN is fast at few images of
// many positions, and not at the reverse.
static struct dnn_conv conv_of(enum dnn_pass pass, const struct dnn_shape *s,
                               const struct convolution_operands *o) {
    bool is_product = s->kernel == 1 && s->stride == 1 && s->padding == 0;
    return (struct dnn_conv){
        .pass = pass,
        .n = is_product ? 1 : s->n,
        .h = is_product ? s->n * s->h * s->w : s->h,
        .w = is_product ? 1 : s->w,
        .in_channels = s->in,
        .out_channels = s->out,
        .groups = s->groups,
        .kernel = s->kernel,
        .stride = s->stride,
        .padding = s->padding,
        .bias = o->bias != NULL,
        .residual = o->residual != NULL,
        .relu = o->relu,
    };
}

// Between [out, positions, in] and [out, in, positions]: from has so many columns.
static void transpose(const float *from, int64_t out, int64_t rows, int64_t columns, float *to) {
    for (int64_t o = 0; o < out; o++) {
        const float *matrix = from + o * rows * columns;
        for (int64_t c = 0; c < columns; c++)
            for (int64_t r = 0; r < rows; r++)
                *to++ = matrix[r * columns + c];
    }
}

// oneDNN adds to results of forward passes only.
static void add(const float *gradient, int64_t count, float *result) {
    for (int64_t i = 0; gradient && i < count; i++)
        result[i] += gradient[i];
}

static enum status run(struct onednn *dnn, struct dnn_primitive *primitive,
                       const struct dnn_shape *s, const struct convolution_operands *o,
                       const struct buffers *b, struct error *err) {
    const struct dnn_layout *layout = dnn_weights_layout(primitive);
    int64_t positions = s->kernel * s->kernel;
    int64_t in = s->in / s->groups;
    bool of_weights = !o->weights;
    if (!of_weights) {
        transpose(o->weights, s->out, positions, in, b->plain);
        TRY(dnn_pack(dnn, layout, b->plain, b->packed, err));
    }
    const struct dnn_arguments arguments = {
        .src = o->x ? o->x : o->dy,
        .weights = of_weights ? NULL : b->packed,
        .bias = o->bias,
        .residual = o->residual,
        .diff_dst = of_weights ? o->dy : NULL,
        .dst = of_weights    ? b->packed
               : b->gradient ? b->gradient
                             : o->result,
        .scratch = b->scratch,
    };
    TRY(dnn_run(dnn, primitive, &arguments, err));
    add(b->gradient, s->n * s->h * s->w * s->in, o->result);
    if (!of_weights) return STATUS_OK;
    TRY(dnn_unpack(dnn, layout, b->packed, b->plain, err));
    transpose(b->plain, s->out, in, positions, o->result);
    return STATUS_OK;
}

enum status convolution_compute(struct onednn *dnn, enum dnn_pass pass,
                                const struct dnn_shape *shape,
                                const struct convolution_operands *operands, struct error *err) {
    CHECK((operands->weights == NULL) == (pass == DNN_BACKWARD_WEIGHTS));
    CHECK((operands->x == NULL) == (pass == DNN_BACKWARD_DATA));
    struct dnn_conv conv = conv_of(pass, shape, operands);
    struct dnn_primitive *primitive = NULL;
    TRY(dnn_conv(dnn, &conv, &primitive, err));
    int64_t count = shape->out * shape->kernel * shape->kernel * (shape->in / shape->groups);
    int64_t packed_count = dnn_layout_floats(dnn_weights_layout(primitive));
    int64_t in_count = shape->n * shape->h * shape->w * shape->in;
    struct buffers b = {floats(count), floats(packed_count), floats(dnn_scratch_floats(primitive)),
                        operands->add ? floats(in_count) : NULL};
    enum status status = STATUS_OK;
    if (b.plain && b.packed && b.scratch && (b.gradient || !operands->add))
        status = run(dnn, primitive, shape, operands, &b, err);
    else
        status = error_memory(err, "a convolution", count);
    buffers_free(&b);
    return status;
}
