// Sockets to listen on.
#pragma once

#include <stdbool.h>

#include "base/error.h"

enum { LISTENER_ADDRESS_BYTES = 80 };

struct listener {
    int descriptor;                       // -1: none
    bool is_local;                        // reachable from this machine only
    char address[LISTENER_ADDRESS_BYTES]; // "127.0.0.1:8080", with the port that it got
};

// Listens on "ADDRESS:PORT", "[::1]:PORT" or "localhost:PORT"; names are not looked up.
MUST_CHECK enum status listener_open(struct listener *listener, const char *text,
                                     struct error *err);
void listener_close(struct listener *listener);
