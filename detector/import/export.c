#include "detector/import/import.h"

// What the safetensors package's readers for PyTorch look for.
static const struct safetensors_text METADATA[] = {{"format", "pt"}};

enum status export_state_dict(const struct detector_model *model, const char *path,
                              struct error *err) {
    const struct parameters *parameters = &model->network.parameters;
    struct arena arena;
    struct output out;
    arena_init(&arena, 1 << 16, 0);
    struct safetensor *items = arena_alloc(&arena, parameters->count, sizeof *items);
    if (!items) return error_memory(err, "a state dict", parameters->count);
    for (int64_t i = 0; i < parameters->count; i++) {
        const struct parameter *p = parameters->items[i];
        items[i] = safetensor_of_floats(p->name, p->num_dims, p->shape, p->host);
    }
    enum status status = parameters_read(parameters, err);
    if (status == STATUS_OK) status = output_open_file(&out, path, err);
    if (status == STATUS_OK) {
        status = safetensors_write(&out, items, parameters->count, METADATA, 1, err);
        if (status == STATUS_OK)
            status = output_commit(&out, err);
        else
            output_discard(&out);
    }
    arena_destroy(&arena);
    return status;
}
