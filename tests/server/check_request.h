// What the tests of requests and answers share: a model of three classes, the usual limits, small
// pictures, and requests in one call.
#pragma once

#include "server/dialect.h"

extern const struct model_facts test_model;     // person 1, dog 18, traffic light 10
extern const struct request_limits test_limits; // the defaults of the service

// A request and what became of it.
struct asked {
    struct arena arena;
    struct detect_request request;
    struct fault fault;
    bool accepted;
    const struct dialect *dialect;
};

// Reads http with the dialect of its path. The request's id is "made-up" unless the client gives
// one. To be freed with asked_free.
void ask(struct asked *asked, const struct http_request *http);
void asked_free(struct asked *asked);

// The body as text.
void ask_text(struct asked *asked, const char *path, const char *content_type, const char *body);

// The word of a request's fault, "" if it was accepted.
const char *asked_code(const struct asked *asked);

// Files of a red picture of 8 x 6 pixels, and their base64 texts, NUL-terminated.
const struct output *test_jpeg(void);
const struct output *test_png(void);
const char *test_jpeg_base64(void);
const char *test_png_base64(void);

// Two objects in a picture of 8 x 6 pixels: a person with a hole, a dog in two parts.
void test_outcome(struct detect_outcome *outcome, struct arena *arena);

// What the dialect answers, NUL-terminated, in the arena; NULL with asked->fault.
const char *answer_to(struct asked *asked, const struct detect_outcome *outcomes);
