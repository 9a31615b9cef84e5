// Masks as run lengths, the only form in which masks travel through this project.
//
// A mask of height x width pixels is read column by column, top to bottom; runs alternate between
// zeros and ones, starting with zeros (a first run of length 0 is allowed, others are positive in
// what this file makes, and merely tolerated in what it reads). The runs add up to height * width.
// This is COCO's format; results are bit-exact with its C code (cocoapi, common/maskApi.c) where
// that is defined, and errors where it would read or write out of bounds. Runs of length 0 beyond
// the first, at which that code stumbles, mean here what they say: nothing lies between their
// neighbours.
//
// Runs live in an arena of the caller's; a struct rle is a view and is copied freely.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/output.h"

enum { RLE_MAX_SIDE = 65535 }; // height * width then fits uint32_t

struct rle {
    int32_t height;
    int32_t width;
    int64_t num_runs;
    const uint32_t *runs;
};

// x, y of the top left corner, width, height, in pixels: COCO's order.
struct coco_box {
    double x, y, width, height;
};

// An error unless both sides lie between 1 and RLE_MAX_SIDE: what every function below that makes a
// mask demands of its size.
MUST_CHECK enum status rle_check_size(int32_t height, int32_t width, struct error *err);

// Number of pixels set.
int64_t rle_area(const struct rle *rle);

// The tightest box round the pixels set; all zeros for an empty mask. COCO's rleToBbox.
struct coco_box rle_box(const struct rle *rle);

// mask is [height, width] row-major bytes, nonzero means set.
MUST_CHECK enum status rle_encode(struct rle *rle, const uint8_t *mask, int32_t height,
                                  int32_t width, struct arena *arena, struct error *err);

// Writes 0 or 1 to all height * width bytes of mask, row-major.
void rle_decode(const struct rle *rle, uint8_t *mask);

// Pixels set in both; the masks have the same size.
int64_t rle_intersection_area(const struct rle *a, const struct rle *b);

// Shared over united pixels, from areas; over the detection's area where the truth is a crowd
// region.
double rle_iou_of_areas(int64_t shared, int64_t detection, int64_t truth, bool truth_is_crowd);

// Intersection over union; over the area of detection when truth is a crowd region (cocoapi,
// rleIou). Masks whose boxes do not overlap give 0, and so do empty ones; otherwise masks of
// different size give -1, as in COCO.
double rle_iou(const struct rle *detection, const struct rle *truth, bool truth_is_crowd);

// Intersection over union of boxes, with the same crowd rule (cocoapi, bbIou).
double box_iou(const struct coco_box *detection, const struct coco_box *truth, bool truth_is_crowd);

// Union (or intersection) of count >= 1 masks (cocoapi, rleMerge). Errors: masks of different size.
MUST_CHECK enum status rle_merge(struct rle *result, const struct rle *masks, int64_t count,
                                 bool intersect, struct arena *arena, struct error *err);

// COCO's compressed string: each count, from the fourth on less the count two before, in groups of
// 5 bits, low first, 0x20 = more follow, plus 48 (cocoapi, rleFrString). Errors: characters outside
// 48..111, numbers beyond 32 bits, an unfinished last group, runs that do not add up to
// height * width.
MUST_CHECK enum status rle_from_string(struct rle *rle, const char *text, int64_t size,
                                       int32_t height, int32_t width, struct arena *arena,
                                       struct error *err);

// Appends the string, without quotes.
void rle_write_string(const struct rle *rle, struct output *out);

// COCO's uncompressed form: num_counts run lengths as they stand in the file. Errors: negative or
// too large counts, a sum other than height * width.
MUST_CHECK enum status rle_from_counts(struct rle *rle, const int64_t *counts, int64_t num_counts,
                                       int32_t height, int32_t width, struct arena *arena,
                                       struct error *err);
