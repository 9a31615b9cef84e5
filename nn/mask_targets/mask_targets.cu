// Mask targets on CUDA. Masks of pixels become bits first, which RoIAlign then reads, a thread for
// each bin of each region. Of polygons, a block draws a region, a thread an edge at a time: where
// columns change is noted in bits that do not depend on who comes first.

#include "nn/cuda/kernel.h"

extern "C" {
#include "nn/mask_targets/mask_targets_math.h"
}

static __device__ bool has_polygons(const struct packed_masks &masks, int32_t truth) {
    return masks.polygons[truth] < masks.polygons[truth + 1];
}

// A row of blocks for each mask.
static __global__ void __launch_bounds__(BLOCK_THREADS)
    draw_words(struct packed_masks masks, uint32_t *words) {
    int64_t truth = blockIdx.y;
    int64_t begin = masks.words[truth];
    int64_t first = masks.runs[truth];
    for (int64_t k = global_index(); k < masks.words[truth + 1] - begin;
         k += (int64_t)gridDim.x * blockDim.x)
        words[begin + k] = mask_word(masks.changes + first, masks.runs[truth + 1] - first, k);
}

static __global__ void __launch_bounds__(BLOCK_THREADS)
    sample_pixels(struct packed_masks masks, struct mask_regions regions, const uint32_t *words,
                  int64_t size, bool aligned, float *targets) {
    int64_t region = blockIdx.x;
    int64_t bin = (int64_t)blockIdx.y * blockDim.x + threadIdx.x;
    int32_t truth = regions.truths[region];
    if (bin >= size * size || has_polygons(masks, truth)) return;
    struct mask_image image = {words + masks.words[truth], masks.sides[2 * truth],
                               masks.sides[2 * truth + 1]};
    targets[region * size * size + bin] =
        mask_sample(&image, regions.boxes + 4 * region, size, aligned, bin / size, bin % size);
}

// Notes where the columns of a canvas change at an edge: 64 rows in two words.
static __device__ void note_changes(const struct outline_edge &edge, int32_t size,
                                    unsigned (*changes)[2]) {
    if (edge.first > edge.last) return;
    struct outline_walk walk = outline_walk_of(&edge);
    for (int32_t column = edge.first; column <= edge.last; column++) {
        int32_t row = outline_row(&walk, column, size);
        if (row < size) atomicXor(&changes[column][row / 32], 1u << row % 32);
    }
}

static __global__ void __launch_bounds__(MASK_TARGETS_MAX_SIZE)
    draw_polygons(struct packed_masks masks, struct mask_regions regions, int64_t size,
                  float *targets) {
    __shared__ unsigned changes[MASK_TARGETS_MAX_SIZE][2];
    __shared__ uint64_t columns[MASK_TARGETS_MAX_SIZE];
    int64_t region = blockIdx.x;
    int32_t truth = regions.truths[region];
    unsigned own = threadIdx.x; // a column
    if (!has_polygons(masks, truth)) return;
    struct mask_canvas canvas = mask_canvas_of(regions.boxes + 4 * region, size);
    uint64_t column = 0;
    for (int32_t i = masks.polygons[truth]; i < masks.polygons[truth + 1]; i++) {
        const double *points = masks.points + 2 * (int64_t)masks.corners[i];
        int64_t count = masks.corners[i + 1] - masks.corners[i];
        changes[own][0] = changes[own][1] = 0;
        __syncthreads();
        for (int64_t edge = own; edge < count; edge += MASK_TARGETS_MAX_SIZE)
            note_changes(mask_edge(&canvas, points, count, edge), canvas.size, changes);
        __syncthreads();
        column |= mask_fill_column((uint64_t)changes[own][1] << 32 | changes[own][0]);
    }
    columns[own] = column;
    __syncthreads();
    for (int64_t at = own; at < size * size; at += MASK_TARGETS_MAX_SIZE)
        targets[region * size * size + at] = columns[at % size] >> at / size & 1 ? 1.0f : 0.0f;
}

static struct packed_masks masks_in(struct operands *o, const struct packed_masks *from) {
    struct packed_masks masks = *from;
    masks.points = operand_in(o, masks.points, 2 * masks.num_corners);
    masks.polygons = operand_in(o, masks.polygons, masks.count + 1);
    masks.corners = operand_in(o, masks.corners, masks.num_polygons + 1);
    masks.runs = operand_in(o, masks.runs, masks.count + 1);
    masks.sides = operand_in(o, masks.sides, 2 * masks.count);
    masks.words = operand_in(o, masks.words, masks.count + 1);
    masks.changes = operand_in(o, masks.changes, masks.num_changes);
    return masks;
}

void cuda_mask_targets_forward(struct nn *nn, struct call *base) {
    enum { WORDS_EACH = 2 }; // that a thread draws of a mask of middling size, about
    const struct mask_targets_call *call = (const struct mask_targets_call *)base;
    int64_t size = call->size;
    struct mask_regions regions = call->regions;
    if (regions.count == 0) return;
    struct operands o = {.nn = nn};
    struct packed_masks masks = masks_in(&o, &call->masks);
    regions.boxes = operand_in(&o, regions.boxes, 4 * regions.count);
    regions.truths = operand_in(&o, regions.truths, regions.count);
    float *targets = operand_out(&o, call->targets, regions.count * size * size);
    float *memory = nn_scratch(nn, masks.num_words);
    uint32_t *words = (uint32_t *)(void *)memory;
    if (masks.num_words > 0) {
        int64_t each = masks.num_words / masks.count + 1;
        LAUNCH(nn, draw_words,
               dim3(blocks_for(each, (int64_t)WORDS_EACH * BLOCK_THREADS), (unsigned)masks.count),
               BLOCK_THREADS, 0, masks, words);
    }
    LAUNCH(nn, sample_pixels, dim3((unsigned)regions.count, blocks_for(size * size, BLOCK_THREADS)),
           BLOCK_THREADS, 0, masks, regions, (const uint32_t *)words, size, call->aligned, targets);
    if (masks.num_polygons > 0)
        LAUNCH(nn, draw_polygons, (unsigned)regions.count, MASK_TARGETS_MAX_SIZE, 0, masks, regions,
               size, targets);
    nn_scratch_free(nn, memory);
    operands_end(&o);
}
