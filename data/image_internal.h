// Between image.c and the decoders of the two file formats.
#pragma once

#include "data/image.h"

// One file being read, and where its properties and its error go.
struct image_reader {
    const uint8_t *bytes;
    int64_t size;
    const char *name;
    const struct image_limits *limits;
    struct image_info *info;
    struct error *err;
};

// Fills info's stored size, orientation, channels and depth from the header.
MUST_CHECK enum status image_probe_jpeg(const struct image_reader *reader);
MUST_CHECK enum status image_probe_png(const struct image_reader *reader);

// Writes [stored_height, stored_width, 3] after a successful probe of the same bytes whose size is
// within the limits.
MUST_CHECK enum status image_decode_jpeg(const struct image_reader *reader, uint8_t *pixels);
MUST_CHECK enum status image_decode_png(const struct image_reader *reader, uint8_t *pixels);

// Records the fault and a sentence, in front of which the name of the file is put; returns the
// status that goes with the fault.
enum status image_fail(const struct image_reader *reader, enum image_fault fault,
                       const char *format, ...) PRINTF_LIKE(3, 4);
