// Any bytes as a pickle: refused with a message, or a tree whose every value can be looked at.
#include <stdint.h>
#include <stdlib.h>

#include "base/check.h"
#include "detector/import/pickle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Adds up what a value points to, so that AddressSanitizer sees all of it.
static uint64_t touch(const struct pickle_value *value) {
    uint64_t sum = 0;
    CHECK(pickle_kind_name(value->kind));
    if (value->kind == PICKLE_TEXT || value->kind == PICKLE_BYTES || value->kind == PICKLE_LONG)
        for (int64_t i = 0; i < value->text.size; i++)
            sum += (unsigned char)value->text.data[i];
    if (value->kind == PICKLE_TENSOR) {
        const struct pickle_tensor *tensor = value->tensor;
        CHECK(tensor->num_dims >= 0 && tensor->num_dims <= SAFETENSOR_MAX_DIMS);
        CHECK(tensor->offset >= 0);
        for (int i = 0; i < tensor->num_dims; i++)
            CHECK(tensor->shape[i] >= 0 && tensor->strides[i] >= 0);
        for (int64_t i = 0; i < tensor->data.size; i++)
            sum += (unsigned char)tensor->data.data[i];
    }
    return sum;
}

// Two levels: a tree may contain itself.
static uint64_t walk(const struct pickle_value *root) {
    uint64_t sum = touch(root);
    bool is_list =
        root->kind == PICKLE_LIST || root->kind == PICKLE_TUPLE || root->kind == PICKLE_DICT;
    for (int64_t i = 0; is_list && i < root->list.count; i++)
        sum += touch(root->list.items[i]);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena arena;
    struct pickle pickle;
    struct error err = {0};
    arena_init(&arena, 1 << 12, 0);
    enum status status =
        pickle_read(&pickle, (const char *)data, (int64_t)size, "fuzz", &arena, &err);
    CHECK(status == STATUS_OK ? pickle.root != NULL && pickle.size <= (int64_t)size
                              : status == err.code && err.message[0]);
    if (status == STATUS_OK) {
        volatile uint64_t sum = walk(pickle.root);
        (void)sum;
        pickle_get(pickle.root, "model");
    }
    arena_destroy(&arena);
    return 0;
}
