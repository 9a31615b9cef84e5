#include "detector/model_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/config.h"
#include "base/json_writer.h"
#include "base/workers.h"
#include "detector/weights_check.h"

static const char *const FORMAT_KEY = "format";
static const char *const CONFIG_KEY = "config";
static const char *const FORMAT = "gctmask 1";

// ---- Writing ----

static enum status write_file(const struct mask_rcnn *model, const char *config, struct output *out,
                              struct error *err) {
    const struct parameters *parameters = &model->parameters;
    struct safetensor *items = arena_alloc(parameters->arena, parameters->count, sizeof *items);
    if (!items) return error_memory(err, "a model file", parameters->count);
    for (int64_t i = 0; i < parameters->count; i++) {
        const struct parameter *p = parameters->items[i];
        CHECK(p->host);
        items[i] = safetensor_of_floats(p->name, p->num_dims, p->shape, p->host);
    }
    const struct safetensors_text metadata[] = {{FORMAT_KEY, FORMAT}, {CONFIG_KEY, config}};
    return safetensors_write(out, items, parameters->count, metadata, 2, err);
}

static enum status save(const struct mask_rcnn *model, const struct output *config,
                        const char *path, struct error *err) {
    // What would not be read again is not written either.
    if (config->size > CONFIG_MAX_BYTES)
        return error_set(err, STATUS_DATA, "%s: the configuration is larger than %d bytes", path,
                         CONFIG_MAX_BYTES);
    struct output out;
    TRY(parameters_read(&model->parameters, err));
    TRY(output_open_file(&out, path, err));
    struct arena_mark mark = arena_mark(model->parameters.arena);
    enum status status = write_file(model, config->data, &out, err);
    arena_release(model->parameters.arena, mark);
    if (status == STATUS_OK) return output_commit(&out, err);
    output_discard(&out);
    return status;
}

enum status model_file_save(const struct mask_rcnn *model, const struct options *options,
                            const char *path, struct error *err) {
    struct output config;
    struct json_writer writer;
    output_open_memory(&config);
    json_writer_init(&writer, &config, 0);
    options_write_json(options, &writer);
    enum status status = output_finish(&config, err);
    if (status == STATUS_OK) status = save(model, &config, path, err);
    output_discard(&config);
    return status;
}

// ---- Opening ----

enum status model_file_recognise(const char *path, bool *is_model_file, struct error *err) {
    struct file_view view;
    uint64_t header_bytes = UINT64_MAX;
    TRY(file_view_open(&view, path, 0, err));
    if (view.size > (int64_t)sizeof header_bytes) {
        header_bytes = 0;
        for (int i = 7; i >= 0; i--)
            header_bytes = header_bytes << 8 | (unsigned char)view.data[i];
    }
    file_view_close(&view);
    // Eight characters of a text are a far larger number.
    *is_model_file = header_bytes <= SAFETENSORS_MAX_HEADER_BYTES;
    return STATUS_OK;
}

static enum status check_format(struct model_file *file, struct error *err) {
    const char *format = safetensors_metadata(&file->tensors, FORMAT_KEY);
    file->config = safetensors_metadata(&file->tensors, CONFIG_KEY);
    if (format && strcmp(format, FORMAT) != 0 && strncmp(format, "gctmask ", 8) == 0)
        return error_set(err, STATUS_UNSUPPORTED,
                         "%s: its format is \"%.32s\", expected \"%s\": it was written by another "
                         "version of this program",
                         file->path, format, FORMAT);
    if (format && strcmp(format, FORMAT) == 0 && file->config) return STATUS_OK;
    return error_set(err, STATUS_DATA,
                     "%s: holds tensors but no configuration: it was not written by this program",
                     file->path);
}

enum status model_file_open(struct model_file *file, const char *path, bool verify,
                            struct arena *arena, struct error *err) {
    *file = (struct model_file){.path = path};
    TRY(safetensors_open(&file->tensors, path, verify, arena, err));
    enum status status = check_format(file, err);
    if (status != STATUS_OK) model_file_close(file);
    return status;
}

void model_file_close(struct model_file *file) {
    safetensors_close(&file->tensors);
    *file = (struct model_file){0};
}

enum status model_file_configure(const struct model_file *file, struct options *options,
                                 struct error *err) {
    return config_read(options, file->config, (int64_t)strlen(file->config), file->path, err);
}

// ---- Comparing ----

enum { MAX_SHOWN = 5 };

// Tensors with the same fault, the first few by name.
struct fault {
    int64_t count;
    struct output names;
};

enum { MISSING, WRONG_SHAPE, LEFT_OVER, NUM_FAULTS };

static const char *const FAULT_WORDS[NUM_FAULTS] = {"missing", "of another shape", "left over"};

static void write_shape(struct output *out, int num_dims, const int64_t *shape) {
    output_text(out, "[");
    for (int i = 0; i < num_dims; i++)
        output_printf(out, "%s%lld", i ? ", " : "", (long long)shape[i]);
    output_text(out, "]");
}

// Whether there is still room for the details.
static bool add_name(struct fault *fault, const char *name) {
    fault->count++;
    if (fault->count > MAX_SHOWN) return false;
    output_printf(&fault->names, "%s%.64s", fault->count > 1 ? ", " : "", name);
    return true;
}

static bool is_shape(const struct safetensor *tensor, const struct parameter *p) {
    return tensor->num_dims == p->num_dims &&
           memcmp(tensor->shape, p->shape, (size_t)p->num_dims * sizeof *p->shape) == 0;
}

// Returns whether the file has a tensor of that name.
static bool compare_parameter(const struct model_file *file, const struct parameter *p,
                              struct fault *faults) {
    const struct safetensor *tensor = safetensors_find(&file->tensors, p->name);
    if (!tensor) {
        add_name(&faults[MISSING], p->name);
    } else if (!is_shape(tensor, p) && add_name(&faults[WRONG_SHAPE], p->name)) {
        struct output *out = &faults[WRONG_SHAPE].names;
        output_text(out, " ");
        write_shape(out, tensor->num_dims, tensor->shape);
        output_text(out, ", expected ");
        write_shape(out, p->num_dims, p->shape);
    }
    return tensor != NULL;
}

// The count is known beforehand; the search ends with the last name that is shown.
static void name_left_over(const struct model_file *file, const struct parameters *parameters,
                           int64_t count, struct fault *fault) {
    int64_t num_shown = count < MAX_SHOWN ? count : MAX_SHOWN;
    for (int64_t i = 0; fault->count < num_shown; i++)
        if (!parameters_find(parameters, file->tensors.items[i].name))
            add_name(fault, file->tensors.items[i].name);
    fault->count = count;
}

// What people get wrong most often has a message of its own.
static enum status check_classes(const struct model_file *file, const struct parameters *parameters,
                                 struct error *err) {
    static const char *const name = "roi_heads.box_predictor.cls_score.bias";
    const struct safetensor *tensor = safetensors_find(&file->tensors, name);
    const struct parameter *p = parameters_find(parameters, name);
    if (!tensor || !p || tensor->num_dims != 1 || tensor->shape[0] == p->shape[0]) return STATUS_OK;
    return error_set(err, STATUS_DATA,
                     "%s: weights of %lld classes and a configuration of %lld, both without "
                     "background",
                     file->path, (long long)tensor->shape[0] - 1, (long long)p->shape[0] - 1);
}

static enum status report(const struct model_file *file, struct fault *faults, struct error *err) {
    struct output text;
    output_open_memory(&text);
    for (int i = 0; i < NUM_FAULTS; i++) {
        struct fault *fault = &faults[i];
        if (fault->count == 0) continue;
        output_printf(&text, "%s%lld %s %s (%s", text.size ? "; " : "", (long long)fault->count,
                      fault->count == 1 ? "tensor is" : "tensors are", FAULT_WORDS[i],
                      fault->names.size ? fault->names.data : "");
        if (fault->count > MAX_SHOWN)
            output_printf(&text, " and %lld more", (long long)fault->count - MAX_SHOWN);
        output_text(&text, ")");
    }
    enum status status = output_finish(&text, err);
    if (status == STATUS_OK && text.size)
        status = error_set(err, STATUS_DATA, "%s: %s", file->path, text.data);
    output_discard(&text);
    return status;
}

enum status model_file_match(const struct model_file *file, const struct parameters *parameters,
                             struct error *err) {
    struct fault faults[NUM_FAULTS] = {0};
    TRY(check_classes(file, parameters, err));
    for (int i = 0; i < NUM_FAULTS; i++)
        output_open_memory(&faults[i].names);
    int64_t num_left = file->tensors.count;
    for (int64_t i = 0; i < parameters->count; i++)
        num_left -= compare_parameter(file, parameters->items[i], faults);
    name_left_over(file, parameters, num_left, &faults[LEFT_OVER]);
    enum status status = report(file, faults, err);
    for (int i = 0; i < NUM_FAULTS; i++)
        output_discard(&faults[i].names);
    return status;
}

void model_file_map(const struct model_file *file, struct parameters *parameters) {
    for (int64_t i = 0; i < parameters->count; i++) {
        struct parameter *p = parameters->items[i];
        const struct safetensor *tensor = safetensors_find(&file->tensors, p->name);
        CHECK(tensor && is_shape(tensor, p));
        bool is_aligned = (uintptr_t)tensor->data % _Alignof(float) == 0;
        if (p->is_packed && tensor->dtype == SAFETENSOR_F32 && is_aligned)
            parameter_map(parameters, p, &file->tensors.view, file->path, tensor->data);
    }
}

static enum status fill(const struct model_file *file, struct parameter *p, struct error *err) {
    const struct safetensor *tensor = safetensors_find(&file->tensors, p->name);
    CHECK(tensor && is_shape(tensor, p));
    if (!p->is_mapped) TRY(safetensor_to_float(tensor, p->host, err));
    TRY(weights_check(p, file->path, p->name, err));
    parameter_drop(p);
    return STATUS_OK;
}

struct filling {
    const struct model_file *file;
    const struct parameters *parameters;
    bool *failed; // of each parameter
};

static void fill_one(void *context, int64_t index, int worker) {
    (void)worker;
    struct filling *filling = context;
    struct error err;
    filling->failed[index] =
        fill(filling->file, filling->parameters->items[index], &err) != STATUS_OK;
}

enum status model_file_fill(const struct model_file *file, struct parameters *parameters,
                            struct error *err) {
    struct filling filling = {file, parameters, calloc((size_t)parameters->count + 1, 1)};
    struct workers *workers = NULL;
    if (!filling.failed) return error_memory(err, "a list of parameters", parameters->count);
    enum status status = workers_create(&workers, 0, err);
    if (status == STATUS_OK) workers_run(workers, parameters->count, 1, fill_one, &filling);
    // The first failure tells its reason.
    for (int64_t i = 0; status == STATUS_OK && i < parameters->count; i++)
        if (filling.failed[i]) status = fill(file, parameters->items[i], err);
    workers_destroy(workers);
    free(filling.failed);
    return status == STATUS_OK ? parameters_write(parameters, err) : status;
}
