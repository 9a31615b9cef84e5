// The name of a request: in its answer, its headers and its line in the log.
#pragma once

#include "server/dialect.h"

// Copies size bytes of a client's text if they are 1 to 64 of [A-Za-z0-9._-], and nothing that
// could forge a line of a log.
bool request_id_set(char id[REQUEST_ID_BYTES], const char *text, int64_t size, struct fault *fault);

// Begins to read a request: no pictures yet, an answer in JSON, no fault, the id of its header if
// it has one.
bool request_begin(struct detect_request *request, const struct http_request *http,
                   struct fault *fault);
