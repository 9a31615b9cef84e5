#include "server/guard.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"

static const double MINUTE = 60;
enum { MAX_FAILURES = 10 }; // of an address in a minute

enum status guard_init(struct guard *guard, const struct service_settings *settings, bool is_local,
                       struct error *err) {
    *guard = (struct guard){.settings = settings, .is_local = is_local};
    guard->addresses = calloc(GUARD_ADDRESSES, sizeof *guard->addresses);
    if (!guard->addresses)
        return error_memory(err, "a table", GUARD_ADDRESSES * (long long)sizeof *guard->addresses);
    pthread_mutex_init(&guard->mutex, NULL);
    enum status status = guard_reload(guard, err);
    if (status != STATUS_OK) guard_destroy(guard);
    return status;
}

void guard_destroy(struct guard *guard) {
    if (!guard->addresses) return;
    tokens_destroy(&guard->tokens);
    free(guard->addresses);
    pthread_mutex_destroy(&guard->mutex);
    *guard = (struct guard){0};
}

enum status guard_reload(struct guard *guard, struct error *err) {
    struct tokens tokens;
    if (!guard->settings->token_file) return STATUS_OK;
    TRY(tokens_load(&tokens, guard->settings->token_file, err));
    pthread_mutex_lock(&guard->mutex);
    tokens_destroy(&guard->tokens);
    guard->tokens = tokens;
    pthread_mutex_unlock(&guard->mutex);
    return STATUS_OK;
}

// ---- Tokens, with the mutex held ----

// That of address, or an unused or the oldest one.
static struct guard_address *address_entry(struct guard *guard, const char *address) {
    struct guard_address *oldest = &guard->addresses[0];
    for (int i = 0; i < GUARD_ADDRESSES; i++) {
        struct guard_address *a = &guard->addresses[i];
        if (strcmp(a->address, address) == 0) return a;
        if (a->since < oldest->since) oldest = a;
    }
    return oldest;
}

static bool has_failed_too_often(struct guard *guard, const char *address, struct fault *fault) {
    const struct guard_address *entry = address_entry(guard, address);
    double age = clock_seconds() - entry->since;
    if (strcmp(entry->address, address) != 0 || entry->failures < MAX_FAILURES || age > MINUTE)
        return false;
    fault_set(fault, FAULT_RATE_LIMITED, "too many bad tokens came from this address");
    fault->retry_after = 1 + (int32_t)(MINUTE - age);
    return true;
}

static void count_failure(struct guard *guard, const char *address) {
    struct guard_address *entry = address_entry(guard, address);
    double now = clock_seconds();
    if (strcmp(entry->address, address) != 0 || now - entry->since > MINUTE) {
        *entry = (struct guard_address){.since = now};
        snprintf(entry->address, sizeof entry->address, "%s", address);
    }
    entry->failures++;
}

static bool check_token(struct guard *guard, const char *authorization, unsigned scope,
                        const char *address, struct fault *fault) {
    static const char BEARER[] = "Bearer ";
    if (!authorization)
        return fault_set(fault, FAULT_AUTH_REQUIRED,
                         "a token is needed: Authorization: Bearer TOKEN");
    const struct token *token = strncasecmp(authorization, BEARER, sizeof BEARER - 1) == 0
                                    ? tokens_find(&guard->tokens, authorization + sizeof BEARER - 1)
                                    : NULL;
    if (!token) {
        // Good tokens pass all the same: they may share the address of a proxy with bad ones.
        if (has_failed_too_often(guard, address, fault)) return false;
        count_failure(guard, address);
        return fault_set(fault, FAULT_AUTH_INVALID, "the token is not known");
    }
    if (!(token->scopes & scope))
        return fault_set(fault, FAULT_FORBIDDEN_SCOPE, "the token is not one for this");
    return true;
}

bool guard_check_token(struct guard *guard, const char *authorization, unsigned scope,
                       const char *address, struct fault *fault) {
    if (!guard->settings->token_file) return true;
    pthread_mutex_lock(&guard->mutex);
    bool passed = check_token(guard, authorization, scope, address, fault);
    pthread_mutex_unlock(&guard->mutex);
    return passed;
}

// ---- Origins ----

// Names of this machine that no name server decides. Where no token is needed, a page is ours only
// under these: any name can be made to lead here.
static bool is_local_name(const char *host) {
    static const char *const NAMES[] = {"localhost", "127.0.0.1", "[::1]"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        size_t size = strlen(NAMES[i]);
        if (strncasecmp(host, NAMES[i], size) == 0 && (host[size] == '\0' || host[size] == ':'))
            return true;
    }
    return false;
}

static bool is_own(const struct guard *guard, const char *origin, const char *host) {
    const char *behind = strstr(origin, "://");
    if (!host || !behind || strcasecmp(behind + 3, host) != 0) return false;
    return guard->settings->token_file || !guard->is_local || is_local_name(host);
}

bool guard_check_origin(const struct guard *guard, const char *origin, const char *host,
                        bool *is_foreign, struct fault *fault) {
    *is_foreign = false;
    if (!origin || is_own(guard, origin, host)) return true;
    const struct option_texts *allowed = &guard->settings->allow_origins;
    *is_foreign = true;
    for (int64_t i = 0; i < allowed->count; i++)
        if (strcmp(allowed->items[i], origin) == 0) return true;
    return fault_set(fault, FAULT_FORBIDDEN_ORIGIN,
                     "web pages of this origin may not ask; see --allow-origin");
}
