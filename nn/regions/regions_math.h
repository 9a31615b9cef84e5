// Writing down one region, the same on every device.
#pragma once

#include "nn/match/match_math.h"
#include "nn/regions/regions.h"

HOST_DEVICE static inline void region_write(const struct region_choice *choice, int64_t image,
                                            int64_t index, int32_t match,
                                            const struct regions *regions, int64_t at) {
    struct box box;
    if (!candidate_box(&choice->candidates, &choice->truths, image, index, &box)) return;
    regions->list.boxes[4 * at] = box.x1;
    regions->list.boxes[4 * at + 1] = box.y1;
    regions->list.boxes[4 * at + 2] = box.x2;
    regions->list.boxes[4 * at + 3] = box.y2;
    regions->list.images[at] = (int32_t)image;
    regions->list.labels[at] = match >= 0 ? choice->labels[match] : 0;
    regions->truths[at] = match;
}
