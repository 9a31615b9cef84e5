// Which pictures a worker is given, and when: with models and requests that hold nothing else.
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/job_queue.h"
#include "tests/harness.h"

enum { JOBS = 6, MOST = 4 };

static struct model models[2];
static struct exchange *exchanges; // [JOBS]
static struct job *jobs[JOBS];     // one of each
static struct job_queue queue;

// The jobs' models and widths; all models are computed by devices 0 and 1.
static void begin(const int *model_of, const int *width_of) {
    exchanges = calloc(JOBS, sizeof *exchanges);
    REQUIRE(exchanges);
    job_queue_init(&queue);
    for (int i = 0; i < 2; i++)
        atomic_store(&models[i].devices, 3);
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = &exchanges[i].jobs[0];
        exchanges[i].model = &models[model_of[i]];
        *jobs[i] = (struct job){.exchange = &exchanges[i], .input = {32, width_of[i]}};
        EXPECT(job_queue_add(&queue, jobs[i]));
    }
}

static void end(void) {
    job_queue_destroy(&queue);
    free(exchanges);
}

// What device is given, as digits: the jobs' numbers.
static const char *take(int64_t device, int64_t most) {
    static char digits[MOST + 1];
    struct job *batch[MOST];
    int64_t count = job_queue_take(&queue, device, most, batch);
    for (int64_t i = 0; i < count; i++)
        digits[i] = (char)('0' + (batch[i]->exchange - exchanges));
    digits[count] = '\0';
    return digits;
}

// The oldest, and what fits it, whoever asks.
static void oldest_first(void) {
    begin((int[]){0, 0, 0, 1, 0, 1}, (int[]){32, 64, 32, 32, 32, 32});
    jobs[4]->limits.nms = 0.3;
    EXPECT_TEXT(take(0, MOST), "02");
    EXPECT_TEXT(take(1, MOST), "1");
    EXPECT_TEXT(take(0, MOST), "35");
    EXPECT_TEXT(take(0, MOST), "4");
    end();
    begin((int[]){0, 0, 0, 0, 0, 0}, (int[]){32, 32, 32, 32, 32, 32});
    EXPECT_TEXT(take(1, MOST), "0123");
    EXPECT_TEXT(take(0, 1), "4");
    end();
}

// What comes back comes first and alone.
static void comes_back(void) {
    begin((int[]){0, 0, 0, 0, 0, 0}, (int[]){32, 32, 32, 32, 32, 32});
    EXPECT_TEXT(take(0, 2), "01");
    jobs[0]->has_failed = jobs[1]->has_failed = true;
    job_queue_done(&queue, jobs, 2);
    EXPECT_TEXT(take(1, MOST), "0");
    EXPECT_TEXT(take(1, MOST), "1");
    EXPECT_TEXT(take(1, MOST), "2345");
    end();
}

// A device is given what it can compute; what none can is taken out, and not let in any more.
static void lost_devices(void) {
    begin((int[]){0, 1, 0, 1, 1, 0}, (int[]){32, 32, 32, 32, 32, 32});
    atomic_store(&models[0].devices, 2);
    EXPECT_TEXT(take(0, 1), "1");
    EXPECT_TEXT(take(1, 1), "0");
    EXPECT(!job_queue_take_lost(&queue));
    atomic_store(&models[1].devices, 0);
    EXPECT(!job_queue_add(&queue, jobs[1]));
    struct job *lost = job_queue_take_lost(&queue);
    EXPECT(lost == jobs[3] && lost->next == jobs[4] && !jobs[4]->next);
    EXPECT_TEXT(take(1, MOST), "25");
    end();
}

static void *take_last(void *argument) {
    struct job *batch[MOST];
    *(int64_t *)argument = job_queue_take(&queue, 1, MOST, batch);
    job_queue_done(&queue, batch, 0);
    return NULL;
}

// It stops only once nothing can come back.
static void stops(void) {
    pthread_t other;
    int64_t count = -1;
    begin((int[]){0, 0, 0, 0, 0, 0}, (int[]){32, 32, 32, 32, 64, 64});
    EXPECT_TEXT(take(0, MOST), "0123");
    EXPECT_TEXT(take(0, MOST), "45");
    job_queue_stop(&queue);
    REQUIRE(pthread_create(&other, NULL, take_last, &count) == 0);
    usleep(20000); // so that it most likely waits
    job_queue_done(&queue, NULL, 0);
    job_queue_done(&queue, jobs, 1);
    pthread_join(other, NULL);
    EXPECT_INT(count, 1);
    EXPECT_TEXT(take(0, MOST), "");
    end();
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"oldest_first", oldest_first},
                                          {"comes_back", comes_back},
                                          {"lost_devices", lost_devices},
                                          {"stops", stops},
                                          {0}});
}
