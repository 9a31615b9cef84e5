// What the CUDA kernels of an operation cost: how much they read and write, how much they compute,
// and the least time that both can take. Nothing is run: the counts follow from shapes, so they
// hold for a network on the plan device (nn/nn.h) as well.
//
//     struct cost_sheet sheet = {0};
//     nn->observer = cost_forward;            // or call them from an observer of one's own
//     nn->backward_observer = cost_backward;
//     nn->observer_context = &sheet;
//
// nn/OP/OP_cost.c lies beside nn/OP/OP.cu and has a line for each of its launches. What a launch
// moves is each value that it touches once: what threads read again comes from the caches. Numbers
// of which there are a few for each image are left out, and so is what copies between the program's
// memory and the device's move. tests/cuda/test_cost.c compares the counts with what the emulator
// sees.
#pragma once

#include "nn/nn.h"

// Which processors' times a launch counts for.
enum cost_scope { COST_ALL, COST_FLOAT32, COST_TF32, COST_16_BITS };

// A graphics processor and the arithmetic of its products.
struct cost_processor {
    const char *name;
    enum cost_scope precision;  // of its products
    double bytes_per_second;    // four fifths of the data sheet's, which is what copies reach
    double products_per_second; // floating-point operations of convolutions and layers
    double others_per_second;   // of all else
};

enum { COST_NUM_PROCESSORS = 6, COST_MAX_ROWS = 160, COST_MAX_MEASURED = 128 };
extern const struct cost_processor COST_PROCESSORS[COST_NUM_PROCESSORS];

// All launches of one kernel by one operation. launches, bytes and operations are those in float32.
struct cost_row {
    enum op op;
    bool backward;
    const char *kernel; // what it does, for people
    bool for_gates;     // without gates it would not be launched
    int64_t launches;
    double bytes;
    double operations;
    double seconds[COST_NUM_PROCESSORS]; // sum over launches of the longer: moving or computing
};

struct cost_sheet {
    struct cost_row rows[COST_MAX_ROWS];
    int num_rows;
    // Of the call that is being counted.
    enum op op;
    bool backward;
    enum number_type type; // of its activations
    enum cost_scope scope;
    // Products are kernels of our own, as under the emulator, and otherwise cuDNN's.
    bool own_products;
    bool tuned;         // cuDNN's may be compiled, with tensor cores, to do more than multiply
    bool keeps_weights; // inference, once weights are packed
    // Tensors whose sums a gate has taken; other gates that read them have them from there.
    const struct tensor *measured[COST_MAX_MEASURED];
    int num_measured;
    // Tensors for whose gradient something waits (struct tensor, pull).
    const struct tensor *deferred[COST_MAX_MEASURED];
    int num_deferred;
};

// Adds what call costs; context is a struct cost_sheet. Backward, call is as it is before its
// backward pass runs.
void cost_forward(void *context, const struct call *call);
void cost_backward(void *context, const struct call *call);

// To be called before a step: the tensors of the last one are gone.
void cost_begin_step(struct cost_sheet *sheet);

// All rows of an operation (NUM_OPS: of all) added up; with only_gates, those for gates.
struct cost_row cost_sum(const struct cost_sheet *sheet, enum op op, bool only_gates);
