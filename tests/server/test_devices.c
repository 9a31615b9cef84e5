// The service on several devices: all at work at once, devices that fail, are lost, hang or come
// back, and the same answers from each. With a model that files tell what to do (server/model.h).
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/admission.h"
#include "tests/harness.h"
#include "tests/server/check_schema.h"
#include "tests/server/check_service.h"

static struct check_answer answer;

static const char TWO[] = "device=cuda:0,cuda:1";
static const char DETECT[] = "/v1/detect?timing=false&timeout_ms=60000";

// ---- What the model is told ----

static void tell(const char *what, bool is_so) {
    char path[600];
    snprintf(path, sizeof path, "%s/%s", scratch_folder(), what);
    if (!is_so) {
        unlink(path);
        return;
    }
    FILE *file = fopen(path, "w");
    REQUIRE(file);
    fclose(file);
}

static struct service *start(const char *devices, const char *option, const char *other) {
    static char folder[600];
    snprintf(folder, sizeof folder, "stub-folder=%s", scratch_folder());
    return check_service_start(
        (const char *[]){devices, folder, "batch-max=1", "admin=127.0.0.1:0", option, other, NULL});
}

// ---- Asking ----

static void get(int port, const char *path) {
    char head[512];
    int bytes = snprintf(head, sizeof head, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
    check_exchange(port, head, bytes, &answer);
}

static void post(int port, const char *path, const void *body, int64_t size,
                 struct check_answer *got) {
    char head[512];
    int bytes =
        snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: %lld\r\n\r\n",
                 path, (long long)size);
    int descriptor = check_connect(port);
    if (descriptor < 0) return;
    check_send(descriptor, head, bytes);
    check_send(descriptor, body, size);
    check_read(descriptor, got);
    close(descriptor);
}

// Health as it is described; its reason is reason, "" for none.
static void expect_ready(struct service *service, int status, const char *reason) {
    char expected[64];
    get(check_service_port(service), "/v1/health/ready");
    EXPECT_INT(answer.status, status);
    EXPECT(schema_accepts("#/components/schemas/Health", answer.body));
    snprintf(expected, sizeof expected, "\"reason\":\"%s\"", reason);
    if (*reason)
        EXPECT_CONTAINS(answer.body, expected);
    else
        EXPECT_TEXT(answer.body, "{\"status\":\"ready\"}");
}

static void expect_states(struct service *service, const char *states) {
    get(check_service_port(service), "/v1/info");
    EXPECT(schema_accepts("#/components/schemas/Info", answer.body));
    EXPECT_CONTAINS(answer.body, states);
    get(check_service_port(service), "/v1/models");
    EXPECT(schema_accepts("#/components/schemas/Models", answer.body));
}

static int64_t metric(struct service *service, const char *line) {
    char start_of_line[128];
    get(check_service_admin_port(service), "/metrics");
    snprintf(start_of_line, sizeof start_of_line, "\ngctmask_%s ", line);
    const char *at = strstr(answer.body, start_of_line);
    REQUIRE(at);
    return strtol(at + strlen(start_of_line), NULL, 10);
}

static int64_t device_metric(struct service *service, const char *name, int device) {
    char line[128];
    snprintf(line, sizeof line, "device_%s{device=\"cuda:%d\",worker=\"%d\"}", name, device,
             device);
    return metric(service, line);
}

// ---- Many that ask ----

enum { CLIENTS = 6 };

struct crowd {
    int port;
    struct check_picture picture;
    char expected[4096]; // the body that each answer has
    atomic_int left;     // requests to come
    atomic_int good, wrong;
    atomic_int unavailable; // device_lost or internal, as it should be
    pthread_t threads[CLIENTS];
};

static void judge(struct crowd *crowd, const struct check_answer *got) {
    const char *detections = strstr(got->body, "\"model\"");
    bool is_good = got->status == 200 && detections && strcmp(detections, crowd->expected) == 0;
    bool is_unavailable = (got->status == 503 && strstr(got->body, "\"code\":\"device_lost\"") &&
                           strstr(got->text, "\r\nRetry-After: ")) ||
                          (got->status == 500 && strstr(got->body, "\"code\":\"internal\""));
    atomic_fetch_add(is_good          ? &crowd->good
                     : is_unavailable ? &crowd->unavailable
                                      : &crowd->wrong,
                     1);
    if (!is_good && !is_unavailable) printf("%s\n", got->text);
    if (is_unavailable) EXPECT(schema_accepts("#/components/schemas/Error", got->body));
}

static void *crowd_main(void *argument) {
    struct crowd *crowd = argument;
    struct check_answer *got = calloc(1, sizeof *got);
    while (got && atomic_fetch_sub(&crowd->left, 1) > 0) {
        got->body = got->text;
        got->status = 0;
        post(crowd->port, DETECT, crowd->picture.bytes, crowd->picture.size, got);
        judge(crowd, got);
    }
    free(got);
    return NULL;
}

// Asks once alone, which is what all answers are compared with.
static void crowd_create(struct crowd *crowd, struct service *service) {
    memset(crowd, 0, sizeof *crowd);
    crowd->port = check_service_port(service);
    crowd->picture = check_picture(64, 48, 1);
    post(crowd->port, DETECT, crowd->picture.bytes, crowd->picture.size, &answer);
    EXPECT_INT(answer.status, 200);
    const char *detections = strstr(answer.body, "\"model\"");
    REQUIRE(detections);
    EXPECT_CONTAINS(detections, "\"counts\":\"");
    snprintf(crowd->expected, sizeof crowd->expected, "%s", detections);
}

static void crowd_start(struct crowd *crowd, int count) {
    atomic_store(&crowd->left, count);
    for (int i = 0; i < CLIENTS; i++)
        REQUIRE(pthread_create(&crowd->threads[i], NULL, crowd_main, crowd) == 0);
}

static void crowd_join(struct crowd *crowd) {
    for (int i = 0; i < CLIENTS; i++)
        pthread_join(crowd->threads[i], NULL);
    EXPECT_INT(crowd->wrong, 0);
}

// Asks until the device has failed so often.
static void crowd_until_failure(struct crowd *crowd, struct service *service, int device,
                                int64_t failures) {
    for (double end = clock_seconds() + 60; clock_seconds() < end;) {
        crowd_start(crowd, 2 * CLIENTS);
        crowd_join(crowd);
        if (device_metric(service, "failures_total", device) >= failures) return;
    }
    EXPECT_INT(device_metric(service, "failures_total", device), failures);
}

// ---- Which devices ----

static void refusals(void) {
    static const char *const ALONE[] = {"device=cpu,cpu", "device=cuda:0,cpu"};
    for (int i = 0; i < 2; i++)
        EXPECT_CONTAINS(check_service_refusal((const char *[]){ALONE[i], NULL}),
                        "--device: cpu takes no other device beside it, found 1");
    EXPECT_CONTAINS(check_service_refusal((const char *[]){"device=cuda:0,gpu", NULL}),
                    "--device: expected cpu, cuda or cuda:N, found \"gpu\"");
    tell("lost-1", true);
    char folder[600];
    snprintf(folder, sizeof folder, "stub-folder=%s", scratch_folder());
    // All are needed to begin with.
    EXPECT_TEXT(check_service_refusal((const char *[]){TWO, folder, NULL}),
                "device 1 fails, as it was told");
    tell("lost-1", false);
}

// ---- All at work ----

// A device begins only once the other has a picture, too: so with each that one computes, the other
// computes one.
static void both_at_once(void) {
    enum { COUNT = 20 };
    struct crowd crowd;
    struct service *service = start(TWO, NULL, NULL);
    crowd_create(&crowd, service);
    int64_t before[2] = {device_metric(service, "pictures_total", 0),
                         device_metric(service, "pictures_total", 1)};
    EXPECT_INT(before[0] + before[1], 1);
    tell("meet-0", true);
    tell("meet-1", true);
    crowd_start(&crowd, 2 * COUNT);
    crowd_join(&crowd);
    EXPECT_INT(crowd.good, 2 * COUNT);
    for (int i = 0; i < 2; i++)
        EXPECT_INT(device_metric(service, "pictures_total", i) - before[i], COUNT);
    EXPECT_INT(metric(service, "batch_seconds_count"), 2 * COUNT + 1);
    tell("meet-0", false);
    tell("meet-1", false);
    expect_ready(service, 200, "");
    expect_states(service,
                  "\"device\":\"cuda:0,cuda:1\",\"devices\":[{\"name\":\"cuda:0\",\"state\":"
                  "\"serving\"},{\"name\":\"cuda:1\",\"state\":\"serving\"}]");
    free(crowd.picture.bytes);
    check_service_stop(service);
}

static void write_batch(struct output *body, const struct check_picture *picture, int count) {
    output_open_memory(body);
    for (int i = 0; i < count; i++) {
        output_text(body, "--x\r\nContent-Disposition: form-data; name=\"image\"\r\n\r\n");
        output_write(body, picture->bytes, picture->size);
        output_text(body, "\r\n");
    }
    output_text(body, "--x--\r\n");
}

// The pictures of one request are shared, too, and the log says by whom.
static void one_request(void) {
    enum { PICTURES = 8 };
    static char text[4096];
    char log[600];
    struct output body;
    snprintf(log, sizeof log, "access-log=%s/log", scratch_folder());
    struct service *service = start(TWO, log, NULL);
    struct check_picture picture = check_picture(64, 48, 1);
    write_batch(&body, &picture, PICTURES);
    tell("meet-0", true);
    tell("meet-1", true);
    char head[512];
    int bytes = snprintf(head, sizeof head,
                         "POST /v1/detect/batch?timing=false HTTP/1.1\r\nHost: h\r\nContent-Type: "
                         "multipart/form-data; boundary=x\r\nContent-Length: %lld\r\n\r\n",
                         (long long)body.size);
    int descriptor = check_connect(check_service_port(service));
    check_send(descriptor, head, bytes);
    check_send(descriptor, body.data, body.size);
    check_read(descriptor, &answer);
    close(descriptor);
    EXPECT_INT(answer.status, 200);
    int counted = 0;
    for (const char *at = answer.body; (at = strstr(at, "\"counts\":\"")); at++)
        counted++;
    EXPECT_INT(counted, PICTURES);
    for (int i = 0; i < 2; i++)
        EXPECT_INT(device_metric(service, "pictures_total", i), PICTURES / 2);
    check_service_stop(service);
    tell("meet-0", false);
    tell("meet-1", false);
    FILE *file = fopen(strchr(log, '=') + 1, "r");
    REQUIRE(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    EXPECT_CONTAINS(text, "\"devices\":[\"cuda:0\",\"cuda:1\"]}\n");
    output_discard(&body);
    free(picture.bytes);
}

// What waits is done sooner by two, but a picture by itself is not.
static void predicted_wait(void) {
    const struct service_settings settings = {
        .queue_length = 64, .queue_bytes = 1 << 20, .batch_max = 1};
    struct admission admission;
    struct fault fault = {0};
    double now = clock_seconds();
    admission_init(&admission, &settings);
    admission_learn(&admission, 1, 10);
    EXPECT(admission_enter(&admission, &fault));
    EXPECT(admission_admit(&admission, 0, 1, 2, now + 100, &fault));
    EXPECT_NEAR(admission_load(&admission).wait_seconds, 20, 1e-9);
    EXPECT_INT(admission_retry_after(&admission), 20);
    EXPECT(!admission_admit(&admission, 0, 1, 1, now + 30, &fault));
    EXPECT_INT(fault.code, FAULT_QUEUE_FULL);
    EXPECT_INT(fault.retry_after, 20);
    admission_set_workers(&admission, 2);
    EXPECT_NEAR(admission_load(&admission).wait_seconds, 10, 1e-9);
    EXPECT_INT(admission_retry_after(&admission), 10);
    EXPECT(!admission_admit(&admission, 0, 1, 1, now + 20, &fault));
    EXPECT_INT(fault.retry_after, 10);
    EXPECT(admission_admit(&admission, 0, 1, 1, now + 30, &fault));
    admission_destroy(&admission);
}

// ---- Devices that fail ----

// It is opened again, and nobody notices: neither beside another nor alone.
static void fails_once(void) {
    static const char *const DEVICES[] = {TWO, "device=cuda:0"};
    for (int i = 0; i < 2; i++) {
        struct crowd crowd;
        struct service *service = start(DEVICES[i], "stub-ms=5", NULL);
        crowd_create(&crowd, service);
        tell("fail-once-0", true);
        crowd_until_failure(&crowd, service, 0, 1);
        EXPECT_INT(crowd.unavailable, 0);
        EXPECT_INT(device_metric(service, "failures_total", 0), 1);
        EXPECT_INT(device_metric(service, "serving", 0), 1);
        expect_ready(service, 200, "");
        free(crowd.picture.bytes);
        check_service_stop(service);
    }
}

// One that can be opened and yet computes nothing: pictures are given up in the end.
static void fails_always(void) {
    struct crowd crowd;
    struct service *service = start("device=cuda:0", NULL, NULL);
    crowd_create(&crowd, service);
    tell("fail-0", true);
    post(crowd.port, DETECT, crowd.picture.bytes, crowd.picture.size, &answer);
    EXPECT_INT(answer.status, 500);
    EXPECT_CONTAINS(answer.body, "the device failed twice as it computed this picture");
    EXPECT(schema_accepts("#/components/schemas/Error", answer.body));
    tell("fail-0", false);
    EXPECT_INT(device_metric(service, "failures_total", 0), 2);
    expect_ready(service, 200, "");
    crowd_start(&crowd, 6);
    crowd_join(&crowd);
    EXPECT_INT(crowd.good, 6);
    free(crowd.picture.bytes);
    check_service_stop(service);
}

// The other goes on with all that there is, and the next model comes to it alone, until the lost
// one can be opened.
static void loses_one(void) {
    struct crowd crowd;
    struct service *service = start(TWO, "stub-ms=5", NULL);
    crowd_create(&crowd, service);
    tell("lost-0", true);
    crowd_until_failure(&crowd, service, 0, 1);
    EXPECT_INT(crowd.unavailable, 0);
    expect_ready(service, 200, "device_lost");
    EXPECT_INT(check_get(crowd.port, "/v1/health/live"), 200);
    expect_states(service, "[{\"name\":\"cuda:0\",\"state\":\"lost\"},{\"name\":\"cuda:1\","
                           "\"state\":\"serving\"}]");
    EXPECT_CONTAINS(answer.body, "\"devices\":[\"cuda:1\"]");
    EXPECT_INT(device_metric(service, "serving", 0), 0);
    EXPECT_INT(device_metric(service, "serving", 1), 1);
    service_reload(service);
    EXPECT_INT(metric(service, "model_reloads_total{result=\"ok\"}"), 1);
    expect_ready(service, 200, "device_lost");
    // The one that serves must not be lost by a new model.
    tell("lost-1", true);
    service_reload(service);
    tell("lost-1", false);
    EXPECT_INT(metric(service, "model_reloads_total{result=\"failed\"}"), 1);
    expect_ready(service, 200, "device_lost");
    tell("lost-0", false);
    service_reload(service);
    expect_ready(service, 200, "");
    crowd_start(&crowd, 20);
    crowd_join(&crowd);
    EXPECT_INT(crowd.unavailable, 0);
    EXPECT_INT(device_metric(service, "failures_total", 0), 1);
    free(crowd.picture.bytes);
    check_service_stop(service);
}

// Everybody is told, at once, and whoever watches.
static void loses_all(void) {
    static const char *const DEVICES[] = {TWO, "device=cuda:0"};
    for (int i = 0; i < 2; i++) {
        struct crowd crowd;
        struct service *service = start(DEVICES[i], "stub-ms=5", NULL);
        crowd_create(&crowd, service);
        tell("lost-0", true);
        tell("lost-1", true);
        for (int device = 0; device < 2 - i; device++)
            crowd_until_failure(&crowd, service, device, 1);
        EXPECT(crowd.unavailable > 0);
        post(crowd.port, DETECT, crowd.picture.bytes, crowd.picture.size, &answer);
        EXPECT_INT(answer.status, 503);
        EXPECT_CONTAINS(answer.body, "\"code\":\"device_lost\"");
        expect_ready(service, 503, "device_lost");
        EXPECT_INT(check_get(crowd.port, "/v2/health/ready"), 503);
        get(crowd.port, "/v1/health/live");
        EXPECT_INT(answer.status, 503);
        EXPECT(schema_accepts("#/components/schemas/Health", answer.body));
        EXPECT_INT(metric(service, "ready"), 0);
        EXPECT_INT(metric(service, "queue_length"), 0);
        service_reload(service);
        expect_ready(service, 503, "device_lost");
        tell("lost-0", false);
        service_reload(service);
        expect_ready(service, 200, i == 0 ? "device_lost" : "");
        tell("lost-1", false);
        int good = crowd.good;
        crowd_start(&crowd, 20);
        crowd_join(&crowd);
        EXPECT_INT(crowd.good - good, 20);
        free(crowd.picture.bytes);
        check_service_stop(service);
    }
}

// ---- Devices that hang ----

static bool is_stalled(struct service *service) {
    get(check_service_port(service), "/v1/info");
    return strstr(answer.body, "{\"name\":\"cuda:0\",\"state\":\"stalled\"}") != NULL;
}

// The other goes on, also with a new model; what the one had waits until it can go on.
static void hangs(void) {
    struct crowd crowd;
    struct service *service = start(TWO, "stub-ms=5", "stall-timeout=0.3");
    crowd_create(&crowd, service);
    tell("hang-0", true);
    crowd_start(&crowd, 1 << 20);
    for (double end = clock_seconds() + 60; !is_stalled(service) && clock_seconds() < end;)
        usleep(10000);
    expect_ready(service, 200, "device_stalled");
    EXPECT_INT(check_get(crowd.port, "/v1/health/live"), 200);
    EXPECT_INT(device_metric(service, "serving", 0), 0);
    service_reload(service); // does not wait for it
    expect_ready(service, 200, "device_lost");
    tell("hang-0", false);
    atomic_store(&crowd.left, 0);
    crowd_join(&crowd);
    EXPECT_INT(crowd.unavailable, 0);
    // Once it was seen to go on, the next model comes to it, too.
    for (double end = clock_seconds() + 60; clock_seconds() < end; usleep(10000)) {
        service_reload(service);
        if (device_metric(service, "serving", 0)) break;
    }
    expect_ready(service, 200, "");
    free(crowd.picture.bytes);
    check_service_stop(service);
}

// ---- Changes under load ----

static void reloads(void) {
    enum { TIMES = 20 };
    struct crowd crowd;
    struct service *service = start(TWO, NULL, NULL);
    crowd_create(&crowd, service);
    crowd_start(&crowd, 400);
    for (int i = 0; i < TIMES; i++)
        service_reload(service);
    crowd_join(&crowd);
    EXPECT_INT(crowd.good, 400);
    EXPECT_INT(metric(service, "model_reloads_total{result=\"ok\"}"), TIMES);
    free(crowd.picture.bytes);
    check_service_stop(service);
}

// What was taken is answered, by whichever device is left.
static void drains(void) {
    static const char *const FAILURES[] = {"none", "fail-once-0", "lost-1"};
    for (int i = 0; i < 3; i++) {
        struct crowd crowd;
        struct service *service = start(TWO, "stub-ms=700", NULL);
        crowd_create(&crowd, service);
        crowd_start(&crowd, CLIENTS);
        for (double end = clock_seconds() + 60; clock_seconds() < end; usleep(1000))
            if (metric(service, "queue_length") == CLIENTS) break;
        tell(FAILURES[i], true);
        EXPECT_INT(service_drain(service, NULL, NULL), 0);
        service_destroy(service);
        crowd_join(&crowd);
        EXPECT_INT(crowd.good, CLIENTS);
        tell(FAILURES[i], false);
        free(crowd.picture.bytes);
    }
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"refusals", refusals},
                                          {"both_at_once", both_at_once},
                                          {"one_request", one_request},
                                          {"predicted_wait", predicted_wait},
                                          {"fails_once", fails_once},
                                          {"fails_always", fails_always},
                                          {"loses_one", loses_one},
                                          {"loses_all", loses_all},
                                          {"hangs", hangs},
                                          {"reloads", reloads},
                                          {"drains", drains},
                                          {0}});
}
