/*
 * libgctmask: instance segmentation with Mask R-CNN and gated channels, from C.
 *
 *     struct gctmask_model *model = NULL;
 *     struct gctmask_result *result = NULL;
 *     char message[GCTMASK_MESSAGE_BYTES];
 *     if (gctmask_open("gct.safetensors", NULL, &model, message, sizeof message) != GCTMASK_OK)
 *         ... print message ...
 *     if (gctmask_detect_file(model, "street.jpg", NULL, &result, message, sizeof message) == ...)
 *         for (int64_t i = 0; i < gctmask_num_detections(result); i++)
 *             ... gctmask_detection(result, i)->score ...
 *     gctmask_free(result);
 *     gctmask_close(model);
 *
 * example.c beside this file is a whole program; build with `pkg-config --cflags --libs gctmask`.
 *
 * Threads. Any number of threads may use one model, and each model has a thread of its own that
 * computes, with helpers as options say: detections of one model are made one after the other, in
 * the order of the calls, while images are decoded by the callers' threads side by side. A result
 * never depends on what else is computed. Results do not refer to their model. After fork(), only
 * the parent may use its models. Computing threads spin for a moment when they have nothing to do;
 * where other programs run on the same processors, set OMP_WAIT_POLICY=passive before the start.
 *
 * Errors. A function that can fail returns a status and writes one sentence to message, a buffer
 * of the caller's of message_bytes bytes (GCTMASK_MESSAGE_BYTES hold any sentence; longer ones are
 * cut); NULL and 0 for none. On success message is "". *model and *result are NULL after an error.
 * A NULL where none is allowed is GCTMASK_ARGUMENT. The library prints nothing, keeps nothing
 * outside its models and results, and touches neither signals nor the environment.
 *
 * Input. Images are JPEG and PNG files, told apart by their content, turned upright as EXIF says.
 * Images over 40 million pixels, a side of 20000 or an aspect of 1:100 are refused.
 *
 * Compatibility. Programs keep running with every later library of the same soname: functions stay,
 * numbers of statuses stay, structs only grow at their end. Options are known by their size field;
 * detections are only ever made by the library and reached by pointer.
 */
#ifndef GCTMASK_H
#define GCTMASK_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define GCTMASK_API __attribute__((visibility("default")))
#else
#define GCTMASK_API
#endif

#define GCTMASK_MESSAGE_BYTES 512

struct gctmask_model;
struct gctmask_result;

enum gctmask_status {
    GCTMASK_OK = 0,
    GCTMASK_ARGUMENT = 1,    /* the call makes no sense: NULL, a size that is not positive */
    GCTMASK_DATA = 2,        /* a file or image is damaged, too large, or not what it should be */
    GCTMASK_NO_INPUT = 3,    /* a file cannot be opened or read */
    GCTMASK_MEMORY = 4,      /* not enough memory */
    GCTMASK_UNSUPPORTED = 5, /* well formed, but not handled, such as a GIF */
    GCTMASK_DEVICE = 6,      /* what computes failed, or is not there */
    GCTMASK_INTERNAL = 7     /* the operating system failed */
};

/* "0.1.0", of the library that is linked. */
GCTMASK_API const char *gctmask_version(void);

/* ---- Models ---- */

/* Zero what you do not set: struct gctmask_options o = {.size = sizeof o, .num_threads = 4}; */
struct gctmask_options {
    size_t size;         /* sizeof(struct gctmask_options) */
    int32_t num_threads; /* that compute; 0: one for each processor that the process may use */
    int32_t reserved;    /* without a meaning */
    int64_t precision;   /* of enum gctmask_precision */
    /* What computes: "cpu", as NULL does; "cuda", the first graphics processor; "cuda:N", one by
     * its number. */
    const char *device;
    /* 1, with CUDA only, elsewhere GCTMASK_UNSUPPORTED: measures how fast cuDNN's algorithms are
     * and takes the fastest. The first detection in each size of image takes some seconds more,
     * with GCTMASK_TF32, GCTMASK_BF16 and GCTMASK_FP16 up to minutes, in which kernels are
     * compiled; and the last digits of results may differ from run to run. */
    int64_t tune;
};

/*
 * With CUDA, what computes is in a file of its own, gctmask-cuda.so, which is looked for in the
 * folder of the library (of the program, where it is linked statically), in gctmask/ of the library
 * folder, or where the environment variable GCTMASK_CUDA_MODULE says. That it, the driver or the
 * device is missing is GCTMASK_DEVICE.
 */

/* What the network multiplies; it adds up in float32 always. */
enum gctmask_precision {
    GCTMASK_FLOAT32 = 0,
    /* Faster, with less memory, and with errors of about 1 % of a feature's size: with CUDA, and on
     * processors with avx512_bf16 or amx_bf16; elsewhere GCTMASK_UNSUPPORTED. */
    GCTMASK_BF16 = 1,
    /* With CUDA only: several times as fast on graphics processors with tensor cores, with errors
     * of about 0.1 % of a feature's size. Elsewhere GCTMASK_UNSUPPORTED. */
    GCTMASK_TF32 = 2,
    /* With CUDA only: as fast as GCTMASK_BF16, with errors of about 0.1 %. */
    GCTMASK_FP16 = 3
};

/* Loads a model file. options may be NULL. Large weights stay in the file: to replace one that is
 * in use, rename another one to its name; a detection that needs weights of a file that was written
 * to is GCTMASK_DATA. */
GCTMASK_API enum gctmask_status gctmask_open(const char *path,
                                             const struct gctmask_options *options,
                                             struct gctmask_model **model, char *message,
                                             size_t message_bytes);

/* No call may be running. NULL is fine. */
GCTMASK_API void gctmask_close(struct gctmask_model *model);

/* Classes have labels 1 to gctmask_num_classes(model). For others: NULL and -1. */
GCTMASK_API int32_t gctmask_num_classes(const struct gctmask_model *model);
GCTMASK_API const char *gctmask_class_name(const struct gctmask_model *model, int32_t label);
GCTMASK_API int64_t gctmask_category_id(const struct gctmask_model *model, int32_t label);

/* ---- Detection ---- */

struct gctmask_detect_options {
    size_t size;            /* sizeof(struct gctmask_detect_options) */
    int32_t has_min_score;  /* 1: min_score counts, 0: the model's own threshold does */
    float min_score;        /* 0 to 1 */
    int32_t max_detections; /* at most so many, the best ones; 0: the model's own number */
};

/* options may be NULL. */
GCTMASK_API enum gctmask_status gctmask_detect_file(struct gctmask_model *model, const char *path,
                                                    const struct gctmask_detect_options *options,
                                                    struct gctmask_result **result, char *message,
                                                    size_t message_bytes);

/* The same for the bytes of a JPEG or PNG file. */
GCTMASK_API enum gctmask_status gctmask_detect_bytes(struct gctmask_model *model, const void *bytes,
                                                     size_t num_bytes,
                                                     const struct gctmask_detect_options *options,
                                                     struct gctmask_result **result, char *message,
                                                     size_t message_bytes);

/* The same for pixels: 3 bytes each, red, green, blue, from the top left along rows. A row begins
 * row_bytes after the one before it, at least 3 * width. */
GCTMASK_API enum gctmask_status gctmask_detect_pixels(struct gctmask_model *model,
                                                      const uint8_t *pixels, int32_t width,
                                                      int32_t height, size_t row_bytes,
                                                      const struct gctmask_detect_options *options,
                                                      struct gctmask_result **result, char *message,
                                                      size_t message_bytes);

/* ---- Results ---- */

/*
 * A mask is as large as the image and is kept as run lengths in COCO's order: down the columns from
 * the left, runs of pixels outside and inside taking turns, beginning with those outside (the first
 * run may be 0). mask_string is the same compressed, as COCO's files have it beside
 * "size": [height, width].
 */
struct gctmask_detection {
    float box[4];           /* x1, y1, x2, y2 in pixels of the upright image */
    float score;            /* 0 to 1 */
    int32_t label;          /* from 1 */
    int64_t category_id;    /* of the class in COCO's files */
    const char *class_name; /* UTF-8 */
    int32_t mask_height;
    int32_t mask_width;
    int64_t mask_area; /* pixels inside */
    int64_t mask_num_runs;
    const uint32_t *mask_runs;
    const char *mask_string;
};

/* Of the upright image. */
GCTMASK_API int32_t gctmask_image_width(const struct gctmask_result *result);
GCTMASK_API int32_t gctmask_image_height(const struct gctmask_result *result);

/* Best first. Detections live as long as their result; NULL for an index out of range. */
GCTMASK_API int64_t gctmask_num_detections(const struct gctmask_result *result);
GCTMASK_API const struct gctmask_detection *gctmask_detection(const struct gctmask_result *result,
                                                              int64_t index);

/* Writes the mask as bytes, 0 outside and 1 inside, along rows: mask_height * mask_width bytes. */
GCTMASK_API void gctmask_mask_bytes(const struct gctmask_detection *detection, uint8_t *bytes);

/* NULL is fine. */
GCTMASK_API void gctmask_free(struct gctmask_result *result);

#ifdef __cplusplus
}
#endif

#endif
