// Training images made ready ahead of need: threads decode, mirror, resize and normalise them, move
// their objects along, and hand out groups in order.
//
//     TRY(loader_create(&loader, &options, err));
//     for (...) {
//         const struct group *group;
//         TRY(loader_next(loader, &group, err));
//         ... one forward and backward pass ...
//         loader_release(loader, group);
//     }
//     loader_destroy(loader);
//
// What a group holds depends on the seed and its index alone (train/sampler.h), never on threads.
// Memory is reserved in the beginning and reused; once the largest groups have been seen, it does
// not grow.
//
// One thread at a time uses a loader.
#pragma once

#include "train/sampler.h"
#include "train/truths.h"

// Images that are padded to one size. Everything is lent until loader_release.
struct group {
    int64_t index;
    int64_t num_images;
    const struct dataset_image *const *images; // [num_images]
    const struct extent *extents;              // [num_images], of the images in the input
    struct extent padded;
    const float *planes;                   // [num_images, padded.height, padded.width, 3], or NULL:
    const struct pixels_picture *pictures; // [num_images], of which a device makes them
    const struct image_truth *truths;      // [num_images]
    double seconds_waited;                 // how long loader_next took
};

// Groups that a training's loader holds beside one for each thread: one that is lent, one that is
// ready.
enum { LOADER_SPARE_GROUPS = 2 };

// dataset, model and image_folder are borrowed for the loader's life.
struct loader_options {
    const struct dataset *dataset;
    const struct mask_rcnn *model; // of which the configuration and the conventions are read
    const char *image_folder;
    uint64_t seed;
    bool augments;   // false: images in their order, unchanged
    bool as_bytes;   // groups hold pictures instead of planes
    int64_t first;   // index of the first group
    int64_t stride;  // from one group to the next: the number of processes that share them
    int num_threads; // 0: groups are made in loader_next
    int num_groups;  // that may be there at once, lent ones included; at least 1
};

// What a loader will need.
struct loader_need {
    struct extent padded; // of the largest group
    int64_t bytes;        // of groups and of images on their way, without polygons and masks
};

struct loader_need loader_need_of(const struct loader_options *options);

struct loader;

MUST_CHECK enum status loader_create(struct loader **loader, const struct loader_options *options,
                                     struct error *err);

// Ends the threads, each after the image that it is at, and frees all groups. NULL is fine.
void loader_destroy(struct loader *loader);

// Waits for the next group. With num_groups groups lent it would wait for ever: a programmer error.
// Errors name the file: missing, damaged, or of another size than the annotations say. The first
// group that fails, in their order, ends the loader: all further calls return the same error.
MUST_CHECK enum status loader_next(struct loader *loader, const struct group **group,
                                   struct error *err);

void loader_release(struct loader *loader, const struct group *group);

int64_t loader_groups_per_epoch(const struct loader *loader);

// What the loader holds.
int64_t loader_memory_bytes(struct loader *loader);
