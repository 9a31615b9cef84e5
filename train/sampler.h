// Which images form a group, and what chance decides for each: a pure function of the seed and the
// group's index, so that nothing but a step number has to be saved to go on from.
//
// An epoch shows every image once. Landscape (width >= height) and portrait images are shuffled
// each among themselves and cut into groups, so that groups pad little; the last group of each is
// filled up from the beginning of its shuffled list. Then the groups are shuffled. All epochs have
// as many groups.
//
// Without augmentation (to compute a loss on other images) the images come in the order of the
// dataset, unchanged, and the last group is as short as it must be.
#pragma once

#include "train/augment.h"
#include "train/dataset.h"

struct sampled_image {
    int64_t image; // index in the dataset
    struct augmentation augmentation;
};

struct sampler {
    const struct dataset *dataset;
    const struct model_config *config;
    bool augments;
    uint64_t seed;
    int64_t num_landscape;    // images
    int64_t groups_per_epoch; // group k is number k % groups_per_epoch of its epoch
    int64_t *sorted;          // all images: the landscape ones, then the portrait ones
    int64_t epoch;            // which one the next two are of; -1: none
    int64_t *shuffled;        // sorted, each part shuffled
    int64_t *order;           // of the groups
};

// dataset and config are borrowed, the rest lives in arena.
MUST_CHECK enum status sampler_init(struct sampler *sampler, const struct dataset *dataset,
                                    const struct model_config *config, bool augments, uint64_t seed,
                                    struct arena *arena, struct error *err);

// Fills images, with room for schedule.group of them; returns how many there are. Remembers the
// epoch that it shuffled last, so that groups in order take little time; one thread at a time.
int64_t sampler_group(struct sampler *sampler, int64_t index, struct sampled_image *images);
