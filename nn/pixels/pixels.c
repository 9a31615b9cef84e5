#include "base/check.h"
#include "nn/pixels/pixels_call.h"

void pixels_check(const struct pixels_picture *picture, struct extent padded) {
    const struct crop *crop = &picture->crop;
    CHECK(picture->width > 0 && picture->height > 0);
    CHECK(crop->extent.width > 0 && crop->extent.height > 0);
    CHECK(crop->extent.width <= padded.width && crop->extent.height <= padded.height);
    CHECK(crop->left >= 0 && crop->left <= crop->resized.width - crop->extent.width);
    CHECK(crop->top >= 0 && crop->top <= crop->resized.height - crop->extent.height);
}

struct tensor *pixels_forward(struct nn *nn, const struct pixels *pixels) {
    for (int64_t i = 0; i < pixels->count; i++)
        pixels_check(&pixels->pictures[i], pixels->padded);
    struct pixels_call *call = nn_call(nn, OP_pixels, sizeof *call);
    call->pixels = pixels;
    call->call.label = "pixels";
    call->call.out = nn_tensor(nn, pixels->count, pixels->padded.height, pixels->padded.width, 3);
    nn_run(nn, &call->call);
    return call->call.out;
}
