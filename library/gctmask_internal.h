// What the parts of libgctmask share.
#pragma once

#include <pthread.h>

#include "base/queue.h"
#include "detector/detector.h"
#include "library/gctmask.h"

// Kernels run on threads that OpenMP keeps for whoever calls it. With a thread of its own that does
// so, a model has one set of them, however many threads use the model, and what the callers'
// threads have set for their own OpenMP stays as it is.
struct gctmask_model {
    struct detector detector; // used by thread alone, but for its classes, which never change
    struct queue *jobs;
    pthread_mutex_t mutex; // of the jobs' is_done
    pthread_t thread;
};

struct gctmask_result {
    struct arena arena; // owns all of it, the result itself included
    int32_t image_width;
    int32_t image_height;
    int64_t num_detections;
    struct gctmask_detection *detections;
};

// Detects in the model's thread and waits for it; list goes to arena.
MUST_CHECK enum status model_detect(struct gctmask_model *model, const struct image *image,
                                    const struct detection_limits *limits, struct arena *arena,
                                    struct detection_list *list, struct error *err);

// Takes everything out of list and adopts arena, in which list is.
MUST_CHECK enum status result_create(struct gctmask_result **result,
                                     const struct gctmask_model *model, const struct image *image,
                                     const struct detection_list *list, struct arena *arena,
                                     struct error *err);

// Fills known, a struct of known_bytes that begins with its size, with what the caller's version of
// it has; the rest of known stays. options may be NULL.
MUST_CHECK enum status copy_options(void *known, size_t known_bytes, const void *options,
                                    struct error *err);

// Fills the caller's message, which may be NULL.
enum gctmask_status finish_call(enum status status, const struct error *err, char *message,
                                size_t message_bytes);
