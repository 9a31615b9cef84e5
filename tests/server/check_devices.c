#include "tests/server/check_devices.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/output.h"
#include "tests/harness.h"
#include "tests/server/check_schema.h"

struct check_answer devices_answer;

static const char DETECT[] = "/v1/detect?timing=false&timeout_ms=60000";

// ---- What the model is told ----

void devices_tell(const char *what, bool is_so) {
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

struct service *devices_start(const char *devices, const char *option, const char *other) {
    static char folder[600];
    snprintf(folder, sizeof folder, "stub-folder=%s", scratch_folder());
    return check_service_start(
        (const char *[]){devices, folder, "batch-max=1", "admin=127.0.0.1:0", option, other, NULL});
}

// ---- Asking ----

void devices_get(int port, const char *path) {
    char head[512];
    int bytes = snprintf(head, sizeof head, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
    check_exchange(port, head, bytes, &devices_answer);
}

// No answer leaves got as it is.
static void post(int port, const char *path, const char *headers, const void *body, int64_t size,
                 struct check_answer *got) {
    char head[512];
    int bytes =
        snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: %lld\r\n%s\r\n",
                 path, (long long)size, headers);
    int descriptor = check_connect(port);
    if (descriptor < 0) return;
    check_send(descriptor, head, bytes);
    check_send(descriptor, body, size);
    check_read(descriptor, got);
    close(descriptor);
}

void devices_post(const struct service *service, const struct check_picture *picture, int copies) {
    struct output body;
    int port = check_service_port(service);
    if (copies == 1) {
        post(port, DETECT, "", picture->bytes, picture->size, &devices_answer);
        return;
    }
    output_open_memory(&body);
    for (int i = 0; i < copies; i++) {
        output_text(&body, "--x\r\nContent-Disposition: form-data; name=\"image\"\r\n\r\n");
        output_write(&body, picture->bytes, picture->size);
        output_text(&body, "\r\n");
    }
    output_text(&body, "--x--\r\n");
    post(port, "/v1/detect/batch?timing=false", "Content-Type: multipart/form-data; boundary=x\r\n",
         body.data, body.size, &devices_answer);
    output_discard(&body);
}

void expect_ready(const struct service *service, int status, const char *reason) {
    char expected[64];
    devices_get(check_service_port(service), "/v1/health/ready");
    EXPECT_INT(devices_answer.status, status);
    EXPECT(schema_accepts("#/components/schemas/Health", devices_answer.body));
    snprintf(expected, sizeof expected, "\"reason\":\"%s\"", reason);
    if (*reason)
        EXPECT_CONTAINS(devices_answer.body, expected);
    else
        EXPECT_TEXT(devices_answer.body, "{\"status\":\"ready\"}");
}

void expect_states(const struct service *service, const char *states) {
    devices_get(check_service_port(service), "/v1/info");
    EXPECT(schema_accepts("#/components/schemas/Info", devices_answer.body));
    EXPECT_CONTAINS(devices_answer.body, states);
    devices_get(check_service_port(service), "/v1/models");
    EXPECT(schema_accepts("#/components/schemas/Models", devices_answer.body));
}

int64_t devices_metric(const struct service *service, const char *line) {
    char start_of_line[128];
    devices_get(check_service_admin_port(service), "/metrics");
    snprintf(start_of_line, sizeof start_of_line, "\ngctmask_%s ", line);
    const char *at = strstr(devices_answer.body, start_of_line);
    REQUIRE(at);
    return strtol(at + strlen(start_of_line), NULL, 10);
}

int64_t device_metric(const struct service *service, const char *name, int device) {
    char line[128];
    snprintf(line, sizeof line, "device_%s{device=\"cuda:%d\",worker=\"%d\"}", name, device,
             device);
    return devices_metric(service, line);
}

// ---- Many that ask ----

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
}

static void *crowd_main(void *argument) {
    struct crowd *crowd = argument;
    struct check_answer *got = calloc(1, sizeof *got);
    while (got && atomic_fetch_sub(&crowd->left, 1) > 0) {
        got->body = got->text;
        got->status = 0;
        post(check_service_port(crowd->service), DETECT, "", crowd->picture.bytes,
             crowd->picture.size, got);
        judge(crowd, got);
    }
    free(got);
    return NULL;
}

void crowd_create(struct crowd *crowd, const struct service *service) {
    memset(crowd, 0, sizeof *crowd);
    crowd->service = service;
    crowd->picture = check_picture(64, 48, 1);
    devices_post(service, &crowd->picture, 1);
    EXPECT_INT(devices_answer.status, 200);
    const char *detections = strstr(devices_answer.body, "\"model\"");
    REQUIRE(detections);
    EXPECT_CONTAINS(detections, "\"counts\":\"");
    snprintf(crowd->expected, sizeof crowd->expected, "%s", detections);
}

void crowd_destroy(struct crowd *crowd) {
    free(crowd->picture.bytes);
}

void crowd_start(struct crowd *crowd, int count) {
    atomic_store(&crowd->left, count);
    for (int i = 0; i < CROWD_CLIENTS; i++)
        REQUIRE(pthread_create(&crowd->threads[i], NULL, crowd_main, crowd) == 0);
}

void crowd_join(struct crowd *crowd) {
    for (int i = 0; i < CROWD_CLIENTS; i++)
        pthread_join(crowd->threads[i], NULL);
    EXPECT_INT(crowd->wrong, 0);
}

void crowd_until_failure(struct crowd *crowd, int device, int64_t failures) {
    int64_t failed = 0;
    for (double end = clock_seconds() + 60; failed < failures && clock_seconds() < end;) {
        crowd_start(crowd, 2 * CROWD_CLIENTS);
        crowd_join(crowd);
        failed = device_metric(crowd->service, "failures_total", device);
    }
    EXPECT_INT(failed, failures);
}
