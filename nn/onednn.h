// oneDNN, the library behind convolutions and matrix products on the CPU. This is the only file of
// the project that knows it, and it hides what differs between its versions 2.6 and 3.
//
// A primitive is a computation prepared for one shape; the library compiles code for it, so
// primitives are kept: the 1024 used last, at 0.1 MiB each. To make one takes half a millisecond,
// so that even a training step on images of new extents, with a hundred of them, loses 1 % by that.
//
// Activations are NHWC. The library chooses the layout of weights for each primitive; weights are
// brought there with dnn_pack. Nothing is allocated when a primitive that was seen before is looked
// up; the library's own calls allocate a few hundred bytes.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct onednn;
struct dnn_primitive;
struct dnn_layout;

// Whether the processor multiplies bf16 numbers by itself; without, the library emulates that,
// slower than float32.
bool onednn_has_bf16(void);

MUST_CHECK enum status onednn_create(struct onednn **dnn, struct error *err);
void onednn_destroy(struct onednn *dnn); // NULL is fine

enum dnn_pass { DNN_FORWARD, DNN_BACKWARD_DATA, DNN_BACKWARD_WEIGHTS };

// A convolution, seen from the forward direction: [n, h, w, in] to [n, oh, ow, out], with
// oh = (h + 2 padding - kernel) / stride + 1.
struct dnn_conv {
    enum dnn_pass pass;
    int64_t n, h, w;
    int64_t in_channels, out_channels, groups;
    int64_t kernel, stride, padding;
    bool bias;       // forward only, as are the next two
    bool residual;   // a tensor like the result is added to it
    bool relu;       // last
    bool accumulate; // the result is added to what is in dst; not for backward weights
    bool bf16;       // src and weights are bf16, all else float32; forward only
};

// out[rows, out] = in[rows, in] x weights[out, in]^T + bias, then ReLU; with a batch, so many of
// them side by side, without bias: out[batch, rows, out] and so on.
struct dnn_linear {
    int64_t batch; // 0 is 1
    int64_t rows, in, out;
    bool bias;
    bool residual; // as for a convolution; not with a batch
    bool relu;
    bool bf16; // in and weights
};

// c[batch, m, n] = op(a) b + (accumulate ? c : 0), all in plain order (the last index innermost):
// b is [batch, k, n], and a [batch, m, k] or, transposed, [batch, k, m]. For dnn_run a is src, b
// weights, c dst.
struct dnn_matmul {
    int64_t batch; // 0 is 1
    int64_t m, n, k;
    bool transpose_a;
    bool accumulate;
};

// Prepared primitives; the pointers hold until the next call of any of these functions.
MUST_CHECK enum status dnn_conv(struct onednn *dnn, const struct dnn_conv *shape,
                                struct dnn_primitive **primitive, struct error *err);
MUST_CHECK enum status dnn_linear(struct onednn *dnn, const struct dnn_linear *shape,
                                  struct dnn_primitive **primitive, struct error *err);

MUST_CHECK enum status dnn_matmul(struct onednn *dnn, const struct dnn_matmul *shape,
                                  struct dnn_primitive **primitive, struct error *err);

// The name of the library's implementation, such as "brgconv:avx512_core".
const char *dnn_implementation(const struct dnn_primitive *primitive);

// Floats that a primitive needs as scratch memory.
int64_t dnn_scratch_floats(const struct dnn_primitive *primitive);

// The layout of a primitive's weights (of their gradient in a backward-weights pass). Equal layouts
// are the same pointer and live as long as dnn; NULL for matmul. A weight in bf16 takes half a
// float.
const struct dnn_layout *dnn_weights_layout(const struct dnn_primitive *primitive);
int64_t dnn_layout_floats(const struct dnn_layout *layout);

// Between PyTorch's order ([out, in / groups, kh, kw], or [out, in] for a linear layer), always in
// float32, and the layout.
MUST_CHECK enum status dnn_pack(struct onednn *dnn, const struct dnn_layout *layout,
                                const float *plain, void *packed, struct error *err);
MUST_CHECK enum status dnn_unpack(struct onednn *dnn, const struct dnn_layout *layout,
                                  const void *packed, float *plain, struct error *err);

// Whether dnn_scale_inputs can work on this layout: of float32, blocked in a way that it knows.
bool dnn_can_scale_inputs(const struct dnn_layout *layout);
// scaled = packed weights with input channel i multiplied by scales[i].
void dnn_scale_inputs(const struct dnn_layout *layout, const float *packed, const float *scales,
                      float *scaled);

// What a primitive reads and writes; unused ones are NULL.
struct dnn_arguments {
    const void *src; // forward: the input; backward data: dst's gradient; weights: the input
    const void *weights;
    const float *bias;
    const float *residual;
    const float *diff_dst; // backward weights: the gradient of the convolution's result
    float *dst;            // the result, whatever it is
    float *scratch;
};

MUST_CHECK enum status dnn_run(struct onednn *dnn, struct dnn_primitive *primitive,
                               const struct dnn_arguments *arguments, struct error *err);

// The version that is linked, "2.6.3".
struct onednn_version {
    char text[32];
};
struct onednn_version onednn_version(void);
