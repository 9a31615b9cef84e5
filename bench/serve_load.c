// Measures the service as its users meet it, with a client that checks every answer. Prints each
// figure beside what it should be; exit code 2 if one is missed. bench/serve runs it.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/serve_bench.h"
#include "tests/server/slow_clients.h"

static struct load_request health_request(void) {
    struct body request = body_request("/v1/health/live", "", NULL);
    return (struct load_request){request.bytes, request.size, 200, NULL, NULL};
}

// A picture that is quickly decoded, in a file of so many bytes.
static struct body padded_picture(int64_t size) {
    struct body small = body_picture(BODY_JPEG, 320, 240, 1, 20);
    return body_padded(&small, size);
}

// ---- Scenarios ----

// L1: as many clients as 32 ask again as soon as they are answered.
static void capacity(struct serve_bench *bench) {
    enum { CLIENTS = 32 };
    struct served served;
    struct load_report report;
    start_stub(&served, bench, "5");
    struct body picture = padded_picture(500000);
    struct load_request request = checked_request(&served, DETECT, JPEG_TYPE, &picture);
    struct load_plan plan = {.port = served.port,
                             .requests = &request,
                             .num_requests = 1,
                             .num_connections = CLIENTS,
                             .seconds = bench->seconds};
    load_run(&plan, &report);
    printf("L1: %d clients, bodies of 500 KB, a model of %d ms\n", CLIENTS, STUB_MS);
    figure(bench, "answers, of what the model can", (double)report.answered / report.seconds, "/s",
           AT_LEAST, 0.95 * CAPACITY);
    figure(bench, "other answers than 200",
           (double)(report.refused + report.unwanted + report.broken), "", AT_MOST, 0);
    figure(bench, "wrong contents", (double)report.wrong, "", AT_MOST, 0);
    figure(bench, "99 % of answers within", milliseconds(&report, 0.99), "ms", AT_MOST,
           1.2 * CLIENTS * STUB_MS);
    note("memory", (double)served_bytes(&served) / MEBIBYTE, "MiB");
    load_report_free(&report);
    stop_server(bench, &served);
}

// L2: ten times as much as can be served, at a fixed rate; somebody asks for the health meanwhile.
static void overload(struct serve_bench *bench) {
    enum { TIMES = 10, CLIENTS = 256, PROBES = 20, QUEUE = 64 };
    struct served served;
    struct load_report report;
    struct load_report health;
    start_stub(&served, bench, "5");
    struct body picture = body_picture(BODY_JPEG, 320, 240, 1, 20);
    struct load_request request = checked_request(&served, DETECT, JPEG_TYPE, &picture);
    struct load_request ask = health_request();
    int64_t before = served_bytes(&served);
    struct load_plan probes = {.port = served.port,
                               .requests = &ask,
                               .num_requests = 1,
                               .rate = PROBES,
                               .num_connections = 4,
                               .seconds = bench->seconds};
    struct load_plan plan = {.port = served.port,
                             .requests = &request,
                             .num_requests = 1,
                             .rate = TIMES * CAPACITY,
                             .num_connections = CLIENTS,
                             .seconds = bench->seconds};
    struct load *load = load_start(&probes);
    load_run(&plan, &report);
    load_join(load, &health);
    printf("L2: %d requests a second from %d clients, a model of %d ms\n", TIMES * CAPACITY,
           CLIENTS, STUB_MS);
    note("requests", (double)report.sent / bench->seconds, "/s");
    figure(bench, "answers, of what the model can", (double)report.answered / report.seconds, "/s",
           AT_LEAST, 0.9 * CAPACITY);
    figure(bench, "neither 200 nor 503 with Retry-After", (double)(report.unwanted + report.broken),
           "", AT_MOST, 0);
    figure(bench, "wrong contents", (double)report.wrong, "", AT_MOST, 0);
    figure(bench, "99 % of answers within", milliseconds(&report, 0.99), "ms", AT_MOST,
           QUEUE * STUB_MS + 50);
    note("99 % of refusals within", 1e3 * load_quantile(report.refused_times, report.refused, 0.99),
         "ms");
    figure(bench, "99 % of answers about health within", milliseconds(&health, 0.99), "ms", AT_MOST,
           50);
    figure(bench, "memory gained", (double)(served_bytes(&served) - before) / MEBIBYTE, "MiB",
           AT_MOST, 64);
    load_report_free(&report);
    load_report_free(&health);
    stop_server(bench, &served);
}

// L2 again: a slow model and a deadline that most of those who wait would miss.
static void slow_model(struct serve_bench *bench) {
    enum { CLIENTS = 64 };
    struct served served;
    struct load_report report;
    start_stub(&served, bench, "2000");
    struct body picture = body_picture(BODY_JPEG, 320, 240, 1, 20);
    struct load_request request =
        checked_request(&served, "/v1/detect?timing=false&timeout_ms=30000", JPEG_TYPE, &picture);
    struct load_plan plan = {.port = served.port,
                             .requests = &request,
                             .num_requests = 1,
                             .rate = 5,
                             .num_connections = CLIENTS,
                             .seconds = bench->seconds};
    load_run(&plan, &report);
    printf("L2: a model of 2 s, deadlines of 30 s, ten times as many requests as it can take\n");
    note("answers", (double)report.answered, "");
    note("refusals", (double)report.refused, "");
    figure(bench, "admitted and then too late", (double)report.unwanted, "", AT_MOST, 0);
    figure(bench, "otherwise wrong", (double)(report.broken + report.wrong), "", AT_MOST, 0);
    figure(bench, "longest answer", milliseconds(&report, 1), "ms", AT_MOST, 30000);
    load_report_free(&report);
    stop_server(bench, &served);
}

// L4: a client at half of what the model can, first alone, then beside those that hold connections.
static void slow_clients(struct serve_bench *bench) {
    enum { SLOW = 300, ADDRESSES = 6, DEADLINE = 30 };
    const char *options[] = {"--stub-ms", "5", "--drain-delay", "0", NULL};
    struct served served;
    struct load_report alone;
    struct load_report beside;
    struct slow_report slow;
    served_start(&served, bench->program, bench->folder, options);
    struct body picture = padded_picture(500000);
    struct load_request request = checked_request(&served, DETECT, JPEG_TYPE, &picture);
    struct body asks = body_pipelined();
    struct load_plan plan = {.port = served.port,
                             .requests = &request,
                             .num_requests = 1,
                             .rate = CAPACITY / 2.0,
                             .num_connections = 48,
                             .seconds = 10};
    load_run(&plan, &alone);
    sleep(1);
    int64_t files = served_files(&served);
    struct slow_clients *clients =
        slow_start(&(struct slow_plan){served.port, SLOW, ADDRESSES, asks.bytes, asks.size});
    plan.seconds = DEADLINE + 3;
    load_run(&plan, &beside);
    sleep(1);
    int64_t left = served_files(&served) - files;
    slow_stop(clients, &slow);
    printf("L4: %d slow clients of %d addresses beside %d requests a second\n", SLOW, ADDRESSES,
           CAPACITY / 2);
    note("slow connections made", (double)slow.opened, "");
    figure(bench, "good requests that failed", (double)failures(&beside), "", AT_MOST, 0);
    note("99 % of answers within, without slow clients", milliseconds(&alone, 0.99), "ms");
    figure(bench, "99 % of answers within, times that",
           milliseconds(&beside, 0.99) / milliseconds(&alone, 0.99), "", AT_MOST, 2);
    figure(bench, "longest that slow sending was borne", slow.longest, "s", AT_MOST, DEADLINE + 1);
    figure(bench, "slow connections left after that", (double)left, "", AT_MOST, 0);
    load_report_free(&alone);
    load_report_free(&beside);
    stop_server(bench, &served);
}

// L4 again: far more of them than connections are allowed.
static void siege(struct serve_bench *bench) {
    enum { SLOW = 2000, ADDRESSES = 50 };
    const char *options[] = {"--stub-ms", "5", "--drain-delay", "0", NULL};
    struct served served;
    struct load_report report;
    struct slow_report slow;
    served_start(&served, bench->program, bench->folder, options);
    struct body picture = padded_picture(500000);
    struct load_request request = checked_request(&served, DETECT, JPEG_TYPE, &picture);
    struct body asks = body_pipelined();
    struct slow_clients *clients =
        slow_start(&(struct slow_plan){served.port, SLOW, ADDRESSES, asks.bytes, asks.size});
    load_run(&(struct load_plan){.port = served.port,
                                 .requests = &request,
                                 .num_requests = 1,
                                 .rate = CAPACITY / 2.0,
                                 .num_connections = 48,
                                 .seconds = bench->seconds},
             &report);
    slow_stop(clients, &slow);
    printf("L4: %d slow clients of %d addresses, 512 connections\n", SLOW, ADDRESSES);
    figure(bench, "good requests answered, of all",
           100 * (double)report.answered / (double)report.sent, "%", AT_LEAST, 99);
    figure(bench, "wrong contents", (double)report.wrong, "", AT_MOST, 0);
    load_report_free(&report);
    stop_server(bench, &served);
}

// ---- The program ----

static const struct {
    const char *name;
    void (*measure)(struct serve_bench *bench);
} MEASUREMENTS[] = {
    {"capacity", capacity},
    {"overload", overload},
    {"slow-model", slow_model},
    {"slow-clients", slow_clients},
    {"siege", siege},
    {"overhead", measure_overhead},
    {"model-overhead", measure_model_overhead},
    {"memory", measure_memory},
    {"stops", measure_stops},
    {"swaps", measure_swaps},
    {"soak", measure_soak},
};
enum { NUM_MEASUREMENTS = sizeof MEASUREMENTS / sizeof *MEASUREMENTS };

static bool measure(struct serve_bench *bench, const char *name) {
    for (int i = 0; i < NUM_MEASUREMENTS; i++) {
        if (strcmp(MEASUREMENTS[i].name, name) != 0) continue;
        MEASUREMENTS[i].measure(bench);
        return true;
    }
    return false;
}

int main(int argc, char **argv) {
    enum { FIRST = 7, MISSED = 2 };
    if (argc <= FIRST) {
        fprintf(stderr, "serve_load PROGRAM FOLDER WEIGHTS SMALL_WEIGHTS SECONDS SOAK_SECONDS "
                        "MEASUREMENT...\n");
        return EXIT_FAILURE;
    }
    struct serve_bench bench = {
        argv[1], argv[2], argv[3], argv[4], strtod(argv[5], NULL), strtod(argv[6], NULL), 0};
    for (int i = FIRST; i < argc; i++) {
        if (measure(&bench, argv[i])) continue;
        fprintf(stderr, "%s: no such measurement\n", argv[i]);
        return EXIT_FAILURE;
    }
    return bench.missed ? MISSED : EXIT_SUCCESS;
}
