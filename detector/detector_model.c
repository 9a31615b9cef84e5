#include "detector/detector_model.h"

#include <stdio.h>
#include <string.h>

#include "base/config.h"

enum { BLOCK_BYTES = 1 << 20 };

// ---- The configuration ----

// assignments[*index] and the items without "=" behind it, joined again.
static enum status join_assignment(struct arena *arena, const struct option_texts *overrides,
                                   int64_t *index, const char **joined, struct error *err) {
    int64_t begin = *index;
    int64_t end = begin + 1;
    size_t size = strlen(overrides->items[begin]) + 1;
    for (; end < overrides->count && !strchr(overrides->items[end], '='); end++)
        size += strlen(overrides->items[end]) + 1;
    char *text = arena_alloc(arena, (int64_t)size, 1);
    if (!text) return error_memory(err, "options", (long long)size);
    int at = snprintf(text, size, "%s", overrides->items[begin]);
    for (int64_t i = begin + 1; i < end; i++)
        at += snprintf(text + at, size - (size_t)at, ",%s", overrides->items[i]);
    *index = end;
    *joined = text;
    return STATUS_OK;
}

static enum status apply_overrides(struct detector_model *model,
                                   const struct option_texts *overrides, struct error *err) {
    for (int64_t i = 0; overrides && i < overrides->count;) {
        const char *assignment = "";
        TRY(join_assignment(&model->arena, overrides, &i, &assignment, err));
        TRY(config_override(&model->options, assignment, err));
    }
    return STATUS_OK;
}

// path: NULL for the defaults. file: NULL if path is a configuration.
static enum status configure(struct detector_model *model, const char *path,
                             const struct model_file *file, const struct option_texts *overrides,
                             struct error *err) {
    TRY(options_init(&model->options, MODEL_OPTIONS, &model->config, &model->arena, err));
    if (file)
        TRY(model_file_configure(file, &model->options, err));
    else if (path)
        TRY(config_load(&model->options, path, err));
    TRY(apply_overrides(model, overrides, err));
    enum status status = model_config_check(&model->config, err);
    if (status != STATUS_OK && path) error_prefix(err, "%s: ", path);
    return status;
}

// ---- Making ----

// How to make a model.
struct making {
    const char *path; // a copy in the model's arena; NULL for the options' defaults
    const struct option_texts *overrides;
    bool training;
    bool loads; // from a model file, whose checksum is verified
};

// model->file is left open, or zeroed if the path is that of a configuration.
static enum status describe(struct detector_model *model, const struct making *making,
                            struct error *err) {
    struct model_file *file = &model->file;
    bool is_model_file = false;
    if (making->path) TRY(model_file_recognise(making->path, &is_model_file, err));
    if (making->loads && !is_model_file)
        return error_set(err, STATUS_DATA,
                         "%s: not a model file (a configuration has no weights; gctmask convert "
                         "imports those of other programs)",
                         making->path);
    if (is_model_file) TRY(model_file_open(file, making->path, making->loads, &model->arena, err));
    TRY(configure(model, making->path, is_model_file ? file : NULL, making->overrides, err));
    return mask_rcnn_describe(&model->network, &model->config, &model->arena, err);
}

typedef enum status completer(struct detector_model *model, const struct making *making,
                              struct error *err);

// Describes the model and has complete do the rest.
static enum status make(struct detector_model *model, struct making making, completer *complete,
                        struct error *err) {
    *model = (struct detector_model){0};
    arena_init(&model->arena, BLOCK_BYTES, 0);
    enum status status = STATUS_OK;
    if (making.path) {
        making.path = arena_copy_text(&model->arena, making.path, (int64_t)strlen(making.path));
        if (!making.path) status = error_memory(err, "a file name", 0);
    }
    if (status == STATUS_OK) status = describe(model, &making, err);
    if (status == STATUS_OK) status = complete(model, &making, err);
    if (!model->network.parameters.file) model_file_close(&model->file);
    if (status != STATUS_OK) detector_model_destroy(model);
    return status;
}

static enum status match(struct detector_model *model, const struct making *making,
                         struct error *err) {
    (void)making;
    if (!model->file.path) return STATUS_OK; // a configuration
    return model_file_match(&model->file, &model->network.parameters, err);
}

enum status detector_model_describe(struct detector_model *model, const char *path,
                                    const struct option_texts *overrides, struct error *err) {
    return make(model, (struct making){path, overrides, false, false}, match, err);
}

static enum status leave(struct detector_model *model, const struct making *making,
                         struct error *err) {
    (void)model;
    (void)making;
    (void)err;
    return STATUS_OK;
}

enum status detector_model_outline(struct detector_model *model, const char *path,
                                   const struct option_texts *overrides, struct error *err) {
    return make(model, (struct making){path, overrides, false, false}, leave, err);
}

static enum status allocate(struct detector_model *model, const struct making *making,
                            struct error *err) {
    return parameters_allocate(&model->network.parameters, making->training, err);
}

enum status detector_model_create(struct detector_model *model, const char *path,
                                  const struct option_texts *overrides, bool training,
                                  uint64_t seed, struct error *err) {
    TRY(make(model, (struct making){path, overrides, training, false}, allocate, err));
    parameters_initialise(&model->network.parameters, seed);
    return STATUS_OK;
}

static enum status fill(struct detector_model *model, const struct making *making,
                        struct error *err) {
    struct parameters *parameters = &model->network.parameters;
    // Only a file that really holds so many numbers may ask for memory.
    TRY(model_file_match(&model->file, parameters, err));
    if (!making->training) model_file_map(&model->file, parameters);
    TRY(parameters_allocate(parameters, making->training, err));
    return model_file_fill(&model->file, parameters, err);
}

enum status detector_model_load(struct detector_model *model, const char *path,
                                const struct option_texts *overrides, bool training,
                                struct error *err) {
    return make(model, (struct making){path, overrides, training, true}, fill, err);
}

enum status detector_model_save(const struct detector_model *model, const char *path,
                                struct error *err) {
    return model_file_save(&model->network, &model->options, path, err);
}

void detector_model_destroy(struct detector_model *model) {
    model_file_close(&model->file);
    arena_destroy(&model->arena);
    *model = (struct detector_model){0};
}
