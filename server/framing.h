// Where a request begins and ends must mean the same to us and to every proxy in front of us: a
// request that can be read in two ways is refused (RFC 9112, sections 3.2, 5 and 6.3). On top of
// libmicrohttpd's strict mode, which lets these pass.
#pragma once

#include <stddef.h>

#include "server/fault.h"

struct header {
    const char *name;
    size_t name_size;
    const char *value;
    size_t value_size;
    bool is_ended_well; // by CR and LF, with no NUL before
};

enum { MAX_HEADERS = 128 };

struct request_head {
    const char *method;
    const char *version; // "HTTP/1.1"
    struct header headers[MAX_HEADERS];
    int num_headers;
    bool has_too_many;
    // What framing_check finds.
    bool is_chunked;
    int64_t content_length; // -1: not given
    bool expects_continue;
};

// Checks head and fills the rest of it.
bool framing_check(struct request_head *head, struct fault *fault);

// The value of a header, NULL if it is not there. Names are compared without regard to case.
const char *header_find(const struct request_head *head, const char *name);
