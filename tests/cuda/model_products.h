// The products that models ask cuDNN for (nn/cuda/cudnn/plans.h), read off their networks on the
// plan device.
#pragma once

#include "nn/cuda/cudnn/plans.h"

enum { MODEL_MAX_PRODUCTS = 1 << 13 };

struct product_list {
    struct product items[MODEL_MAX_PRODUCTS];
    // How often layers ask for each for one image, with as many regions as there may be; 0 for what
    // only some steps ask for: gradients that are added, and sums over several images.
    int32_t times[MODEL_MAX_PRODUCTS];
    int64_t count;
    int32_t places[2 * MODEL_MAX_PRODUCTS]; // a hash table of indices into items, from 1
};

// Adds those of a configuration file's model that are not there yet: the forward and the backward
// pass of every convolution, transposed convolution and linear layer, for an image of this size
// after padding. rules: of enum product_rule.
void collect_products(struct product_list *list, const char *path, int32_t rules, int32_t height,
                      int32_t width);

// The same for the sizes that images come in, from square ones on, each step pixels longer, up to
// the longest.
void collect_products_of_all_sizes(struct product_list *list, const char *path, int32_t rules,
                                   int32_t step);
