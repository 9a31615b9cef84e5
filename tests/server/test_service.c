// The service at work: who may ask, what is refused, deadlines, draining, reloading. With a model
// of known service time, unless the model is the point.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/output.h"
#include "server/tokens.h"
#include "tests/harness.h"
#include "tests/server/check_service.h"

static struct check_answer answer;

static const char *path_of(const char *name) {
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", scratch_folder(), name);
    return path;
}

// POSTs body to path; headers end in "\r\n" each.
static void post(int port, const char *path, const char *headers, const void *body, int64_t size) {
    char head[2048];
    int bytes = snprintf(head, sizeof head,
                         "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %lld\r\n%s\r\n",
                         path, (long long)size, headers);
    int descriptor = check_connect(port);
    REQUIRE(descriptor >= 0);
    check_send(descriptor, head, bytes);
    check_send(descriptor, body, size);
    check_read(descriptor, &answer);
    close(descriptor);
}

static void get(int port, const char *path, const char *headers) {
    char head[2048];
    int bytes =
        snprintf(head, sizeof head, "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", path, headers);
    check_exchange(port, head, bytes, &answer);
}

// ---- Admission ----

struct client {
    pthread_t thread;
    int port;
    const char *path;
    const struct check_picture *picture;
    struct check_answer *answer;
};

static void *client_main(void *argument) {
    struct client *client = argument;
    char head[512];
    int bytes = snprintf(head, sizeof head,
                         "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %lld\r\n\r\n",
                         client->path, (long long)client->picture->size);
    int descriptor = check_connect(client->port);
    if (descriptor < 0) return NULL;
    check_send(descriptor, head, bytes);
    check_send(descriptor, client->picture->bytes, client->picture->size);
    check_read(descriptor, client->answer);
    close(descriptor);
    return NULL;
}

static void start_client(struct client *client, int port, const char *path,
                         const struct check_picture *picture) {
    *client = (struct client){.port = port, .path = path, .picture = picture};
    client->answer = calloc(1, sizeof *client->answer);
    REQUIRE(pthread_create(&client->thread, NULL, client_main, client) == 0);
}

static int join_client(struct client *client) {
    pthread_join(client->thread, NULL);
    return client->answer->status;
}

// Waits until /v1/info has this value.
static void wait_for(int port, const char *name, int64_t value) {
    char expected[64];
    snprintf(expected, sizeof expected, "\"%s\":%lld,", name, (long long)value);
    for (double end = clock_seconds() + 60; clock_seconds() < end; usleep(2000)) {
        get(port, "/v1/info", "");
        if (strstr(answer.body, expected)) return;
    }
    EXPECT_CONTAINS(answer.body, expected);
}

// Waits until the queue has so many pictures.
static void wait_for_queue(int port, int64_t length) {
    wait_for(port, "queue_length", length);
}

// One more than the queue takes is refused with the time to come again; the others are answered.
static void queue_limit(void) {
    enum { LENGTH = 3 };
    struct client clients[LENGTH];
    const char *options[] = {"stub-ms=1500", "queue-length=3", "batch-max=1", NULL};
    struct service *service = check_service_start(options);
    struct check_picture picture = check_picture(64, 48, 1);
    int port = check_service_port(service);
    for (int i = 0; i < LENGTH; i++)
        start_client(&clients[i], port, "/v1/detect", &picture);
    wait_for_queue(port, LENGTH);
    post(port, "/v1/detect", "", picture.bytes, picture.size);
    EXPECT_INT(answer.status, 503);
    EXPECT_CONTAINS(answer.body, "\"code\":\"queue_full\"");
    EXPECT_CONTAINS(answer.body, "\"limit\":3");
    EXPECT_CONTAINS(answer.text, "\r\nRetry-After: ");
    for (int i = 0; i < LENGTH; i++) {
        EXPECT_INT(join_client(&clients[i]), 200);
        free(clients[i].answer);
    }
    wait_for_queue(port, 0);
    free(picture.bytes);
    check_service_stop(service);
}

// What would come too late is refused at once, but only behind others.
static void predicted_wait(void) {
    struct client clients[2];
    struct service *service = check_service_start((const char *[]){"stub-ms=1500", NULL});
    struct check_picture picture = check_picture(64, 48, 1);
    int port = check_service_port(service);
    post(port, "/v1/detect", "", picture.bytes, picture.size); // learns
    EXPECT_INT(answer.status, 200);
    for (int i = 0; i < 2; i++)
        start_client(&clients[i], port, "/v1/detect", &picture);
    wait_for_queue(port, 2);
    post(port, "/v1/detect?timeout_ms=1000", "", picture.bytes, picture.size);
    EXPECT_INT(answer.status, 503);
    EXPECT_CONTAINS(answer.body, "\"code\":\"queue_full\"");
    for (int i = 0; i < 2; i++) {
        EXPECT_INT(join_client(&clients[i]), 200);
        free(clients[i].answer);
    }
    // With nobody before it it may try, and its time passes on the way.
    wait_for_queue(port, 0);
    post(port, "/v1/detect?timeout_ms=100", "", picture.bytes, picture.size);
    EXPECT_INT(answer.status, 504);
    EXPECT_CONTAINS(answer.body, "\"code\":\"deadline_infer\"");
    wait_for_queue(port, 0);
    free(picture.bytes);
    check_service_stop(service);
}

static void pixel_budget(void) {
    const char *options[] = {"queue-bytes=30000", NULL};
    struct service *service = check_service_start(options);
    struct check_picture small = check_picture(100, 100, 1);
    struct check_picture large = check_picture(101, 100, 1);
    int port = check_service_port(service);
    post(port, "/v1/detect", "", small.bytes, small.size);
    EXPECT_INT(answer.status, 200);
    post(port, "/v1/detect", "", large.bytes, large.size);
    EXPECT_INT(answer.status, 503);
    EXPECT_CONTAINS(answer.body, "\"code\":\"memory_budget\"");
    free(small.bytes);
    free(large.bytes);
    check_service_stop(service);
}

static void upload_budget(void) {
    static char head[] = "POST /v1/detect HTTP/1.1\r\nHost: h\r\nContent-Length: 90000\r\n\r\n";
    static char half[45000];
    struct service *service = check_service_start((const char *[]){"upload-bytes=100000", NULL});
    int port = check_service_port(service);
    int first = check_connect(port);
    check_send(first, head, sizeof head - 1);
    check_send(first, half, sizeof half);
    wait_for(port, "upload_bytes", 1 << 16); // which leaves no room for the next one
    post(port, "/v1/detect", "", half, sizeof half);
    EXPECT_INT(answer.status, 503);
    EXPECT_CONTAINS(answer.body, "\"code\":\"memory_budget\"");
    check_send(first, half, sizeof half);
    check_read(first, &answer);
    EXPECT_INT(answer.status, 415);
    close(first);
    // It is free again.
    post(port, "/v1/detect", "", half, sizeof half);
    EXPECT_INT(answer.status, 415);
    check_service_stop(service);
}

static void image_limits(void) {
    const char *options[] = {"max-pixels=10000", "max-side=150", NULL};
    struct service *service = check_service_start(options);
    struct check_picture many = check_picture(101, 100, 1);
    struct check_picture exact = check_picture(100, 100, 1);
    struct check_picture side = check_picture(151, 10, 1);
    int port = check_service_port(service);
    post(port, "/v1/detect", "", exact.bytes, exact.size);
    EXPECT_INT(answer.status, 200);
    post(port, "/v1/detect", "", many.bytes, many.size);
    EXPECT_INT(answer.status, 422);
    EXPECT_CONTAINS(answer.body, "image_too_many_pixels");
    EXPECT_CONTAINS(answer.body, "\"details\":{\"limit\":10000,\"got\":10100}");
    post(port, "/v1/detect", "", side.bytes, side.size);
    EXPECT_INT(answer.status, 422);
    EXPECT_CONTAINS(answer.body, "image_side_too_long");
    // Cut at every 64th: it decodes or it does not, and says so.
    for (int i = 0; i < 64; i++) {
        post(port, "/v1/detect", "", exact.bytes, exact.size * i / 64);
        EXPECT(answer.status == 422 || answer.status == 415 || answer.status == 200);
    }
    EXPECT_INT(check_get(port, "/v1/health/live"), 200);
    free(many.bytes);
    free(exact.bytes);
    free(side.bytes);
    check_service_stop(service);
}

// ---- Clients that leave ----

// Those that left are not computed: with 3 s for each, ten of them would hold up the last one.
static void left_clients(void) {
    enum { CLIENTS = 10 };
    const char *options[] = {"stub-ms=3000", "batch-max=1", "admin=127.0.0.1:0", NULL};
    struct service *service = check_service_start(options);
    struct check_picture picture = check_picture(64, 48, 1);
    struct client first;
    char head[256];
    int port = check_service_port(service);
    start_client(&first, port, "/v1/detect", &picture);
    wait_for_queue(port, 1);
    for (int i = 0; i < CLIENTS; i++) {
        int bytes = snprintf(head, sizeof head,
                             "POST /v1/detect HTTP/1.1\r\nHost: h\r\nContent-Length: %lld\r\n\r\n",
                             (long long)picture.size);
        int descriptor = check_connect(port);
        check_send(descriptor, head, bytes);
        check_send(descriptor, picture.bytes, picture.size);
        // Only a request that was read whole comes into the queue.
        wait_for_queue(port, 2 + i);
        close(descriptor);
    }
    EXPECT_INT(join_client(&first), 200);
    wait_for_queue(port, 0);
    get(check_service_admin_port(service), "/metrics", "");
    EXPECT_CONTAINS(answer.body, "gctmask_batch_size_count ");
    const char *cancelled = strstr(answer.body, "gctmask_cancelled_total{phase=\"queue\"} ");
    REQUIRE(cancelled);
    EXPECT(strtol(strchr(cancelled, ' ') + 1, NULL, 10) >= 8);
    free(first.answer);
    free(picture.bytes);
    check_service_stop(service);
}

static void slow_clients(void) {
    const char *options[] = {"header-timeout=0.3", "upload-timeout=0.3", "idle-timeout=0.3",
                             "admin=127.0.0.1:0", NULL};
    static const char *const STARTS[] = {
        "", "GET / HT", "POST /v1/detect HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nab"};
    struct service *service = check_service_start(options);
    int port = check_service_port(service);
    for (size_t i = 0; i < sizeof STARTS / sizeof *STARTS; i++) {
        int descriptor = check_connect(port);
        check_send(descriptor, STARTS[i], (int64_t)strlen(STARTS[i]));
        check_read(descriptor, &answer);
        EXPECT_INT(answer.status, 0);
        EXPECT(answer.is_closed);
        close(descriptor);
    }
    int descriptor = check_connect(port);
    static const char ASK[] = "GET /v1/health/live HTTP/1.1\r\nHost: h\r\n\r\n";
    check_send(descriptor, ASK, sizeof ASK - 1);
    check_read(descriptor, &answer);
    EXPECT_INT(answer.status, 200);
    check_read(descriptor, &answer); // idle too long
    EXPECT(answer.is_closed);
    close(descriptor);
    get(check_service_admin_port(service), "/metrics", "");
    EXPECT_CONTAINS(answer.body, "gctmask_conn_killed_total{reason=\"header_deadline\"} 2");
    EXPECT_CONTAINS(answer.body, "gctmask_conn_killed_total{reason=\"body_deadline\"} 1");
    EXPECT_CONTAINS(answer.body, "gctmask_conn_killed_total{reason=\"idle\"} 1");
    check_service_stop(service);
}

// Where connections are used up, one that asks for nothing makes room.
static void crowd(void) {
    enum { CONNECTIONS = 40 };
    const char *options[] = {"max-connections=16", "max-connections-per-address=0", NULL};
    int descriptors[CONNECTIONS];
    struct service *service = check_service_start(options);
    int port = check_service_port(service);
    for (int i = 0; i < CONNECTIONS; i++)
        descriptors[i] = check_connect(port);
    EXPECT_INT(check_get(port, "/v1/health/live"), 200);
    for (int i = 0; i < CONNECTIONS; i++)
        close(descriptors[i]);
    check_service_stop(service);
}

// ---- Who may ask ----

static void unsafe_binds(void) {
    EXPECT_CONTAINS(check_service_refusal((const char *[]){"listen=0.0.0.0:0", NULL}),
                    "--insecure");
    EXPECT_CONTAINS(check_service_refusal((const char *[]){"listen=[::]:0", NULL}), "--token-file");
    EXPECT_CONTAINS(check_service_refusal((const char *[]){"admin=0.0.0.0:0", NULL}), "--insecure");
    EXPECT_CONTAINS(check_service_refusal((const char *[]){"tls-cert=x", NULL}), "go together");
    EXPECT_CONTAINS(check_service_refusal((const char *[]){"listen=example.org:1", NULL}),
                    "address of this machine");
    EXPECT_CONTAINS(check_service_refusal((const char *[]){"listen=8080", NULL}), "ADDRESS:PORT");
    EXPECT_CONTAINS(check_service_refusal((const char *[]){"allow-origin=example.org", NULL}),
                    "is no origin");
    struct service *service =
        check_service_start((const char *[]){"listen=0.0.0.0:0", "insecure=true", NULL});
    get(check_service_port(service), "/v1/info", "");
    EXPECT_CONTAINS(answer.body, "\"insecure\":true");
    check_service_stop(service);
}

static void write_tokens(const char *path, char detect[TOKEN_TEXT_BYTES],
                         char metrics[TOKEN_TEXT_BYTES]) {
    struct output lines;
    struct error err = {0};
    output_open_memory(&lines);
    output_text(&lines, "# who may ask\n\n");
    EXPECT_OK(token_create(detect, &lines, "cam1", SCOPE_DETECT, &err), &err);
    EXPECT_OK(token_create(metrics, &lines, "prometheus", SCOPE_METRICS, &err), &err);
    EXPECT_OK(output_save(path, lines.data, lines.size, &err), &err);
    output_discard(&lines);
    chmod(path, 0600);
}

static int get_with(int port, const char *path, const char *token) {
    char header[256] = "";
    if (token) snprintf(header, sizeof header, "Authorization: Bearer %s\r\n", token);
    get(port, path, header);
    return answer.status;
}

static void tokens(void) {
    char detect[TOKEN_TEXT_BYTES];
    char metrics[TOKEN_TEXT_BYTES];
    char option[600];
    char cut[TOKEN_TEXT_BYTES];
    write_tokens(path_of("tokens"), detect, metrics);
    snprintf(option, sizeof option, "token-file=%s", path_of("tokens"));
    struct service *service =
        check_service_start((const char *[]){option, "admin=127.0.0.1:0", NULL});
    int port = check_service_port(service);
    int admin = check_service_admin_port(service);
    EXPECT_INT(get_with(port, "/v1/info", NULL), 401);
    EXPECT_CONTAINS(answer.text, "\r\nWWW-Authenticate: Bearer");
    EXPECT_CONTAINS(answer.body, "auth_required");
    EXPECT_INT(get_with(port, "/v1/info", detect), 200);
    EXPECT_INT(get_with(port, "/v1/info", metrics), 403);
    EXPECT_CONTAINS(answer.body, "forbidden_scope");
    snprintf(cut, sizeof cut, "%.63s", detect);
    EXPECT_INT(get_with(port, "/v1/info", cut), 401);
    EXPECT_CONTAINS(answer.body, "auth_invalid");
    EXPECT_INT(get_with(admin, "/metrics", detect), 403);
    EXPECT_INT(get_with(admin, "/metrics", metrics), 200);
    EXPECT_INT(get_with(port, "/v1/health/ready", NULL), 200);
    EXPECT_INT(get_with(port, "/openapi.json", NULL), 200);
    EXPECT_INT(get_with(port, "/metrics", metrics), 404);
    get(port, "/v1/info", "Authorization: Basic YTpi\r\n");
    EXPECT_INT(answer.status, 401);
    // Whoever guesses is stopped; who knows is not.
    for (int i = 0; i < 20; i++)
        EXPECT(get_with(port, "/v1/info", "guess") != 200);
    EXPECT_INT(get_with(port, "/v1/info", "guess"), 429);
    EXPECT_CONTAINS(answer.text, "\r\nRetry-After: ");
    EXPECT_INT(get_with(port, "/v1/info", detect), 200);
    // A new file counts from the signal on; one that is damaged does not.
    char old[TOKEN_TEXT_BYTES];
    memcpy(old, detect, sizeof old);
    write_tokens(path_of("tokens"), detect, metrics);
    service_reload(service);
    EXPECT_INT(get_with(port, "/v1/info", detect), 200);
    EXPECT(get_with(port, "/v1/info", old) != 200);
    chmod(path_of("tokens"), 0644);
    service_reload(service);
    EXPECT_INT(get_with(port, "/v1/info", detect), 200);
    check_service_stop(service);
    EXPECT_CONTAINS(check_service_refusal((const char *[]){option, NULL}), "chmod 600");
}

static void origins(void) {
    static const struct {
        const char *headers;
        int status;
    } CASES[] = {
        {"Origin: http://localhost\r\n", 415},
        {"Origin: http://evil.example\r\n", 403},
        {"Origin: null\r\n", 403},
        {"Origin: https://good.example\r\n", 415},
        {"Origin: https://good.example.evil\r\n", 403},
    };
    struct service *service =
        check_service_start((const char *[]){"allow-origin=https://good.example", NULL});
    int port = check_service_port(service);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        post(port, "/v1/detect", CASES[i].headers, "abc", 3);
        if (answer.status != CASES[i].status) printf("%s", CASES[i].headers);
        EXPECT_INT(answer.status, CASES[i].status);
    }
    post(port, "/v1/detect", "Origin: https://good.example\r\n", "abc", 3);
    EXPECT_CONTAINS(answer.text, "\r\nAccess-Control-Allow-Origin: https://good.example\r\n");
    // A name that was made to lead here is no name of ours.
    static const char REBOUND[] = "POST /v1/detect HTTP/1.1\r\nHost: evil.example\r\nOrigin: "
                                  "http://evil.example\r\nContent-Length: 0\r\n\r\n";
    check_exchange(port, REBOUND, sizeof REBOUND - 1, &answer);
    EXPECT_INT(answer.status, 403);
    static const char ASK[] = "OPTIONS /v1/detect HTTP/1.1\r\nHost: localhost\r\nOrigin: "
                              "https://good.example\r\nAccess-Control-Request-Method: POST\r\n\r\n";
    check_exchange(port, ASK, sizeof ASK - 1, &answer);
    EXPECT_INT(answer.status, 204);
    EXPECT_CONTAINS(answer.text, "\r\nAccess-Control-Allow-Headers: Authorization");
    check_service_stop(service);
}

// ---- The end ----

// What was taken is answered; health tells that no more should come.
static void drain(void) {
    enum { CLIENTS = 6 };
    struct client clients[CLIENTS];
    struct service *service =
        check_service_start((const char *[]){"stub-ms=1000", "batch-max=2", NULL});
    struct check_picture picture = check_picture(64, 48, 1);
    int port = check_service_port(service);
    for (int i = 0; i < CLIENTS; i++)
        start_client(&clients[i], port, "/v1/detect", &picture);
    wait_for_queue(port, CLIENTS);
    EXPECT_INT(service_drain(service, NULL, NULL), 0);
    EXPECT_INT(check_connect(port), -1);
    service_destroy(service);
    for (int i = 0; i < CLIENTS; i++) {
        EXPECT_INT(join_client(&clients[i]), 200);
        free(clients[i].answer);
    }
    free(picture.bytes);
}

static int count_in_file(const char *path, const char *text) {
    static char content[1 << 16];
    int count = 0;
    FILE *file = fopen(path, "r");
    REQUIRE(file);
    content[fread(content, 1, sizeof content - 1, file)] = '\0';
    fclose(file);
    for (const char *at = content; (at = strstr(at, text)); at++)
        count++;
    return count;
}

// Whenever it happens: a client either has its answer, or was told that the server stops, or has
// not been taken. What the log has as answered has reached somebody, and nobody was left out.
static void drain_at_any_time(void) {
    enum { ROUNDS = 15, CLIENTS = 8 };
    struct client clients[CLIENTS];
    struct check_picture picture = check_picture(64, 48, 1);
    char option[600];
    for (int round = 0; round < ROUNDS; round++) {
        snprintf(option, sizeof option, "access-log=%s", path_of("drained.jsonl"));
        unlink(path_of("drained.jsonl"));
        struct service *service = check_service_start((const char *[]){"stub-ms=5", option, NULL});
        int answered = 0;
        for (int i = 0; i < CLIENTS; i++)
            start_client(&clients[i], check_service_port(service), "/v1/detect", &picture);
        usleep((useconds_t)(round * 2000));
        EXPECT_INT(service_drain(service, NULL, NULL), 0);
        service_destroy(service);
        for (int i = 0; i < CLIENTS; i++) {
            int status = join_client(&clients[i]);
            EXPECT(status == 200 || status == 503 || status == 0);
            answered += status == 200;
            free(clients[i].answer);
        }
        EXPECT_INT(count_in_file(path_of("drained.jsonl"), "\"status\":200"), answered);
        EXPECT_INT(count_in_file(path_of("drained.jsonl"), "\"status\":499"), 0);
    }
    free(picture.bytes);
}

static bool at_once(void *context) {
    (void)context;
    return true;
}

// When there is no time, what is left is told so.
static void cut(void) {
    enum { CLIENTS = 4 };
    struct client clients[CLIENTS];
    struct service *service =
        check_service_start((const char *[]){"stub-ms=1500", "batch-max=1", NULL});
    struct check_picture picture = check_picture(64, 48, 1);
    int port = check_service_port(service);
    for (int i = 0; i < CLIENTS; i++)
        start_client(&clients[i], port, "/v1/detect", &picture);
    wait_for_queue(port, CLIENTS);
    EXPECT(service_drain(service, at_once, NULL) > 0);
    service_destroy(service);
    for (int i = 0; i < CLIENTS; i++) {
        EXPECT_INT(join_client(&clients[i]), 503);
        EXPECT_CONTAINS(clients[i].answer->body, "\"code\":\"draining\"");
        free(clients[i].answer);
    }
    free(picture.bytes);
}

static void watchdog(void) {
    struct client client;
    struct service *service =
        check_service_start((const char *[]){"stub-ms=1500", "stall-timeout=0.2", NULL});
    struct check_picture picture = check_picture(64, 48, 1);
    int port = check_service_port(service);
    EXPECT_INT(check_get(port, "/v1/health/live"), 200);
    start_client(&client, port, "/v1/detect", &picture);
    int status = 200;
    for (double end = clock_seconds() + 60; status == 200 && clock_seconds() < end; usleep(10000))
        status = check_get(port, "/v1/health/live");
    EXPECT_INT(status, 503);
    get(port, "/v1/health/ready", "");
    EXPECT_CONTAINS(answer.body, "queue_stalled");
    EXPECT_INT(join_client(&client), 200);
    for (double end = clock_seconds() + 60; status == 503 && clock_seconds() < end; usleep(10000))
        status = check_get(port, "/v1/health/live");
    EXPECT_INT(status, 200);
    free(client.answer);
    free(picture.bytes);
    check_service_stop(service);
}

static void access_log(void) {
    char option[600];
    char moved[600];
    static char text[1 << 14];
    snprintf(option, sizeof option, "access-log=%s", path_of("access.jsonl"));
    struct service *service = check_service_start((const char *[]){option, NULL});
    struct check_picture picture = check_picture(64, 48, 1);
    int port = check_service_port(service);
    post(port, "/v1/detect?x=%0a", "X-Request-Id: abc-1\r\n", picture.bytes, picture.size);
    EXPECT_INT(answer.status, 400);
    // A line is written once its answer has gone.
    struct stat file_now = {0};
    for (double end = clock_seconds() + 60; file_now.st_size == 0 && clock_seconds() < end;
         usleep(10000))
        EXPECT_INT(stat(path_of("access.jsonl"), &file_now), 0);
    snprintf(moved, sizeof moved, "%s.1", path_of("access.jsonl"));
    EXPECT_INT(rename(path_of("access.jsonl"), moved), 0);
    service_reopen_log(service);
    post(port, "/v1/detect", "X-Request-Id: abc-2\r\n", picture.bytes, picture.size);
    EXPECT_INT(answer.status, 200);
    EXPECT_CONTAINS(answer.text, "\r\nX-Request-Id: abc-2\r\n");
    check_service_stop(service);
    FILE *file = fopen(moved, "r");
    REQUIRE(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    EXPECT_CONTAINS(text, "\"id\":\"abc-1\"");
    EXPECT_CONTAINS(text, "\"path\":\"/v1/detect\",\"status\":400,\"code\":\"");
    EXPECT(!strstr(text, "abc-2"));
    file = fopen(path_of("access.jsonl"), "r");
    REQUIRE(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    EXPECT_CONTAINS(text, "\"id\":\"abc-2\"");
    EXPECT_CONTAINS(text, "\"pixels\":3072,\"detections\":1,\"phases_ms\":{\"upload\":");
    free(picture.bytes);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"queue_limit", queue_limit},
                                          {"predicted_wait", predicted_wait},
                                          {"pixel_budget", pixel_budget},
                                          {"upload_budget", upload_budget},
                                          {"image_limits", image_limits},
                                          {"left_clients", left_clients},
                                          {"slow_clients", slow_clients},
                                          {"crowd", crowd},
                                          {"unsafe_binds", unsafe_binds},
                                          {"tokens", tokens},
                                          {"origins", origins},
                                          {"drain", drain},
                                          {"drain_at_any_time", drain_at_any_time},
                                          {"cut", cut},
                                          {"watchdog", watchdog},
                                          {"access_log", access_log},
                                          {0}});
}
