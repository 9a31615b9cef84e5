// What happens to requests while the service stops, and while it changes over to another model.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/serve_bench.h"

enum { CLIENTS = 16 };

// Lines of a file that have both texts in them.
static int64_t count_lines(const char *path, const char *first, const char *second) {
    char line[4096];
    int64_t count = 0;
    FILE *file = fopen(path, "r");
    load_need(file, path);
    while (fgets(line, sizeof line, file))
        if (strstr(line, first) && strstr(line, second)) count++;
    (void)fclose(file);
    return count;
}

// ---- L6: stopping ----

struct stops {
    int64_t answered, refused, logged, unwanted, wrong;
    int bad_exits;
};

// One server, stopped at a random moment. The access log has a line for each request that the
// server took in whole, so an answer in it that no client received is lost.
static void stop_once(struct serve_bench *bench, int number, struct stops *stops) {
    char log[SERVED_PATH_BYTES];
    snprintf(log, sizeof log, "%s/stops.jsonl", bench->folder);
    (void)unlink(log);
    const char *options[] = {"--stub-ms", "5", "--drain-delay", "0", "--access-log", log, NULL};
    struct served served;
    struct load_report report;
    served_start(&served, bench->program, bench->folder, options);
    struct body picture = body_picture(BODY_JPEG, 320, 240, 1, 20);
    struct load_request request = checked_request(&served, DETECT, JPEG_TYPE, &picture);
    int64_t before = count_lines(log, "/v1/detect", "\"status\":200");
    struct load *load = load_start(&(struct load_plan){.port = served.port,
                                                       .requests = &request,
                                                       .num_requests = 1,
                                                       .num_connections = CLIENTS,
                                                       .seconds = 0.6});
    usleep((useconds_t)(100000 + number * 7919 % 300 * 1000));
    stops->bad_exits += served_stop(&served) != 0;
    load_join(load, &report);
    stops->answered += report.answered;
    stops->refused += report.refused;
    stops->unwanted += report.unwanted;
    stops->wrong += report.wrong;
    stops->logged += count_lines(log, "/v1/detect", "\"status\":200") - before;
    load_report_free(&report);
    free((void *)request.bytes);
    free((void *)request.expected);
    free(picture.bytes);
}

void measure_stops(struct serve_bench *bench) {
    enum { STOPS = 50 };
    struct stops stops = {0};
    for (int i = 0; i < STOPS; i++)
        stop_once(bench, i, &stops);
    printf("L6: SIGTERM %d times beside %d clients\n", STOPS, CLIENTS);
    note("answers", (double)stops.answered, "");
    note("refusals while it stopped", (double)stops.refused, "");
    figure(bench, "admitted and not answered", (double)(stops.logged - stops.answered), "", AT_MOST,
           0);
    figure(bench, "neither 200 nor 503 with Retry-After", (double)stops.unwanted, "", AT_MOST, 0);
    figure(bench, "wrong contents", (double)stops.wrong, "", AT_MOST, 0);
    figure(bench, "exit codes other than 0", stops.bad_exits, "", AT_MOST, 0);
}

// ---- L6: another model ----

enum { MODELS = 2, CORRUPT = MODELS };
static const char SWAP_PATH[] = "/v1/detect?timing=false&score=0";

struct swap {
    char link[SERVED_PATH_BYTES];              // what the server was told to load
    char files[MODELS + 1][SERVED_PATH_BYTES]; // what that is, in turn; the last is broken
    struct load_request requests[MODELS];      // with each model's answer
    struct body alone;                         // the same request, for one connection
};

// Another file takes the served one's place at once.
static void put_file(const struct swap *swap, int which) {
    char fresh[SERVED_PATH_BYTES + 8];
    snprintf(fresh, sizeof fresh, "%s.new", swap->link);
    (void)unlink(fresh);
    load_need(symlink(swap->files[which], fresh) == 0, fresh);
    load_need(rename(fresh, swap->link) == 0, swap->link);
}

static void write_models(const struct serve_bench *bench, struct swap *swap) {
    char command[8 * SERVED_PATH_BYTES];
    char folder[SERVED_PATH_BYTES / 2];
    load_need(realpath(bench->folder, folder), bench->folder);
    snprintf(swap->link, sizeof swap->link, "%s/swap.safetensors", folder);
    for (int i = 0; i <= MODELS; i++)
        snprintf(swap->files[i], sizeof swap->files[i], "%s/swap-%d.safetensors", folder, i);
    for (int i = 0; i < MODELS; i++) {
        snprintf(command, sizeof command,
                 "'%s' init --config configs/demo.json --seed %d --out '%s' --quiet",
                 bench->program, i + 2, swap->files[i]);
        load_need(system(command) == 0, command); // NOLINT(cert-env33-c): our own program
    }
    snprintf(command, sizeof command, "head -c 100000 '%s' >'%s'", swap->files[0],
             swap->files[CORRUPT]);
    load_need(system(command) == 0, command); // NOLINT(cert-env33-c)
}

// True once the server answers as that model does.
static bool answers_as(const struct served *served, const struct swap *swap, int which) {
    for (double end = clock_seconds() + 30; clock_seconds() < end; usleep(20000)) {
        char *answer = served_fetch(served, swap->alone.bytes, swap->alone.size, NULL);
        bool is_it = strstr(answer, swap->requests[which].expected) != NULL;
        free(answer);
        if (is_it) return true;
    }
    return false;
}

static bool reports_failure(const struct served *served, int64_t before) {
    for (double end = clock_seconds() + 30; clock_seconds() < end; usleep(20000))
        if (count_lines(served->log, "the old model stays", "") > before) return true;
    return false;
}

static void start_with_models(struct serve_bench *bench, struct swap *swap, struct served *served,
                              const struct body *picture) {
    const char *options[] = {"--weights", swap->link, "--drain-delay", "0", NULL};
    for (int i = MODELS - 1; i >= 0; i--) {
        put_file(swap, i);
        served_start(served, bench->program, bench->folder, options);
        swap->requests[i] = checked_request(served, SWAP_PATH, JPEG_TYPE, picture);
        if (i > 0) stop_server(bench, served);
    }
    load_need(strcmp(swap->requests[0].expected, swap->requests[1].expected) != 0,
              "two models that answer differently");
    swap->alone =
        body_request(SWAP_PATH, "Content-Type: image/jpeg\r\nConnection: close\r\n", picture);
}

void measure_swaps(struct serve_bench *bench) {
    enum { SWAPS = 200, BROKEN_EVERY = 10, BROKEN = SWAPS / BROKEN_EVERY };
    struct swap swap;
    struct served served;
    struct load_report report;
    write_models(bench, &swap);
    struct body picture = body_picture(BODY_JPEG, 160, 120, 1, 20);
    printf("L6: SIGHUP %d times beside %d clients, every %dth to a broken file\n", SWAPS, CLIENTS,
           BROKEN_EVERY);
    start_with_models(bench, &swap, &served, &picture);
    struct load_request either = swap.requests[0];
    either.or_expected = swap.requests[1].expected;
    struct load *load = load_start(&(struct load_plan){
        .port = served.port, .requests = &either, .num_requests = 1, .num_connections = CLIENTS});
    int model = 0;
    int changed = 0;
    int kept = 0;
    for (int i = 1; i <= SWAPS; i++) {
        bool broken = i % BROKEN_EVERY == 0;
        int64_t before = count_lines(served.log, "the old model stays", "");
        if (!broken) model = !model;
        put_file(&swap, broken ? CORRUPT : model);
        kill(served.pid, SIGHUP);
        if (broken) kept += reports_failure(&served, before);
        if (!answers_as(&served, &swap, model)) continue;
        changed += !broken;
    }
    load_end(load);
    load_join(load, &report);
    note("answers", (double)report.answered, "");
    figure(bench, "changes of the model", changed, "", AT_LEAST, SWAPS - BROKEN);
    figure(bench, "broken files told, the old model stays", kept, "", AT_LEAST, BROKEN);
    figure(bench, "other answers than 200", (double)(failures(&report) - report.wrong), "", AT_MOST,
           0);
    figure(bench, "answers that are neither model's", (double)report.wrong, "", AT_MOST, 0);
    load_report_free(&report);
    stop_server(bench, &served);
}
