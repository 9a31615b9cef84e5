#include "detector/mask_targets.h"

#include <string.h>

#include "nn/roi_align/roi_align.h"

// The pixels of a mask as a feature map with one channel.
static struct tensor *pixels_of(struct nn *nn, const struct rle *mask) {
    struct tensor *t = nn_tensor(nn, 1, mask->height, mask->width, 1);
    if (nn_failed(nn)) return t;
    int64_t x = 0;
    int64_t y = 0;
    for (int64_t run = 0; run < mask->num_runs; run++) {
        for (uint32_t i = 0; i < mask->runs[run]; i++) {
            t->data[y * mask->width + x] = (float)(run % 2);
            if (++y < mask->height) continue;
            y = 0;
            x++;
        }
    }
    return t;
}

static void cut_at_half(float *values, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        values[i] = values[i] >= 0.5f ? 1 : 0;
}

void mask_targets_make(struct nn *nn, const struct conventions_rules *rules,
                       const struct rle *masks, int64_t num_masks, const struct box_list *regions,
                       const int32_t *truths, int64_t size, float *targets) {
    const struct roi_align settings = {
        .label = "mask targets",
        .output_size = size,
        .aligned = rules->aligned_mask_targets,
    };
    struct box_list mine; // the regions of one truth
    box_list_create(nn, &mine, regions->count);
    for (int64_t j = 0; j < num_masks && !nn_failed(nn); j++) {
        mine.count = 0;
        for (int64_t i = 0; i < regions->count; i++) {
            if (truths[i] != j) continue;
            memcpy(mine.boxes + 4 * mine.count, regions->boxes + 4 * i, 4 * sizeof(float));
            mine.images[mine.count] = 0;
            mine.levels[mine.count++] = 0;
        }
        if (mine.count == 0) continue;
        struct tensor *pixels = pixels_of(nn, &masks[j]);
        const struct roi_pyramid pyramid = {.num_levels = 1, .levels = {pixels}, .scales = {1}};
        const struct rois rois = {mine.count, mine.boxes, mine.images, mine.levels};
        struct tensor *cut = roi_align_forward(nn, &settings, &pyramid, &rois);
        if (nn_failed(nn)) return;
        if (rules->aligned_mask_targets) cut_at_half(cut->data, tensor_count(cut));
        for (int64_t i = 0, k = 0; i < regions->count; i++)
            if (truths[i] == j)
                memcpy(targets + i * size * size, cut->data + k++ * size * size,
                       (size_t)(size * size) * sizeof *targets);
        nn_release(nn, cut);
        nn_release(nn, pixels);
    }
    box_list_release(nn, &mine);
}
