// Requests of our own interface, which the dialects of one picture and of a batch share: a picture
// as the body, a form, or JSON.
#pragma once

#include "server/dialect.h"

// Reads up to max_pictures. Faults of pictures stay with the pictures; the request must hold one at
// least.
bool native_request_read(struct detect_request *request, const struct http_request *http,
                         const struct model_facts *model, const struct request_limits *limits,
                         int64_t max_pictures, struct arena *arena, struct fault *fault);
