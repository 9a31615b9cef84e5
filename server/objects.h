// Detections as answers show them: rounded, in a fixed order, with their category.
#pragma once

#include "server/dialect.h"

struct shown_object {
    double score;   // to 5 decimals, where numbers are rounded
    double box[4];  // x, y, width, height to 2 decimals
    double edge[2]; // x2, y2 to 2 decimals
    int64_t category_id;
    const char *category;
    const struct rle *mask;
    int64_t place; // in the detector's list
};

struct shown_objects {
    struct shown_object *items;
    int64_t count;
};

// Score descending, then category id, then box; each by the numbers shown, so that a client can
// check it. A number that is not finite is a fault (non_finite_output): a model that yields one is
// broken, and leaving it out would look like a good answer. Without round, numbers and order are
// the detector's own.
bool shown_objects_of(struct shown_objects *objects, const struct detection_list *list, bool round,
                      const struct model_facts *model, struct arena *arena, struct fault *fault);
