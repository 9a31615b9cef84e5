// One product of nn/cuda/dnn.h as cuDNN sees it: an operation graph, the same for all with equal
// bytes. Images are [n, h, w, c], weights [out, kernel, kernel, in / groups]. Sums are float32,
// whatever type the product's operands have.
#pragma once

#include "nn/cuda/cudnn/descriptor.h"
#include "nn/cuda/cudnn/plans.h"

// The graph of a product. On failure list->status says why.
descriptor product_graph(struct descriptors *list, const struct product *product);

// The operands that it reads and writes, as they are numbered in its graph, and their addresses.
// Returns how many.
int product_operands(const struct product *product, const struct product_data *data,
                     int64_t *numbers, void **addresses);
