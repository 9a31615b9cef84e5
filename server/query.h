// The text behind the question mark of an address: NAME=VALUE&NAME=VALUE, percent-encoded.
//
//     struct query query;
//     query_init(&query, http->query, arena, fault);
//     while (query_next(&query, &name, &value)) ...
//     if (fault->code) return false;
#pragma once

#include "base/arena.h"
#include "server/fault.h"

struct query {
    const char *at;
    struct arena *arena;
    struct fault *fault;
};

// text may be NULL. It is borrowed; names and values go to arena. fault is reset.
void query_init(struct query *query, const char *text, struct arena *arena, struct fault *fault);

// The next pair, decoded: a plus is a space, a name without "=" has the value "". False at the end
// and after a fault.
bool query_next(struct query *query, const char **name, const char **value);
