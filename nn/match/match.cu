// Matching on CUDA, all images at once: a row of blocks for each. The largest overlap of a truth is
// found by a maximum over bits, which order as the numbers do where none is negative; it does not
// depend on who comes first.

#include "nn/cuda/kernel.h"

extern "C" {
#include "nn/match/match_math.h"
}

struct problem {
    struct candidates candidates;
    struct truth_boxes truths;
    struct matching_rule rule;
    int64_t count; // candidates of an image
};

enum {
    CANDIDATES_EACH = 4, // of a thread, for which it asks and tells a block only once
    BLOCK_CANDIDATES = CANDIDATES_EACH * BLOCK_THREADS,
};

// A tile of truths at a time. Who is not there is a box without area, which overlaps nothing.
static __global__ void __launch_bounds__(BLOCK_THREADS)
    find_best(struct problem p, unsigned *best) {
    __shared__ unsigned of_block[BLOCK_THREADS];
    int64_t image = blockIdx.y;
    struct box boxes[CANDIDATES_EACH] = {};
    float areas[CANDIDATES_EACH];
    for (int k = 0; k < CANDIDATES_EACH; k++) {
        int64_t i = (int64_t)blockIdx.x * BLOCK_CANDIDATES + k * BLOCK_THREADS + threadIdx.x;
        if (i < p.count) candidate_box(&p.candidates, &p.truths, image, i, &boxes[k]);
        areas[k] = box_area(boxes[k]);
    }
    int64_t end = p.truths.begins[image + 1];
    for (int64_t first = p.truths.begins[image]; first < end; first += BLOCK_THREADS) {
        int64_t size = end - first < BLOCK_THREADS ? end - first : (int64_t)BLOCK_THREADS;
        of_block[threadIdx.x] = 0;
        __syncthreads();
        for (int64_t j = 0; j < size; j++) {
            float largest = 0;
            for (int k = 0; k < CANDIDATES_EACH; k++)
                largest =
                    box_larger(truth_overlap(&p.truths, first + j, boxes[k], areas[k]), largest);
            if (largest > 0) atomicMax(&of_block[j], __float_as_uint(largest));
        }
        __syncthreads();
        if ((int64_t)threadIdx.x < size && of_block[threadIdx.x])
            atomicMax(&best[first + threadIdx.x], of_block[threadIdx.x]);
    }
}

static __global__ void __launch_bounds__(BLOCK_THREADS)
    match_candidates(struct problem p, const float *best, int32_t *matches) {
    int64_t image = blockIdx.y;
    int64_t i = global_index();
    if (i >= p.count) return;
    struct box box;
    bool there = candidate_box(&p.candidates, &p.truths, image, i, &box);
    matches[image * p.count + i] =
        there ? match_box(box, &p.truths, image, &p.rule, best) : MATCH_IGNORED;
}

void cuda_match_forward(struct nn *nn, struct call *base) {
    const struct match_call *call = (const struct match_call *)base;
    struct problem p = {call->candidates, call->truths, call->rule, 0};
    p.count = candidates_of_image(&p.candidates, &p.truths);
    int64_t n = p.truths.num_images;
    if (n == 0 || p.count == 0) return;
    struct operands o = {.nn = nn};
    int64_t boxes = (p.candidates.shared ? 1 : n) * p.candidates.each;
    p.candidates.boxes = operand_in(&o, p.candidates.boxes, 4 * boxes);
    p.candidates.counts = operand_in(&o, p.candidates.counts, n);
    p.truths.begins = operand_in(&o, p.truths.begins, n + 1);
    p.truths.boxes = operand_in(&o, p.truths.boxes, 4 * p.truths.count);
    int32_t *matches = operand_out(&o, call->matches, n * p.count);
    float *best = nn_scratch(nn, p.truths.count);
    dim3 grid(blocks_for(p.count, BLOCK_THREADS), (unsigned)n);
    if (p.rule.keeps_best && p.truths.count > 0) {
        cuda_zero(nn, best, p.truths.count * (int64_t)sizeof *best);
        LAUNCH(nn, find_best, dim3(blocks_for(p.count, BLOCK_CANDIDATES), (unsigned)n),
               BLOCK_THREADS, 0, p, (unsigned *)(void *)best);
    }
    LAUNCH(nn, match_candidates, grid, BLOCK_THREADS, 0, p, (const float *)best, matches);
    nn_scratch_free(nn, best);
    operands_end(&o);
}
