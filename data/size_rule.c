// The size rules of four families, each with its own rounding.
#include <math.h>

#include "base/check.h"
#include "data/resize.h"

// parity: Detectron, utils/blob.py; the size is OpenCV's rounding, halves to even.
static struct image_size detectron(double width, double height, double short_side,
                                   double long_side) {
    double scale = short_side / fmin(width, height);
    if (rint(scale * fmax(width, height)) > long_side) scale = long_side / fmax(width, height);
    return (struct image_size){(int32_t)rint(width * scale), (int32_t)rint(height * scale)};
}

// parity: maskrcnn-benchmark, transforms.py.
static struct image_size maskrcnn_benchmark(double width, double height, double short_side,
                                            double long_side) {
    double shorter = fmin(width, height);
    double longer = fmax(width, height);
    double size = short_side;
    if (longer / shorter * size > long_side) size = rint(long_side * shorter / longer);
    double long_size = trunc(size * longer / shorter);
    return width < height ? (struct image_size){(int32_t)size, (int32_t)long_size}
                          : (struct image_size){(int32_t)long_size, (int32_t)size};
}

// parity: detectron2, ResizeShortestEdge; the shorter side is taken as it is, not multiplied.
static struct image_size detectron2(double width, double height, double short_side,
                                    double long_side) {
    double scale = short_side / fmin(width, height);
    double new_width = height < width ? scale * width : short_side;
    double new_height = height < width ? short_side : scale * height;
    double longer = fmax(new_width, new_height);
    if (longer > long_side) {
        new_width *= long_side / longer;
        new_height *= long_side / longer;
    }
    return (struct image_size){(int32_t)(new_width + 0.5), (int32_t)(new_height + 0.5)};
}

// parity: torchvision, GeneralizedRCNNTransform, where the scale is a float32 tensor: products of a
// rounded reciprocal, so that 480 * (800 / 480) stays below 800 in some versions.
static struct image_size torchvision(double width, double height, double short_side,
                                     double long_side) {
    float short_scale = 1.0F / (float)fmin(width, height) * (float)short_side;
    float long_scale = 1.0F / (float)fmax(width, height) * (float)long_side;
    double scale = (double)fminf(short_scale, long_scale);
    return (struct image_size){(int32_t)floor(width * scale), (int32_t)floor(height * scale)};
}

struct image_size size_rule_apply(enum size_rule rule, int32_t width, int32_t height,
                                  int32_t short_side, int32_t long_side) {
    CHECK(width > 0 && height > 0 && short_side > 0 && long_side > 0);
    struct image_size size = {0};
    switch (rule) {
    case SIZE_RULE_DETECTRON:
        size = detectron(width, height, short_side, long_side);
        break;
    case SIZE_RULE_MASKRCNN_BENCHMARK:
        size = maskrcnn_benchmark(width, height, short_side, long_side);
        break;
    case SIZE_RULE_DETECTRON2:
        size = detectron2(width, height, short_side, long_side);
        break;
    case SIZE_RULE_TORCHVISION:
        size = torchvision(width, height, short_side, long_side);
        break;
    }
    if (size.width < 1) size.width = 1;
    if (size.height < 1) size.height = 1;
    return size;
}
