// The service when devices fail, are lost, hang or come back: clients notice as little as can be,
// and whoever watches is told.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/harness.h"
#include "tests/server/check_devices.h"
#include "tests/server/check_schema.h"

static const char TWO[] = "device=cuda:0,cuda:1";

// ---- Devices that fail ----

// It is opened again, and nobody notices: neither beside another nor alone.
static void fails_once(void) {
    static const char *const DEVICES[] = {TWO, "device=cuda:0"};
    for (int i = 0; i < 2; i++) {
        struct crowd crowd;
        struct service *service = devices_start(DEVICES[i], "stub-ms=5", NULL);
        crowd_create(&crowd, service);
        devices_tell("fail-once-0", true);
        crowd_until_failure(&crowd, 0, 1);
        EXPECT_INT(crowd.unavailable, 0);
        EXPECT_INT(device_metric(service, "failures_total", 0), 1);
        EXPECT_INT(device_metric(service, "serving", 0), 1);
        expect_ready(service, 200, "");
        crowd_destroy(&crowd);
        check_service_stop(service);
    }
}

// One that can be opened and yet computes nothing: pictures are given up in the end.
static void fails_always(void) {
    struct crowd crowd;
    struct service *service = devices_start("device=cuda:0", NULL, NULL);
    crowd_create(&crowd, service);
    devices_tell("fail-0", true);
    devices_post(service, &crowd.picture, 1);
    EXPECT_INT(devices_answer.status, 500);
    EXPECT_CONTAINS(devices_answer.body, "the device failed twice as it computed this picture");
    EXPECT(schema_accepts("#/components/schemas/Error", devices_answer.body));
    devices_tell("fail-0", false);
    EXPECT_INT(device_metric(service, "failures_total", 0), 2);
    expect_ready(service, 200, "");
    crowd_start(&crowd, 6);
    crowd_join(&crowd);
    EXPECT_INT(crowd.good, 6);
    crowd_destroy(&crowd);
    check_service_stop(service);
}

// Those that were computed with it are not dragged along a second time.
static void tries_alone(void) {
    enum { PICTURES = 4 };
    struct check_picture picture = check_picture(64, 48, 1);
    struct service *service = devices_start("device=cuda:0", "batch-max=4", NULL);
    devices_post(service, &picture, PICTURES);
    EXPECT_INT(devices_metric(service, "batch_size_bucket{le=\"1\"}"), 0);
    EXPECT_INT(devices_metric(service, "batch_size_count"), 1);
    devices_tell("fail-once-0", true);
    devices_post(service, &picture, PICTURES);
    EXPECT_INT(devices_answer.status, 200);
    EXPECT(!strstr(devices_answer.body, "\"code\""));
    EXPECT_INT(device_metric(service, "failures_total", 0), 1);
    EXPECT_INT(devices_metric(service, "batch_size_bucket{le=\"1\"}"), PICTURES);
    EXPECT_INT(devices_metric(service, "batch_size_count"), 1 + PICTURES);
    free(picture.bytes);
    check_service_stop(service);
}

static double queue_seconds(const struct service *service) {
    static const char NAME[] = "\"queue_seconds\":";
    devices_get(check_service_port(service), "/v1/info");
    const char *at = strstr(devices_answer.body, NAME);
    REQUIRE(at);
    return strtod(at + strlen(NAME), NULL);
}

// Device 0 does, while the other has a picture at hand, which then seems to be half the work.
static void comes_back(struct crowd *crowd, struct service *service) {
    devices_tell("hang-1", true);
    crowd_start(crowd, 1);
    for (double end = clock_seconds() + 60; clock_seconds() < end; usleep(1000))
        if (queue_seconds(service) > 0) break;
    double alone = queue_seconds(service);
    EXPECT(alone > 0);
    devices_tell("lost-0", false);
    service_reload(service);
    for (double end = clock_seconds() + 60; clock_seconds() < end; usleep(1000))
        if (queue_seconds(service) < alone) break;
    EXPECT_NEAR(queue_seconds(service), alone / 2, alone * 1e-6);
    devices_tell("hang-1", false);
    crowd_join(crowd);
}

// The other goes on with all that there is, and the next model comes to it alone, until the lost
// one can be opened.
static void loses_one(void) {
    struct crowd crowd;
    struct service *service = devices_start(TWO, "stub-ms=5", NULL);
    crowd_create(&crowd, service);
    devices_tell("lost-0", true);
    crowd_until_failure(&crowd, 0, 1);
    EXPECT_INT(crowd.unavailable, 0);
    expect_ready(service, 200, "device_lost");
    EXPECT_INT(check_get(check_service_port(service), "/v1/health/live"), 200);
    expect_states(service, "[{\"name\":\"cuda:0\",\"state\":\"lost\"},{\"name\":\"cuda:1\","
                           "\"state\":\"serving\"}]");
    EXPECT_CONTAINS(devices_answer.body, "\"devices\":[\"cuda:1\"]");
    EXPECT_INT(device_metric(service, "serving", 0), 0);
    EXPECT_INT(device_metric(service, "serving", 1), 1);
    service_reload(service);
    EXPECT_INT(devices_metric(service, "model_reloads_total{result=\"ok\"}"), 1);
    expect_ready(service, 200, "device_lost");
    // The one that serves must not be lost by a new model.
    devices_tell("lost-1", true);
    service_reload(service);
    devices_tell("lost-1", false);
    EXPECT_INT(devices_metric(service, "model_reloads_total{result=\"failed\"}"), 1);
    expect_ready(service, 200, "device_lost");
    comes_back(&crowd, service);
    expect_ready(service, 200, "");
    crowd_start(&crowd, 20);
    crowd_join(&crowd);
    EXPECT_INT(crowd.unavailable, 0);
    EXPECT_INT(device_metric(service, "failures_total", 0), 1);
    crowd_destroy(&crowd);
    check_service_stop(service);
}

// Everybody is told, at once, and whoever watches.
static void loses_all(void) {
    static const char *const DEVICES[] = {TWO, "device=cuda:0"};
    for (int i = 0; i < 2; i++) {
        struct crowd crowd;
        struct service *service = devices_start(DEVICES[i], "stub-ms=5", NULL);
        crowd_create(&crowd, service);
        devices_tell("lost-0", true);
        devices_tell("lost-1", true);
        for (int device = 0; device < 2 - i; device++)
            crowd_until_failure(&crowd, device, 1);
        EXPECT(crowd.unavailable > 0);
        devices_post(service, &crowd.picture, 1);
        EXPECT_INT(devices_answer.status, 503);
        EXPECT_CONTAINS(devices_answer.body, "\"code\":\"device_lost\"");
        expect_ready(service, 503, "device_lost");
        EXPECT_INT(check_get(check_service_port(service), "/v2/health/ready"), 503);
        devices_get(check_service_port(service), "/v1/health/live");
        EXPECT_INT(devices_answer.status, 503);
        EXPECT(schema_accepts("#/components/schemas/Health", devices_answer.body));
        EXPECT_INT(devices_metric(service, "ready"), 0);
        EXPECT_INT(devices_metric(service, "queue_length"), 0);
        service_reload(service);
        expect_ready(service, 503, "device_lost");
        devices_tell("lost-0", false);
        service_reload(service);
        expect_ready(service, 200, i == 0 ? "device_lost" : "");
        devices_tell("lost-1", false);
        int good = crowd.good;
        crowd_start(&crowd, 20);
        crowd_join(&crowd);
        EXPECT_INT(crowd.good - good, 20);
        crowd_destroy(&crowd);
        check_service_stop(service);
    }
}

// ---- Devices that hang ----

static bool is_stalled(const struct service *service) {
    devices_get(check_service_port(service), "/v1/info");
    return strstr(devices_answer.body, "{\"name\":\"cuda:0\",\"state\":\"stalled\"}") != NULL;
}

// The other goes on, also with a new model; what the one had waits until it can go on.
static void hangs(void) {
    struct crowd crowd;
    struct service *service = devices_start(TWO, "stub-ms=5", "stall-timeout=0.3");
    crowd_create(&crowd, service);
    devices_tell("hang-0", true);
    crowd_start(&crowd, 1 << 20);
    for (double end = clock_seconds() + 60; !is_stalled(service) && clock_seconds() < end;)
        usleep(10000);
    expect_ready(service, 200, "device_stalled");
    EXPECT_INT(check_get(check_service_port(service), "/v1/health/live"), 200);
    EXPECT_INT(device_metric(service, "serving", 0), 0);
    service_reload(service); // does not wait for it
    expect_ready(service, 200, "device_lost");
    devices_tell("hang-0", false);
    atomic_store(&crowd.left, 0);
    crowd_join(&crowd);
    EXPECT_INT(crowd.unavailable, 0);
    // Once it was seen to go on, the next model comes to it, too.
    for (double end = clock_seconds() + 60; clock_seconds() < end; usleep(10000)) {
        service_reload(service);
        if (device_metric(service, "serving", 0)) break;
    }
    expect_ready(service, 200, "");
    crowd_destroy(&crowd);
    check_service_stop(service);
}

// ---- The end ----

// What was taken is answered, by whichever device is left.
static void drains(void) {
    static const char *const FAILURES[] = {"none", "fail-once-0", "lost-1"};
    for (int i = 0; i < 3; i++) {
        struct crowd crowd;
        struct service *service = devices_start(TWO, "stub-ms=700", NULL);
        crowd_create(&crowd, service);
        crowd_start(&crowd, CROWD_CLIENTS);
        for (double end = clock_seconds() + 60; clock_seconds() < end; usleep(1000))
            if (devices_metric(service, "queue_length") == CROWD_CLIENTS) break;
        devices_tell(FAILURES[i], true);
        EXPECT_INT(service_drain(service, NULL, NULL), 0);
        service_destroy(service);
        crowd_join(&crowd);
        EXPECT_INT(crowd.good, CROWD_CLIENTS);
        devices_tell(FAILURES[i], false);
        crowd_destroy(&crowd);
    }
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"fails_once", fails_once},
                                          {"fails_always", fails_always},
                                          {"tries_alone", tries_alone},
                                          {"loses_one", loses_one},
                                          {"loses_all", loses_all},
                                          {"hangs", hangs},
                                          {"drains", drains},
                                          {0}});
}
