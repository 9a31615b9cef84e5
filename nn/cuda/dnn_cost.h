// What the products of nn/cuda/dnn.h cost, and the copies around them. The workspace that their
// implementations need is theirs and not counted.
#pragma once

#include "nn/cuda/cost_launch.h"
#include "nn/cuda/dnn_shape.h"

void cost_dnn_forward(struct cost_sheet *sheet, const struct dnn_shape *shape, bool has_residual);
void cost_dnn_backward_data(struct cost_sheet *sheet, const struct dnn_shape *shape, bool adds);
void cost_dnn_backward_weights(struct cost_sheet *sheet, const struct dnn_shape *shape);
