// Which anchors and which regions a training step looks at, and which truth each of them stands
// for: all found by operations, so that a device does it without the program. Only how many there
// are has to come back (targets_count), since the sizes of what follows hang by it.
//
// On the plan device there are as many as there may be.
#pragma once

#include "detector/losses.h"
#include "nn/regions/regions.h"

struct targets {
    struct truth_boxes truths; // of all images, in step memory
    int32_t *labels;           // of the truths
    struct packed_masks masks; // of the truths
    // The anchors of all levels, one after another, and what becomes of each in each image.
    struct proposal_level levels[RPN_LEVELS];
    int64_t level_counts[RPN_LEVELS], num_anchors; // of one image
    float *anchors;                                // [num_anchors, 4]
    int32_t *anchor_matches;                       // [images, num_anchors]
    struct sampled *sampled_anchors;               // [images]
    struct regions regions, objects;               // of which objects are a part
    struct region_counts *region_counts;
    int64_t num_sampled_anchors; // of all images; set by targets_count, with the lists' counts
};

// Starts with what needs no proposals: truths and anchors. maps and features are those of a batch
// of as many images; truths and settings are not looked at again.
void targets_of_anchors(struct nn *nn, const struct rpn *rpn, const struct rpn_maps *maps,
                        const struct features *features, const struct image_truth *truths,
                        const struct loss_settings *settings, struct targets *targets);

// The regions, out of proposals in places (nn/box_list.h).
void targets_of_regions(struct nn *nn, const struct box_list *proposals,
                        const struct loss_settings *settings, struct targets *targets);

// Waits until it is known how many there are.
void targets_count(struct nn *nn, const struct loss_settings *settings, struct targets *targets);
