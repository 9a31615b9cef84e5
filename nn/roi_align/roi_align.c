#include "nn/roi_align/roi_align.h"

#include "base/check.h"

static void check_pyramid(const struct roi_pyramid *pyramid) {
    CHECK(pyramid->num_levels >= 1 && pyramid->num_levels <= ROI_MAX_LEVELS);
    const struct tensor *first = pyramid->levels[0];
    for (int i = 0; i < pyramid->num_levels; i++) {
        const struct tensor *level = pyramid->levels[i];
        CHECK(level->n == first->n && level->c == first->c && level->type == first->type);
        CHECK(level->h >= 1 && level->h <= INT32_MAX && level->w >= 1 && level->w <= INT32_MAX);
        CHECK(pyramid->scales[i] > 0);
    }
}

static void check_indices(const struct roi_pyramid *pyramid, const struct rois *rois) {
    for (int64_t i = 0; i < rois->count; i++) {
        CHECK(rois->levels[i] >= 0 && rois->levels[i] < pyramid->num_levels);
        CHECK(rois->images[i] >= 0 && rois->images[i] < pyramid->levels[0]->n);
    }
}

struct tensor *roi_align_forward(struct nn *nn, const struct roi_align *settings,
                                 const struct roi_pyramid *pyramid, const struct rois *rois) {
    int64_t size = settings->output_size;
    CHECK(size >= 1 && size <= ROI_ALIGN_MAX_OUTPUT && settings->sampling >= 0);
    CHECK(rois->count >= 0);
    check_pyramid(pyramid);
    // Elsewhere, and after a failure, nobody has computed the boxes yet.
    if (nn->device == NN_CPU && !nn_failed(nn)) check_indices(pyramid, rois);
    struct roi_align_call *call = nn_call(nn, OP_roi_align, sizeof *call);
    struct tensor *out =
        nn_tensor_of(nn, pyramid->levels[0]->type, rois->count, size, size, pyramid->levels[0]->c);
    call->settings = *settings;
    call->pyramid = *pyramid;
    call->rois = *rois;
    call->call.label = settings->label;
    // With ceil(bin) samples it depends on the boxes; 2 is then a fair guess for a pyramid's
    // levels.
    double samples = settings->sampling ? (double)settings->sampling : 2;
    call->call.multiply_adds = 4 * samples * samples * (double)tensor_count(out);
    call->call.out = out;
    for (int i = 0; i < pyramid->num_levels; i++)
        call_add_input(&call->call, pyramid->levels[i]);
    nn_run(nn, &call->call);
    return out;
}
