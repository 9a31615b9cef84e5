// Bodies of forms: multipart/form-data (RFC 7578) that lies whole in memory.
//
//     struct multipart form;
//     struct form_part part;
//     if (!multipart_init(&form, http->content_type, body, size, max_parts, fault)) return false;
//     while (multipart_next(&form, &part)) ...
//     if (fault->code) return false;
#pragma once

#include "server/fault.h"

enum { FORM_NAME_BYTES = 64, FORM_TYPE_BYTES = 64, FORM_BOUNDARY_BYTES = 71 };

struct form_part {
    char name[FORM_NAME_BYTES];
    char media_type[FORM_TYPE_BYTES]; // "": none given
    const uint8_t *bytes;             // in the body
    int64_t size;
};

struct multipart {
    const uint8_t *at;
    const uint8_t *end;
    char delimiter[FORM_BOUNDARY_BYTES + 4]; // "\r\n--" and the boundary
    int64_t delimiter_size;
    int64_t parts_left;
    int64_t max_parts;
    bool finished;
    struct fault *fault;
};

// Finds the boundary in the Content-Type and the first part in the body, which is borrowed. fault
// is reset.
bool multipart_init(struct multipart *form, const char *content_type, const uint8_t *body,
                    int64_t size, int64_t max_parts, struct fault *fault);

// The next part; names of files are passed over. False behind the last part, whose closing boundary
// must be there, and after a fault.
bool multipart_next(struct multipart *form, struct form_part *part);
