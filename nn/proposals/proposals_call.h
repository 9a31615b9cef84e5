// The record of proposals_forward, for the devices.
#pragma once

#include "nn/proposals/proposals.h"

struct proposals_call {
    struct call call;
    const struct proposals *proposals;
    struct box_list *list;
};
