#include "nn/device.h"
#include "nn/regions/regions_math.h"

void cpu_regions_forward(struct nn *nn, struct call *base) {
    (void)nn;
    const struct regions_call *call = (const struct regions_call *)base;
    const struct region_choice *choice = &call->choice;
    int64_t each = candidates_of_image(&choice->candidates, &choice->truths);
    struct region_counts counts = {0, 0};
    for (int64_t image = 0; image < choice->truths.num_images; image++) {
        for (int64_t i = 0; i < each; i++) {
            int32_t match = choice->matches[image * each + i];
            if (match == MATCH_IGNORED) continue;
            region_write(choice, image, i, match, &call->all, counts.all++);
            if (match >= 0) region_write(choice, image, i, match, &call->objects, counts.objects++);
        }
    }
    *call->counts = counts;
}
