#include "nn/cuda/cost_launch.h"
#include "nn/regions/regions.h"

// As if as many were sampled as there is room for.
void cost_regions_forward(struct cost_sheet *sheet, const struct call *base) {
    enum { REGION_VALUES = 7, BOX_VALUES = 4 };
    const struct regions_call *call = (const struct regions_call *)base;
    const struct region_choice *choice = &call->choice;
    double candidates = (double)(choice->truths.num_images *
                                 candidates_of_image(&choice->candidates, &choice->truths));
    double all = (double)call->all.list.capacity;
    double objects = (double)call->objects.list.capacity;
    if (choice->truths.num_images == 0) return;
    cost_pass(sheet, "regions", candidates + BOX_VALUES * all + REGION_VALUES * (all + objects), 0);
}
