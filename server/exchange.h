// One request and its answer, from the first line of the one to the last byte of the other.
//
// A thread of libmicrohttpd reads it and checks what it may be (exchange_start, exchange_take,
// exchange_finish). One that detects is then suspended and goes to the pool: decoding
// (exchange_prepare), the worker (server/worker.h), encoding (exchange_encode); whoever answers
// first wakes its connection. That is the pool, or the sweeper when its time is over: then the
// others go on with memory that is still there, since it has counted references, and their work is
// dropped.
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "server/connections.h"
#include "server/dialect.h"
#include "server/framing.h"
#include "server/model.h"
#include "server/reply.h"
#include "server/routes.h"

struct service;
struct exchange;

// One picture on its way through the worker.
struct job {
    struct exchange *exchange;
    int64_t index; // of the picture
    struct extent input;
    double cost;
    struct detection_limits limits;
    double queued;   // when
    bool has_failed; // with a device that failed
    struct job *next;
};

// What the log and metrics tell of the work.
struct work_done {
    int64_t pixels, detections;
    uint64_t devices; // bit N: device N has computed
    double seconds[NUM_PHASES];
};

struct exchange {
    struct service *service;
    void *transport; // the connection to wake
    struct connection *connection;
    struct connections *connections;
    atomic_int references;
    bool is_admin;     // came by the admin listener
    bool is_started;   // its headers were read
    bool is_preflight; // a browser asks whether a page of another origin may ask
    bool is_foreign;   // such a page asks, and may

    // What was asked, in head_arena.
    struct arena head_arena;
    const char *path;
    const char *query; // NULL: none
    const char *method;
    const char *content_type, *accept, *client_id, *origin; // NULL: not there
    struct route route;
    const char *allow;      // methods, if fault is about them
    struct fault fault;     // why it is refused; the body is thrown away then
    double start, received; // when the headers were, and the body was there
    uint8_t *body;
    int64_t body_size, body_capacity;
    int64_t body_announced; // -1: not
    int64_t bytes_in;       // of the body, thrown away or not

    // The work, of one thread at a time, but for what workers do to several of its pictures.
    struct arena arena;
    pthread_mutex_t arena_mutex; // for workers
    struct model *model;
    struct detect_request request;
    struct detect_outcome outcomes[MAX_PICTURES];
    struct job jobs[MAX_PICTURES];
    atomic_int_fast64_t jobs_left;
    int64_t pixel_bytes; // held in admission
    bool is_computed;
    struct exchange *next_task; // in the pool

    // With service->exchanges_mutex held, while the connection sleeps.
    char id[REQUEST_ID_BYTES];
    struct exchange *next; // of those not answered yet, newest first
    struct exchange *previous;
    double deadline;
    bool is_computing;
    bool is_answered;
    bool is_left; // by the client

    // The answer; after is_answered the transport's.
    struct reply reply;
    double answered; // when
    bool is_suspended;
    bool has_work_done;
    struct work_done work_done;
};

// ---- For the transport ----

// raw is the request's address as it came. NULL if there is no memory. One reference is the
// transport's.
struct exchange *exchange_create(struct service *service, struct connections *connections,
                                 struct connection *connection, void *transport, const char *raw);

// Looks at the head: afterwards fault tells whether it is refused. False if that should be said at
// once, since the body is too much to wait for.
bool exchange_start(struct exchange *exchange, struct request_head *head);

// A part of the body. False if so much comes of what cannot be used that the connection should end.
bool exchange_take(struct exchange *exchange, const void *bytes, int64_t size);

// The request is here. True: reply is set. False: the caller suspends the connection and calls
// exchange_submit.
bool exchange_finish(struct exchange *exchange);
void exchange_submit(struct exchange *exchange);

// The answer was sent, or could not be: counts, logs and gives the transport's reference back.
void exchange_end(struct exchange *exchange, bool is_sent);

// ---- For the threads that work ----

// Reads, admits, decodes and hands jobs to the worker, or answers why not.
void exchange_prepare(struct exchange *exchange);
void exchange_encode(struct exchange *exchange);

// Whether somebody still waits for the answer, who will be told that it was being computed if the
// time ends meanwhile.
bool exchange_begin_computing(struct exchange *exchange);

// A job is done, or given up with a fault in its outcome. Gives the job's reference back.
void exchange_job_done(struct job *job);

struct exchange *exchange_share(struct exchange *exchange);
void exchange_release(struct exchange *exchange);

// ---- For the sweeper ----

// Answers those whose time is over, or all, with a fault of this code. After the cut, what is
// submitted is answered at once: libmicrohttpd must not be stopped while a connection sleeps.
void exchanges_expire(struct service *service);
int64_t exchanges_cut(struct service *service, enum fault_code code);
