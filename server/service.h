// The HTTP service: a model behind an address.
//
//     struct service *service;
//     TRY(service_create(&service, &settings, num_threads, &log, err));
//     ... until told otherwise ...
//     bool cut = service_drain(service, asked_again, NULL);
//     service_destroy(service);
//
// Threads of its own do all the work; signals are the caller's business, and should be blocked
// before service_create, since threads inherit that.
#pragma once

#include "base/log.h"
#include "server/settings.h"

struct service;

// Loads the model, listens and answers. settings and log must live as long as the service.
// Errors: STATUS_USAGE for settings that are not safe or contradict one another.
MUST_CHECK enum status service_create(struct service **service,
                                      const struct service_settings *settings, int num_threads,
                                      const struct log *log, struct error *err);

// "http://127.0.0.1:8080": where it listens. NULL for admin if it does not.
const char *service_address(const struct service *service);
const char *service_admin_address(const struct service *service);

// Reads the model and the tokens again; what cannot be read is reported to the log, and the old one
// goes on.
void service_reload(struct service *service);

// Opens the access log again.
void service_reopen_log(struct service *service);

// Stops being ready, waits for load balancers to notice, takes no more connections, finishes what
// was taken, and stops. asked_again is asked meanwhile whether there is no time for that. Returns
// how many requests were cut short.
int64_t service_drain(struct service *service, bool (*asked_again)(void *), void *context);

void service_destroy(struct service *service); // drained, or never used; NULL is fine
