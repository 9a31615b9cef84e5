// A plan: an engine of those that cuDNN's heuristics propose and that compute as is asked, the
// first or the fastest.
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
    bool has_run;    // once
    int refused;     // so many of the usable engines did not run
    int64_t workspace_bytes;
    int64_t engine;                    // cuDNN's number of it
    char failure[ERROR_MESSAGE_BYTES]; // of the last engine that was tried
};

// Finds the next usable engine; plan->plan is NULL if there is none.
void plan_build(const struct planner *planner, struct plan *plan);

// Shown a usable engine, which is plan->plan; what it consists of begins with the number first in
// plan->descriptors, behind the graph. True ends the search, with the engine as it is left.
typedef bool plan_visitor(struct plan *plan, int first, void *context);

// The graph of the product, with which plan->descriptors begins. On failure plan->failure says why,
// and searches find nothing.
descriptor plan_begin(const struct planner *planner, struct plan *plan);

// Shows visit one usable engine after the other, as the heuristics of a mode put them; those that
// do not end the search are destroyed. True if one did.
bool plan_search(const struct planner *planner, struct plan *plan, descriptor graph,
                 cudnnBackendHeurMode_t mode, plan_visitor *visit, void *context);

// Finds the engine that takes least time. Where none ran it is the first one; where none takes less
// than timer->most there is none, and plan->plan is NULL.
void plan_build_fastest(const struct planner *planner, struct plan *plan,
                        const struct plan_timer *timer);
