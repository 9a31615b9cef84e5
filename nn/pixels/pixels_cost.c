#include "base/resample.h"
#include "nn/cuda/cost_launch.h"
#include "nn/pixels/pixels_call.h"

enum { PIXEL_BYTES = 3, VALUE_BYTES = 4 };

static double bytes_of(double pixels) {
    return pixels * PIXEL_BYTES / VALUE_BYTES;
}

// Of the picture's rows, those that the part is made of.
static double rows_of(const struct pixels_picture *p) {
    return (double)p->height * p->crop.extent.height / p->crop.resized.height;
}

// The tables of one axis, as far as the part needs them.
static double taps_of(int64_t part, int64_t to, int64_t from) {
    int64_t each = resample_taps_ints(to, from) / to;
    return (double)(each * part);
}

// What a pass over the part reads.
static double read_by_fill(const struct pixels *pixels, const struct pixels_picture *p) {
    const struct crop *crop = &p->crop;
    double values = 3 * PIXELS_BYTE_VALUES;
    double area = (double)crop->extent.width * crop->extent.height;
    if (pixels_keep_size(p)) return values + bytes_of(area);
    if (pixels->rules->resizes_bytes)
        return values + bytes_of(rows_of(p) * crop->extent.width) +
               taps_of(crop->extent.height, crop->resized.height, p->height);
    double columns = (double)p->width * crop->extent.width / crop->resized.width;
    return values + bytes_of(rows_of(p) * columns) +
           (double)(crop->extent.width + crop->extent.height) * sizeof(struct resample_blend) /
               VALUE_BYTES;
}

static void cost_narrowing(struct cost_sheet *sheet, const struct pixels_picture *p) {
    const struct crop *crop = &p->crop;
    double columns = (double)p->width * crop->extent.width / crop->resized.width;
    double written = rows_of(p) * crop->extent.width;
    cost_pass(sheet, "picture resized in width",
              bytes_of(rows_of(p) * columns + written) +
                  taps_of(crop->extent.width, crop->resized.width, p->width),
              0);
}

// Sums of bytes are sums of integers, which cost counts no more than what they move.
void cost_pixels_forward(struct cost_sheet *sheet, const struct call *base) {
    const struct pixels *pixels = ((const struct pixels_call *)base)->pixels;
    double written = 3 * (double)pixels->padded.height * pixels->padded.width;
    for (int64_t i = 0; i < pixels->count; i++) {
        const struct pixels_picture *p = &pixels->pictures[i];
        bool sums = !pixels_keep_size(p) && pixels->rules->resizes_bytes;
        bool blends = !pixels_keep_size(p) && !pixels->rules->resizes_bytes;
        double area = (double)p->crop.extent.width * p->crop.extent.height;
        if (sums) cost_narrowing(sheet, p);
        cost_pass(sheet, "picture to the input", read_by_fill(pixels, p) + written,
                  blends ? 3 * 9 * area : 0);
    }
}
