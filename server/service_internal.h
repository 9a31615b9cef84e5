// What the parts of a service share.
#pragma once

#include "base/log.h"
#include "server/access_log.h"
#include "server/admission.h"
#include "server/devices.h"
#include "server/exchange.h"
#include "server/guard.h"
#include "server/http.h"
#include "server/listener.h"
#include "server/pool.h"
#include "server/service.h"
#include "server/worker.h"

enum service_state { SERVICE_STARTING, SERVICE_READY, SERVICE_DRAINING, SERVICE_CLOSED };

struct service {
    const struct service_settings *settings;
    const struct log *log;
    int num_threads;
    atomic_int state; // enum service_state
    double started;
    struct metrics metrics;
    struct access_log access_log;
    struct admission admission;
    struct connections connections;
    struct connections admin_connections;
    struct guard guard;
    struct model_slot *models;
    struct worker_group *workers;
    struct pool *pool;
    struct http *http;
    struct http *admin; // NULL: none
    struct listener listener, admin_listener;

    // All exchanges that are not answered yet.
    pthread_mutex_t exchanges_mutex;
    struct exchange *exchanges;
    bool is_cut; // with the mutex: no connection may be put to sleep any more

    pthread_t sweeper;
    bool has_sweeper;
    atomic_bool stops;
    atomic_uint_fast64_t stalled; // bit N: the worker of device N (server/devices.h)
    atomic_uint_fast64_t num_ids;
    uint64_t id_seed;
};

// The answer for a document's address.
struct reply document_reply(struct service *service, const struct exchange *exchange);

// Why no requests are taken: "loading", "draining", "queue_stalled", "device_lost"; NULL if they
// are. model as for server/devices.h.
const char *service_unready(struct service *service, const struct model *model);
