// The record of roi_levels_forward, for the devices.
#pragma once

#include "nn/roi_levels/roi_levels.h"

struct roi_levels_call {
    struct call call;
    struct box_list *list;
    enum roi_level_rule rule;
    int num_levels;
};
