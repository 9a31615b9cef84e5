// Regions on CUDA: a block for each image, which goes through its candidates a piece at a time. How
// many the images before have, sampling has told.

#include "nn/cuda/kernel.h"

extern "C" {
#include "nn/regions/regions_math.h"
}

enum { NUM_WARPS = BLOCK_THREADS / 32 };

// How many threads of the block before this one say yes; *total: how many of all. All must call it.
static __device__ int64_t rank_in_block(bool yes, int64_t *total) {
    __shared__ int of_warps[NUM_WARPS];
    unsigned warp = threadIdx.x / 32;
    unsigned lane = threadIdx.x % 32;
    unsigned votes = __ballot_sync(0xffffffffu, yes);
    if (lane == 0) of_warps[warp] = __popc(votes);
    __syncthreads();
    int64_t before = __popc(votes & ((1u << lane) - 1));
    *total = 0;
    for (unsigned i = 0; i < NUM_WARPS; i++) {
        if (i < warp) before += of_warps[i];
        *total += of_warps[i];
    }
    __syncthreads(); // before the next use of the shared counts
    return before;
}

static __global__ void __launch_bounds__(BLOCK_THREADS)
    write_regions(struct region_choice choice, int64_t each, struct regions all,
                  struct regions objects, struct region_counts *counts) {
    int64_t image = blockIdx.x;
    int64_t num_all = 0;
    int64_t num_objects = 0;
    for (int64_t before = 0; before < image; before++) {
        num_objects += choice.sampled[before].objects;
        num_all += choice.sampled[before].objects + choice.sampled[before].backgrounds;
    }
    for (int64_t first = 0; first < each; first += BLOCK_THREADS) {
        int64_t i = first + threadIdx.x;
        int64_t total = 0;
        int32_t match = i < each ? choice.matches[image * each + i] : (int32_t)MATCH_IGNORED;
        int64_t at = num_all + rank_in_block(match != MATCH_IGNORED, &total);
        num_all += total;
        if (match != MATCH_IGNORED) region_write(&choice, image, i, match, &all, at);
        at = num_objects + rank_in_block(match >= 0, &total);
        num_objects += total;
        if (match >= 0) region_write(&choice, image, i, match, &objects, at);
    }
    if (blockIdx.x + 1 == gridDim.x && threadIdx.x == 0) {
        counts->all = (int32_t)num_all;
        counts->objects = (int32_t)num_objects;
    }
}

static struct regions regions_out(struct operands *o, const struct regions *regions) {
    struct regions out = *regions;
    int64_t capacity = out.list.capacity;
    out.list.boxes = operand_out(o, out.list.boxes, 4 * capacity);
    out.list.images = operand_out(o, out.list.images, capacity);
    out.list.labels = operand_out(o, out.list.labels, capacity);
    out.truths = operand_out(o, out.truths, capacity);
    return out;
}

void cuda_regions_forward(struct nn *nn, struct call *base) {
    const struct regions_call *call = (const struct regions_call *)base;
    struct region_choice choice = call->choice;
    int64_t each = candidates_of_image(&choice.candidates, &choice.truths);
    int64_t n = choice.truths.num_images;
    int64_t boxes = (choice.candidates.shared ? 1 : n) * choice.candidates.each;
    struct operands o = {.nn = nn};
    struct region_counts *counts = operand_out(&o, call->counts, 1);
    choice.candidates.boxes = operand_in(&o, choice.candidates.boxes, 4 * boxes);
    choice.candidates.counts = operand_in(&o, choice.candidates.counts, n);
    choice.truths.begins = operand_in(&o, choice.truths.begins, n + 1);
    choice.truths.boxes = operand_in(&o, choice.truths.boxes, 4 * choice.truths.count);
    choice.labels = operand_in(&o, choice.labels, choice.truths.count);
    choice.matches = operand_in(&o, choice.matches, n * each);
    choice.sampled = operand_in(&o, choice.sampled, n);
    struct regions all = regions_out(&o, &call->all);
    struct regions objects = regions_out(&o, &call->objects);
    if (n == 0) cuda_zero(nn, counts, sizeof *counts);
    if (n > 0)
        LAUNCH(nn, write_regions, (unsigned)n, BLOCK_THREADS, 0, choice, each, all, objects,
               counts);
    operands_end(&o);
}
