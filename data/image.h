// Images in memory, and JPEG and PNG files in and out.
//
// An image is 8-bit RGB, whatever the file held. The type of a file is decided by its first bytes,
// never by its name. Files come from strangers: size, aspect, number of scans and memory are
// bounded before anything is decoded, and damaged data is an error that says what is wrong.
//
//     struct image_limits limits = image_limits_default();
//     TRY(image_load(&image, NULL, "street.jpg", &limits, true, arena, err));
//
// What files become (the pixels are those of Pillow's convert("RGB"), but for 16-bit grey):
// - JPEG: slow-but-exact inverse DCT and smooth chroma upsampling, libjpeg's defaults. Grey is
//   repeated in the three channels. CMYK is taken as stored inverted, as Adobe writes it.
// - PNG: transparency is dropped, not blended; a palette is looked up; of 16-bit samples the high
//   byte is kept (Pillow clips 16-bit grey at 255, which turns a picture white); gamma and colour
//   profiles are not applied. Of an animated PNG, the default image.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/output.h"

struct image {
    int32_t width;
    int32_t height;
    uint8_t *pixels; // [height, width, 3], RGB, rows tight; owned by an arena
};

struct image_limits {
    int64_t max_pixels;       // width * height
    int64_t max_side;         // pixels
    int64_t max_aspect;       // longer side over shorter side
    int64_t max_scans;        // of a JPEG: each may cost a pass over the whole image
    int64_t max_decode_bytes; // decoded pixels and what the decoder holds beside them
};

// 40 million pixels, sides of 20 000, aspect 1:100, 100 scans, 512 MiB.
struct image_limits image_limits_default(void);

enum image_format { IMAGE_UNKNOWN, IMAGE_JPEG, IMAGE_PNG };

// What was wrong with an image, finer than a status: part of reports and of the HTTP interface.
enum image_fault {
    IMAGE_FAULT_NONE,
    IMAGE_FAULT_EMPTY,
    IMAGE_FAULT_TYPE, // neither JPEG nor PNG, or a kind of them that is not handled
    IMAGE_FAULT_CORRUPT,
    IMAGE_FAULT_PIXELS, // over max_pixels
    IMAGE_FAULT_SIDE,   // over max_side or max_aspect
    IMAGE_FAULT_SCANS,  // over max_scans
    IMAGE_FAULT_MEMORY, // over max_decode_bytes, or the arena is full
};

// The stable word for a fault, such as "image_corrupt"; "" for none.
const char *image_fault_name(enum image_fault fault);

struct image_info {
    enum image_format format;
    enum image_fault fault;
    int32_t width; // of the image as returned: turned upright if that was asked for
    int32_t height;
    int32_t stored_width; // of the image in the file
    int32_t stored_height;
    int exif_orientation; // 1..8; 1 if the file says nothing or nonsense
    int channels;         // in the file: 1 grey or palette, 2 grey and alpha, 3, 4
    int bit_depth;        // of a sample in the file
    int num_warnings;     // damage that the decoder could step over; image_probe sees only a header
};

// Reads an image from size bytes. name stands in messages. info may be NULL; it is filled as far
// as the file could be understood, on failure too. With apply_exif the image is turned upright.
// On failure *image is zeroed and arena holds no more than before.
// Errors: STATUS_DATA (empty, damaged, too large), STATUS_UNSUPPORTED (another type),
// STATUS_MEMORY.
MUST_CHECK enum status image_decode(struct image *image, struct image_info *info, const void *bytes,
                                    int64_t size, const char *name,
                                    const struct image_limits *limits, bool apply_exif,
                                    struct arena *arena, struct error *err);

// Size, type and orientation from the header alone, checked against the limits: fast, and without
// a decoder's memory. The rest of the file may still be damaged.
MUST_CHECK enum status image_probe(struct image_info *info, const void *bytes, int64_t size,
                                   const char *name, const struct image_limits *limits,
                                   bool apply_exif, struct error *err);

// image_decode of a whole file. STATUS_NO_INPUT if it cannot be read.
MUST_CHECK enum status image_load(struct image *image, struct image_info *info, const char *path,
                                  const struct image_limits *limits, bool apply_exif,
                                  struct arena *arena, struct error *err);

// The libraries that read and write the files, with versions: "libjpeg-turbo 2.1.5", as compiled;
// "1.6.39", libpng's as linked.
const char *image_jpeg_library(void);
const char *image_png_library(void);

// Copies source turned from an EXIF orientation (1..8) to upright. target->pixels is other memory
// with room for as many pixels; the size of target is set.
void image_orient(struct image *target, const struct image *source, int orientation);

// Mirrors left and right, in place.
void image_flip_horizontal(struct image *image);

// Appends a JPEG file to out: 4:2:0, quality 1..100. Sides are at most 65500.
MUST_CHECK enum status image_write_jpeg(const struct image *image, int quality, struct output *out,
                                        struct error *err);

enum sample_layout { SAMPLES_RGB8, SAMPLES_RGBA8, SAMPLES_GREY8, SAMPLES_GREY16 };

// Appends a PNG file to out. pixels is [height, width, samples of the layout], rows tight, 16-bit
// samples (instance numbers, say) as uint16_t. compression is 0 (none) to 9 (slow); 6 is usual.
MUST_CHECK enum status image_write_png(const void *pixels, int32_t width, int32_t height,
                                       enum sample_layout layout, int compression,
                                       struct output *out, struct error *err);
