// Any bytes as a file with weights, in whichever container: refused with a message, or all of its
// tensors can be read, and the plan of an import can be made of them.
#include <stdint.h>
#include <stdlib.h>

#include "base/check.h"
#include "detector/import/guess.h"
#include "detector/import/key_map.h"
#include "detector/import/state_dict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void convert_all(const struct state_dict *dict, struct arena *arena) {
    struct error err;
    for (int64_t i = 0; i < dict->count; i++) {
        const struct state_tensor *item = &dict->items[i];
        float *values = malloc((size_t)item->tensor.count * sizeof *values + 1);
        CHECK(values);
        enum status status = state_tensor_to_float(item, values, arena, &err);
        CHECK(status == STATUS_OK || status == err.code);
        CHECK(state_dict_find(dict, item->tensor.name) == item);
        free(values);
    }
}

static void plan(const struct state_dict *dict, struct arena *arena) {
    struct key_map map;
    struct option_texts settings;
    struct error err = {0};
    enum status status = key_map_build(&map, dict, arena, &err);
    if (status == STATUS_OK) status = guess_settings(&map, &settings, arena, &err);
    CHECK(status == STATUS_OK || (status == err.code && err.message[0]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena arena;
    struct state_dict dict;
    struct error err = {0};
    arena_init(&arena, 1 << 12, 0);
    enum status status =
        state_dict_read(&dict, (const char *)data, (int64_t)size, "fuzz", &arena, &err);
    CHECK(status == STATUS_OK || (status == err.code && err.message[0]));
    if (status == STATUS_OK) {
        convert_all(&dict, &arena);
        plan(&dict, &arena);
    }
    state_dict_close(&dict);
    arena_destroy(&arena);
    return 0;
}
