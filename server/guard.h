// Whether a request may be answered at all: its token, the pages it comes from.
#pragma once

#include <pthread.h>

#include "server/fault.h"
#include "server/settings.h"
#include "server/tokens.h"

// Addresses that sent bad tokens lately; the oldest one makes room.
enum { GUARD_ADDRESSES = 1024, GUARD_ADDRESS_BYTES = 64 };

struct guard {
    pthread_mutex_t mutex;
    const struct service_settings *settings;
    bool is_local; // listens on this machine only
    struct tokens tokens;
    struct guard_address {
        char address[GUARD_ADDRESS_BYTES];
        double since; // when counting began
        int64_t failures;
    } * addresses;
};

MUST_CHECK enum status guard_init(struct guard *guard, const struct service_settings *settings,
                                  bool is_local, struct error *err);
void guard_destroy(struct guard *guard);

// Reads the tokens again; if that fails the old ones go on.
MUST_CHECK enum status guard_reload(struct guard *guard, struct error *err);

// authorization: the header, NULL if it is not there.
bool guard_check_token(struct guard *guard, const char *authorization, unsigned scope,
                       const char *address, struct fault *fault);

// For requests that a browser sends on behalf of a page. origin and host: headers, NULL if not
// there. is_foreign tells that the page is another one than ours.
bool guard_check_origin(const struct guard *guard, const char *origin, const char *host,
                        bool *is_foreign, struct fault *fault);
