// The weights of a convolution as the CPU wants them: the frozen norm multiplied in, in the layout
// that oneDNN chose for a primitive. Kept between steps and made anew when the parameters change.
#pragma once

#include "nn/conv/conv.h"
#include "nn/onednn.h"

// [out]: bias and norm together; NULL if there is neither.
const float *conv_folded_bias(struct nn *nn, struct conv *conv);

// [out]: what the norm multiplies each output channel with; NULL without a norm.
const float *conv_output_scales(struct nn *nn, struct conv *conv);

// Which convolution the weights are for. Turned: the one that computes the gradient of the input,
// [in, out, k, k], rotated by 180 degrees.
enum conv_weights_form {
    CONV_WEIGHTS_DIRECT,
    CONV_WEIGHTS_TURNED,
    CONV_WEIGHTS_WINOGRAD, // [36, out, in]; nn/conv/winograd.h
    CONV_WEIGHTS_WINOGRAD_TURNED,
};

// The weights in the layout of a primitive, and in its precision; NULL after a failure.
const void *conv_packed(struct nn *nn, struct conv *conv, const struct dnn_layout *layout,
                        enum conv_weights_form form);

// To be called at the end of a pass, after which no packed weights are used (nn/pack.h).
void conv_release_packed(struct nn *nn, struct conv *conv);

// Those of the direct convolution with input channel i multiplied by scales[i], in scratch memory
// of the caller's.
void conv_pack_scaled(struct nn *nn, struct conv *conv, const struct dnn_layout *layout,
                      const float *scales, float *packed);
