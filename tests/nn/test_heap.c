#include "nn/heap.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/random.h"
#include "tests/harness.h"

static struct heap heap;

static void create(int64_t capacity) {
    heap_destroy(&heap);
    struct error err;
    EXPECT_OK(heap_create(&heap, capacity, &err), &err);
    REQUIRE(heap.spans);
}

static void alignment_and_order(void) {
    create(1024);
    EXPECT_INT(heap_alloc(&heap, 1), 0);
    EXPECT_INT(heap_alloc(&heap, 64), 64);
    EXPECT_INT(heap_alloc(&heap, 65), 128);
    EXPECT_INT(heap_alloc(&heap, 1), 256);
    EXPECT_INT(heap.used_bytes, 320);
    EXPECT_INT(heap.peak_bytes, 320);
    EXPECT_INT(heap_span_at(&heap, 128)->bytes, 128);
    EXPECT_INT(heap_span_at(&heap, 128)->asked, 65);
    heap_destroy(&heap);
}

static void first_fit_and_merging(void) {
    create(640);
    for (int i = 0; i < 10; i++)
        EXPECT_INT(heap_alloc(&heap, 64), 64 * i);
    EXPECT_INT(heap_alloc(&heap, 1), -1);
    heap_free(&heap, 128);
    heap_free(&heap, 256);
    EXPECT_INT(heap_alloc(&heap, 128), -1); // 128 bytes are free, but not together
    heap_free(&heap, 192);                  // between them: all three become one
    EXPECT_INT(heap_alloc(&heap, 192), 128);
    heap_free(&heap, 0);
    EXPECT_INT(heap_alloc(&heap, 64), 0); // the first that fits
    for (int64_t at = 576; at >= 320; at -= 64)
        heap_free(&heap, at);
    heap_free(&heap, 0);
    heap_free(&heap, 64);
    heap_free(&heap, 128);
    EXPECT_INT(heap.used_bytes, 0);
    EXPECT_INT(heap.num_spans, 1);
    EXPECT_INT(heap.peak_bytes, 640);
    EXPECT_INT(heap_alloc(&heap, 640), 0);
    heap_destroy(&heap);
}

static void empty_buffers(void) {
    create(256);
    int64_t a = heap_alloc(&heap, 0);
    int64_t b = heap_alloc(&heap, 0);
    EXPECT(a >= 0 && b >= 0 && a != b); // each can be freed by its offset
    heap_free(&heap, a);
    heap_free(&heap, b);
    EXPECT_INT(heap.num_spans, 1);
    heap_destroy(&heap);
}

static void limits(void) {
    create(100); // the capacity is rounded down
    EXPECT_INT(heap.capacity, 64);
    EXPECT_INT(heap_alloc(&heap, 65), -1);
    EXPECT_INT(heap_alloc(&heap, INT64_MAX), -1);
    EXPECT_INT(heap_alloc(&heap, 64), 0);
    create(0);
    EXPECT_INT(heap_alloc(&heap, 0), -1);
    create(INT64_C(1) << 42); // books only: the region need not exist
    EXPECT_INT(heap_alloc(&heap, INT64_C(1) << 41), 0);
    EXPECT_INT(heap_alloc(&heap, INT64_C(1) << 41), INT64_C(1) << 41);
    // More spans than there are books for fail like memory that is not there.
    create(INT64_C(1) << 30);
    int64_t count = 0;
    while (heap_alloc(&heap, 64) >= 0)
        count++;
    EXPECT(count >= 30000 && count < 40000);
    heap_free(&heap, 64);
    EXPECT_INT(heap_alloc(&heap, 64), 64);
    heap_destroy(&heap);
}

static void reset(void) {
    create(1024);
    REQUIRE(heap_alloc(&heap, 500) == 0 && heap_alloc(&heap, 100) == 512);
    heap_reset(&heap);
    EXPECT_INT(heap.used_bytes, 0);
    EXPECT_INT(heap.peak_bytes, 640); // of the whole life
    EXPECT_INT(heap_alloc(&heap, 1024), 0);
    heap_destroy(&heap);
}

// A long random life against a map of bytes.
static void random_life(void) {
    enum { UNITS = 512, LIVE = 64, STEPS = 20000 };
    static int owner[UNITS]; // 0: free
    struct {
        int64_t offset, units;
    } live[LIVE] = {0};
    struct random random = random_stream(3, 0);
    memset(owner, 0, sizeof owner);
    create(UNITS * HEAP_ALIGNMENT);
    for (int step = 0; step < STEPS; step++) {
        int64_t slot = random_below(&random, LIVE);
        if (live[slot].units) {
            heap_free(&heap, live[slot].offset);
            for (int64_t u = 0; u < live[slot].units; u++)
                owner[live[slot].offset / HEAP_ALIGNMENT + u] = 0;
            live[slot].units = 0;
            continue;
        }
        int64_t bytes = random_below(&random, 2000);
        int64_t units = bytes ? (bytes + HEAP_ALIGNMENT - 1) / HEAP_ALIGNMENT : 1;
        int64_t expected = -1;
        for (int64_t at = 0, run = 0; at < UNITS && expected < 0; at++) {
            run = owner[at] ? 0 : run + 1;
            if (run == units) expected = (at + 1 - units) * HEAP_ALIGNMENT;
        }
        int64_t offset = heap_alloc(&heap, bytes);
        EXPECT_INT(offset, expected);
        if (offset < 0) continue;
        live[slot].offset = offset;
        live[slot].units = units;
        for (int64_t u = 0; u < units; u++)
            owner[offset / HEAP_ALIGNMENT + u] = 1;
    }
    int64_t used = 0;
    for (int64_t at = 0; at < UNITS; at++)
        used += owner[at] * HEAP_ALIGNMENT;
    EXPECT_INT(heap.used_bytes, used);
    heap_destroy(&heap);
}

static void expect_abort(int64_t offset) {
    fflush(NULL);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        (void)!freopen("/dev/null", "w", stderr);
        heap_free(&heap, offset);
        _exit(0);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void wrong_frees_end_the_program(void) {
    create(1024);
    REQUIRE(heap_alloc(&heap, 200) == 0);
    expect_abort(64);   // within a buffer
    expect_abort(256);  // free already
    expect_abort(4096); // not ours
    heap_free(&heap, 0);
    expect_abort(0);
    heap_destroy(&heap);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"alignment_and_order", alignment_and_order},
                         {"first_fit_and_merging", first_fit_and_merging},
                         {"empty_buffers", empty_buffers},
                         {"limits", limits},
                         {"reset", reset},
                         {"random_life", random_life},
                         {"wrong_frees_end_the_program", wrong_frees_end_the_program},
                         {0},
                     });
}
