// Sampling on CUDA, all images at once. The numbers of an image's candidates are counted by their
// first digit, which tells in which digit the last one that stays lies: all before it stay, all
// behind it go, and those with this digit are compared with one another.

#include "nn/cuda/kernel.h"

extern "C" {
#include "nn/sample/sample.h"
}

enum { NUM_DIGITS = BLOCK_THREADS, DIGIT_SHIFT = 64 - 8 };
static_assert((int)NUM_DIGITS == 1 << (64 - (int)DIGIT_SHIFT), "a thread for each digit");

enum {
    WARP = 32,
    LISTED_BLOCKS = 64, // of an image, for the candidates that are compared
    LISTED_WARPS = LISTED_BLOCKS * (int)BLOCK_THREADS / WARP,
};

// Of one image.
struct tally {
    unsigned sizes[SAMPLE_KINDS][NUM_DIGITS]; // how many candidates have which digit
    unsigned listed[SAMPLE_KINDS];            // how many have the last digit
    int32_t left[SAMPLE_KINDS];               // how many of these stay
};

struct problem {
    int32_t *matches;
    int64_t each, count, objects;
    struct sample_streams streams;
    struct sampled *sampled;
    struct tally *tallies;
    uint64_t *keys; // [images, each]: objects from the front, backgrounds from the back
};

static __device__ unsigned digit_of(uint64_t key) {
    return (unsigned)(key >> DIGIT_SHIFT);
}

static __global__ void __launch_bounds__(BLOCK_THREADS) count_digits(struct problem p) {
    __shared__ unsigned sizes[SAMPLE_KINDS][NUM_DIGITS];
    int64_t image = blockIdx.y;
    int64_t i = global_index();
    for (int kind = 0; kind < SAMPLE_KINDS; kind++)
        sizes[kind][threadIdx.x] = 0;
    __syncthreads();
    int kind = i < p.each ? sample_kind(p.matches[image * p.each + i]) : -1;
    if (kind >= 0) atomicAdd(&sizes[kind][digit_of(sample_key(&p.streams, image, i))], 1u);
    __syncthreads();
    for (int k = 0; k < SAMPLE_KINDS; k++)
        if (sizes[k][threadIdx.x])
            atomicAdd(&p.tallies[image].sizes[k][threadIdx.x], sizes[k][threadIdx.x]);
}

// sums[d] = how many have a digit up to d; a thread for each.
static __device__ void add_up(const unsigned *sizes, unsigned *sums) {
    unsigned sum = sizes[threadIdx.x];
    for (unsigned by = 1; by < NUM_DIGITS; by *= 2) {
        sums[threadIdx.x] = sum;
        __syncthreads();
        if (threadIdx.x >= by) sum += sums[threadIdx.x - by];
        __syncthreads();
    }
    sums[threadIdx.x] = sum;
    __syncthreads();
}

// How many of a digit stay, given how many in all: less than all of them for one digit at most.
static __device__ int64_t stay_of(const unsigned *sums, unsigned digit, int64_t stay) {
    int64_t before = digit ? sums[digit - 1] : 0;
    return stay > before ? stay - before : 0;
}

// What is behind the last digit goes, what has it is listed. A digit of which none stays, or all,
// needs no list.
static __global__ void __launch_bounds__(BLOCK_THREADS) drop_digits(struct problem p) {
    __shared__ unsigned sums[SAMPLE_KINDS][NUM_DIGITS];
    int64_t image = blockIdx.y;
    int64_t i = global_index();
    struct tally *tally = &p.tallies[image];
    for (int kind = 0; kind < SAMPLE_KINDS; kind++)
        add_up(tally->sizes[kind], sums[kind]);
    struct sampled sampled =
        sample_sizes(sums[0][NUM_DIGITS - 1], sums[1][NUM_DIGITS - 1], p.count, p.objects);
    if (i == 0) p.sampled[image] = sampled;
    if (i >= p.each) return;
    int32_t *match = p.matches + image * p.each + i;
    int kind = sample_kind(*match);
    if (kind < 0) return;
    uint64_t key = sample_key(&p.streams, image, i);
    unsigned digit = digit_of(key);
    int64_t stay = stay_of(sums[kind], digit, kind ? sampled.backgrounds : sampled.objects);
    if (stay == 0) *match = MATCH_IGNORED;
    if (stay == 0 || stay >= tally->sizes[kind][digit]) return;
    unsigned place = atomicAdd(&tally->listed[kind], 1u);
    p.keys[image * p.each + (kind ? p.each - 1 - place : place)] = key;
    if (place == 0) tally->left[kind] = (int32_t)stay;
}

// A warp counts those before a listed one.
static __global__ void __launch_bounds__(BLOCK_THREADS) drop_listed(struct problem p) {
    int64_t image = blockIdx.y;
    int64_t lane = threadIdx.x % WARP;
    const struct tally *tally = &p.tallies[image];
    int64_t objects = tally->listed[0];
    int64_t backgrounds = tally->listed[1];
    const uint64_t *keys = p.keys + image * p.each;
    for (int64_t number = global_index() / WARP; number < objects + backgrounds;
         number += LISTED_WARPS) {
        int kind = number < objects ? 0 : 1;
        int64_t begin = kind ? p.each - backgrounds : 0;
        int64_t end = kind ? p.each : objects;
        uint64_t key = keys[kind ? begin + number - objects : number];
        int before = 0;
        for (int64_t j = begin + lane; j < end; j += WARP)
            before += keys[j] < key;
        for (int by = WARP / 2; by > 0; by /= 2)
            before += __shfl_xor_sync(0xffffffffu, before, by);
        if (lane == 0 && before >= tally->left[kind])
            p.matches[image * p.each + (int64_t)(key & UINT32_MAX)] = MATCH_IGNORED;
    }
}

void cuda_sample_forward(struct nn *nn, struct call *base) {
    const struct sample_call *call = (const struct sample_call *)base;
    int64_t n = call->num_images;
    struct operands o = {.nn = nn};
    struct sampled *sampled = operand_out(&o, call->sampled, n);
    if (n > 0 && call->each == 0) cuda_zero(nn, sampled, n * (int64_t)sizeof *sampled);
    if (n > 0 && call->each > 0) {
        int64_t tally_floats = n * (int64_t)(sizeof(struct tally) / sizeof(float));
        float *tallies = nn_scratch(nn, tally_floats);
        float *keys = nn_scratch(nn, 2 * n * call->each);
        struct problem p = {operand_in_out(&o, call->matches, n * call->each),
                            call->each,
                            call->count,
                            call->objects,
                            call->streams,
                            sampled,
                            (struct tally *)(void *)tallies,
                            (uint64_t *)(void *)keys};
        dim3 grid(blocks_for(call->each, BLOCK_THREADS), (unsigned)n);
        cuda_zero(nn, tallies, tally_floats * (int64_t)sizeof *tallies);
        LAUNCH(nn, count_digits, grid, BLOCK_THREADS, 0, p);
        LAUNCH(nn, drop_digits, grid, BLOCK_THREADS, 0, p);
        grid.x = LISTED_BLOCKS;
        LAUNCH(nn, drop_listed, grid, BLOCK_THREADS, 0, p);
        nn_scratch_free(nn, keys);
        nn_scratch_free(nn, tallies);
    }
    operands_end(&o);
}
