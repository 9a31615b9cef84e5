// The service with a real model: the same bytes for the same picture, alone, in company and while
// the model is replaced.
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/harness.h"
#include "tests/program.h"
#include "tests/server/check_service.h"

enum { PICTURES = 4, ANSWER_BYTES = 1 << 16 };

static struct check_picture pictures[PICTURES];

static void make_pictures(void) {
    // Two sizes that are computed together and one that is not.
    static const int32_t SIZES[PICTURES][2] = {{160, 120}, {160, 120}, {159, 119}, {120, 160}};
    for (int i = 0; i < PICTURES && !pictures[i].bytes; i++)
        pictures[i] = check_picture(SIZES[i][0], SIZES[i][1], (uint64_t)i + 1);
}

// A small model of random weights finds something everywhere if any score will do.
static const char *model_option(int seed) {
    static char option[600];
    char line[600];
    snprintf(line, sizeof line,
             "gctmask init --config '%s/../configs/demo.json' --seed %d --out $SCRATCH/m%d.tmp "
             "&& mv $SCRATCH/m%d.tmp $SCRATCH/m.safetensors",
             TESTS_DIR, seed, seed, seed);
    EXPECT_INT(run_program(line), 0);
    snprintf(option, sizeof option, "weights=%s/m.safetensors", scratch_folder());
    return option;
}

// Asks for what is in picture; the detections' text, to be freed, and the model's version.
static char *ask(int port, const struct check_picture *picture, char version[16]) {
    struct check_answer *answer = calloc(1, sizeof *answer);
    char head[256];
    int size = snprintf(head, sizeof head,
                        "POST /v1/detect?timing=false&score=0&max_dets=20 HTTP/1.1\r\nHost: "
                        "h\r\nContent-Length: %lld\r\n\r\n",
                        (long long)picture->size);
    int descriptor = check_connect(port);
    check_send(descriptor, head, size);
    check_send(descriptor, picture->bytes, picture->size);
    check_read(descriptor, answer);
    close(descriptor);
    char *text = NULL;
    const char *begin = strstr(answer->body, "\"detections\":");
    const char *name = strstr(answer->body, "\"version\":\"");
    if (answer->status == 200 && begin && name) {
        text = strdup(begin);
        snprintf(version, 16, "%.12s", name + strlen("\"version\":\""));
    }
    free(answer);
    return text;
}

struct expected {
    char version[16];
    char *texts[PICTURES];
};

static void ask_all(int port, struct expected *expected) {
    for (int i = 0; i < PICTURES; i++) {
        expected->texts[i] = ask(port, &pictures[i], expected->version);
        REQUIRE(expected->texts[i]);
        EXPECT_CONTAINS(expected->texts[i], "\"counts\":\"");
    }
}

static void forget(struct expected *expected) {
    for (int i = 0; i < PICTURES; i++)
        free(expected->texts[i]);
}

struct client {
    pthread_t thread;
    int port;
    int index;
    int count; // of requests; 0: until stop
    atomic_bool *stop;
    const struct expected *expected; // of two models
    atomic_int *wrong;
    atomic_int *asked;
};

static void *client_main(void *argument) {
    struct client *client = argument;
    for (int i = 0; client->count ? i < client->count : !atomic_load(client->stop); i++) {
        int picture = (client->index + i) % PICTURES;
        char version[16] = "";
        char *text = ask(client->port, &pictures[picture], version);
        const struct expected *e = client->expected;
        if (strcmp(e->version, version) != 0) e++;
        if (!text || strcmp(e->version, version) != 0 || strcmp(text, e->texts[picture]) != 0)
            atomic_fetch_add(client->wrong, 1);
        atomic_fetch_add(client->asked, 1);
        free(text);
    }
    return NULL;
}

enum { CLIENTS = 8 };

static void start(struct client *clients, const struct client *plan) {
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = *plan;
        clients[i].index = i;
        REQUIRE(pthread_create(&clients[i].thread, NULL, client_main, &clients[i]) == 0);
    }
}

static void join(struct client *clients) {
    for (int i = 0; i < CLIENTS; i++)
        pthread_join(clients[i].thread, NULL);
}

static void same_bytes(void) {
    struct client clients[CLIENTS];
    struct expected expected[2] = {0};
    atomic_int wrong = 0;
    atomic_int asked = 0;
    make_pictures();
    struct service *service = check_service_start((const char *[]){
        model_option(1), "stub-ms=-1", "batch-max=4", "decoders=4", "admin=127.0.0.1:0", NULL});
    int port = check_service_port(service);
    ask_all(port, &expected[0]);
    start(clients,
          &(struct client){
              .port = port, .count = 8, .expected = expected, .wrong = &wrong, .asked = &asked});
    join(clients);
    EXPECT_INT(wrong, 0);
    EXPECT_INT(asked, CLIENTS * 8);
    // They were in company.
    static struct check_answer answer;
    static const char METRICS[] = "GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n";
    check_exchange(check_service_admin_port(service), METRICS, sizeof METRICS - 1, &answer);
    const char *alone = strstr(answer.body, "gctmask_batch_size_bucket{le=\"1\"} ");
    const char *all = strstr(answer.body, "gctmask_batch_size_count ");
    REQUIRE(alone && all);
    EXPECT(strtol(strchr(alone, ' ') + 1, NULL, 10) < strtol(strchr(all, ' ') + 1, NULL, 10));
    forget(&expected[0]);
    check_service_stop(service);
}

// Each answer is one model's, and none is lost; a file that is no model changes nothing.
static void replaced(void) {
    enum { TIMES = 6 };
    struct client clients[CLIENTS];
    struct expected expected[2] = {0};
    atomic_bool stop = false;
    atomic_int wrong = 0;
    atomic_int asked = 0;
    make_pictures();
    struct service *service =
        check_service_start((const char *[]){model_option(1), "stub-ms=-1", NULL});
    int port = check_service_port(service);
    ask_all(port, &expected[0]);
    model_option(2);
    service_reload(service);
    ask_all(port, &expected[1]);
    EXPECT(strcmp(expected[0].version, expected[1].version) != 0);
    start(clients,
          &(struct client){
              .port = port, .stop = &stop, .expected = expected, .wrong = &wrong, .asked = &asked});
    for (int i = 0; i < TIMES; i++) {
        model_option(1 + i % 2);
        service_reload(service);
    }
    int before = asked;
    EXPECT_INT(run_program("head -c 3000 $SCRATCH/m.safetensors >$SCRATCH/x && mv $SCRATCH/x "
                           "$SCRATCH/m.safetensors"),
               0);
    service_reload(service);
    while (atomic_load(&asked) < before + CLIENTS)
        usleep(10000);
    atomic_store(&stop, true);
    join(clients);
    EXPECT_INT(wrong, 0);
    forget(&expected[0]);
    forget(&expected[1]);
    check_service_stop(service);
}

static void forget_pictures(void) {
    for (int i = 0; i < PICTURES; i++)
        free(pictures[i].bytes);
}

int main(int argc, char **argv) {
    int code = run_cases(
        argc, argv, (struct test_case[]){{"same_bytes", same_bytes}, {"replaced", replaced}, {0}});
    forget_pictures();
    return code;
}
