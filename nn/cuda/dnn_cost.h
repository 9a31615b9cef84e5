// What the products of nn/cuda/dnn.h cost, and the copies around them. The workspace that their
// implementations need is theirs and not counted.
#pragma once

#include "nn/cuda/cost_launch.h"
#include "nn/cuda/dnn_shape.h"

// result: the type of what is written.
void cost_dnn_forward(struct cost_sheet *sheet, const struct dnn_shape *shape, bool has_residual,
                      enum number_type result);
// Whether the next is part of the forward product (dnn_sums_squares).
bool cost_dnn_sums_squares(const struct cost_sheet *sheet);
// The sums of squares of an image's result (struct dnn_epilogue).
void cost_dnn_squares(struct cost_sheet *sheet, const struct dnn_shape *shape);
void cost_dnn_backward_data(struct cost_sheet *sheet, const struct dnn_shape *shape, bool adds);
void cost_dnn_backward_weights(struct cost_sheet *sheet, const struct dnn_shape *shape);

// The pass, of that name, that writes weights in the order in which products read them.
void cost_dnn_pack(struct cost_sheet *sheet, const char *pass, const struct parameter *weight);
// Both gradients of a layer that is one product: of its weights, added to what is there, and of its
// input, for which its weights are packed again.
void cost_dnn_backward(struct cost_sheet *sheet, const struct dnn_shape *shape, const char *pass,
                       const struct parameter *weight, const struct tensor *input);
