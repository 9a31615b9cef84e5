// The service on several devices: all at work at once, with one queue, and the same answers from
// each.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/admission.h"
#include "tests/harness.h"
#include "tests/server/check_devices.h"

static const char TWO[] = "device=cuda:0,cuda:1";

// ---- Which devices ----

static void refusals(void) {
    static const char *const ALONE[] = {"device=cpu,cpu", "device=cuda:0,cpu"};
    for (int i = 0; i < 2; i++)
        EXPECT_CONTAINS(check_service_refusal((const char *[]){ALONE[i], NULL}),
                        "--device: cpu takes no other device beside it, found 1");
    EXPECT_CONTAINS(check_service_refusal((const char *[]){"device=cuda:0,gpu", NULL}),
                    "--device: expected cpu, cuda or cuda:N, found \"gpu\"");
    devices_tell("lost-1", true);
    char folder[600];
    snprintf(folder, sizeof folder, "stub-folder=%s", scratch_folder());
    // All are needed to begin with.
    EXPECT_TEXT(check_service_refusal((const char *[]){TWO, folder, NULL}),
                "device 1 fails, as it was told");
    devices_tell("lost-1", false);
}

// ---- All at work ----

// A device begins only once the other has a picture, too: so with each that one computes, the other
// computes one.
static void both_at_once(void) {
    enum { COUNT = 20 };
    struct crowd crowd;
    struct service *service = devices_start(TWO, NULL, NULL);
    crowd_create(&crowd, service);
    int64_t before[2] = {device_metric(service, "pictures_total", 0),
                         device_metric(service, "pictures_total", 1)};
    EXPECT_INT(before[0] + before[1], 1);
    devices_tell("meet-0", true);
    devices_tell("meet-1", true);
    crowd_start(&crowd, 2 * COUNT);
    crowd_join(&crowd);
    EXPECT_INT(crowd.good, 2 * COUNT);
    for (int i = 0; i < 2; i++)
        EXPECT_INT(device_metric(service, "pictures_total", i) - before[i], COUNT);
    EXPECT_INT(devices_metric(service, "batch_seconds_count"), 2 * COUNT + 1);
    devices_tell("meet-0", false);
    devices_tell("meet-1", false);
    expect_ready(service, 200, "");
    expect_states(service,
                  "\"device\":\"cuda:0,cuda:1\",\"devices\":[{\"name\":\"cuda:0\",\"state\":"
                  "\"serving\"},{\"name\":\"cuda:1\",\"state\":\"serving\"}]");
    crowd_destroy(&crowd);
    check_service_stop(service);
}

// The pictures of one request are shared, too, and the log says by whom.
static void one_request(void) {
    enum { PICTURES = 8 };
    static char text[4096];
    char log[600];
    snprintf(log, sizeof log, "access-log=%s/log", scratch_folder());
    struct service *service = devices_start(TWO, log, NULL);
    struct check_picture picture = check_picture(64, 48, 1);
    devices_tell("meet-0", true);
    devices_tell("meet-1", true);
    devices_post(service, &picture, PICTURES);
    EXPECT_INT(devices_answer.status, 200);
    int counted = 0;
    for (const char *at = devices_answer.body; (at = strstr(at, "\"counts\":\"")); at++)
        counted++;
    EXPECT_INT(counted, PICTURES);
    for (int i = 0; i < 2; i++)
        EXPECT_INT(device_metric(service, "pictures_total", i), PICTURES / 2);
    check_service_stop(service);
    devices_tell("meet-0", false);
    devices_tell("meet-1", false);
    FILE *file = fopen(strchr(log, '=') + 1, "r");
    REQUIRE(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    EXPECT_CONTAINS(text, "\"devices\":[\"cuda:0\",\"cuda:1\"]}\n");
    free(picture.bytes);
}

// What waits is done sooner by two, but a picture by itself is not. Where one of them is free, it
// may be tried.
static void predicted_wait(void) {
    const struct service_settings settings = {
        .queue_length = 64, .queue_bytes = 1 << 20, .batch_max = 1};
    struct admission admission;
    struct fault fault = {0};
    double now = clock_seconds();
    admission_init(&admission, &settings);
    admission_learn(&admission, 1, 10);
    EXPECT(admission_enter(&admission, &fault));
    EXPECT(admission_admit(&admission, 0, 1, 1, now + 5, &fault));
    EXPECT(!admission_admit(&admission, 0, 1, 1, now + 20, &fault));
    admission_set_workers(&admission, 2);
    EXPECT(admission_enter(&admission, &fault));
    EXPECT(admission_admit(&admission, 1, 1, 2, now + 5, &fault));
    EXPECT_NEAR(admission_load(&admission).wait_seconds, 15, 1e-9);
    EXPECT_INT(admission_retry_after(&admission), 15);
    EXPECT(!admission_admit(&admission, 0, 1, 1, now + 25, &fault));
    EXPECT_INT(fault.code, FAULT_QUEUE_FULL);
    EXPECT_INT(fault.retry_after, 15);
    EXPECT(admission_admit(&admission, 0, 1, 1, now + 30, &fault));
    admission_set_workers(&admission, 1);
    EXPECT_INT(admission_retry_after(&admission), 30);
    admission_leave(&admission, 2, 3);
    admission_destroy(&admission);
}

// ---- Another model ----

static void reloads(void) {
    enum { TIMES = 20 };
    struct crowd crowd;
    struct service *service = devices_start(TWO, NULL, NULL);
    crowd_create(&crowd, service);
    crowd_start(&crowd, 400);
    for (int i = 0; i < TIMES; i++)
        service_reload(service);
    crowd_join(&crowd);
    EXPECT_INT(crowd.good, 400);
    EXPECT_INT(devices_metric(service, "model_reloads_total{result=\"ok\"}"), TIMES);
    crowd_destroy(&crowd);
    check_service_stop(service);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"refusals", refusals},
                                          {"both_at_once", both_at_once},
                                          {"one_request", one_request},
                                          {"predicted_wait", predicted_wait},
                                          {"reloads", reloads},
                                          {0}});
}
