// What goes back to a client, before it is put on a connection.
#pragma once

#include "server/fault.h"

struct reply {
    int status;
    const char *content_type; // a constant
    char *bytes;              // from malloc, unless they are constant
    int64_t size;
    bool is_constant;
    bool is_page;      // a file of the web page: may be kept for a while, runs under its policy
    const char *allow; // methods, of status 405; a constant
    enum fault_code code;
    int32_t retry_after; // seconds; 0: none
    int64_t held_bytes;  // in admission, until it is sent
};

// The one shape of errors. A reply that there is no memory for has no body.
struct reply reply_of_fault(const struct fault *fault, const char *request_id);

// Takes the text of out, which is empty afterwards.
struct reply reply_of_output(int status, const char *content_type, struct output *out);

void reply_discard(struct reply *reply);
