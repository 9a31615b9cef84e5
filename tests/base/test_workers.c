#include "base/workers.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "tests/harness.h"

enum { MAX_COUNT = 20000 };

struct visits {
    atomic_int of_index[MAX_COUNT];
    atomic_int of_worker[16];
    atomic_int wrong_workers;
    int num_workers;
};

static struct visits visits;

static void visit(void *context, int64_t index, int worker) {
    struct visits *v = context;
    atomic_fetch_add(&v->of_index[index], 1);
    if (worker < 0 || worker >= v->num_workers)
        atomic_fetch_add(&v->wrong_workers, 1);
    else
        atomic_fetch_add(&v->of_worker[worker], 1);
}

static void expect_each_visited(int64_t count, int times) {
    int64_t wrong = 0;
    for (int64_t i = 0; i < MAX_COUNT; i++)
        wrong += atomic_load(&visits.of_index[i]) != (i < count ? times : 0);
    EXPECT_INT(wrong, 0);
    EXPECT_INT(atomic_load(&visits.wrong_workers), 0);
}

static void clear(int num_workers) {
    memset(&visits, 0, sizeof visits);
    visits.num_workers = num_workers;
}

static void every_index_once(void) {
    static const int64_t counts[] = {0, 1, 2, 3, 63, 64, 65, 1000, MAX_COUNT};
    static const int64_t grains[] = {1, 2, 7, 64, 100000};
    struct error err = {0};
    for (int num_threads = 1; num_threads <= 5; num_threads++) {
        struct workers *workers = NULL;
        REQUIRE(workers_create(&workers, num_threads, &err) == STATUS_OK);
        EXPECT_INT(workers_count(workers), num_threads);
        for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
            for (size_t g = 0; g < sizeof grains / sizeof grains[0]; g++) {
                clear(num_threads);
                workers_run(workers, counts[c], grains[g], visit, &visits);
                expect_each_visited(counts[c], 1);
            }
        }
        workers_destroy(workers);
    }
}

// Short runs one behind the other: a thread that wakes late must not miss or repeat one.
static void many_short_runs(void) {
    struct error err = {0};
    struct workers *workers = NULL;
    REQUIRE(workers_create(&workers, 4, &err) == STATUS_OK);
    clear(4);
    for (int run = 0; run < 5000; run++)
        workers_run(workers, 8, 1, visit, &visits);
    expect_each_visited(8, 5000);
    workers_destroy(workers);
}

static atomic_int num_inside;
static atomic_int most_inside;

// Waits until another thread is in the body at the same time, or gives up.
static void meet(void *context, int64_t index, int worker) {
    (void)context, (void)index, (void)worker;
    int inside = atomic_fetch_add(&num_inside, 1) + 1;
    for (int i = 0; i < 100000 && inside < 2 && atomic_load(&most_inside) < 2; i++) {
        sched_yield();
        inside = atomic_load(&num_inside);
    }
    int most = atomic_load(&most_inside);
    while (inside > most && !atomic_compare_exchange_weak(&most_inside, &most, inside)) {
    }
    atomic_fetch_sub(&num_inside, 1);
}

static void threads_work_at_once(void) {
    struct error err = {0};
    struct workers *workers = NULL;
    REQUIRE(workers_create(&workers, 2, &err) == STATUS_OK);
    atomic_store(&most_inside, 0);
    workers_run(workers, 100, 1, meet, NULL);
    EXPECT_INT(atomic_load(&most_inside), 2);
    workers_destroy(workers);
}

static void plain_sum(void *context, int64_t index, int worker) {
    int64_t *sums = context;
    sums[worker * 16] += index; // no atomics: a worker's memory is its own
}

static void scratch_of_a_worker(void) {
    struct error err = {0};
    struct workers *workers = NULL;
    REQUIRE(workers_create(&workers, 3, &err) == STATUS_OK);
    int64_t sums[3 * 16] = {0};
    workers_run(workers, 100000, 10, plain_sum, sums);
    EXPECT_INT(sums[0] + sums[16] + sums[32], INT64_C(99999) * 100000 / 2);
    workers_destroy(workers);
}

static void available(void) {
    struct error err = {0};
    cpu_set_t set;
    REQUIRE(sched_getaffinity(0, sizeof set, &set) == 0);
    EXPECT_INT(workers_available(), CPU_COUNT(&set));
    struct workers *workers = NULL;
    EXPECT_OK(workers_create(&workers, 0, &err), &err);
    EXPECT_INT(workers_count(workers), CPU_COUNT(&set));
    workers_destroy(workers);
    workers_destroy(NULL);
    // Bound to one processor, there is one.
    cpu_set_t one = set;
    for (size_t cpu = 0; CPU_COUNT(&one) > 1; cpu++)
        CPU_CLR(cpu, &one);
    REQUIRE(sched_setaffinity(0, sizeof one, &one) == 0);
    EXPECT_INT(workers_available(), 1);
    REQUIRE(sched_setaffinity(0, sizeof set, &set) == 0);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"every_index_once", every_index_once},
                         {"many_short_runs", many_short_runs},
                         {"threads_work_at_once", threads_work_at_once},
                         {"scratch_of_a_worker", scratch_of_a_worker},
                         {"available", available},
                         {0},
                     });
}
