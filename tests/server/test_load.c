// The service under more load than it can take, with clients that are slow on purpose, and over a
// mixture of good and bad requests. Nothing is timed: each request has to end in its way.
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/harness.h"
#include "tests/server/load.h"
#include "tests/server/load_bodies.h"
#include "tests/server/served.h"
#include "tests/server/slow_clients.h"

static const char JPEG_TYPE[] = "Content-Type: image/jpeg\r\n";
static const char DETECT[] = "/v1/detect?timing=false";

static struct load_request request_for(const struct served *served, const struct body *picture) {
    struct body alone =
        body_request(DETECT, "Content-Type: image/jpeg\r\nConnection: close\r\n", picture);
    struct body request = body_request(DETECT, JPEG_TYPE, picture);
    int status = 0;
    char *answer = served_fetch(served, alone.bytes, alone.size, &status);
    EXPECT_INT(status, 200);
    char *expected = body_detections(answer);
    REQUIRE(expected);
    free(answer);
    free(alone.bytes);
    return (struct load_request){request.bytes, request.size, 0, expected, NULL};
}

static void forget(struct load_request *request) {
    free((void *)request->bytes);
    free((void *)request->expected);
}

// Ten clients for each place in the queue: some are served, all others told when to come again, and
// whoever asks for the health is answered.
static void overload(void) {
    const char *options[] = {"--stub-ms", "5", "--queue-length", "8", "--drain-delay", "0", NULL};
    struct served served;
    struct load_report report;
    struct load_report health;
    served_start(&served, GCTMASK, scratch_folder(), options);
    struct body picture = body_picture(BODY_JPEG, 160, 120, 1, 20);
    struct load_request request = request_for(&served, &picture);
    struct body ask = body_request("/v1/health/live", "", NULL);
    struct load *probes = load_start(&(struct load_plan){
        .port = served.port,
        .requests = &(struct load_request){ask.bytes, ask.size, 200, NULL, NULL},
        .num_requests = 1,
        .rate = 20,
        .num_connections = 2,
        .count = 40});
    load_run(&(struct load_plan){.port = served.port,
                                 .requests = &request,
                                 .num_requests = 1,
                                 .rate = 2000,
                                 .num_connections = 60,
                                 .count = 4000},
             &report);
    load_join(probes, &health);
    EXPECT_INT(report.answered + report.refused, 4000);
    EXPECT(report.answered > 100 && report.refused > 100);
    EXPECT_INT(report.wrong, 0);
    EXPECT_INT(health.answered, 40);
    EXPECT_INT(served_stop(&served), 0);
    load_report_free(&report);
    load_report_free(&health);
    forget(&request);
    free(ask.bytes);
    free(picture.bytes);
}

// They lose their connections when their time is over, and cost nobody an answer.
static void slow(void) {
    enum { SLOW = 90, ADDRESSES = 3 };
    const char *options[] = {"--stub-ms=5",       "--header-timeout=1", "--upload-timeout=2",
                             "--write-timeout=2", "--drain-delay=0",    NULL};
    struct served served;
    struct load_report report;
    struct slow_report held;
    served_start(&served, GCTMASK, scratch_folder(), options);
    struct body picture = body_picture(BODY_JPEG, 160, 120, 1, 20);
    struct load_request request = request_for(&served, &picture);
    struct body asks = body_pipelined();
    int64_t files = served_files(&served);
    struct slow_clients *clients =
        slow_start(&(struct slow_plan){served.port, SLOW, ADDRESSES, asks.bytes, asks.size});
    load_run(&(struct load_plan){.port = served.port,
                                 .requests = &request,
                                 .num_requests = 1,
                                 .rate = 20,
                                 .num_connections = 8,
                                 .count = 120},
             &report);
    EXPECT_INT(report.answered, 120);
    EXPECT_INT(report.wrong, 0);
    // However slow this machine is, they go in the end.
    for (double end = clock_seconds() + 60; served_files(&served) > files; usleep(100000))
        if (clock_seconds() > end) break;
    EXPECT(served_files(&served) <= files);
    slow_stop(clients, &held);
    EXPECT_INT(held.opened, SLOW);
    EXPECT_INT(held.closed, SLOW / 3 * 2);
    EXPECT_INT(served_stop(&served), 0);
    load_report_free(&report);
    forget(&request);
    free(asks.bytes);
    free(picture.bytes);
}

// Pictures of several sizes, what is no picture, and clients that leave: each gets what is its own.
static void mixture(void) {
    enum { SIZES = 12 };
    const char *options[] = {"--stub-ms", "1", "--drain-delay", "0", NULL};
    struct served served;
    struct load_report report;
    struct load_request requests[SIZES + 1];
    served_start(&served, GCTMASK, scratch_folder(), options);
    for (int i = 0; i < SIZES; i++) {
        struct body picture = body_picture(BODY_JPEG, 60 + 17 * i, 200 - 9 * i, (uint64_t)i, 20);
        requests[i] = request_for(&served, &picture);
        free(picture.bytes);
    }
    struct body text = {(uint8_t *)(char[]){"no picture"}, 10};
    struct body bad = body_request(DETECT, JPEG_TYPE, &text);
    requests[SIZES] = (struct load_request){bad.bytes, bad.size, 415, NULL, NULL};
    load_run(&(struct load_plan){.port = served.port,
                                 .requests = requests,
                                 .num_requests = SIZES + 1,
                                 .num_connections = 6,
                                 .count = 1300,
                                 .drop_every = 20},
             &report);
    EXPECT_INT(report.dropped, 65);
    EXPECT_INT(report.answered, 1300 - 65);
    EXPECT_INT(report.wrong, 0);
    EXPECT_INT(served_stop(&served), 0);
    load_report_free(&report);
    for (int i = 0; i < SIZES; i++)
        forget(&requests[i]);
    free(bad.bytes);
}

int main(int argc, char **argv) {
    return run_cases(
        argc, argv,
        (struct test_case[]){{"overload", overload}, {"slow", slow}, {"mixture", mixture}, {0}});
}
