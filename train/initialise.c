#include "train/initialise.h"

#include <string.h>

#include "detector/model_file.h"
#include "detector/weights_check.h"

// The last layers, whose width is the number of classes.
static bool is_predictor(const struct parameter *p) {
    static const char *const PREFIXES[] = {"roi_heads.box_predictor.",
                                           "roi_heads.mask_predictor.mask_fcn_logits."};
    for (size_t i = 0; i < sizeof PREFIXES / sizeof *PREFIXES; i++)
        if (strncmp(p->name, PREFIXES[i], strlen(PREFIXES[i])) == 0) return true;
    return false;
}

static bool is_gate(const struct parameter *p) {
    return p->kind == PARAMETER_GATE_ALPHA || p->kind == PARAMETER_GATE_GAMMA ||
           p->kind == PARAMETER_GATE_BETA;
}

static bool has_shape(const struct safetensor *tensor, const struct parameter *p) {
    if (tensor->num_dims != p->num_dims) return false;
    for (int i = 0; i < p->num_dims; i++)
        if (tensor->shape[i] != p->shape[i]) return false;
    return true;
}

static enum status take(struct initialised *result, const struct model_file *file,
                        const struct parameter *p, struct error *err) {
    const struct safetensor *tensor = safetensors_find(&file->tensors, p->name);
    if (tensor && has_shape(tensor, p)) {
        result->taken++;
        TRY(safetensor_to_float(tensor, p->data, err));
        return weights_check(p, file->path, p->name, err);
    }
    if (tensor && is_predictor(p)) {
        name_list_add(&result->predictors, p->name);
        return STATUS_OK;
    }
    if (!tensor && is_gate(p)) {
        name_list_add(&result->gates, p->name);
        return STATUS_OK;
    }
    return error_set(err, STATUS_DATA, "%s: \"%s\" %s", file->path, p->name,
                     tensor ? "has another shape than in this model" : "is missing");
}

enum status initialise_from_file(struct initialised *result, struct detector_model *model,
                                 const char *path, struct error *err) {
    struct arena arena;
    struct model_file file = {0};
    struct parameters *parameters = &model->network.parameters;
    *result = (struct initialised){0};
    arena_init(&arena, 1 << 16, 0);
    enum status status = model_file_open(&file, path, true, &arena, err);
    for (int64_t i = 0; i < parameters->count && status == STATUS_OK; i++)
        status = take(result, &file, parameters->items[i], err);
    name_list_end(&result->predictors);
    name_list_end(&result->gates);
    parameters_changed(parameters);
    model_file_close(&file);
    arena_destroy(&arena);
    return status;
}
