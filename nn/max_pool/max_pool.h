// Maximum over windows: y[oy, ox] = max of x over the kernel x kernel window whose first position
// is (oy stride - padding, ox stride - padding); what lies outside of x is -infinity. The gradient
// goes to the first position, row by row, that holds the maximum. A NaN is larger than any number.
//
// After the stem of a ResNet: kernel 3, stride 2, padding 1 (He et al., CVPR 2016, table 1). With
// kernel 1, every stride-th position: the coarsest level of a feature pyramid (Lin et al., CVPR
// 2017, section 4.1, footnote).
#pragma once

#include "nn/nn.h"

struct max_pool_call {
    struct call call;
    int64_t kernel, stride, padding;
};

// [n, h, w, c] to [n, oh, ow, c], oh = (h + 2 padding - kernel) / stride + 1, rounded down. The
// padding is at most half of the kernel, so that no window is empty.
struct tensor *max_pool_forward(struct nn *nn, struct tensor *x, int64_t kernel, int64_t stride,
                                int64_t padding);
