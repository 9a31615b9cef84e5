// Deadlines of connections. libmicrohttpd's timeout starts again with every byte, so a client that
// sends one byte a second holds a connection for ever; here each stage of a connection has an
// absolute deadline, and a sweeper shuts the socket of one that misses it.
//
// A descriptor is used under the mutex only, and libmicrohttpd closes it after connections_remove
// has returned: a number that already belongs to somebody else is never shut.
#pragma once

#include <pthread.h>

#include "server/metrics.h"
#include "server/settings.h"

enum connection_stage {
    STAGE_HEADERS,
    STAGE_UPLOAD,
    STAGE_WORK, // no deadline here: that of the request counts
    STAGE_WRITE,
    STAGE_IDLE, // between requests
};

enum { ADDRESS_TEXT_BYTES = 64 };

struct connection {
    int descriptor;
    char address[ADDRESS_TEXT_BYTES]; // of the client, without the port
    enum connection_stage stage;
    double since; // when the stage began
    bool is_shut;
    struct connection *next;
    struct connection *previous;
};

struct connections {
    pthread_mutex_t mutex;
    const struct service_settings *settings;
    struct metrics *metrics;
    struct connection *first; // newest
    int64_t count;
};

void connections_init(struct connections *connections, const struct service_settings *settings,
                      struct metrics *metrics);
void connections_destroy(struct connections *connections);

// NULL if there is no memory for one.
struct connection *connections_add(struct connections *connections, int descriptor,
                                   const char *address);
void connections_remove(struct connections *connections, struct connection *connection);

void connections_enter(struct connections *connections, struct connection *connection,
                       enum connection_stage stage);

// The first line of a request is here. On a connection that was idle the time for headers begins;
// on a new one it has begun with the connection.
void connections_begin_request(struct connections *connections, struct connection *connection);

// Shuts those that are too late. Where connections are nearly used up, less time is given to those
// that ask for nothing.
void connections_sweep(struct connections *connections);

int64_t connections_count(struct connections *connections);

// Whether the client has closed its end, or died: the answer would reach nobody. For a connection
// in STAGE_WORK.
bool connection_is_left(const struct connection *connection);
