// PNG files whose samples are numbers, not colours: instance numbers, labels.
#pragma once

#include "data/image.h"

struct grey16_image {
    int32_t width;
    int32_t height;
    uint16_t *samples; // [height, width]
};

// Reads a grey PNG of 1 to 16 bits; the numbers are as stored, not stretched. limits bound it as
// they bound images. Errors: STATUS_NO_INPUT, STATUS_DATA, STATUS_UNSUPPORTED (colours),
// STATUS_MEMORY.
MUST_CHECK enum status grey16_load(struct grey16_image *image, const char *path,
                                   const struct image_limits *limits, struct arena *arena,
                                   struct error *err);
