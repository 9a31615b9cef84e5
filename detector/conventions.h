// Every difference between the families of detectors, beside those that a configuration names.
#pragma once

#include "data/resize.h"
#include "detector/config.h"

enum paste_rule {
    PASTE_PIXEL_CENTRES, // detectron2: sampled at the centre of each pixel
    PASTE_WHOLE_BOXES,   // torchvision: padded by one, enlarged, resized to whole pixels
};

struct conventions_rules {
    enum anchor_rule anchors;
    struct roi_pooling roi_pooling;
    enum size_rule size_rule;
    bool resizes_bytes; // before the pixels become floats; else after normalisation
    double proposal_min_side;
    double detection_min_side;
    enum paste_rule paste;
    float box_loss_beta;       // of smooth L1; 0 is L1
    bool aligned_mask_targets; // RoIAlign of the truth is the aligned one, and cut at 0.5
    bool polygon_mask_targets; // polygons are drawn at the targets' resolution, not the image's
    bool mask_pixel_centres;   // a resized mask has the pixels at its pixels' centres, not corners
    bool small_mask_logits;    // see struct mask_head_options
};

const struct conventions_rules *conventions_of(enum conventions conventions);
