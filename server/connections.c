#include "server/connections.h"

#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"

void connections_init(struct connections *connections, const struct service_settings *settings,
                      struct metrics *metrics) {
    *connections = (struct connections){.settings = settings, .metrics = metrics};
    pthread_mutex_init(&connections->mutex, NULL);
}

void connections_destroy(struct connections *connections) {
    pthread_mutex_destroy(&connections->mutex);
}

struct connection *connections_add(struct connections *connections, int descriptor,
                                   const char *address) {
    struct connection *connection = calloc(1, sizeof *connection);
    if (!connection) return NULL;
    *connection = (struct connection){
        .descriptor = descriptor, .stage = STAGE_HEADERS, .since = clock_seconds()};
    snprintf(connection->address, sizeof connection->address, "%s", address);
    pthread_mutex_lock(&connections->mutex);
    connection->next = connections->first;
    if (connection->next) connection->next->previous = connection;
    connections->first = connection;
    connections->count++;
    pthread_mutex_unlock(&connections->mutex);
    return connection;
}

void connections_remove(struct connections *connections, struct connection *connection) {
    pthread_mutex_lock(&connections->mutex);
    if (connection->next) connection->next->previous = connection->previous;
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        connections->first = connection->next;
    connections->count--;
    pthread_mutex_unlock(&connections->mutex);
    free(connection);
}

void connections_enter(struct connections *connections, struct connection *connection,
                       enum connection_stage stage) {
    pthread_mutex_lock(&connections->mutex);
    connection->stage = stage;
    connection->since = clock_seconds();
    pthread_mutex_unlock(&connections->mutex);
}

void connections_begin_request(struct connections *connections, struct connection *connection) {
    pthread_mutex_lock(&connections->mutex);
    if (connection->stage == STAGE_IDLE) {
        connection->stage = STAGE_HEADERS;
        connection->since = clock_seconds();
    }
    pthread_mutex_unlock(&connections->mutex);
}

int64_t connections_count(struct connections *connections) {
    pthread_mutex_lock(&connections->mutex);
    int64_t count = connections->count;
    pthread_mutex_unlock(&connections->mutex);
    return count;
}

// ---- Sweeping, with the mutex held ----

static double allowed_seconds(const struct connections *connections, enum connection_stage stage) {
    static const double CROWDED_SECONDS = 2;
    const struct service_settings *settings = connections->settings;
    bool crowded = connections->count * 5 > settings->max_connections * 4;
    double seconds = HUGE_VAL;
    switch (stage) {
    case STAGE_HEADERS:
        seconds = settings->header_seconds;
        break;
    case STAGE_IDLE:
        seconds = settings->idle_seconds;
        break;
    case STAGE_UPLOAD:
        return settings->upload_seconds;
    case STAGE_WRITE:
        return settings->write_seconds;
    case STAGE_WORK:
        return HUGE_VAL;
    }
    return crowded ? fmin(seconds, CROWDED_SECONDS) : seconds;
}

static void shut(struct connections *connections, struct connection *connection,
                 enum kill_reason reason) {
    shutdown(connection->descriptor, SHUT_RDWR);
    connection->is_shut = true;
    atomic_fetch_add(&connections->metrics->killed[reason], 1);
}

static bool asks_nothing(const struct connection *connection) {
    return !connection->is_shut &&
           (connection->stage == STAGE_HEADERS || connection->stage == STAGE_IDLE);
}

// So that there is room for the next one: a client that has asked for nothing yet, or for nothing
// more, can come again.
static void shut_longest(struct connections *connections) {
    struct connection *longest = NULL;
    for (struct connection *c = connections->first; c; c = c->next)
        if (asks_nothing(c) && (!longest || c->since < longest->since)) longest = c;
    if (longest) shut(connections, longest, KILL_CROWD);
}

void connections_sweep(struct connections *connections) {
    static const enum kill_reason REASONS[] = {
        [STAGE_HEADERS] = KILL_HEADERS, [STAGE_UPLOAD] = KILL_UPLOAD, [STAGE_WORK] = KILL_WRITE,
        [STAGE_WRITE] = KILL_WRITE,     [STAGE_IDLE] = KILL_IDLE,
    };
    double now = clock_seconds();
    int64_t open = 0;
    pthread_mutex_lock(&connections->mutex);
    for (struct connection *c = connections->first; c; c = c->next) {
        if (!c->is_shut && now - c->since > allowed_seconds(connections, c->stage))
            shut(connections, c, REASONS[c->stage]);
        open += !c->is_shut;
    }
    int64_t most = connections->settings->max_connections;
    for (int64_t excess = open - (most - most / 32 - 1); excess > 0; excess--)
        shut_longest(connections);
    pthread_mutex_unlock(&connections->mutex);
}

bool connection_is_left(const struct connection *connection) {
    // Unlike a look at the first byte, this also sees it behind bytes that were not read yet.
    struct pollfd poll_one = {.fd = connection->descriptor, .events = POLLRDHUP};
    return poll(&poll_one, 1, 0) > 0 && (poll_one.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}
