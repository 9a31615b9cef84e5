#include "bench/serve_bench.h"

#include <stdio.h>
#include <stdlib.h>

const char JPEG_TYPE[] = "Content-Type: image/jpeg\r\n";
const char DETECT[] = "/v1/detect?timing=false";

void figure(struct serve_bench *bench, const char *name, double value, const char *unit,
            enum figure_goal goal, double limit) {
    bool met = goal == AT_MOST ? value <= limit : value >= limit;
    printf("  %-56s %10.4g %-5s %s %-8.4g %s\n", name, value, unit,
           goal == AT_MOST ? "<=" : ">=", limit, met ? "" : "MISSED");
    (void)fflush(stdout);
    if (!met) bench->missed++;
}

void note(const char *name, double value, const char *unit) {
    printf("  %-56s %10.4g %s\n", name, value, unit);
}

double milliseconds(const struct load_report *report, double share) {
    return 1e3 * load_quantile(report->times, report->answered, share);
}

int64_t failures(const struct load_report *report) {
    return report->refused + report->unwanted + report->broken + report->wrong;
}

void start_stub(struct served *served, const struct serve_bench *bench, const char *ms) {
    const char *options[] = {"--stub-ms",
                             ms,
                             "--max-connections-per-address",
                             "0",
                             "--max-connections",
                             "1024",
                             "--drain-delay",
                             "0",
                             NULL};
    served_start(served, bench->program, bench->folder, options);
}

void stop_server(struct serve_bench *bench, struct served *served) {
    figure(bench, "exit code after SIGTERM", served_stop(served), "", AT_MOST, 0);
}

struct load_request checked_request(const struct served *served, const char *path,
                                    const char *headers, const struct body *picture) {
    char with_close[256];
    snprintf(with_close, sizeof with_close, "%sConnection: close\r\n", headers);
    struct body alone = body_request(path, with_close, picture);
    struct body request = body_request(path, headers, picture);
    int status = 0;
    char *answer = served_fetch(served, alone.bytes, alone.size, &status);
    load_need(status == 200, answer);
    char *expected = body_detections(answer);
    load_need(expected, "an answer's detections");
    free(answer);
    free(alone.bytes);
    return (struct load_request){request.bytes, request.size, 0, expected, NULL};
}
