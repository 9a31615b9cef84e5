#include "nn/device.h"
#include "nn/radix_sort.h"
#include "nn/sample/sample.h"

// Ignores those of the image's candidates of a kind that are not among the keep first.
static void thin_out(const struct sample_call *call, int64_t image, int kind, int64_t keep,
                     uint64_t *keys) {
    int32_t *matches = call->matches + image * call->each;
    int64_t count = 0;
    for (int64_t i = 0; i < call->each; i++)
        if (sample_kind(matches[i]) == kind) keys[count++] = sample_key(&call->streams, image, i);
    if (count <= keep) return;
    radix_sort(keys, keys + count, count);
    for (int64_t i = keep; i < count; i++)
        matches[keys[i] & UINT32_MAX] = MATCH_IGNORED;
}

static void sample_image(const struct sample_call *call, int64_t image, uint64_t *keys) {
    const int32_t *matches = call->matches + image * call->each;
    int64_t found[SAMPLE_KINDS] = {0};
    for (int64_t i = 0; i < call->each; i++) {
        int kind = sample_kind(matches[i]);
        if (kind >= 0) found[kind]++;
    }
    struct sampled sizes = sample_sizes(found[0], found[1], call->count, call->objects);
    thin_out(call, image, 0, sizes.objects, keys);
    thin_out(call, image, 1, sizes.backgrounds, keys);
    call->sampled[image] = sizes;
}

void cpu_sample_forward(struct nn *nn, struct call *base) {
    const struct sample_call *call = (const struct sample_call *)base;
    float *memory = nn_scratch(nn, 4 * call->each); // keys, and as many to sort them
    if (!memory) return;
    for (int64_t image = 0; image < call->num_images; image++)
        sample_image(call, image, (uint64_t *)(void *)memory);
    nn_scratch_free(nn, memory);
}
