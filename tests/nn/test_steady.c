// After its first steps, a network allocates nothing: this program's own malloc and its relatives
// tell who calls them. A program of its own, for that reason.
//
// What remains are oneDNN's own calls, a few hundred bytes for each computation (lists of
// arguments, C++ objects).
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "nn/onednn.h"
#include "tests/nn/check_network.h"
#include "tests/nn/check_op.h"

#if defined(__SANITIZE_ADDRESS__) || !defined(__GLIBC__)

static void inference(void) {
    skip_case("needs glibc's own malloc");
}

static void inference_in_bf16(void) {
    skip_case("needs glibc's own malloc");
}

static void training(void) {
    skip_case("needs glibc's own malloc");
}

#else

enum { LARGE_BYTES = 4096 };

static atomic_bool counting;
static atomic_llong num_ours;
static atomic_llong num_others;
static atomic_llong largest;

// Whether an address lies in this program, which our libraries are linked into, rather than in a
// shared library.
static bool is_ours(const void *address) {
    Dl_info caller;
    Dl_info program;
    if (!dladdr(address, &caller) || !dladdr((const void *)&num_ours, &program)) return true;
    return caller.dli_fbase == program.dli_fbase;
}

static void count(size_t bytes, const void *caller) {
    if (!atomic_load(&counting)) return;
    if (is_ours(caller))
        atomic_fetch_add(&num_ours, 1);
    else
        atomic_fetch_add(&num_others, 1);
    long long before = atomic_load(&largest);
    while ((long long)bytes > before &&
           !atomic_compare_exchange_weak(&largest, &before, (long long)bytes))
        continue;
}

// glibc's functions under their second names.
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t number, size_t bytes);
void *__libc_realloc(void *old, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);

void *malloc(size_t bytes) {
    count(bytes, __builtin_return_address(0));
    return __libc_malloc(bytes);
}

void *calloc(size_t number, size_t bytes) {
    count(number * bytes, __builtin_return_address(0));
    return __libc_calloc(number, bytes);
}

void *realloc(void *old, size_t bytes) {
    count(bytes, __builtin_return_address(0));
    return __libc_realloc(old, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes) {
    count(bytes, __builtin_return_address(0));
    return __libc_memalign(alignment, bytes);
}

int posix_memalign(void **result, size_t alignment, size_t bytes) {
    count(bytes, __builtin_return_address(0));
    void *memory = __libc_memalign(alignment, bytes);
    if (memory) *result = memory;
    return memory ? 0 : ENOMEM;
}

static void step(struct nn *nn, struct network *network, enum nn_mode mode) {
    nn_begin(nn, mode);
    struct tensor *y = network_forward(nn, network, network_input(nn, 11));
    if (mode == NN_TRAINING) network_backward(nn, y);
}

// The third of three equal steps.
static void count_third(enum nn_mode mode, enum nn_precision precision) {
    struct nn *nn = NULL;
    struct error err;
    const struct nn_options options = {.num_threads = 2, .precision = precision};
    EXPECT_OK(nn_create(&nn, &options, &err), &err);
    REQUIRE(nn != NULL);
    struct network network;
    network_create(&network);
    step(nn, &network, mode);
    step(nn, &network, mode);
    atomic_store(&num_ours, 0);
    atomic_store(&num_others, 0);
    atomic_store(&largest, 0);
    atomic_store(&counting, true);
    step(nn, &network, mode);
    atomic_store(&counting, false);
    EXPECT_OK(nn_status(nn, &err), &err);
    network_destroy(&network);
    nn_destroy(nn);
}

// The counters count: otherwise all else would pass in vain.
static void check_counting(void) {
    atomic_store(&num_ours, 0);
    atomic_store(&counting, true);
    void *volatile memory = malloc(5000);
    atomic_store(&counting, false);
    free(memory);
    EXPECT_INT(atomic_load(&num_ours), 1);
    EXPECT_INT(atomic_load(&largest), 5000);
}

static void check_inference(enum nn_precision precision) {
    check_counting();
    count_third(NN_INFERENCE, precision);
    EXPECT_INT(atomic_load(&num_ours), 0);
    EXPECT(atomic_load(&largest) <= LARGE_BYTES);
    EXPECT(atomic_load(&num_others) > 0); // so they are seen
}

static void inference(void) {
    check_inference(NN_FLOAT32);
}

static void inference_in_bf16(void) {
    if (!onednn_has_bf16()) skip_case("this processor has no instructions for bf16");
    check_inference(NN_BF16);
}

static void training(void) {
    count_third(NN_TRAINING, NN_FLOAT32);
    EXPECT_INT(atomic_load(&num_ours), 0);
    EXPECT(atomic_load(&largest) <= LARGE_BYTES);
}

#endif

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"inference", inference},
                         {"inference in bf16", inference_in_bf16},
                         {"training", training},
                         {0},
                     });
}
