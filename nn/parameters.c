#include "nn/parameters.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/random.h"
#include "nn/cuda/module.h"

enum { NAME_BYTES = 256, ALIGNMENT_FLOATS = 16 };

struct initial initial_constant(double value) {
    return (struct initial){INITIAL_CONSTANT, value};
}

struct initial initial_normal(double deviation) {
    return (struct initial){INITIAL_NORMAL, deviation};
}

struct initial initial_uniform_fan_in(int64_t fan_in) {
    return (struct initial){INITIAL_UNIFORM, sqrt(3.0 / (double)fan_in)};
}

struct initial initial_normal_fan_out(int64_t fan_out) {
    return (struct initial){INITIAL_NORMAL, sqrt(2.0 / (double)fan_out)};
}

void parameters_init(struct parameters *parameters, struct arena *arena) {
    *parameters = (struct parameters){
        .arena = arena,
        .version = 1,
        .frozen_version = 1,
        .spare = {.name = "", .num_dims = 1, .shape = {1}, .count = 1},
    };
}

static bool grow(struct parameters *parameters) {
    if (parameters->count < parameters->capacity) return true;
    int64_t capacity = parameters->capacity ? 2 * parameters->capacity : 256;
    const size_t bytes = sizeof(struct parameter *);
    struct parameter **items = arena_alloc(parameters->arena, capacity, bytes);
    if (!items) return false;
    if (parameters->count) memcpy(items, parameters->items, (size_t)parameters->count * bytes);
    parameters->items = items;
    parameters->capacity = capacity;
    return true;
}

static bool is_frozen_norm(enum parameter_kind kind) {
    return kind == PARAMETER_FROZEN_NORM_WEIGHT || kind == PARAMETER_FROZEN_NORM_BIAS ||
           kind == PARAMETER_NORM_MEAN || kind == PARAMETER_NORM_VARIANCE;
}

struct parameter *parameter_add(struct parameters *parameters, enum parameter_kind kind,
                                int num_dims, const int64_t *shape, struct initial initial,
                                const char *format, ...) {
    CHECK(num_dims >= 1 && num_dims <= PARAMETER_MAX_DIMS && !parameters->data);
    char name[NAME_BYTES];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    CHECK(size > 0 && size < NAME_BYTES);
    CHECK(!parameters_find(parameters, name));
    struct parameter *p = arena_alloc(parameters->arena, 1, sizeof *p);
    const char *copy = arena_copy_text(parameters->arena, name, size);
    if (!p || !copy || !grow(parameters)) {
        parameters->out_of_memory = true;
        return &parameters->spare;
    }
    *p = (struct parameter){.owner = parameters,
                            .name = copy,
                            .kind = kind,
                            .num_dims = num_dims,
                            .count = 1,
                            .initial = initial,
                            .trainable = !is_frozen_norm(kind)};
    for (int i = 0; i < num_dims; i++) {
        CHECK(shape[i] > 0);
        p->shape[i] = shape[i];
        p->count *= shape[i];
    }
    parameters->items[parameters->count++] = p;
    return p;
}

// Sums up the parameters whose trainable equals the argument; gives them their places if there is
// memory already.
static int64_t lay_out(struct parameters *parameters, bool trainable, int64_t at) {
    for (int64_t i = 0; i < parameters->count; i++) {
        struct parameter *p = parameters->items[i];
        if (p->trainable != trainable || p->is_mapped) continue;
        if (parameters->data) p->data = parameters->data + at;
        if (parameters->grad && trainable) p->grad = parameters->grad + at;
        at += (p->count + ALIGNMENT_FLOATS - 1) / ALIGNMENT_FLOATS * ALIGNMENT_FLOATS;
    }
    return at;
}

enum status parameters_allocate(struct parameters *parameters, bool with_gradients,
                                struct error *err) {
    CHECK(!parameters->data);
    parameters->num_trainable_floats = lay_out(parameters, true, 0);
    parameters->num_floats = lay_out(parameters, false, parameters->num_trainable_floats);
    int64_t bytes = parameters->num_floats * (int64_t)sizeof(float);
    if (parameters->out_of_memory) return error_memory(err, "a list of parameters", 0);
    parameters->data = arena_alloc_zero(parameters->arena, parameters->num_floats, sizeof(float));
    if (!parameters->data) return error_memory(err, "parameters", bytes);
    if (with_gradients) {
        parameters->grad =
            arena_alloc_zero(parameters->arena, parameters->num_trainable_floats, sizeof(float));
        if (!parameters->grad) return error_memory(err, "gradients", bytes);
    }
    lay_out(parameters, false, lay_out(parameters, true, 0));
    for (int64_t i = 0; i < parameters->count; i++)
        parameters->items[i]->host = parameters->items[i]->data;
    return STATUS_OK;
}

static enum status changed(const struct parameters *parameters, struct error *err) {
    return error_set(
        err, STATUS_DATA,
        "%s: was changed while it was in use: model files must be replaced by renaming",
        parameters->file_path);
}

// All parameters, mapped ones as well, in one buffer, whose places they take.
static void take_places(struct parameters *parameters, float *data, float *grad) {
    for (int64_t i = 0; i < parameters->count; i++)
        parameters->items[i]->is_mapped = false;
    parameters->data = data;
    parameters->grad = grad;
    lay_out(parameters, false, lay_out(parameters, true, 0));
}

static int64_t bytes_of(int64_t num_floats) {
    return num_floats * (int64_t)sizeof(float);
}

// To the device, from the file as well.
static enum status copy_values(const struct parameters *parameters, struct error *err) {
    for (int64_t i = 0; i < parameters->count; i++) {
        const struct parameter *p = parameters->items[i];
        cuda_transfer(parameters->nn, p->data, p->host, bytes_of(p->count));
    }
    TRY(nn_status(parameters->nn, err));
    if (!parameters->file || !file_view_changed(parameters->file)) return STATUS_OK;
    return changed(parameters, err);
}

enum status parameters_move(struct parameters *parameters, struct nn *nn, struct error *err) {
    if (nn->device != NN_CUDA || parameters->nn == nn) return STATUS_OK;
    CHECK(parameters->data && !parameters->nn);
    void *data = NULL;
    void *grad = NULL;
    const float *old_grad = parameters->grad;
    parameters->host = parameters->data;
    take_places(parameters, NULL, NULL);
    parameters->num_trainable_floats = lay_out(parameters, true, 0);
    parameters->num_floats = lay_out(parameters, false, parameters->num_trainable_floats);
    TRY(cuda_allocate(nn, bytes_of(parameters->num_floats), &data, err));
    if (old_grad) TRY(cuda_allocate(nn, bytes_of(parameters->num_trainable_floats), &grad, err));
    take_places(parameters, data, grad);
    parameters->nn = nn;
    parameters_changed(parameters);
    // None is mapped where there are gradients, so they are laid out as before.
    if (old_grad) cuda_transfer(nn, grad, old_grad, bytes_of(parameters->num_trainable_floats));
    return copy_values(parameters, err);
}

enum status parameters_allocate_state(struct parameters *parameters, float **state,
                                      struct error *err) {
    int64_t count = parameters->num_trainable_floats;
    void *memory = NULL;
    if (parameters->nn)
        TRY(cuda_allocate(parameters->nn, bytes_of(count), &memory, err));
    else
        memory = arena_alloc_zero(parameters->arena, count, sizeof **state);
    *state = memory;
    return memory ? STATUS_OK : error_memory(err, "a solver's numbers", bytes_of(count));
}

// Only training changes values there, and only trained ones.
enum status parameters_read(const struct parameters *parameters, struct error *err) {
    if (!parameters->nn || !parameters->grad) return STATUS_OK;
    cuda_transfer(parameters->nn, parameters->host, parameters->data,
                  bytes_of(parameters->num_trainable_floats));
    return nn_status(parameters->nn, err);
}

enum status parameters_write(struct parameters *parameters, struct error *err) {
    parameters_changed(parameters);
    return parameters->nn ? copy_values(parameters, err) : STATUS_OK;
}

static enum status make_copy(struct parameters *parameters, struct error *err) {
    void *memory = NULL;
    int64_t bytes = bytes_of(parameters->num_trainable_floats);
    if (parameters->copy) return STATUS_OK;
    TRY(cuda_allocate_pinned(parameters->nn, bytes, &memory, err));
    parameters->copy = memory;
    return STATUS_OK;
}

enum status parameters_read_array(struct parameters *parameters, const float *array, float **values,
                                  struct error *err) {
    *values = (float *)(uintptr_t)array;
    if (!parameters->nn) return STATUS_OK;
    TRY(make_copy(parameters, err));
    *values = parameters->copy;
    cuda_transfer(parameters->nn, *values, array, bytes_of(parameters->num_trainable_floats));
    return nn_status(parameters->nn, err);
}

enum status parameters_write_array(struct parameters *parameters, float *array, struct error *err) {
    if (!parameters->nn) return STATUS_OK;
    CHECK(parameters->copy);
    cuda_transfer(parameters->nn, array, parameters->copy,
                  bytes_of(parameters->num_trainable_floats));
    return nn_failed(parameters->nn) ? nn_status(parameters->nn, err) : STATUS_OK;
}

int64_t parameter_offset(const struct parameter *parameter) {
    return parameter->data - parameter->owner->data;
}

void parameter_map(struct parameters *parameters, struct parameter *parameter,
                   const struct file_view *file, const char *path, const float *data) {
    CHECK(parameter->owner == parameters && parameter->is_packed && !parameters->data);
    CHECK(!parameters->file || parameters->file == file);
    parameters->file = file;
    parameters->file_path = path;
    parameter->is_mapped = true;
    parameter->data = (float *)(uintptr_t)data; // which nobody writes to
    parameter->host = parameter->data;
}

enum status parameter_check(const struct parameter *parameter, struct error *err) {
    const struct parameters *owner = parameter->owner;
    if (!parameter->is_mapped || !file_view_changed(owner->file)) return STATUS_OK;
    return changed(owner, err);
}

void parameter_drop(const struct parameter *p) {
    if (!p->is_mapped) return;
    const struct file_view *file = p->owner->file;
    int64_t begin = (const char *)p->data - file->data;
    file_view_drop(file, begin, begin + p->count * (int64_t)sizeof *p->data);
}

static void initialise(struct parameter *p, uint64_t seed) {
    struct random random = random_stream(seed, hash_bytes(HASH_START, p->name, strlen(p->name)));
    double scale = p->initial.scale;
    for (int64_t i = 0; i < p->count; i++) {
        double value = scale;
        if (p->initial.kind == INITIAL_NORMAL) value = scale * random_normal(&random);
        if (p->initial.kind == INITIAL_UNIFORM) value = random_between(&random, -scale, scale);
        p->data[i] = (float)value;
    }
}

void parameters_initialise(struct parameters *parameters, uint64_t seed) {
    CHECK(!parameters->nn);
    for (int64_t i = 0; i < parameters->count; i++)
        initialise(parameters->items[i], seed);
    parameters_changed(parameters);
}

void parameters_clear_gradients(struct parameters *parameters) {
    int64_t bytes = bytes_of(parameters->num_trainable_floats);
    if (!parameters->grad) return;
    if (parameters->nn)
        cuda_clear(parameters->nn, parameters->grad, bytes);
    else
        memset(parameters->grad, 0, (size_t)bytes);
}

void parameters_changed(struct parameters *parameters) {
    parameters->version++;
    parameters->frozen_version++;
}

void parameters_trained(struct parameters *parameters) {
    parameters->version++;
}

struct parameter *parameters_find(const struct parameters *parameters, const char *name) {
    for (int64_t i = 0; i < parameters->count; i++)
        if (strcmp(parameters->items[i]->name, name) == 0) return parameters->items[i];
    return NULL;
}

bool parameter_is_frozen_norm(const struct parameter *parameter) {
    return is_frozen_norm(parameter->kind);
}
