#include <string.h>

#include "nn/device.h"
#include "nn/mask_targets/mask_targets_math.h"

// Draws one polygon into columns[size].
static void draw(const struct mask_canvas *canvas, const double *points, int64_t count,
                 uint64_t *columns) {
    uint64_t changes[MASK_TARGETS_MAX_SIZE] = {0};
    for (int64_t i = 0; i < count; i++) {
        struct outline_edge edge = mask_edge(canvas, points, count, i);
        if (edge.first > edge.last) continue;
        struct outline_walk walk = outline_walk_of(&edge);
        for (int32_t column = edge.first; column <= edge.last; column++) {
            int32_t row = outline_row(&walk, column, canvas->size);
            if (row < canvas->size) changes[column] ^= UINT64_C(1) << row;
        }
    }
    for (int32_t column = 0; column < canvas->size; column++)
        columns[column] |= mask_fill_column(changes[column]);
}

static void draw_polygons(const struct mask_targets_call *call, int64_t region, float *target) {
    const struct packed_masks *masks = &call->masks;
    int32_t truth = call->regions.truths[region];
    struct mask_canvas canvas = mask_canvas_of(call->regions.boxes + 4 * region, call->size);
    uint64_t columns[MASK_TARGETS_MAX_SIZE] = {0};
    for (int32_t i = masks->polygons[truth]; i < masks->polygons[truth + 1]; i++)
        draw(&canvas, masks->points + 2 * (int64_t)masks->corners[i],
             masks->corners[i + 1] - masks->corners[i], columns);
    for (int64_t y = 0; y < call->size; y++)
        for (int64_t x = 0; x < call->size; x++)
            target[y * call->size + x] = columns[x] >> y & 1 ? 1.0f : 0.0f;
}

static void sample_pixels(const struct mask_targets_call *call, const uint32_t *words,
                          int64_t region, float *target) {
    int32_t truth = call->regions.truths[region];
    const struct mask_image image = {words + call->masks.words[truth], call->masks.sides[2 * truth],
                                     call->masks.sides[2 * truth + 1]};
    for (int64_t p = 0; p < call->size; p++)
        for (int64_t q = 0; q < call->size; q++)
            target[p * call->size + q] = mask_sample(&image, call->regions.boxes + 4 * region,
                                                     call->size, call->aligned, p, q);
}

static void draw_words(const struct packed_masks *masks, int64_t truth, uint32_t *words) {
    int64_t first = masks->runs[truth];
    int64_t begin = masks->words[truth];
    for (int64_t k = 0; k < masks->words[truth + 1] - begin; k++)
        words[begin + k] = mask_word(masks->changes + first, masks->runs[truth + 1] - first, k);
}

void cpu_mask_targets_forward(struct nn *nn, struct call *base) {
    const struct mask_targets_call *call = (const struct mask_targets_call *)base;
    const struct packed_masks *masks = &call->masks;
    float *memory = nn_scratch(nn, masks->num_words);
    if (!memory) return;
    uint32_t *words = (uint32_t *)(void *)memory;
#pragma omp parallel for schedule(dynamic)
    for (int64_t i = 0; i < masks->count; i++)
        draw_words(masks, i, words);
#pragma omp parallel for schedule(dynamic)
    for (int64_t i = 0; i < call->regions.count; i++) {
        int32_t truth = call->regions.truths[i];
        float *target = call->targets + i * call->size * call->size;
        if (masks->polygons[truth] < masks->polygons[truth + 1])
            draw_polygons(call, i, target);
        else
            sample_pixels(call, words, i, target);
    }
    nn_scratch_free(nn, memory);
}
