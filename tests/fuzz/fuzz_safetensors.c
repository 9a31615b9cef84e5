// Any bytes as a model file: refused with a message, or all of its data can be read, and it is the
// same after it has been written and read.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "detector/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect_same(const struct safetensors *a, const struct safetensors *b) {
    CHECK(a->count == b->count && a->num_metadata == b->num_metadata);
    for (int64_t i = 0; i < a->count; i++) {
        const struct safetensor *left = &a->items[i];
        const struct safetensor *right = safetensors_find(b, left->name);
        CHECK(right && left->dtype == right->dtype && left->num_dims == right->num_dims);
        CHECK(memcmp(left->shape, right->shape, sizeof left->shape) == 0);
        CHECK(left->count == right->count && left->bytes == right->bytes);
        CHECK(!left->bytes || memcmp(left->data, right->data, (size_t)left->bytes) == 0);
    }
    for (int64_t i = 0; i < a->num_metadata; i++) {
        const char *value = safetensors_metadata(b, a->metadata[i].key);
        CHECK(value && strcmp(value, a->metadata[i].value) == 0);
    }
}

static void convert_all(const struct safetensors *file) {
    struct error err;
    for (int64_t i = 0; i < file->count; i++) {
        const struct safetensor *item = &file->items[i];
        float *values = malloc((size_t)item->count * sizeof *values + 1);
        CHECK(values);
        enum status status = safetensor_to_float(item, values, &err);
        CHECK(status == STATUS_OK || status == err.code);
        free(values);
    }
}

static void write_and_read(const struct safetensors *file, struct arena *arena) {
    struct output out;
    struct error err;
    struct safetensors again;
    output_open_memory(&out);
    CHECK(safetensors_write(&out, file->items, file->count, file->metadata, file->num_metadata,
                            &err) == STATUS_OK);
    CHECK(safetensors_read(&again, out.data, out.size, "again", true, arena, &err) == STATUS_OK);
    CHECK(again.has_checksum);
    expect_same(file, &again);
    output_discard(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena arena;
    struct safetensors file;
    struct error err = {0};
    const char *bytes = (const char *)data;
    arena_init(&arena, 1 << 12, 0);
    enum status verified =
        safetensors_read(&file, bytes, (int64_t)size, "fuzz", true, &arena, &err);
    CHECK(verified == STATUS_OK || (verified == err.code && err.message[0]));
    enum status status = safetensors_read(&file, bytes, (int64_t)size, "fuzz", false, &arena, &err);
    CHECK(status == STATUS_OK || (status == verified && status == err.code));
    if (status == STATUS_OK) {
        convert_all(&file);
        write_and_read(&file, &arena);
    }
    safetensors_close(&file);
    arena_destroy(&arena);
    return 0;
}
