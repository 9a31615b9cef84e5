// The transport's side of an exchange: from the head to the place in the pool, and the end.
#include "server/exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "server/exchange_internal.h"
#include "server/request_id.h"
#include "server/service_internal.h"

// ---- Beginning ----

static void make_id(struct service *service, char id[REQUEST_ID_BYTES]) {
    uint64_t number = atomic_fetch_add(&service->num_ids, 1);
    snprintf(id, REQUEST_ID_BYTES, "%016llx-%llx", (unsigned long long)service->id_seed,
             (unsigned long long)number);
}

struct exchange *exchange_create(struct service *service, struct connections *connections,
                                 struct connection *connection, void *transport, const char *raw) {
    enum { HEAD_BLOCK_BYTES = 1 << 10, HEAD_LIMIT_BYTES = 1 << 18, BLOCK_BYTES = 1 << 14 };
    struct exchange *e = calloc(1, sizeof *e);
    if (!e) return NULL;
    const struct service_settings *settings = service->settings;
    e->service = service;
    e->connections = connections;
    e->is_admin = connections == &service->admin_connections;
    e->connection = connection;
    e->transport = transport;
    atomic_init(&e->references, 1);
    arena_init(&e->head_arena, HEAD_BLOCK_BYTES, HEAD_LIMIT_BYTES);
    // Copies of base64 pictures, decoded pixels, detections.
    arena_init(&e->arena, BLOCK_BYTES,
               2 * settings->max_body_bytes + settings->queue_bytes + settings->decode_bytes);
    make_id(service, e->id);
    e->start = clock_seconds();
    e->method = "";
    e->route.index = route_other();
    size_t size = strcspn(raw, "?");
    e->path = arena_copy_text(&e->head_arena, raw, (int64_t)size);
    if (raw[size])
        e->query = arena_copy_text(&e->head_arena, raw + size + 1, (int64_t)strlen(raw + size + 1));
    pthread_mutex_init(&e->arena_mutex, NULL);
    if (e->path && (e->query || !raw[size])) return e;
    pthread_mutex_destroy(&e->arena_mutex);
    arena_destroy(&e->head_arena);
    free(e);
    return NULL;
}

// ---- The head ----

// NULL if the header is not there. A copy that there is no memory for is a fault.
static const char *copy_header(struct exchange *e, const struct request_head *head,
                               const char *name) {
    const char *value = header_find(head, name);
    if (!value) return NULL;
    const char *copy = arena_copy_text(&e->head_arena, value, (int64_t)strlen(value));
    if (!copy) fault_set(&e->fault, FAULT_MEMORY_BUDGET, "there is no memory for the headers");
    return copy;
}

static bool check_rights(struct exchange *e, const struct request_head *head) {
    struct guard *guard = &e->service->guard;
    unsigned scope = e->is_admin ? SCOPE_METRICS : SCOPE_DETECT;
    if (!guard_check_origin(guard, e->origin, header_find(head, "Host"), &e->is_foreign, &e->fault))
        return false;
    if (strcmp(e->method, "OPTIONS") == 0 && e->is_foreign) {
        e->is_preflight = true;
        return true;
    }
    if (!route_find(&e->route, e->method, e->path, e->is_admin, &e->allow, &e->fault)) return false;
    return e->route.is_open || guard_check_token(guard, header_find(head, "Authorization"), scope,
                                                 e->connection->address, &e->fault);
}

static bool check_body(struct exchange *e, const struct request_head *head) {
    int64_t limit = e->service->settings->max_body_bytes;
    e->body_announced = head->content_length;
    if (head->content_length > limit)
        return fault_set_limit(&e->fault, FAULT_BODY_TOO_LARGE, limit, head->content_length,
                               "the body has %lld bytes; the limit is %lld",
                               (long long)head->content_length, (long long)limit);
    return true;
}

static bool check_service(struct exchange *e) {
    if (!e->route.dialect || atomic_load(&e->service->state) != SERVICE_CLOSED) return true;
    fault_set(&e->fault, FAULT_DRAINING, "the server is stopping");
    e->fault.retry_after = 1;
    return false;
}

static bool check_head(struct exchange *e, struct request_head *head) {
    if (!framing_check(head, &e->fault)) return false;
    e->content_type = copy_header(e, head, "Content-Type");
    e->accept = copy_header(e, head, "Accept");
    e->client_id = copy_header(e, head, "X-Request-Id");
    e->origin = copy_header(e, head, "Origin");
    if (e->fault.code != FAULT_NONE) return false;
    if (e->client_id &&
        !request_id_set(e->id, e->client_id, (int64_t)strlen(e->client_id), &e->fault))
        return false;
    return check_rights(e, head) && check_body(e, head) && check_service(e);
}

bool exchange_start(struct exchange *e, struct request_head *head) {
    e->is_started = true;
    atomic_fetch_add(&e->service->metrics.in_flight, 1);
    const char *method =
        arena_copy_text(&e->head_arena, head->method, (int64_t)strlen(head->method));
    if (method) e->method = method;
    if (check_head(e, head)) return true;
    // Where the request ends is not known, so the connection ends.
    if (e->fault.code == FAULT_AMBIGUOUS_FRAMING) return false;
    // A body that is not wanted is read all the same if it is small enough, because a client that
    // still sends may miss an answer that comes before; but who waits to be told is told.
    bool has_body = head->is_chunked || head->content_length > 0;
    return !has_body || (e->fault.code != FAULT_BODY_TOO_LARGE && !head->expects_continue);
}

// ---- The body ----

static bool grow_body(struct exchange *e, int64_t size) {
    enum { FIRST_BYTES = 1 << 16 };
    int64_t wanted = e->body_capacity > 0 ? 2 * e->body_capacity : FIRST_BYTES;
    int64_t limit = e->service->settings->max_body_bytes;
    if (e->body_announced >= 0) limit = e->body_announced;
    if (wanted > limit) wanted = limit;
    if (wanted < size) wanted = size;
    struct admission *admission = &e->service->admission;
    if (!admission_hold_upload(admission, wanted - e->body_capacity, &e->fault)) return false;
    uint8_t *body = realloc(e->body, (size_t)wanted + 1);
    if (!body) {
        admission_free_upload(admission, wanted - e->body_capacity);
        return fault_set(&e->fault, FAULT_MEMORY_BUDGET, "there is no memory for the body");
    }
    e->body = body;
    e->body_capacity = wanted;
    return true;
}

void exchange_free_body(struct exchange *e) {
    free(e->body);
    admission_free_upload(&e->service->admission, e->body_capacity);
    e->body = NULL;
    e->body_size = 0;
    e->body_capacity = 0;
}

static bool keep_part(struct exchange *e, const void *bytes, int64_t size) {
    int64_t limit = e->service->settings->max_body_bytes;
    int64_t total = e->body_size + size;
    if (total > limit)
        return fault_set_limit(&e->fault, FAULT_BODY_TOO_LARGE, limit, total,
                               "the body has more than %lld bytes", (long long)limit);
    if (total > e->body_capacity && !grow_body(e, total)) return false;
    memcpy(e->body + e->body_size, bytes, (size_t)size);
    e->body_size = total;
    return true;
}

bool exchange_take(struct exchange *e, const void *bytes, int64_t size) {
    e->bytes_in += size;
    if (e->fault.code == FAULT_NONE && e->route.dialect && !keep_part(e, bytes, size))
        exchange_free_body(e);
    return e->bytes_in <= 2 * e->service->settings->max_body_bytes;
}

// ---- The end of the request ----

static bool may_work(struct exchange *e) {
    struct service *service = e->service;
    e->model = model_slot_take(service->models);
    if (!e->model) {
        fault_set(&e->fault, FAULT_LOADING, "the model is being loaded");
        e->fault.retry_after = 1;
        return false;
    }
    const char *reason = devices_unready(service, e->model);
    if (reason) {
        fault_set(&e->fault, FAULT_DEVICE_LOST, "the model does not answer: %s", reason);
        e->fault.retry_after = 30;
        return false;
    }
    const char *name = e->route.segments[0];
    const char *version = e->route.segments[1];
    if ((*name && strcmp(name, e->model->facts.name) != 0) ||
        (*version && strcmp(version, e->model->facts.version) != 0))
        return fault_set(&e->fault, FAULT_MODEL_NOT_FOUND, "there is no such model");
    return admission_enter(&service->admission, &e->fault);
}

bool exchange_finish(struct exchange *e) {
    e->received = clock_seconds();
    if (e->fault.code == FAULT_NONE && e->is_preflight) {
        e->reply = (struct reply){.status = 204};
        return true;
    }
    if (e->fault.code == FAULT_NONE && e->route.dialect && may_work(e)) return false;
    if (e->fault.code == FAULT_NONE) {
        e->reply = document_reply(e->service, e);
    } else {
        e->reply = reply_of_fault(&e->fault, e->id);
        e->reply.allow = e->allow;
    }
    return true;
}

// ---- The end ----

static void count_end(struct exchange *e, int status, double seconds) {
    struct metrics *metrics = &e->service->metrics;
    metrics_count_request(metrics, e->route.index, status);
    atomic_fetch_add(&metrics->bytes_in, e->bytes_in);
    atomic_fetch_add(&metrics->bytes_out, e->reply.size);
    if (e->reply.code != FAULT_NONE && status == e->reply.status)
        atomic_fetch_add(&metrics->rejected[e->reply.code], 1);
    if (e->reply.code == FAULT_AUTH_REQUIRED || e->reply.code == FAULT_AUTH_INVALID ||
        e->reply.code == FAULT_FORBIDDEN_SCOPE)
        atomic_fetch_add(&metrics->auth_failures, 1);
    if (!e->has_work_done) return;
    histogram_add(&metrics->request_seconds, seconds);
    for (int i = 0; i < NUM_PHASES; i++)
        histogram_add(&metrics->phase_seconds[i], e->work_done.seconds[i]);
}

void exchange_end(struct exchange *e, bool is_sent) {
    enum { CLIENT_LEFT = 499 };
    struct service *service = e->service;
    double now = clock_seconds();
    int status = is_sent && e->reply.status ? e->reply.status : CLIENT_LEFT;
    if (e->reply.status && !is_sent) atomic_fetch_add(&service->metrics.cancelled[CANCEL_WRITE], 1);
    e->work_done.seconds[PHASE_WRITE] = now - e->answered;
    count_end(e, status, now - e->start);
    const struct access_entry entry = {
        .id = e->id,
        .remote = e->connection->address,
        .method = e->method,
        .path = e->path,
        .status = status,
        .code = is_sent ? fault_word(e->reply.code) : "",
        .bytes_in = e->bytes_in,
        .bytes_out = is_sent ? e->reply.size : 0,
        .seconds = now - e->start,
        .pixels = e->work_done.pixels,
        .detections = e->work_done.detections,
        .devices = &service->settings->devices,
        .computed_by = e->work_done.devices,
        .phases = e->has_work_done ? e->work_done.seconds : NULL,
    };
    access_log_write(&service->access_log, &entry);
    admission_free_upload(&service->admission, e->reply.held_bytes);
    atomic_fetch_sub(&service->metrics.in_flight, e->is_started);
    exchange_release(e);
}

struct exchange *exchange_share(struct exchange *e) {
    atomic_fetch_add(&e->references, 1);
    return e;
}

void exchange_release(struct exchange *e) {
    if (atomic_fetch_sub(&e->references, 1) > 1) return;
    CHECK(e->pixel_bytes == 0);
    exchange_free_body(e);
    reply_discard(&e->reply); // if nobody took it
    model_release(e->model);
    pthread_mutex_destroy(&e->arena_mutex);
    arena_destroy(&e->arena);
    arena_destroy(&e->head_arena);
    free(e);
}
