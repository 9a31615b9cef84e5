// A plan: the engine that cuDNN's heuristics put first of those that compute as is asked.
#pragma once

#include "nn/cuda/cudnn/product.h"

enum { DESCRIPTION_BYTES = 256 };

// What all plans of a context share.
struct planner {
    const struct cudnn *cudnn;
    descriptor device; // its properties
};

struct plan {
    struct product product;
    struct descriptors descriptors;
    descriptor plan; // NULL if there is none
    int refused;     // so many of the usable engines did not run
    int64_t workspace_bytes;
    int64_t engine;                    // cuDNN's number of it
    char failure[ERROR_MESSAGE_BYTES]; // of the last engine that was tried
};

// Finds the next usable engine; plan->plan is NULL if there is none.
void plan_build(const struct planner *planner, struct plan *plan);
