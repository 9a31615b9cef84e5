// The record of detections_forward, for the devices.
#pragma once

#include "nn/detections/detections.h"

struct detections_call {
    struct call call;
    const struct detections *detections;
    struct box_list *list;
};
