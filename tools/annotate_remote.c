#include "tools/annotate_remote.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/file_view.h"
#include "tools/annotate_remote_read.h"
#include "tools/http_client.h"

enum { URL_BYTES = 1024, TOKEN_BYTES = 512 };

struct remote {
    struct remote_options options;
    char url[URL_BYTES]; // without a slash at its end
    char token[TOKEN_BYTES];
    struct class_list classes;
    int64_t max_timeout_ms;
    atomic_bool has_warned; // that it is away
    pthread_mutex_t mutex;
    struct http_client *idle[REMOTE_MOST_JOBS];
    int64_t num_clients;
    int64_t num_idle;
};

// ---- Asking ----

// One question to the service, with all its tries.
struct question {
    struct remote *remote;
    struct http_client *client;
    struct http_call call;
    const char *name; // in messages
    const struct remote_caller *caller;
    struct arena *arena;
    double deadline;
    bool is_first; // a service that cannot be reached is an error at once
    int num_cuts;
    int num_tries;
    const char *code;
    struct error *err;
};

enum verdict { ANSWERED, REFUSED, AGAIN, UNREACHED, LOST };

static const double LONGEST_WAIT = 5;
static const double SHORTEST_WAIT = 0.1;
static const double GRACE_SECONDS = 5;

// What an answer that is none of the wanted ones means.
static enum verdict judge_status(struct question *q, const struct http_answer *answer) {
    enum { UNAUTHORIZED = 401, METHOD_NOT_ALLOWED = 405, TOO_MANY = 429, UNAVAILABLE = 503 };
    enum { BAD_REQUEST = 400, FORBIDDEN = 403, NOT_FOUND = 404, BAD_GATEWAY = 502, TIMEOUT = 504 };
    const char *message = "";
    remote_read_fault(&q->code, &message, &answer->body, q->arena);
    error_set(q->err, STATUS_DATA, "%s: the service answers %d%s%s", q->name, answer->status,
              *message ? ": " : "", message);
    bool from_proxy = !*q->code && (answer->status == BAD_GATEWAY || answer->status == TIMEOUT);
    if (answer->status == TOO_MANY || answer->status == UNAVAILABLE || from_proxy ||
        strcmp(q->code, "deadline_queue") == 0)
        return AGAIN;
    // Another picture would be refused like this one.
    bool other_service = answer->status < BAD_REQUEST || answer->status == UNAUTHORIZED ||
                         answer->status == FORBIDDEN || answer->status == NOT_FOUND ||
                         answer->status == METHOD_NOT_ALLOWED ||
                         strcmp(q->code, "unknown_field") == 0 ||
                         strcmp(q->code, "bad_option") == 0;
    if (!other_service) return REFUSED;
    error_set(q->err, STATUS_USAGE, "%s: the service answers %d%s%s", q->remote->url,
              answer->status, *message ? ": " : "", message);
    return LOST;
}

static enum verdict try_once(struct question *q, struct http_answer *answer) {
    enum { MOST_CUTS = 5, GOOD = 200 };
    struct error failure;
    // The service itself says when time is up; only one that does not is left.
    q->call.seconds = fmax(q->deadline - clock_seconds(), 0) + GRACE_SECONDS;
    enum http_end end = http_client_ask(q->client, &q->call, answer, &failure);
    if (end == HTTP_ANSWERED) return answer->status == GOOD ? ANSWERED : judge_status(q, answer);
    q->code = end == HTTP_TIMED_OUT ? "timeout" : "connection_cut";
    bool of_picture = end == HTTP_TIMED_OUT || end == HTTP_CUT;
    error_set(q->err, end == HTTP_IMPOSSIBLE ? STATUS_USAGE : STATUS_DEVICE, "%s: %s",
              of_picture ? q->name : q->remote->url, failure.message);
    if (end == HTTP_TIMED_OUT) return REFUSED;
    if (end == HTTP_CUT) return ++q->num_cuts < MOST_CUTS ? AGAIN : REFUSED;
    return end == HTTP_NO_CONNECTION ? UNREACHED : LOST;
}

static bool is_stopped(const struct remote_caller *caller) {
    return atomic_load(caller->stop) || caller->is_interrupted();
}

// False if the caller gives up meanwhile.
static bool wait_seconds(const struct question *q, double seconds) {
    static const struct timespec PIECE = {0, 50000000};
    double end = clock_seconds() + seconds;
    while (!is_stopped(q->caller) && clock_seconds() < end)
        (void)nanosleep(&PIECE, NULL);
    return !is_stopped(q->caller);
}

static double wait_after(const struct question *q, const struct http_answer *answer) {
    if (answer->retry_after > 0) return (double)answer->retry_after;
    return fmin(SHORTEST_WAIT * pow(2, q->num_tries), LONGEST_WAIT);
}

// Once, however many wait.
static void warn(const struct question *q) {
    char text[ERROR_MESSAGE_BYTES + 64];
    if (atomic_exchange(&q->remote->has_warned, true)) return;
    snprintf(text, sizeof text, "%s; trying again for %.0f s", q->err->message,
             q->deadline - clock_seconds());
    q->caller->warn(q->caller->context, text);
}

// answer is to be discarded if the end is REMOTE_FOUND.
static enum remote_end ask(struct question *q, struct http_answer *answer) {
    for (;;) {
        enum verdict verdict = try_once(q, answer);
        if (verdict == ANSWERED) {
            atomic_store(&q->remote->has_warned, false);
            return REMOTE_FOUND;
        }
        output_discard(&answer->body);
        double wait = wait_after(q, answer);
        bool in_time = clock_seconds() + wait < q->deadline;
        if (verdict == LOST) return REMOTE_LOST;
        if (verdict == UNREACHED && (q->is_first || !in_time)) return REMOTE_LOST;
        if (verdict == REFUSED || !in_time) return REMOTE_FAILED;
        q->num_tries++;
        if (verdict == UNREACHED) warn(q);
        if (!wait_seconds(q, wait)) return REMOTE_STOPPED;
    }
}

static struct http_client *take_client(struct remote *remote) {
    pthread_mutex_lock(&remote->mutex);
    struct http_client *client = remote->idle[--remote->num_idle];
    pthread_mutex_unlock(&remote->mutex);
    return client;
}

static void put_client(struct remote *remote, struct http_client *client) {
    pthread_mutex_lock(&remote->mutex);
    remote->idle[remote->num_idle++] = client;
    pthread_mutex_unlock(&remote->mutex);
}

// ---- A picture ----

static bool write_url(char url[URL_BYTES], const struct remote *remote,
                      const struct remote_picture *picture) {
    enum { MILLISECONDS = 1000 };
    const struct detection_limits *limits = picture->limits;
    // The service keeps what is not below the score, the detector what is above it.
    float score = fminf(nextafterf((float)limits->min_score, 2), 1);
    double timeout_ms =
        fmin(remote->options.seconds * MILLISECONDS, (double)remote->max_timeout_ms);
    int size = snprintf(
        url, URL_BYTES, "%s/v1/detect?score=%.9g&exif=%s&round=false&timing=false&timeout_ms=%.0f",
        remote->url, (double)score, picture->apply_exif ? "apply" : "ignore", fmax(timeout_ms, 1));
    if (limits->max_detections > 0 && size < URL_BYTES)
        size += snprintf(url + size, (size_t)(URL_BYTES - size), "&max_dets=%lld",
                         (long long)limits->max_detections);
    return size < URL_BYTES;
}

static enum remote_end read_answer(struct question *q, const struct output *body,
                                   const struct remote_picture *picture,
                                   struct detection_list *list) {
    char sha256[SHA256_HEX_BYTES];
    const struct remote *remote = q->remote;
    if (remote_read_detections(list, sha256, body, remote->url, &remote->classes, picture->height,
                               picture->width, q->arena, q->err) != STATUS_OK)
        return REMOTE_LOST;
    if (strcmp(sha256, picture->model) == 0) return REMOTE_FOUND;
    error_set(q->err, STATUS_DATA,
              "%s: the service changed its model from %.12s to %.12s during the run; start anew, "
              "or with --resume to do all again with the new one",
              remote->url, picture->model, sha256);
    return REMOTE_LOST;
}

enum remote_end remote_detect(struct remote *remote, const struct remote_picture *picture,
                              const struct remote_caller *caller, struct arena *arena,
                              struct detection_list *list, const char **code, struct error *err) {
    char url[URL_BYTES];
    struct http_answer answer;
    struct question q = {
        .remote = remote,
        .call = {.url = url, .body = picture->bytes, .size = picture->size},
        .name = picture->path,
        .caller = caller,
        .arena = arena,
        .deadline = clock_seconds() + remote->options.seconds,
        .code = "",
        .err = err,
    };
    if (!write_url(url, remote, picture)) {
        error_set(err, STATUS_USAGE, "%s: the address is too long", remote->url);
        return REMOTE_LOST;
    }
    q.client = take_client(remote);
    enum remote_end end = ask(&q, &answer);
    put_client(remote, q.client);
    *code = *q.code ? q.code : "service_refused";
    if (end != REMOTE_FOUND) return end;
    end = read_answer(&q, &answer.body, picture, list);
    output_discard(&answer.body);
    return end;
}

// ---- Opening ----

static enum status read_token(struct remote *remote, struct error *err) {
    const char *path = remote->options.token_file;
    const char *set = getenv("GCTMASK_TOKEN");
    struct file_view view = {0};
    if (!path && !set) return STATUS_OK;
    if (path) TRY(file_view_open(&view, path, 0, err));
    const char *text = path ? view.data : set;
    int64_t size = path ? view.size : (int64_t)strlen(set);
    while (size > 0 && strchr(" \r\n", text[size - 1]))
        size--;
    bool is_word = size > 0 && size < TOKEN_BYTES;
    for (int64_t i = 0; i < size && is_word; i++)
        is_word = text[i] > ' ' && text[i] <= '~';
    if (is_word) snprintf(remote->token, sizeof remote->token, "%.*s", (int)size, text);
    if (path) file_view_close(&view);
    if (is_word) return STATUS_OK;
    return error_set(err, STATUS_DATA, "%s: one token was expected, as gctmask token shows it",
                     path ? path : "$GCTMASK_TOKEN");
}

static enum status set_url(struct remote *remote, struct error *err) {
    const char *server = remote->options.server;
    size_t size = strlen(server);
    while (size > 0 && server[size - 1] == '/')
        size--;
    int written = snprintf(remote->url, sizeof remote->url, "%s%.*s",
                           strstr(server, "://") ? "" : "http://", (int)size, server);
    if (written < URL_BYTES) return STATUS_OK;
    return error_set(err, STATUS_USAGE, "--server: an address of more than %d bytes", URL_BYTES);
}

static enum status make_clients(struct remote *remote, struct error *err) {
    const struct http_client_options options = {
        .token = remote->token[0] ? remote->token : NULL,
        .ca_file = remote->options.ca_file,
    };
    for (int64_t i = 0; i < remote->options.jobs; i++) {
        struct http_client *client = NULL;
        enum status status = http_client_create(&client, &options, err);
        if (status != STATUS_OK) {
            http_client_destroy(client);
            return status;
        }
        remote->idle[remote->num_idle++] = client;
        remote->num_clients++;
    }
    return STATUS_OK;
}

static enum status fetch(struct remote *remote, const char *path,
                         const struct remote_caller *caller, struct http_answer *answer,
                         struct arena *arena, struct error *err) {
    char url[URL_BYTES + 32];
    snprintf(url, sizeof url, "%s%s", remote->url, path);
    struct question q = {
        .remote = remote,
        .client = remote->idle[0],
        .call = {.url = url},
        .name = remote->url,
        .caller = caller,
        .arena = arena,
        .deadline = clock_seconds() + remote->options.seconds,
        .is_first = true,
        .code = "",
        .err = err,
    };
    enum remote_end end = ask(&q, answer);
    if (end == REMOTE_FOUND) return STATUS_OK;
    if (end == REMOTE_STOPPED) return error_set(err, STATUS_CANCELLED, "%s: given up", remote->url);
    // What keeps the service from answering such a question may pass.
    return end == REMOTE_FAILED ? (err->code = STATUS_DEVICE) : err->code;
}

static enum status fetch_model(struct remote *remote, const struct remote_caller *caller,
                               struct remote_model *model, struct arena *arena, struct error *err) {
    struct http_answer answer;
    TRY(fetch(remote, "/v1/models", caller, &answer, arena, err));
    enum status status = remote_read_models(model, &answer.body, remote->url, arena, err);
    output_discard(&answer.body);
    if (status != STATUS_OK) return status;
    remote->classes = model->classes;
    TRY(fetch(remote, "/v1/info", caller, &answer, arena, err));
    status =
        remote_read_info(model, &remote->max_timeout_ms, &answer.body, remote->url, arena, err);
    output_discard(&answer.body);
    return status;
}

enum status remote_open(struct remote **result, const struct remote_options *options,
                        const struct remote_caller *caller, struct remote_model *model,
                        struct arena *arena, struct error *err) {
    *model = (struct remote_model){0};
    struct remote *remote = *result = calloc(1, sizeof *remote);
    if (!remote) return error_memory(err, "connections", sizeof *remote);
    remote->options = *options;
    pthread_mutex_init(&remote->mutex, NULL);
    TRY(set_url(remote, err));
    TRY(read_token(remote, err));
    TRY(make_clients(remote, err));
    return fetch_model(remote, caller, model, arena, err);
}

void remote_close(struct remote *remote) {
    if (!remote) return;
    for (int64_t i = 0; i < remote->num_clients; i++)
        http_client_destroy(remote->idle[i]);
    pthread_mutex_destroy(&remote->mutex);
    explicit_bzero(remote->token, sizeof remote->token);
    free(remote);
}

int64_t remote_jobs(const struct remote *remote) {
    return remote->options.jobs;
}
