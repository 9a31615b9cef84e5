#include "nn/regions/regions.h"

void regions_create(struct nn *nn, struct regions *regions, int64_t capacity) {
    box_list_create(nn, &regions->list, capacity);
    regions->truths = (int32_t *)(void *)nn_scratch(nn, capacity);
}

void regions_forward(struct nn *nn, const struct region_choice *choice, const struct regions *all,
                     const struct regions *objects, struct region_counts *counts) {
    struct regions_call *call = nn_call(nn, OP_regions, sizeof *call);
    call->choice = *choice;
    call->all = *all;
    call->objects = *objects;
    call->counts = counts;
    call->call.label = "regions";
    nn_run(nn, &call->call);
}
