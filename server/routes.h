// Which address leads where. Addresses are compared raw: no decoding, no "..", no case.
#pragma once

#include "server/dialect.h"
#include "server/page.h"

enum document {
    DOCUMENT_NONE,
    DOCUMENT_LIVE,
    DOCUMENT_READY,
    DOCUMENT_INFO,
    DOCUMENT_MODELS,
    DOCUMENT_MODEL,
    DOCUMENT_OIP_SERVER,
    DOCUMENT_OIP_LIVE,
    DOCUMENT_OIP_READY,
    DOCUMENT_OIP_MODEL,
    DOCUMENT_OIP_MODEL_READY,
    DOCUMENT_LABEL_STUDIO_HEALTH,
    DOCUMENT_LABEL_STUDIO_SETUP,
    DOCUMENT_METRICS,
};

struct route {
    // One of these is set, or none: not found.
    const struct dialect *dialect;
    enum document document;
    const struct page_file *page;
    bool is_open;                         // needs no token
    char segments[2][PATH_SEGMENT_BYTES]; // {model} and {version}; "" if not there
    int index;                            // for route_name
};

// What metrics call the route of an index; NULL behind the last one. Few, whatever clients send.
const char *route_name(int index);

int route_other(void); // the index of all addresses that lead nowhere

// admin: of the admin listener, which has metrics and health. False fills fault; allow is then what
// methods there are, if the method was wrong. method "HEAD" counts as "GET".
bool route_find(struct route *route, const char *method, const char *path, bool admin,
                const char **allow, struct fault *fault);
