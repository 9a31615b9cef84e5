// Detections as our own JSON and as results of COCO's format.
#pragma once

#include "server/dialect.h"

// Starts an answer of status 200 with an empty body.
void answer_begin(struct answer *answer, const char *content_type);

// Ends a body: true, or false with a fault and nothing left of the answer.
bool answer_end(struct answer *answer, bool written, struct fault *fault);

// The answer to one picture, outcomes[index] of the request, in the format that its options name:
// an object, or a list of COCO's results.
bool answer_json_write(struct json_writer *w, const struct detect_request *request,
                       const struct detect_outcome *outcome, int64_t index,
                       const struct model_facts *model, struct arena *arena, struct fault *fault);

// Keys and values of a mask, if its form has any: "segmentation" and, of polygons, "polygon_iou".
bool answer_mask_write(struct json_writer *w, const struct detect_options *options,
                       const struct rle *mask, struct arena *arena, struct fault *fault);
