// Anchors: the reference boxes of the region proposal network (Ren et al., 2015, section 3.1.1).
// One size for each level of the pyramid, all ratios at each position.
#pragma once

#include "nn/proposals/proposals.h"

enum anchor_rule {
    ANCHORS_EXACT,   // detectron2
    ANCHORS_ROUNDED, // torchvision: corners rounded to whole pixels, halves to even
};

// cells[i] = the box of ratio ratios[i] (height over width) and area size^2, centred at 0, 0.
void anchor_cells(enum anchor_rule rule, double size, const double *ratios, int64_t num_ratios,
                  float cells[][4]);
