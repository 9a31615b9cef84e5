// The context that everything of a network runs in: a device, step memory, the tape.
//
//     nn_begin(nn, NN_TRAINING);
//     struct tensor *x = nn_tensor(nn, n, h, w, c);       // filled by the caller
//     struct tensor *y = conv_forward(nn, &layer, x, NULL, true);
//     struct tensor *loss = softmax_loss_forward(nn, y, labels, 1.0f / rows);
//     nn_backward(nn);                                    // gradients are in the parameters
//     TRY(nn_status(nn, err));
//
// An operation is a typed function (nn/conv/conv.h and its neighbours): it checks shapes, takes its
// result from step memory, describes itself in a struct call and has the device run that. In
// training the call goes on the tape; backward walks the tape from its end and runs the same calls'
// backward.
//
// Errors are sticky. What the world does (memory that is not there, a library that fails) stops the
// work: operations then do nothing but return tensors of the right shape, and nn_status tells once.
//
// The gradient contract, for all operations and devices: a gradient that reaches a tensor first is
// written, a later one is added (nn_grad says which); gradients of parameters always accumulate.
//
// Results do not depend on the other images of a batch, nor on what ran before.
//
// A layer with parameters keeps what the device made of its weights (packed copies; in training
// only the books about them) from step to step, in memory of the nn that ran it first. So a model
// belongs to one nn for its life: it must not run in another one, nor once that nn is destroyed.
//
// Not thread-safe: one thread at a time uses a context. Kernels use as many threads as asked for.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "nn/heap.h"
#include "nn/tensor.h"

struct cuda;
struct onednn;
struct parameter;

enum op {
#define OP(name)      OP_##name,
#define FORWARD(name) OP_##name,
#include "nn/ops.def"
#undef OP
#undef FORWARD
    NUM_OPS,
};

enum nn_device {
    NN_CPU,
    NN_PLAN, // computes nothing: shapes, operation counts and memory only
    NN_CUDA, // a graphics processor, by the module gctmask-cuda.so (nn/cuda/README.md)
};

// What the operands of products are: weights and activations of convolutions, transposed ones and
// linear layers. Sums, and everything else, are float32. On the CPU operands are rounded as they
// are multiplied (nn/bf16.h); on NN_CUDA activations lie in memory in 16 bits (nn/tensor.h) and
// parameters, whose packed copies are rounded, do not.
enum nn_precision {
    NN_FLOAT32,
    NN_BF16,       // half the bytes and twice the rate; on the CPU inference only
    NN_BF16_ALIAS, // NN_BF16 by its second name; a context has the first
    NN_TF32,       // NN_CUDA only: kept in float32, multiplied with 10 bits behind the point
    NN_FP16,       // NN_CUDA only; gradients want a loss scale (train/loss_scale.h)
    NN_FP16_ALIAS, // NN_FP16 by its second name
};
extern const char *const NN_PRECISION_NAMES[]; // as people write them; NULL at the end
// False if it is no such name.
bool nn_precision_named(const char *name, enum nn_precision *precision);

enum nn_mode {
    NN_INFERENCE, // nn_release gives memory back at once
    NN_TRAINING,  // calls are recorded and what backward needs is kept
};

enum { CALL_MAX_INPUTS = 8, CALL_MAX_BYTES = 512, NUM_NOTHING = 512 };

// One use of an operation. Each operation has a struct of its own that begins with this one.
struct call {
    enum op op;
    const char *label;                      // of the layer, for people; may be NULL
    struct tensor *inputs[CALL_MAX_INPUTS]; // those that a gradient may flow to
    int num_inputs;
    struct tensor *out;           // NULL where the result is not a tensor
    bool trains;                  // has trainable parameters of its own
    bool is_loss;                 // the backward pass starts here, with the gradient 1
    const struct parameter *mark; // not a call but a mark (nn_mark)
    double multiply_adds;
    struct call *before; // the previous call on the tape
};

typedef void call_observer(void *context, const struct call *call);

struct nn {
    enum nn_device device;
    enum nn_precision precision;
    enum number_type activations; // the type of results of convolutions and linear layers
    enum nn_mode mode;
    int num_threads;
    char *memory; // the region that heap describes; on the plan device, addresses only
    struct heap heap;
    struct arena records;    // tensors and calls of this step
    struct arena_mark start; // of records
    struct arena model;      // what kernels keep between steps: packed weights
    struct call *tape;       // the last recorded call
    struct error failure;    // code is STATUS_OK until something fails
    bool direct_convolution; // see struct nn_options
    bool tune;               // see struct nn_options
    bool no_graphs;          // see struct nn_options
    bool guarded;            // see struct nn_options
    struct onednn *onednn;   // NULL unless the device is the CPU
    struct cuda *cuda;       // NULL unless it is NN_CUDA
    call_observer *observer; // told of every call; may be NULL
    void *observer_context;
    // Told of every call before its backward pass; may be NULL.
    call_observer *backward_observer;
    // Told, during nn_backward, that the gradients of first and of all trained parameters laid out
    // behind it are complete; may be NULL.
    void (*gradient_observer)(void *context, const struct parameter *first);
    void *gradient_context;
    // What nn_tensor returns when even records are out of memory: one after the other, so that the
    // shapes of all that a network still refers to stay right.
    struct tensor nothing[NUM_NOTHING];
    int64_t num_nothing; // given out so far
    struct call *spare;  // the same for nn_call: one, as nothing runs any more
};

struct nn_options {
    enum nn_device device;
    enum nn_precision precision;
    int num_threads;         // 0: one for each processor that this process may use
    int64_t memory_bytes;    // step memory at most; 0: all of the machine's
    bool direct_convolution; // no Winograd: slower, with the rounding errors of plain sums
    // NN_CUDA only: of cuDNN's engines the one that was measured to be the fastest, instead of the
    // first that is proposed. A product that is new takes a moment, one whose kernel cuDNN compiles
    // seconds; so it is for many images of few sizes. Engines round differently, and the choice may
    // be another one next time.
    bool tune;
    // For tests: words behind every buffer are checked, each call is waited for, and the program
    // may read and write step memory itself on every device.
    bool guarded;
    bool no_graphs;          // NN_CUDA launches each kernel when it comes (nn/cuda/commands.h)
    int device_number;       // which of several, of NN_CUDA
    const char *cuda_module; // path of NN_CUDA's module; NULL: where nn/cuda/module_path.h says
};

// Sets device and device_number from what people write: "cpu", "cuda" (the first one) or "cuda:N".
MUST_CHECK enum status nn_options_set_device(struct nn_options *options, const char *text,
                                             struct error *err);

// NN_BF16 on a processor without instructions for it is STATUS_UNSUPPORTED, as are NN_TF32, NN_FP16
// and tune on any.
MUST_CHECK enum status nn_create(struct nn **nn, const struct nn_options *options,
                                 struct error *err);
void nn_destroy(struct nn *nn); // NULL is fine

// Waits for the last step and starts one: all tensors of the last are gone, the tape is empty.
// Training with NN_BF16 fails on the CPU.
void nn_begin(struct nn *nn, enum nn_mode mode);

// Until everything so far is computed. A device may compute while the program goes on: call this
// before the program reads a result. On the CPU there is never anything to wait for.
void nn_wait(struct nn *nn);

// Waits, then: STATUS_OK, or what stopped the work since nn_begin.
MUST_CHECK enum status nn_status(struct nn *nn, struct error *err);
bool nn_failed(const struct nn *nn);
// Remembers the first failure.
void nn_fail(struct nn *nn, enum status code, const char *format, ...) PRINTF_LIKE(3, 4);

// A tensor of float32 whose data is not set; never NULL. After a failure it may have no data
// (NULL).
struct tensor *nn_tensor(struct nn *nn, int64_t n, int64_t h, int64_t w, int64_t c);

// The same of another type: for the results of operations, which have nn->activations or their
// input's.
struct tensor *nn_tensor_of(struct nn *nn, enum number_type type, int64_t n, int64_t h, int64_t w,
                            int64_t c);

// One number of float32 that an operation computes for the program, which can read it once it has
// waited. Not to be released.
struct tensor *nn_result(struct nn *nn);

// The forward pass will not use t again. In inference its memory is free for others; a tensor that
// the backward pass needs stays.
void nn_release(struct nn *nn, struct tensor *t);

// Where the program writes the values of t, of float32: to the memory that this returns, NULL after
// a failure, while the device may compute other things; nn_put hands them over to t. (On the CPU it
// is t's.)
float *nn_place(struct nn *nn, struct tensor *t);
void nn_put(struct nn *nn, struct tensor *t, const float *values);

// What the program reads of step memory, which may be a device's alone: bytes at values. It is
// there once nn_wait has been called, so ask for all that is wanted before one wait, and lives
// until the next nn_begin. On the CPU it is values, elsewhere a copy. NULL after a failure.
const void *nn_read(struct nn *nn, const void *values, int64_t bytes);

// Memory for what the program makes itself, and operations may read, or the other way round, until
// the next nn_begin. It can be written to while the device computes. NULL after a failure.
float *nn_own_memory(struct nn *nn, int64_t num_floats);

// Memory within an operation; NULL after a failure. Freed with
// nn_scratch_free (NULL is fine).
float *nn_scratch(struct nn *nn, int64_t num_floats);
void nn_scratch_free(struct nn *nn, void *scratch);

// Runs every recorded call's backward, last first. Losses start with the gradient 1. Tensors and
// gradients are given back as soon as they have served; losses, and gradients of tensors that were
// not computed (a network's inputs), stay until the next nn_begin.
void nn_backward(struct nn *nn);

// Says that calls recorded before this do not use first, nor any parameter laid out behind it. So
// their gradients are complete when nn_backward comes here, and others can go on with them while it
// computes the rest.
void nn_mark(struct nn *nn, const struct parameter *first);

// ---- For the implementations of operations ----

// Zeroed memory of the size of an operation's own call; lives until the next nn_begin.
void *nn_call(struct nn *nn, enum op op, int64_t call_bytes);

void call_add_input(struct call *call, struct tensor *input); // NULL is fine

// Runs call->out's computation; records it in training if a gradient is wanted.
void nn_run(struct nn *nn, struct call *call);

// Where to put the gradient of input; *add says whether to add to what is there or to overwrite
// it. NULL if none is wanted, or after a failure. Its type is the input's.
float *nn_grad(struct nn *nn, struct tensor *input, bool *add);

// Hands the gradient of from, which is of the same shape, to input, that has none yet.
void nn_move_grad(struct tensor *from, struct tensor *input);

const char *op_name(enum op op);

// Ends the program if a word behind a buffer was overwritten; does nothing unless guarded.
void nn_check_guards(struct nn *nn);
