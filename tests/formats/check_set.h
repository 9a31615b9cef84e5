// What the tests of formats share: annotated images with masks of all kinds, comparisons, and
// readers of PNG and base64 that are not the project's.
#pragma once

#include "formats/annotated.h"

// Images with objects of four classes, whose names need escaping: rectangles, rings, parts, holes
// in holes, single pixels, whole images, masks at all borders, random ones, an empty one, a crowd;
// an image without objects. All but some have scores.
void make_set(struct annotated_set *set);

enum masks_kept { MASKS_ALL, MASKS_NOT_EMPTY };

// Fails unless both have images of the same names and sizes and, in the same order, objects with
// the same class names, scores, crowd marks and masks, bit for bit.
void expect_same_set(const struct annotated_set *got, const struct annotated_set *expected,
                     enum masks_kept kept);

// The mask as rows of bytes, 0 or 1; the caller frees.
unsigned char *mask_bytes(const struct rle *mask);

// A file below the scratch folder, opened for writing, its folder made.
void open_scratch(struct output *out, const char *name);
const char *scratch_file(const char *name);
char *read_text(const char *path, size_t *size); // NUL-terminated; the caller frees

// A grey PNG of 8 or 16 bits: its samples in rows; the caller frees.
unsigned short *decode_grey_png(const unsigned char *bytes, size_t size, int *width, int *height);

// Decodes base64 as RFC 4648 says; the caller frees.
unsigned char *decode_base64(const char *text, size_t *size);
