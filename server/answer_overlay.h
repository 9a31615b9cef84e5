// Detections drawn on their picture.
#pragma once

#include "server/dialect.h"

// Draws on the outcome's image, with masks or without as the options say, and appends a PNG or a
// JPEG file.
bool answer_overlay_write(struct output *out, const struct detect_request *request,
                          const struct detect_outcome *outcome, const struct model_facts *model,
                          struct arena *arena, struct fault *fault);
