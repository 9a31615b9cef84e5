// What is in a checkpoint.
#include "train/checkpoint.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/check.h"
#include "detector/model_file.h"
#include "train/checkpoint_internal.h"
#include "train/manifest.h"

#define MOMENTUM "momentum.safetensors"
#define STATE    "state.json"

const char *const CHECKPOINT_FILES[] = {CHECKPOINT_MODEL, MOMENTUM, STATE, NULL};

static const char *const FORMAT_KEY = "format";
static const char *const MOMENTUM_FORMAT = "gctmask momentum 1";

static struct parameters *parameters_of(const struct training *training) {
    return &training->model->network.parameters;
}

// ---- Saving ----

static enum status check_finite(const float *values, const struct parameter *p, const char *what,
                                struct error *err) {
    for (int64_t i = 0; i < p->count; i++) {
        if (!isfinite(values[i]))
            return error_set(err, STATUS_DATA, "%s%s: value %lld is %g: it is not saved", what,
                             p->name, (long long)i, (double)values[i]);
    }
    return STATUS_OK;
}

static enum status check_values(const struct training *training, struct error *err) {
    struct parameters *parameters = parameters_of(training);
    float *velocity = NULL;
    TRY(parameters_read(parameters, err));
    TRY(parameters_read_array(parameters, training->velocity, &velocity, err));
    for (int64_t i = 0; i < parameters->count; i++) {
        const struct parameter *p = parameters->items[i];
        TRY(check_finite(p->host, p, "", err));
        if (p->trainable)
            TRY(check_finite(velocity + parameter_offset(p), p, "the momentum of ", err));
    }
    return STATUS_OK;
}

// A disk that fills up is noticed anyway; this says so before a minute is spent on writing.
static enum status check_space(const char *folder, const struct parameters *parameters,
                               struct error *err) {
    const int64_t headers = 1 << 20; // and the other files
    int64_t floats = parameters->num_floats + parameters->num_trainable_floats;
    int64_t needed = floats * (int64_t)sizeof(float) + headers;
    struct statvfs info;
    // Some file systems do not know their size.
    if (statvfs(folder, &info) != 0 || info.f_blocks == 0) return STATUS_OK;
    double available = (double)info.f_bavail * (double)info.f_frsize;
    if (available >= (double)needed) return STATUS_OK;
    return error_set(err, STATUS_CANNOT_WRITE,
                     "%s: a checkpoint takes %.0f MiB, and the disk has only %.0f MiB left", folder,
                     (double)needed / 0x1p20, available / 0x1p20);
}

static enum status write_momentum(const struct training *training, const char *path,
                                  struct arena *arena, struct error *err) {
    struct parameters *parameters = parameters_of(training);
    float *velocity = NULL;
    struct safetensor *items = arena_alloc(arena, parameters->count, sizeof *items);
    if (!items) return error_memory(err, "a checkpoint", parameters->count);
    TRY(parameters_read_array(parameters, training->velocity, &velocity, err));
    int64_t count = 0;
    for (int64_t i = 0; i < parameters->count; i++) {
        const struct parameter *p = parameters->items[i];
        if (!p->trainable) continue;
        items[count++] =
            safetensor_of_floats(p->name, p->num_dims, p->shape, velocity + parameter_offset(p));
    }
    struct output out;
    TRY(output_open_file(&out, path, err));
    const struct safetensors_text metadata = {FORMAT_KEY, MOMENTUM_FORMAT};
    enum status status = safetensors_write(&out, items, count, &metadata, 1, err);
    if (status == STATUS_OK) return output_commit(&out, err);
    output_discard(&out);
    return status;
}

static enum status save_momentum(const struct training *training, const char *path,
                                 struct error *err) {
    struct arena arena;
    arena_init(&arena, 1 << 16, 0);
    enum status status = write_momentum(training, path, &arena, err);
    arena_destroy(&arena);
    return status;
}

// Each file is put on disk as it is written (base/output.h).
static enum status write_files(const char *folder, const struct training *training,
                               struct error *err) {
    char path[PATH_BYTES];
    if (mkdir(folder, 0777) != 0)
        return error_set(err, STATUS_CANNOT_WRITE, "%s: cannot make the folder: %s", folder,
                         strerror(errno));
    TRY(path_join(path, folder, CHECKPOINT_MODEL, err));
    TRY(detector_model_save(training->model, path, err));
    TRY(path_join(path, folder, MOMENTUM, err));
    TRY(save_momentum(training, path, err));
    TRY(path_join(path, folder, STATE, err));
    TRY(training_state_save(training->state, path, err));
    TRY(manifest_write(folder, CHECKPOINT_FILES, training->state->step, err));
    return folder_sync(folder, err);
}

enum status checkpoint_save(const char *folder, const struct training *training,
                            const struct checkpoint_rules *rules, struct error *err) {
    CHECK(training->state->step >= 0 && rules->keep >= 1 && rules->keep_every >= 0);
    char temporary[PATH_BYTES];
    TRY(check_values(training, err));
    TRY(check_space(folder, parameters_of(training), err));
    TRY(checkpoint_temporary_path(temporary, folder, err));
    TRY(folder_remove(temporary, err));
    enum status status = write_files(temporary, training, err);
    if (status == STATUS_OK)
        status = checkpoint_publish(folder, temporary, training->state->step, err);
    if (status != STATUS_OK) {
        (void)!folder_remove(temporary, NULL); // the first error is the one to report
        return status;
    }
    TRY(checkpoint_point(folder, training->state, err));
    return checkpoint_delete_old(folder, rules, training->state->step, err);
}

// ---- Loading ----

static bool may_differ(const struct option *row) {
    return strcmp(row->name, "schedule.iterations") == 0;
}

static enum status compare_option(const struct options *saved, const struct options *ours,
                                  const struct option *row, const char *path, struct error *err) {
    struct output text[2];
    for (int i = 0; i < 2; i++) {
        output_open_memory(&text[i]);
        options_write_value(i ? ours : saved, row, &text[i]);
    }
    enum status status = output_finish(&text[0], err);
    if (status == STATUS_OK) status = output_finish(&text[1], err);
    if (status == STATUS_OK && strcmp(text[0].data, text[1].data) != 0)
        status = error_set(err, STATUS_USAGE, "%s: it was trained with %s %.100s, not with %.100s",
                           path, row->name, text[0].data, text[1].data);
    output_discard(&text[0]);
    output_discard(&text[1]);
    return status;
}

static enum status compare_options(const struct model_file *file, const struct options *ours,
                                   struct arena *arena, struct error *err) {
    struct model_config config;
    struct options saved;
    TRY(options_init(&saved, MODEL_OPTIONS, &config, arena, err));
    TRY(model_file_configure(file, &saved, err));
    for (const struct option *row = MODEL_OPTIONS; row->name; row++)
        if (!may_differ(row)) TRY(compare_option(&saved, ours, row, file->path, err));
    return STATUS_OK;
}

static enum status load_model(struct detector_model *model, const char *path, struct arena *arena,
                              struct error *err) {
    struct parameters *parameters = &model->network.parameters;
    struct model_file file;
    TRY(model_file_open(&file, path, false, arena, err)); // the manifest has verified it
    enum status status = compare_options(&file, &model->options, arena, err);
    if (status == STATUS_OK) status = model_file_match(&file, parameters, err);
    if (status == STATUS_OK) status = model_file_fill(&file, parameters, err);
    model_file_close(&file);
    return status;
}

static enum status fill_velocity(const struct training *training, const struct safetensors *file,
                                 const char *path, struct error *err) {
    struct parameters *parameters = parameters_of(training);
    float *velocity = NULL;
    const char *format = safetensors_metadata(file, FORMAT_KEY);
    if (!format || strcmp(format, MOMENTUM_FORMAT) != 0)
        return error_set(err, STATUS_DATA, "%s: not the momentum of a training", path);
    TRY(parameters_read_array(parameters, training->velocity, &velocity, err));
    int64_t num_left = file->count;
    for (int64_t i = 0; i < parameters->count; i++) {
        const struct parameter *p = parameters->items[i];
        if (!p->trainable) continue;
        const struct safetensor *tensor = safetensors_find(file, p->name);
        size_t shape_bytes = (size_t)p->num_dims * sizeof *p->shape;
        if (!tensor || tensor->num_dims != p->num_dims ||
            memcmp(tensor->shape, p->shape, shape_bytes) != 0)
            return error_set(err, STATUS_DATA, "%s: %s is missing or of another shape", path,
                             p->name);
        TRY(safetensor_to_float(tensor, velocity + parameter_offset(p), err));
        num_left--;
    }
    if (num_left == 0) return parameters_write_array(parameters, training->velocity, err);
    return error_set(err, STATUS_DATA, "%s: %lld tensors, %lld more than there are parameters",
                     path, (long long)file->count, (long long)num_left);
}

static enum status load_momentum(const struct training *training, const char *path,
                                 struct arena *arena, struct error *err) {
    struct safetensors file;
    TRY(safetensors_open(&file, path, false, arena, err)); // the manifest has verified it
    enum status status = fill_velocity(training, &file, path, err);
    safetensors_close(&file);
    return status;
}

static enum status load_files(const char *folder, int64_t step, const struct training *training,
                              struct arena *arena, struct error *err) {
    char path[PATH_BYTES];
    TRY(path_join(path, folder, CHECKPOINT_MODEL, err));
    TRY(load_model(training->model, path, arena, err));
    TRY(path_join(path, folder, MOMENTUM, err));
    TRY(load_momentum(training, path, arena, err));
    TRY(path_join(path, folder, STATE, err));
    TRY(training_state_load(training->state, path, err));
    if (training->state->step == step) return STATUS_OK;
    return error_set(err, STATUS_DATA, "%s: step %lld, expected %lld", path,
                     (long long)training->state->step, (long long)step);
}

enum status checkpoint_load(const char *folder, int64_t step, const struct training *training,
                            struct error *err) {
    char path[PATH_BYTES];
    struct arena arena;
    TRY(checkpoint_path(path, folder, step, err));
    TRY(manifest_verify(path, CHECKPOINT_FILES, step, err));
    arena_init(&arena, 1 << 16, 0);
    enum status status = load_files(path, step, training, &arena, err);
    arena_destroy(&arena);
    return status;
}
