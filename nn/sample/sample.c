#include "nn/sample/sample.h"

#include <math.h>

#include "base/check.h"

void sample_forward(struct nn *nn, int32_t *matches, int64_t num_images, int64_t each,
                    const struct sampling *sampling, const struct sample_streams *streams,
                    struct sampled *sampled) {
    CHECK(sampling->count >= 0 && sampling->positives >= 0 && sampling->positives <= 1);
    CHECK(each <= INT32_MAX);
    struct sample_call *call = nn_call(nn, OP_sample, sizeof *call);
    call->matches = matches;
    call->num_images = num_images;
    call->each = each;
    bool all = sampling->count == 0;
    call->count = all ? each : sampling->count;
    call->objects = all ? each : (int64_t)floor((double)sampling->count * sampling->positives);
    call->streams = *streams;
    call->sampled = sampled;
    call->call.label = "sample";
    nn_run(nn, &call->call);
}
