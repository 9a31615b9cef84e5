// After its first steps a network allocates nothing and touches no new page. This program's own
// malloc and its relatives count how often they are called; so it is a program of its own.
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "detector/preprocess.h"
#include "tests/detector/check_model.h"
#include "tests/harness.h"

#if defined(__SANITIZE_ADDRESS__) || !defined(__GLIBC__)

static void steady(void) {
    skip_case("needs glibc's own malloc");
}

#else

enum { LARGE_BYTES = 4096 };

static atomic_llong num_large;

static void count(size_t bytes) {
    if (bytes >= LARGE_BYTES) atomic_fetch_add(&num_large, 1);
}

// glibc's functions under their second names.
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t number, size_t bytes);
void *__libc_realloc(void *old, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);

void *malloc(size_t bytes) {
    count(bytes);
    return __libc_malloc(bytes);
}

void *calloc(size_t number, size_t bytes) {
    count(number * bytes);
    return __libc_calloc(number, bytes);
}

void *realloc(void *old, size_t bytes) {
    count(bytes);
    return __libc_realloc(old, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes) {
    count(bytes);
    return __libc_memalign(alignment, bytes);
}

int posix_memalign(void **result, size_t alignment, size_t bytes) {
    count(bytes);
    void *memory = __libc_memalign(alignment, bytes);
    if (memory) *result = memory;
    return memory ? 0 : 12; // ENOMEM
}

static void step(struct nn *nn, struct small_model *small, const float *pixels,
                 struct extent extent, struct extent padded) {
    struct features features;
    struct box_list proposals;
    struct box_list found;
    nn_begin(nn, NN_INFERENCE);
    struct tensor *input = nn_tensor(nn, 1, padded.height, padded.width, 3);
    if (!nn_failed(nn)) memcpy(input->data, pixels, (size_t)tensor_count(input) * sizeof *pixels);
    mask_rcnn_features(nn, &small->model, input, &features);
    mask_rcnn_propose(nn, &small->model, &features, &extent, &proposals);
    mask_rcnn_boxes(nn, &small->model, &features, &proposals, &extent, &found);
    mask_rcnn_masks(nn, &small->model, &features, &found);
}

static void check(const char *const *settings) {
    struct small_model small;
    struct nn *nn = NULL;
    struct error err;
    struct rusage before;
    struct rusage after;
    small_model_build(&small, settings, 5);
    small_model_open_gates(&small, 6);
    EXPECT_OK(nn_create(&nn, &(struct nn_options){.num_threads = 2}, &err), &err);
    REQUIRE(nn != NULL);
    struct image image = noise_image(200, 130, 1, &small.arena);
    struct extent extent = preprocess_extent(&small.model, image.width, image.height);
    struct extent padded = preprocess_padded(&extent, 1);
    float *pixels =
        arena_alloc(&small.arena, 3 * (int64_t)padded.width * padded.height, sizeof *pixels);
    REQUIRE(pixels != NULL);
    EXPECT_OK(preprocess_image(&small.model, &image, extent, padded, pixels, &small.arena, &err),
              &err);
    for (int i = 0; i < 2; i++)
        step(nn, &small, pixels, extent, padded);
    EXPECT(atomic_load(&num_large) > 0); // the counting works
    atomic_store(&num_large, 0);
    getrusage(RUSAGE_SELF, &before);
    step(nn, &small, pixels, extent, padded);
    getrusage(RUSAGE_SELF, &after);
    EXPECT_INT(atomic_load(&num_large), 0);
    EXPECT(after.ru_minflt - before.ru_minflt <= 16);
    EXPECT_OK(nn_status(nn, &err), &err);
    nn_destroy(nn);
    small_model_destroy(&small);
}

static void steady(void) {
    check((const char *const[]){NULL});
    check((const char *const[]){"backbone.attention", "gct", "conventions", "torchvision", NULL});
    check((const char *const[]){"backbone.attention", "gct", "box.convs", "2", "box.linears", "1",
                                "box.gct", "true", "box.norm", "gn", "mask.norm", "gn", NULL});
    check((const char *const[]){"backbone.norm", "frozen_bn", "backbone.attention", "se", NULL});
}

#endif

int main(int argc, char **argv) {
    return run_cases(argc, argv, (struct test_case[]){{"steady", steady}, {0}});
}
