#include "server/metrics.h"

#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#include "server/metrics_internal.h"
#include "server/routes.h"

static const double SECONDS[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,
                                 2.5,   5,    10,    20,   30,  45,   60};
static const double PHASE_SECONDS[] = {0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1,
                                       0.3,    1,      3,     10,    30,   60};
static const double COUNTS[] = {1, 2, 3, 4, 6, 8, 12, 16, 32, 64};
static const double DETECTIONS[] = {0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000};
static const double PIXELS[] = {1e4, 3e4, 1e5, 3e5, 1e6, 2e6, 4e6, 8e6, 1.6e7, 4e7};
static const double SCORES[] = {0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99};

// The last one stands for all that are not here.
static const int STATUSES[] = {200, 204, 304, 400, 401, 403, 404, 405, 406, 408,
                               413, 415, 422, 429, 499, 500, 503, 504, 0};
enum { NUM_STATUSES = sizeof STATUSES / sizeof *STATUSES };
_Static_assert((int)NUM_STATUSES <= (int)METRICS_NUM_STATUSES, "room for all statuses");

#define INIT(histogram, bounds)                                                                    \
    histogram_init(&metrics->histogram, bounds, sizeof(bounds) / sizeof *(bounds))

void metrics_init(struct metrics *metrics) {
    struct timeval now;
    memset(metrics, 0, sizeof *metrics);
    gettimeofday(&now, NULL);
    metrics->start_time = (double)now.tv_sec + 1e-6 * (double)now.tv_usec;
    INIT(request_seconds, SECONDS);
    for (int i = 0; i < NUM_PHASES; i++)
        INIT(phase_seconds[i], PHASE_SECONDS);
    INIT(queue_wait_seconds, PHASE_SECONDS);
    INIT(batch_seconds, SECONDS);
    INIT(batch_size, COUNTS);
    INIT(image_pixels, PIXELS);
    INIT(detections_per_image, DETECTIONS);
    INIT(score, SCORES);
}

void metrics_count_request(struct metrics *metrics, int route, int status) {
    int i = 0;
    while (STATUSES[i] && STATUSES[i] != status)
        i++;
    atomic_fetch_add(&metrics->requests[route][i], 1);
}

// ---- Writing ----

void metrics_begin(struct output *out, const char *name, const char *type, const char *help) {
    output_printf(out, "# HELP gctmask_%s %s\n# TYPE gctmask_%s %s\n", name, help, name, type);
}

void metrics_label(struct output *out, const char *text) {
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') output_write(out, "\\", 1);
        if (*text == '\n')
            output_text(out, "\\n");
        else
            output_write(out, text, 1);
    }
}

static void write_buckets(struct output *out, const char *name, const char *label,
                          struct histogram *histogram) {
    const char *comma = *label ? "," : "";
    const char *open = *label ? "{" : "";
    const char *close = *label ? "}" : "";
    int64_t below = 0;
    for (int i = 0; i < histogram->num_bounds; i++) {
        below += atomic_load(&histogram->counts[i]);
        output_printf(out, "gctmask_%s_bucket{%s%sle=\"%g\"} %lld\n", name, label, comma,
                      histogram->bounds[i], (long long)below);
    }
    below += atomic_load(&histogram->counts[histogram->num_bounds]);
    output_printf(out, "gctmask_%s_bucket{%s%sle=\"+Inf\"} %lld\n", name, label, comma,
                  (long long)below);
    output_printf(out, "gctmask_%s_sum%s%s%s %.9g\ngctmask_%s_count%s%s%s %lld\n", name, open,
                  label, close, atomic_load(&histogram->sum), name, open, label, close,
                  (long long)below);
}

static void write_histogram(struct output *out, const char *name, const char *help,
                            struct histogram *histogram) {
    metrics_begin(out, name, "histogram", help);
    write_buckets(out, name, "", histogram);
}

static void write_counter(struct output *out, const char *name, const char *help,
                          const counter *value) {
    metrics_begin(out, name, "counter", help);
    output_printf(out, "gctmask_%s %lld\n", name, (long long)atomic_load(value));
}

// Those of the fault codes that something was counted for.
static void write_faults(struct output *out, const char *name, const char *label, const char *help,
                         const counter *values) {
    metrics_begin(out, name, "counter", help);
    for (int code = 1; code < NUM_FAULTS; code++)
        if (atomic_load(&values[code]) > 0)
            output_printf(out, "gctmask_%s{%s=\"%s\"} %lld\n", name, label,
                          fault_word((enum fault_code)code), (long long)atomic_load(&values[code]));
}

static void write_names(struct output *out, const char *name, const char *label, const char *help,
                        const counter *values, const char *const *names, int count) {
    metrics_begin(out, name, "counter", help);
    for (int i = 0; i < count; i++)
        output_printf(out, "gctmask_%s{%s=\"%s\"} %lld\n", name, label, names[i],
                      (long long)atomic_load(&values[i]));
}

static void write_requests(struct metrics *metrics, struct output *out) {
    metrics_begin(out, "http_requests_total", "counter",
                  "Requests by path and status of the answer");
    for (int r = 0; route_name(r); r++)
        for (int s = 0; s < NUM_STATUSES; s++) {
            long long count = (long long)atomic_load(&metrics->requests[r][s]);
            if (count > 0)
                output_printf(out, "gctmask_http_requests_total{path=\"%s\",status=\"%d\"} %lld\n",
                              route_name(r), STATUSES[s], count);
        }
}

static void write_http(struct metrics *metrics, const struct metrics_now *now, struct output *out) {
    static const char *const REASONS[] = {"header_deadline", "body_deadline", "write_deadline",
                                          "idle", "crowd"};
    static const char *const CANCELS[] = {"queue", "encode", "write"};
    write_requests(metrics, out);
    metrics_gauge(out, "http_in_flight", "Requests that are being answered",
                  (double)atomic_load(&metrics->in_flight));
    metrics_gauge(out, "http_connections", "Open connections", (double)now->connections);
    metrics_begin(out, "http_bytes_total", "counter", "Bytes of bodies");
    output_printf(out,
                  "gctmask_http_bytes_total{dir=\"in\"} %lld\n"
                  "gctmask_http_bytes_total{dir=\"out\"} %lld\n",
                  (long long)atomic_load(&metrics->bytes_in),
                  (long long)atomic_load(&metrics->bytes_out));
    write_histogram(out, "request_seconds", "From a request's headers to the end of its answer",
                    &metrics->request_seconds);
    metrics_begin(out, "phase_seconds", "histogram", "Where the time of requests goes");
    for (int i = 0; i < NUM_PHASES; i++) {
        char label[32] = "";
        snprintf(label, sizeof label, "phase=\"%s\"", phase_name((enum phase)i));
        write_buckets(out, "phase_seconds", label, &metrics->phase_seconds[i]);
    }
    write_faults(out, "rejected_total", "reason", "Requests and pictures that were refused",
                 metrics->rejected);
    write_names(out, "cancelled_total", "phase", "Requests whose client left", metrics->cancelled,
                CANCELS, NUM_CANCEL_PHASES);
    write_names(out, "conn_killed_total", "reason", "Connections that were ended", metrics->killed,
                REASONS, NUM_KILL_REASONS);
    write_counter(out, "auth_failures_total", "Missing, wrong and insufficient tokens",
                  &metrics->auth_failures);
}

static void write_pictures(struct metrics *metrics, const struct metrics_now *now,
                           struct output *out) {
    static const char *const FORMATS[] = {"unknown", "jpeg", "png"};
    metrics_gauge(out, "queue_length", "Pictures on their way", (double)now->queue_length);
    metrics_gauge(out, "queue_bytes", "Bytes of their pixels", (double)now->queue_bytes);
    write_histogram(out, "queue_wait_seconds", "From admission to computing",
                    &metrics->queue_wait_seconds);
    write_histogram(out, "batch_size", "Pictures that are computed together", &metrics->batch_size);
    write_histogram(out, "batch_seconds", "Computing a batch", &metrics->batch_seconds);
    write_names(out, "images_total", "format", "Pictures by format", metrics->images, FORMATS,
                IMAGE_PNG + 1);
    write_histogram(out, "image_pixels", "Pixels of pictures", &metrics->image_pixels);
    write_faults(out, "decode_failures_total", "code", "Pictures that could not be decoded",
                 metrics->decode_failures);
    write_counter(out, "jpeg_warnings_total", "Damage that the decoder stepped over",
                  &metrics->jpeg_warnings);
    write_counter(out, "non_finite_total", "Pictures for which the model computed no numbers",
                  &metrics->non_finite);
    write_histogram(out, "detections_per_image", "Detections in a picture",
                    &metrics->detections_per_image);
    write_histogram(out, "score", "Scores of detections", &metrics->score);
}

void metrics_write(struct metrics *metrics, const struct metrics_now *now, struct output *out) {
    write_http(metrics, now, out);
    write_pictures(metrics, now, out);
    metrics_write_devices(metrics, now, out);
    metrics_write_model(metrics, now, out);
    metrics_write_process(metrics, out);
}
