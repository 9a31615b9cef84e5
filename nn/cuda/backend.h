// What the program and its CUDA module know of each other.
//
// The module is a shared object of its own, opened when a context on such a device is created, so
// that one program runs on machines with CUDA and without. It has one function,
// gctmask_cuda_backend, which returns the table below. What its kernels need of the program (step
// memory, gradients) comes as a table, too, so that neither has to export anything else.
#pragma once

#include "nn/cuda/facts.h"
#include "nn/cuda/staging.h"
#include "nn/nn.h"

#define CUDA_BACKEND_FUNCTION "gctmask_cuda_backend"

typedef void cuda_kernel(struct nn *nn, struct call *call);

struct cuda_services {
    float *(*scratch)(struct nn *nn, int64_t num_floats);
    void (*scratch_free)(struct nn *nn, void *scratch);
    float *(*own_memory)(struct nn *nn, int64_t num_floats);
    float *(*grad)(struct nn *nn, struct tensor *input, bool *add);
    void (*fail)(struct nn *nn, enum status code, const char *message);
    float *(*keep)(struct nn *nn, int64_t num_floats);
};

struct cuda_device; // an open device and its stream
struct side_stream;

enum { CUDA_PLACE_BYTES = 32 };

struct cuda_backend {
    int64_t layout; // cuda_backend_layout() where it was compiled
    struct cuda_kernels {
        cuda_kernel *forward;
        cuda_kernel *backward; // NULL where nothing flows back
    } kernels[NUM_OPS];
    // no_graphs: see struct nn_options.
    enum status (*open)(struct cuda_device **device, int number, bool no_graphs, struct error *err);
    void (*close)(struct cuda_device *device); // NULL is fine
    // Makes it the one that the calling thread's calls are for.
    enum status (*enter)(struct cuda_device *device, struct error *err);
    int64_t (*total_bytes)(const struct cuda_device *device); // of its memory
    // Once for each device: addresses for step memory, and memory for those before end.
    enum status (*reserve)(struct cuda_device *device, int64_t bytes, void **begin,
                           struct error *err);
    enum status (*grow)(struct cuda_device *device, int64_t end, int64_t *usable,
                        struct error *err);
    // The device's memory, which the program cannot use.
    enum status (*allocate)(struct cuda_device *device, int64_t bytes, void **memory,
                            struct error *err);
    // Managed memory, which the program can use, too, while the device does not.
    enum status (*allocate_shared)(struct cuda_device *device, int64_t bytes, void **memory,
                                   struct error *err);
    // The program's memory, which the device reaches where it is.
    enum status (*allocate_pinned)(struct cuda_device *device, int64_t bytes, void **memory,
                                   struct error *err);
    void (*release)(struct cuda_device *device, void *memory);
    void (*release_pinned)(struct cuda_device *device, void *memory);
    // Zeros, and a copy to or from where the device reaches; neither is waited for.
    enum status (*clear)(struct cuda_device *device, void *memory, int64_t bytes,
                         struct error *err);
    enum status (*copy)(struct cuda_device *device, void *to, const void *from, int64_t bytes,
                        struct error *err);
    // The failure of what was launched, as far as it is known already.
    enum status (*check_launches)(struct error *err);
    // Until all that was launched has ended; its failure, if there was one.
    enum status (*synchronise)(struct cuda_device *device, struct error *err);
    // Where on its machine the device is: of two contexts, the same text if they share one.
    enum status (*place)(const struct cuda_device *device, char place[CUDA_PLACE_BYTES],
                         struct error *err);
    // A second stream beside that of the kernels. None of these waits.
    struct cuda_side {
        enum status (*open)(struct side_stream **side, struct nn *nn, struct error *err);
        void (*close)(struct side_stream *side); // NULL is fine; after an error of open, too
        void *(*handle)(const struct side_stream *side); // its cudaStream_t
        // What the stream gets from here on comes after all kernels that were launched so far.
        enum status (*follow)(struct side_stream *side, struct error *err);
        // Kernels that are launched from here on come after all that the stream has got so far.
        enum status (*lead)(struct side_stream *side, struct error *err);
        // Whether all that is done which the last lead was about.
        enum status (*is_done)(struct side_stream *side, bool *done, struct error *err);
    } side;
    // What there is, for people (nn/cuda/facts.h); opens nothing.
    enum status (*describe)(struct cuda_facts *facts, struct error *err);
};

struct cuda_block {
    void *memory;
    int64_t bytes;
    bool is_pinned;
    struct cuda_block *next;
};

// A context's part of the device.
struct cuda {
    const struct cuda_backend *backend;
    const struct cuda_services *services;
    struct cuda_device *device;
    bool busy;            // something was launched since the last wait
    int64_t usable_bytes; // of step memory, so far
    struct staging staging;
    struct cuda_kept {
        char *memory; // the rest of the last block for what kernels keep
        int64_t bytes;
    } kept;
    struct cuda_block *blocks; // what was allocated, to be released in the end
};

typedef const struct cuda_backend *cuda_backend_function(void);

// Differs between a program and a module that do not belong together.
static inline int64_t cuda_backend_layout(void) {
    size_t tables = sizeof(struct cuda) + sizeof(struct cuda_backend) +
                    sizeof(struct cuda_services) + sizeof(struct cuda_facts);
    return (int64_t)(sizeof(struct nn) * 1000000 + sizeof(struct call) * 1000 + tables);
}
