// Which boxes a training step looks at (Ren et al., "Faster R-CNN", 2015, section 3.1.2; Girshick,
// "Fast R-CNN", 2015, section 2.3): of each image so many at random, so many of them objects.
//
// Each candidate has a number, the one at its index in the image's stream (base/random.h), and
// those with the smallest numbers stay; of equal ones the first. So a choice follows from seed,
// stream and matches alone, on every device and in any number of threads.
#pragma once

#include "base/random_block.h"
#include "nn/match/match.h"

struct sampling {
    int64_t count;    // in all; 0 is no limit
    double positives; // at most this share are objects; the rest is background
};

struct sample_streams {
    uint64_t seed;
    uint64_t first, step; // image i draws from the stream first + i step
};

// How many of an image stay.
struct sampled {
    int32_t objects, backgrounds;
};

enum { SAMPLE_KINDS = 2 }; // objects and backgrounds

struct sample_call {
    struct call call;
    int32_t *matches;
    int64_t num_images, each;
    int64_t count, objects; // limits
    struct sample_streams streams;
    struct sampled *sampled;
};

// Sets matches[num_images, each] (nn/match/match.h) beyond the limits to MATCH_IGNORED, and
// sampled[num_images].
void sample_forward(struct nn *nn, int32_t *matches, int64_t num_images, int64_t each,
                    const struct sampling *sampling, const struct sample_streams *streams,
                    struct sampled *sampled);

// 0 for objects, 1 for backgrounds, -1 for neither.
HOST_DEVICE static inline int sample_kind(int32_t match) {
    if (match >= 0) return 0;
    return match == MATCH_BACKGROUND ? 1 : -1;
}

// The smallest stay.
HOST_DEVICE static inline uint64_t sample_key(const struct sample_streams *streams, int64_t image,
                                              int64_t index) {
    uint64_t stream = streams->first + (uint64_t)image * streams->step;
    return (uint64_t)random_at(streams->seed, stream, (uint64_t)index) << 32 | (uint64_t)index;
}

// How many of so many objects and backgrounds stay.
HOST_DEVICE static inline struct sampled sample_sizes(int64_t objects, int64_t backgrounds,
                                                      int64_t count, int64_t most_objects) {
    if (objects > most_objects) objects = most_objects;
    if (backgrounds > count - objects) backgrounds = count - objects;
    struct sampled sizes = {(int32_t)objects, (int32_t)backgrounds};
    return sizes;
}
