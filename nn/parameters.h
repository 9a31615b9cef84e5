// The parameters of a model: named arrays in flat buffers.
//
// A builder adds one parameter after another, under the names that a PyTorch state dict has and in
// PyTorch's shapes and order (a convolution is [out, in / groups, kh, kw]). parameters_allocate
// then lays all of them out in one buffer, those that are trained first, with a gradient buffer of
// the same layout beside it: the optimiser, the gradient's norm and a checkpoint are loops over
// floats.
//
// A network that only detects needs its large weights once, to pack them in its kernels' layouts.
// So they can stay in the model file, which is mapped (parameter_map), and take no memory
// afterwards.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/file_view.h"

struct nn;

enum parameter_kind {
    PARAMETER_WEIGHT,      // of a convolution or a linear layer
    PARAMETER_BIAS,        // of the same
    PARAMETER_NORM_WEIGHT, // of a group norm
    PARAMETER_NORM_BIAS,
    PARAMETER_FROZEN_NORM_WEIGHT, // of a frozen batch norm, which is never trained
    PARAMETER_FROZEN_NORM_BIAS,
    PARAMETER_NORM_MEAN,
    PARAMETER_NORM_VARIANCE,
    PARAMETER_GATE_ALPHA,
    PARAMETER_GATE_GAMMA,
    PARAMETER_GATE_BETA,
};

// How fresh values are drawn.
enum initial_kind {
    INITIAL_CONSTANT, // scale everywhere
    INITIAL_NORMAL,   // mean 0, deviation scale
    INITIAL_UNIFORM,  // from -scale to scale
};

struct initial {
    enum initial_kind kind;
    double scale;
};

// Kaiming's rules: deviations that keep the magnitude of activations (fan in: what one result
// reads) or of gradients (fan out).
struct initial initial_constant(double value);
struct initial initial_normal(double deviation);
struct initial initial_uniform_fan_in(int64_t fan_in);  // +-sqrt(3 / fan_in)
struct initial initial_normal_fan_out(int64_t fan_out); // deviation sqrt(2 / fan_out)

enum { PARAMETER_MAX_DIMS = 4 };

struct parameter {
    const struct parameters *owner;
    const char *name;
    enum parameter_kind kind;
    int num_dims;
    int64_t shape[PARAMETER_MAX_DIMS];
    int64_t count; // product of shape
    struct initial initial;
    bool trainable;
    bool is_packed; // the layer reads it only to make copies of its own
    bool is_mapped; // data lies in the owner's file and cannot be written to
    float *data;    // in C order of shape; NULL until parameters_allocate
    float *grad;    // accumulates; NULL if not trainable, or without gradients
    float *host;    // data where the program has it: the same, unless moved to a device
};

struct parameters {
    struct arena *arena;
    struct parameter **items;
    int64_t count;
    int64_t capacity;
    bool out_of_memory; // sticky: parameters_allocate reports it
    float *data;        // all values that are not mapped
    float *grad;        // of the trainable ones, the first num_trainable floats of data
    int64_t num_floats; // in data; parameters begin at multiples of 16
    int64_t num_trainable_floats;
    const struct file_view *file; // that mapped values lie in
    const char *file_path;
    struct nn *nn; // that they were moved to; NULL: they are in the arena
    float *host;   // the program's copy of data, if moved
    float *copy;   // the program's of what parameters_read_array was asked for; NULL: nothing yet
    uint64_t version;        // changes whenever values may have changed: what was derived is stale
    uint64_t frozen_version; // the same of those that are not trained
    // Stands in when memory is exhausted, so that builders need no checks of their own.
    struct parameter spare;
};

// arena is borrowed and owns everything.
void parameters_init(struct parameters *parameters, struct arena *arena);

// Adds a parameter, trainable unless it belongs to a frozen batch norm; returns it, never NULL. Its
// name is formatted from the last arguments.
struct parameter *parameter_add(struct parameters *parameters, enum parameter_kind kind,
                                int num_dims, const int64_t *shape, struct initial initial,
                                const char *format, ...) PRINTF_LIKE(6, 7);

// Before parameters_allocate: the values stay where they are, at data in file, which must live as
// long as the parameters and at the same place; path, for messages, too.
void parameter_map(struct parameters *parameters, struct parameter *parameter,
                   const struct file_view *file, const char *path, const float *data);

// To be called before mapped values are read, long after the file was opened: STATUS_DATA if it was
// changed since. (Who cuts it off while it is read ends the program; base/file_view.h.)
MUST_CHECK enum status parameter_check(const struct parameter *parameter, struct error *err);

// The values are not needed for now: mapped ones stop counting as memory of this process.
void parameter_drop(const struct parameter *parameter);

// Lays out and allocates the values (zeros) and, with gradients, their gradients (zeros).
MUST_CHECK enum status parameters_allocate(struct parameters *parameters, bool with_gradients,
                                           struct error *err);

// Moves values and gradients to nn's device: data and grad are addresses there, which the program
// cannot use, and live as long as nn; nothing is mapped any longer. On the CPU they are where they
// should be. After an error they cannot be used.
MUST_CHECK enum status parameters_move(struct parameters *parameters, struct nn *nn,
                                       struct error *err);

// Zeros beside the gradients and laid out like them: what a solver keeps.
MUST_CHECK enum status parameters_allocate_state(struct parameters *parameters, float **state,
                                                 struct error *err);

// Brings the values to every parameter's host, for the program to read, and takes over what the
// program wrote there. Both wait, and do nothing where the program's values are those of the
// operations.
MUST_CHECK enum status parameters_read(const struct parameters *parameters, struct error *err);
MUST_CHECK enum status parameters_write(struct parameters *parameters, struct error *err);

// The same for the gradients, or a state: *values is where the program has the array until it asks
// for another one. The gradient of p is at parameter_offset(p). Only the first of the two waits:
// leave *values alone until nn_wait.
MUST_CHECK enum status parameters_read_array(struct parameters *parameters, const float *array,
                                             float **values, struct error *err);
MUST_CHECK enum status parameters_write_array(struct parameters *parameters, float *array,
                                              struct error *err);

// Of a trainable parameter: where its values are in all arrays.
int64_t parameter_offset(const struct parameter *parameter);

// Every parameter from its struct initial. A parameter's values follow from the seed and its name
// alone.
void parameters_initialise(struct parameters *parameters, uint64_t seed);

void parameters_clear_gradients(struct parameters *parameters);

// To be called after values were written, unless by parameters_write.
void parameters_changed(struct parameters *parameters);

// To be called after a solver's step, which leaves alone what is not trained.
void parameters_trained(struct parameters *parameters);

// The version of the values of one.
static inline uint64_t parameter_version(const struct parameter *parameter) {
    const struct parameters *owner = parameter->owner;
    return parameter->trainable ? owner->version : owner->frozen_version;
}

// Whether it belongs to a frozen batch norm.
bool parameter_is_frozen_norm(const struct parameter *parameter);

// NULL if there is none of that name.
struct parameter *parameters_find(const struct parameters *parameters, const char *name);
