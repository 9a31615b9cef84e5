// What the service costs beside its model: time, and memory over many requests.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/serve_bench.h"

// A phase's milliseconds in an answer.
static double phase(const char *answer, const char *name) {
    char key[32];
    snprintf(key, sizeof key, "\"%s\":", name);
    const char *at = strstr(answer, "\"timing_ms\"");
    at = at ? strstr(at, key) : NULL;
    load_need(at, "a phase in an answer");
    return at ? strtod(at + strlen(key), NULL) : 0;
}

struct cost {
    double total; // of a request, as its client sees it
    double decode, detector;
};

static int compare_rest(const void *a, const void *b) {
    const struct cost *x = a;
    const struct cost *y = b;
    double first = x->total - x->decode - x->detector;
    double second = y->total - y->decode - y->detector;
    return (first > second) - (first < second);
}

// The request that is the middle one by what is neither decoding nor detection.
static struct cost median_cost(const struct served *served, const struct body *request, int count) {
    enum { MOST = 100 };
    struct cost costs[MOST];
    for (int i = 0; i < count; i++) {
        int status = 0;
        double start = clock_seconds();
        char *answer = served_fetch(served, request->bytes, request->size, &status);
        costs[i].total = 1e3 * (clock_seconds() - start);
        load_need(status == 200, answer);
        costs[i].decode = phase(answer, "decode");
        costs[i].detector =
            phase(answer, "preprocess") + phase(answer, "infer") + phase(answer, "postprocess");
        free(answer);
    }
    qsort(costs, (size_t)count, sizeof *costs, compare_rest);
    return costs[count / 2];
}

void measure_overhead(struct serve_bench *bench) {
    struct served served;
    start_stub(&served, bench, "5");
    struct body picture = body_picture(BODY_JPEG, 1333, 800, 1, 70);
    struct body request =
        body_request("/v1/detect", "Content-Type: image/jpeg\r\nConnection: close\r\n", &picture);
    struct cost cost = median_cost(&served, &request, 50);
    printf("Overhead: one client, a JPEG of %.0f KB, a model of %d ms\n",
           (double)picture.size / 1000, STUB_MS);
    note("request", cost.total, "ms");
    note("decoding", cost.decode, "ms");
    figure(bench, "request less decoding and model", cost.total - cost.decode - cost.detector, "ms",
           AT_MOST, 3);
    free(request.bytes);
    free(picture.bytes);
    stop_server(bench, &served);
}

void measure_model_overhead(struct serve_bench *bench) {
    const char *options[] = {"--weights", bench->weights, "--drain-delay", "0", NULL};
    struct served served;
    served_start(&served, bench->program, bench->folder, options);
    struct body picture = body_picture(BODY_JPEG, 1333, 800, 1, 70);
    struct body request =
        body_request("/v1/detect", "Content-Type: image/jpeg\r\nConnection: close\r\n", &picture);
    struct cost cost = median_cost(&served, &request, 5);
    printf("Overhead: one client, a JPEG of %.0f KB, the model %s\n", (double)picture.size / 1000,
           bench->weights);
    note("request", cost.total, "ms");
    note("decoding", cost.decode, "ms");
    figure(bench, "request less the detector, of the request",
           100 * (cost.total - cost.detector) / cost.total, "%", AT_MOST, 2);
    free(request.bytes);
    free(picture.bytes);
    stop_server(bench, &served);
}

// Memory after many requests of mixed sizes, and descriptors.
void measure_memory(struct serve_bench *bench) {
    enum { SIZES = 40, FIRST = 1000, LAST = 100000, CLIENTS = 8 };
    struct served served;
    struct load_report report;
    struct load_request requests[SIZES];
    start_stub(&served, bench, "0");
    for (int i = 0; i < SIZES; i++) {
        struct body picture = body_picture(i % 3 == 0 ? BODY_PNG : BODY_JPEG, 64 + 11 * i,
                                           300 - 5 * i, (uint64_t)i, 10);
        requests[i] = checked_request(
            &served, DETECT, i % 3 == 0 ? "Content-Type: image/png\r\n" : JPEG_TYPE, &picture);
    }
    struct load_plan plan = {.port = served.port,
                             .requests = requests,
                             .num_requests = SIZES,
                             .num_connections = CLIENTS,
                             .count = FIRST};
    load_run(&plan, &report);
    load_report_free(&report);
    sleep(1);
    int64_t bytes = served_bytes(&served);
    int64_t files = served_files(&served);
    plan.count = LAST - FIRST;
    load_run(&plan, &report);
    sleep(1);
    printf("Memory: %d requests in %d sizes\n", LAST, SIZES);
    note("answers", (double)report.answered / report.seconds, "/s");
    figure(bench, "other answers than 200, or wrong contents", (double)failures(&report), "",
           AT_MOST, 0);
    figure(bench, "memory gained after the first 1000",
           (double)(served_bytes(&served) - bytes) / MEBIBYTE, "MiB", AT_MOST, 2);
    figure(bench, "descriptors gained", (double)(served_files(&served) - files), "", AT_MOST, 0);
    load_report_free(&report);
    stop_server(bench, &served);
}

// ---- The long run ----

enum {
    SOAK_SIZES = 200,
    SOAK_FORMATS = 3,
    SOAK_BAD = 33, // 5 % of all
    SOAK_REQUESTS = SOAK_SIZES * SOAK_FORMATS + SOAK_BAD
};

static struct load_request bad_request(int i) {
    static const struct {
        const char *headers, *body;
        int status;
    } BAD[] = {
        {"Content-Type: image/jpeg\r\n", "no picture", 415},
        {"Content-Type: application/json\r\n", "{\"image\":", 400},
        {"Content-Type: image/jpeg\r\n", "\xff\xd8\xff\xe0", 422},
        {"Content-Type: application/json\r\n", "{\"image\": {\"b64\": \"####\"}}", 400},
    };
    enum { NUM_BAD = sizeof BAD / sizeof *BAD };
    char *text = strdup(BAD[i % NUM_BAD].body);
    struct body body = {(uint8_t *)text, (int64_t)strlen(text)};
    struct body request = body_request(DETECT, BAD[i % NUM_BAD].headers, &body);
    free(text);
    return (struct load_request){request.bytes, request.size, BAD[i % NUM_BAD].status, NULL, NULL};
}

// Pictures of many sizes, each as JPEG, PNG and JSON, and among them what is none.
static void soak_requests(const struct served *served, struct load_request *requests) {
    for (int i = 0; i < SOAK_SIZES; i++) {
        int32_t width = 40 + i * 37 % 400;
        int32_t height = 40 + i * 53 % 300;
        struct body jpeg = body_picture(BODY_JPEG, width, height, (uint64_t)i, 20);
        struct body png = body_picture(BODY_PNG, width, height, (uint64_t)i, 4);
        struct body json = body_json(&jpeg);
        requests[SOAK_FORMATS * i] = checked_request(served, DETECT, JPEG_TYPE, &jpeg);
        requests[SOAK_FORMATS * i + 1] =
            checked_request(served, DETECT, "Content-Type: image/png\r\n", &png);
        requests[SOAK_FORMATS * i + 2] =
            checked_request(served, DETECT, "Content-Type: application/json\r\n", &json);
        free(jpeg.bytes);
        free(png.bytes);
        free(json.bytes);
    }
    // Spread: the first of each 20, which moves to the end.
    for (int i = 0; i < SOAK_BAD; i++) {
        int place = i * (SOAK_REQUESTS / SOAK_BAD);
        requests[SOAK_SIZES * SOAK_FORMATS + i] = requests[place];
        requests[place] = bad_request(i);
    }
}

void measure_soak(struct serve_bench *bench) {
    enum { CLIENTS = 8, DROP_EVERY = 100 };
    static struct load_request requests[SOAK_REQUESTS];
    const char *options[] = {"--weights", bench->small, "--drain-delay", "0", NULL};
    struct served served;
    struct load_report report;
    served_start(&served, bench->program, bench->folder, options);
    soak_requests(&served, requests);
    struct load_plan plan = {.port = served.port,
                             .requests = requests,
                             .num_requests = SOAK_REQUESTS,
                             .num_connections = CLIENTS,
                             .count = SOAK_REQUESTS,
                             .drop_every = DROP_EVERY};
    load_run(&plan, &report); // once all of it, to be warm
    load_report_free(&report);
    sleep(2);
    int64_t bytes = served_bytes(&served);
    int64_t files = served_files(&served);
    plan.count = 0;
    plan.seconds = bench->soak_seconds;
    load_run(&plan, &report);
    sleep(2);
    printf("L3: %.0f s of %d pictures as %d formats, %d bad bodies among them, 1 %% left early\n",
           bench->soak_seconds, SOAK_SIZES, SOAK_FORMATS, SOAK_BAD);
    note("answers", (double)report.answered / report.seconds, "/s");
    note("left early", (double)report.dropped, "");
    figure(bench, "wrong answers", (double)failures(&report), "", AT_MOST, 0);
    figure(bench, "memory gained", (double)(served_bytes(&served) - bytes) / MEBIBYTE, "MiB",
           AT_MOST, 2);
    figure(bench, "descriptors gained", (double)(served_files(&served) - files), "", AT_MOST, 0);
    load_report_free(&report);
    stop_server(bench, &served);
}
