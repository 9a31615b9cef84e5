// Once a training step has met all shapes that it can meet, our code allocates nothing any more:
// neither does the step itself, nor do its pages change. oneDNN's calls go on to allocate, a few
// hundred bytes each; these are bounded and given back. The loader's threads allocate for what they
// read: libjpeg's pools, and a block for the mask of an object.
//
// This program's own malloc and its relatives see to that; so it is a program of its own.
#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/harness.h"
#include "tests/sanitized.h"
#include "tests/train/check_trainer.h"
#include "train/step.h"

#if SANITIZED || !defined(__GLIBC__)

static void steady(void) {
    skip_case("needs glibc's own malloc");
}

#else

enum {
    FIRST_STEPS = 10, // that may meet new shapes
    STEPS = 30,       // behind them
    MAX_LATE = 2,     // of these that may, since chance decides how many regions there are
    MAX_LIBRARY_BYTES = 17 * 1024, // of one allocation of oneDNN's, or of libjpeg's in this thread
    MAX_LOADER_BYTES = 17 * 1024,  // of one of the loader's
    MAX_FAULTS = 16,               // of pages in one step
};

// Allocations of the thread that trains.
static struct {
    atomic_llong own;         // by our code
    atomic_llong own_largest; // bytes
    atomic_llong library_largest;
    atomic_llong maps;
    atomic_llong held; // bytes that were not given back
} counts;

static _Thread_local bool trains;
extern char __executable_start; // of this program, by the linker
extern char etext;

static void note_largest(atomic_llong *largest, size_t bytes) {
    if (atomic_load(largest) < (long long)bytes) atomic_store(largest, (long long)bytes);
}

static void *note(void *memory, size_t bytes, const void *caller) {
    if (!trains) return memory;
    bool own = (const char *)caller >= &__executable_start && (const char *)caller < &etext;
    if (own) atomic_fetch_add(&counts.own, 1);
    note_largest(own ? &counts.own_largest : &counts.library_largest, bytes);
    atomic_fetch_add(&counts.held, (long long)malloc_usable_size(memory));
    return memory;
}

static void note_freed(void *memory) {
    if (trains) atomic_fetch_sub(&counts.held, (long long)malloc_usable_size(memory));
}

// glibc's functions under their second names.
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t number, size_t bytes);
void *__libc_realloc(void *old, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);
void __libc_free(void *memory);

void *malloc(size_t bytes) {
    return note(__libc_malloc(bytes), bytes, __builtin_return_address(0));
}

void *calloc(size_t number, size_t bytes) {
    return note(__libc_calloc(number, bytes), number * bytes, __builtin_return_address(0));
}

void *realloc(void *old, size_t bytes) {
    note_freed(old);
    return note(__libc_realloc(old, bytes), bytes, __builtin_return_address(0));
}

void *aligned_alloc(size_t alignment, size_t bytes) {
    return note(__libc_memalign(alignment, bytes), bytes, __builtin_return_address(0));
}

void *memalign(size_t alignment, size_t bytes) {
    return note(__libc_memalign(alignment, bytes), bytes, __builtin_return_address(0));
}

int posix_memalign(void **result, size_t alignment, size_t bytes) {
    void *memory = note(__libc_memalign(alignment, bytes), bytes, __builtin_return_address(0));
    if (memory) *result = memory;
    return memory ? 0 : 12; // ENOMEM
}

void free(void *memory) {
    note_freed(memory);
    __libc_free(memory);
}

void *mmap(void *address, size_t bytes, int protection, int flags, int descriptor, off_t offset) {
    if (trains) atomic_fetch_add(&counts.maps, 1);
    // A system call that fails gives -1, which is MAP_FAILED.
    return (void *)syscall(SYS_mmap, address, bytes, protection, flags, descriptor, offset);
}

// A loader without threads works in the thread that trains: it maps its files, and allocates. And
// where several threads compute, what LLVM's OpenMP allocates in one may be freed in another.
struct allowed {
    long long own, maps;
    bool imbalance;
};

// Trains one step; whether it was as it has to be.
static bool run_step(const struct stepper *stepper, int64_t step, struct allowed allowed) {
    struct step_result result;
    struct error err;
    struct rusage before;
    struct rusage after;
    memset((void *)&counts, 0, sizeof counts);
    getrusage(RUSAGE_THREAD, &before);
    trains = true;
    enum status status = step_run(stepper, step, &result, &err);
    trains = false;
    getrusage(RUSAGE_THREAD, &after);
    EXPECT_OK(status, &err);
    return counts.own <= allowed.own && counts.own_largest <= MAX_LOADER_BYTES &&
           counts.library_largest <= MAX_LIBRARY_BYTES && counts.maps <= allowed.maps &&
           (counts.held == 0 || allowed.imbalance) &&
           after.ru_minflt - before.ru_minflt <= MAX_FAULTS;
}

static void check(const char *const *settings, int num_threads, int num_loader_threads) {
    struct tiny_training tiny;
    struct solver solver;
    struct loader *loader = NULL;
    struct error err;
    tiny_training_create(&tiny, tiny_annotations("train"), settings);
    tiny.detector.nn->num_threads = num_threads;
    REQUIRE(solver_init(&solver, &tiny.detector.model, &err) == STATUS_OK);
    const struct loader_options options = {
        .dataset = &tiny.dataset,
        .model = &tiny.detector.model.network,
        .image_folder = tiny_image_folder(),
        .seed = 5,
        .augments = true,
        .stride = 1,
        .num_threads = num_loader_threads,
        .num_groups = num_loader_threads + 2,
    };
    EXPECT_OK(loader_create(&loader, &options, &err), &err);
    REQUIRE(loader);
    const struct stepper stepper = {.nn = tiny.detector.nn,
                                    .model = &tiny.detector.model,
                                    .solver = &solver,
                                    .loader = loader,
                                    .communicator = tiny.communicator,
                                    .seed = 5};
    const struct allowed allowed = {
        .own = num_loader_threads == 0 ? 100 : 0,
        .maps = num_loader_threads == 0 ? 4 : 0,
        .imbalance = num_threads > 1,
    };
    int num_late = 0;
    for (int64_t step = 0; step < FIRST_STEPS + STEPS; step++) {
        bool steady = run_step(&stepper, step, allowed);
        EXPECT(step > 0 || !steady); // the counting works
        num_late += step >= FIRST_STEPS && !steady;
    }
    EXPECT(num_late <= MAX_LATE);
    loader_destroy(loader);
    tiny_training_destroy(&tiny);
}

static void steady(void) {
    check((const char *const[]){"conventions=torchvision", NULL}, 2, 2);
    check((const char *const[]){NULL}, 1, 2);
    check((const char *const[]){NULL}, 1, 0);
    check((const char *const[]){"backbone.norm=frozen_bn", "box.convs=2", "box.conv_channels=16",
                                "box.gct=true", "box.norm=gn", "box.linears=1", "mask.norm=gn",
                                NULL},
          1, 2);
}

#endif

int main(int argc, char **argv) {
    return run_cases(argc, argv, (struct test_case[]){{"steady", steady}, {0}});
}
