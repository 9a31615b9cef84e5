// What a layer keeps of what follows from its parameters, until they change: in inference, and in
// training of those that are not trained.
#pragma once

#include "nn/cuda/numbers.h"

// One array. version: of the parameters that it was made from; 0: none yet. form: where there are
// several, which.
struct kept {
    uint64_t version;
    int64_t form;
    float *values;
};

// The array, which make(values) puts on the stream where it is stale. NULL after a failure.
template <class Make>
static const float *cuda_kept(struct nn *nn, struct kept *kept, const struct parameter *parameter,
                              int64_t count, int64_t form, Make make) {
    uint64_t version = parameter_version(parameter);
    if (kept->version == version && kept->form == form) return kept->values;
    if (!kept->values) kept->values = cuda_keep(nn, count);
    if (nn_failed(nn)) return NULL;
    make(kept->values);
    kept->form = form;
    kept->version = nn_failed(nn) ? 0 : version;
    return kept->values;
}

// The same of numbers of another type.
template <class Make>
static struct numbers cuda_kept_numbers(struct nn *nn, struct kept *kept,
                                        const struct parameter *parameter, enum number_type type,
                                        int64_t count, int64_t form, Make make) {
    const float *values = cuda_kept(nn, kept, parameter, number_floats(type, count), form,
                                    [&](float *fresh) { make(numbers(fresh, type)); });
    return numbers(values, type);
}

// A layer's cache, zeroed when it is first asked for; it belongs to nn. NULL after a failure.
template <class Cache> static Cache *cuda_cache(struct nn *nn, Cache **cache) {
    if (*cache) return *cache;
    *cache = (Cache *)arena_alloc_zero(&nn->model, 1, sizeof **cache);
    if (!*cache) nn_fail(nn, STATUS_MEMORY, "what a layer keeps: out of memory");
    return *cache;
}
