// A service inside the test's own process, with the stub model, and raw bytes to send to it.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "server/service.h"

// Starts one on a free port of the loopback; options are NAME=VALUE, NULL at the end. One at a
// time. Ends the case if it cannot.
struct service *check_service_start(const char *const *options);
// The same, expecting it to fail; what it says.
const char *check_service_refusal(const char *const *options);
void check_service_stop(struct service *service);

int check_service_port(const struct service *service);
int check_service_admin_port(const struct service *service);

struct check_answer {
    int status;         // 0: none came
    bool is_closed;     // the connection ended behind it
    char text[1 << 16]; // all that came, NUL-terminated
    const char *body;   // in text; "" if there is none
};

// A new connection; -1 if it is refused.
int check_connect(int port);
void check_send(int descriptor, const void *bytes, int64_t size);

// Reads one answer by its Content-Length, waiting for 20 s at most.
void check_read(int descriptor, struct check_answer *answer);

// A whole exchange on a connection of its own.
void check_exchange(int port, const void *bytes, int64_t size, struct check_answer *answer);

// GET path; the status.
int check_get(int port, const char *path);

// A JPEG or PNG of the shared data or, where that is not there, made up; NULL-safe sizes.
struct check_picture {
    uint8_t *bytes;
    int64_t size;
};
struct check_picture check_picture(int32_t width, int32_t height, uint64_t seed);
