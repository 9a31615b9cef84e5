// Requests to an HTTP service, by libcurl, which is loaded when the first client is made: it brings
// so many libraries with it that each start of the program would take longer.
//
// A client keeps its connection for the next request. One thread at a time uses a client.
#pragma once

#include "base/output.h"

struct http_client;

struct http_client_options {
    const char *token;   // sent as a bearer token; NULL: none
    const char *ca_file; // PEM, certificates to trust in place of the system's; NULL: the system's
};

MUST_CHECK enum status http_client_create(struct http_client **client,
                                          const struct http_client_options *options,
                                          struct error *err);
void http_client_destroy(struct http_client *client); // NULL is fine

enum http_end {
    HTTP_ANSWERED,      // with any status
    HTTP_NO_CONNECTION, // nobody listens, or the name is not known
    HTTP_CUT,           // the connection ended before the answer did
    HTTP_TIMED_OUT,
    HTTP_IMPOSSIBLE, // another try would end the same: an address that is none, a wrong certificate
};

struct http_call {
    const char *url;
    const void *body; // NULL: GET; otherwise POST
    int64_t size;
    double seconds; // for all of it
};

struct http_answer {
    int status;
    int64_t retry_after; // seconds; 0: no word about it
    struct output body;  // OUTPUT_MEMORY, the caller's to discard
};

// Fills answer, whose body is empty unless the end is HTTP_ANSWERED; err says why it is not.
enum http_end http_client_ask(struct http_client *client, const struct http_call *call,
                              struct http_answer *answer, struct error *err);
