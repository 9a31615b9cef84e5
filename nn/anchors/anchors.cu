#include "nn/cuda/kernel.h"

extern "C" {
#include "nn/anchors/anchors.h"
}

struct pyramid {
    struct level {
        float cells[PROPOSALS_MAX_ANCHORS][4];
        float stride_x, stride_y;
        int64_t width, begin, end; // of its anchors among those of all levels
    } levels[PROPOSALS_MAX_LEVELS];
    int64_t num_anchors;
};

static __global__ void __launch_bounds__(BLOCK_THREADS)
    write_anchors(struct pyramid p, int64_t count, float *boxes) {
    int64_t i = global_index();
    if (i >= count) return;
    int which = 0;
    while (i >= p.levels[which].end)
        which++;
    const struct pyramid::level &level = p.levels[which];
    float box[4];
    anchor_of_cells(level.cells, level.stride_x, level.stride_y, level.width, p.num_anchors,
                    i - level.begin, box);
    for (int j = 0; j < 4; j++)
        boxes[4 * i + j] = box[j];
}

void cuda_anchors_forward(struct nn *nn, struct call *base) {
    const struct anchors_call *call = (const struct anchors_call *)base;
    struct pyramid p = {};
    int64_t count = 0;
    p.num_anchors = call->num_anchors;
    for (int i = 0; i < call->num_levels; i++) {
        const struct proposal_level *from = &call->levels[i];
        struct pyramid::level *level = &p.levels[i];
        memcpy(level->cells, from->cells, sizeof level->cells);
        level->stride_x = from->stride_x;
        level->stride_y = from->stride_y;
        level->width = from->logits->w;
        level->begin = count;
        count += from->logits->h * from->logits->w * call->num_anchors;
        level->end = count;
    }
    if (count == 0) return;
    struct operands o = {.nn = nn};
    float *boxes = operand_out(&o, call->boxes, 4 * count);
    LAUNCH(nn, write_anchors, blocks_for(count, BLOCK_THREADS), BLOCK_THREADS, 0, p, count, boxes);
    operands_end(&o);
}
