#include "nn/nn.h"

#include <omp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "base/workers.h"
#include "nn/cuda/backend.h"
#include "nn/cuda/module.h"
#include "nn/device.h"
#include "nn/onednn.h"

enum { RECORD_BLOCK_BYTES = 1 << 20, GUARD_FLOATS = 16 };
static const int64_t HUGE_PAGE_BYTES = 2 << 20;
static const int64_t PLAN_BYTES = (int64_t)1 << 42;
static const uint32_t GUARD_WORD = 0x7FC0DEAD; // a NaN that no computation makes

const char *const NN_PRECISION_NAMES[] = {"float32", "bfloat16", "bf16", "tf32",
                                          "float16", "fp16",     NULL};

static enum nn_precision without_alias(enum nn_precision precision) {
    if (precision == NN_FP16_ALIAS) return NN_FP16;
    return precision == NN_BF16_ALIAS ? NN_BF16 : precision;
}

bool nn_precision_named(const char *name, enum nn_precision *precision) {
    for (int i = 0; NN_PRECISION_NAMES[i]; i++) {
        if (strcmp(NN_PRECISION_NAMES[i], name) != 0) continue;
        *precision = without_alias((enum nn_precision)i);
        return true;
    }
    return false;
}

static enum status check_precision(const struct nn_options *options, struct error *err) {
    enum nn_precision precision = without_alias(options->precision);
    if (precision == NN_FLOAT32 || options->device != NN_CPU) return STATUS_OK;
    if (precision != NN_BF16)
        return error_set(err, STATUS_UNSUPPORTED,
                         "precision %s: only the device cuda computes in it; use float32",
                         NN_PRECISION_NAMES[precision]);
    if (onednn_has_bf16()) return STATUS_OK;
    return error_set(err, STATUS_UNSUPPORTED,
                     "precision bfloat16: this processor has no instructions for it, expected "
                     "avx512_bf16 or amx_bf16; use float32");
}

static enum status check_tuning(const struct nn_options *options, struct error *err) {
    if (!options->tune || options->device != NN_CPU) return STATUS_OK;
    return error_set(err, STATUS_UNSUPPORTED,
                     "tune: only the device cuda has engines to choose from");
}

static enum number_type activations_of(const struct nn *nn) {
    if (nn->device == NN_CPU) return NUMBER_FLOAT32;
    if (nn->precision == NN_BF16) return NUMBER_BF16;
    return nn->precision == NN_FP16 ? NUMBER_FP16 : NUMBER_FLOAT32;
}

static enum status map_memory(struct nn *nn, int64_t bytes, struct error *err) {
    if (nn->device == NN_CUDA) return cuda_map_memory(nn, bytes, err);
    if (bytes == 0) bytes = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
    bytes = (bytes + HUGE_PAGE_BYTES - 1) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
    // Only addresses are reserved; a page costs memory from its first use on.
    // Those of the plan device can never be used.
    int protection = nn->device == NN_PLAN ? PROT_NONE : PROT_READ | PROT_WRITE;
    void *memory =
        mmap(NULL, (size_t)bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return error_memory(err, "step memory", bytes);
    madvise(memory, (size_t)bytes, MADV_HUGEPAGE); // a wish: without it all works, slower
    nn->memory = memory;
    return heap_create(&nn->heap, bytes, err);
}

enum status nn_create(struct nn **result, const struct nn_options *options, struct error *err) {
    *result = NULL;
    TRY(check_precision(options, err));
    TRY(check_tuning(options, err));
    struct nn *nn = calloc(1, sizeof *nn);
    if (!nn) return error_memory(err, "a network's context", sizeof *nn);
    nn->device = options->device;
    nn->tune = options->tune;
    nn->precision = without_alias(options->precision);
    nn->activations = activations_of(nn);
    nn->guarded = options->guarded;
    nn->direct_convolution = options->direct_convolution;
    nn->no_graphs = options->no_graphs;
    nn->num_threads = options->num_threads ? options->num_threads : workers_available();
    arena_init(&nn->records, RECORD_BLOCK_BYTES, 0);
    arena_init(&nn->model, RECORD_BLOCK_BYTES, 0);
    bool plans = nn->device == NN_PLAN;
    enum status status = STATUS_OK;
    if (nn->device == NN_CUDA)
        status = cuda_open(nn, options->cuda_module, options->device_number, err);
    if (status == STATUS_OK)
        status = map_memory(nn, plans ? PLAN_BYTES : options->memory_bytes, err);
    if (status == STATUS_OK && nn->device == NN_CPU) status = onednn_create(&nn->onednn, err);
    // With the spare call, the first block stays for good, so that steps do not allocate.
    nn->spare = arena_alloc(&nn->records, CALL_MAX_BYTES, 1);
    if (status == STATUS_OK && !nn->spare)
        status = error_memory(err, "records of operations", RECORD_BLOCK_BYTES);
    if (status != STATUS_OK) {
        nn_destroy(nn);
        return status;
    }
    nn->start = arena_mark(&nn->records);
    nn_begin(nn, NN_INFERENCE);
    *result = nn;
    return STATUS_OK;
}

void nn_destroy(struct nn *nn) {
    if (!nn) return;
    onednn_destroy(nn->onednn);
    cuda_close(nn);
    if (nn->memory) munmap(nn->memory, (size_t)nn->heap.capacity);
    heap_destroy(&nn->heap);
    arena_destroy(&nn->records);
    arena_destroy(&nn->model);
    free(nn);
}

void nn_wait(struct nn *nn) {
    if (nn->device == NN_CUDA) cuda_wait_for_all(nn);
}

void nn_begin(struct nn *nn, enum nn_mode mode) {
    nn_check_guards(nn);
    if (nn->device == NN_CPU) omp_set_num_threads(nn->num_threads);
    nn->mode = mode;
    nn->tape = NULL;
    nn->failure = (struct error){0};
    if (nn->device == NN_CUDA) cuda_enter(nn);
    nn_wait(nn);
    if (nn->cuda) staging_reset(&nn->cuda->staging);
    arena_release(&nn->records, nn->start);
    heap_reset(&nn->heap);
    if (mode == NN_TRAINING && nn->precision == NN_BF16 && nn->device == NN_CPU)
        nn_fail(nn, STATUS_UNSUPPORTED, "precision bfloat16: training computes in float32 only");
}

enum status nn_status(struct nn *nn, struct error *err) {
    nn_wait(nn);
    if (nn->failure.code == STATUS_OK) return STATUS_OK;
    return error_set(err, nn->failure.code, "%s", nn->failure.message);
}

bool nn_failed(const struct nn *nn) {
    return nn->failure.code != STATUS_OK;
}

void nn_fail(struct nn *nn, enum status code, const char *format, ...) {
    if (nn_failed(nn)) return;
    char message[ERROR_MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    error_set(&nn->failure, code, "%s", message);
}

// ---- Memory ----

static float *allocate(struct nn *nn, int64_t bytes) {
    const int64_t float_bytes = (int64_t)sizeof(float);
    if (nn_failed(nn)) return NULL;
    bytes = (bytes + float_bytes - 1) / float_bytes * float_bytes;
    int64_t guard = nn->guarded ? GUARD_FLOATS * float_bytes : 0;
    int64_t offset = heap_alloc(&nn->heap, bytes + guard);
    if (offset < 0) {
        nn_fail(nn, STATUS_MEMORY, "step memory: no room for %lld bytes beside %lld in use",
                (long long)bytes, (long long)nn->heap.used_bytes);
        return NULL;
    }
    const struct heap_span *span = heap_span_at(&nn->heap, offset);
    if (nn->device == NN_CUDA && !cuda_reach(nn, span->offset + span->bytes)) {
        heap_free(&nn->heap, offset);
        return NULL;
    }
    float *data = (float *)(void *)(nn->memory + offset);
    if (!nn->guarded || nn->device == NN_PLAN) return data;
    // Stale numbers must not look like results, so all of a guarded buffer starts as that NaN.
    nn_wait(nn);
    uint32_t *words = (uint32_t *)(void *)data;
    int64_t num_words = span->bytes / (int64_t)sizeof *words;
    for (int64_t i = 0; i < num_words; i++)
        words[i] = GUARD_WORD;
    return data;
}

static void check_guard(const struct nn *nn, const struct heap_span *span) {
    // From the buffer's last float to the end of the span, what alignment added included.
    const uint32_t *words = (const uint32_t *)(const void *)(nn->memory + span->offset);
    int64_t end = span->bytes / (int64_t)sizeof *words;
    for (int64_t i = span->asked / (int64_t)sizeof *words - GUARD_FLOATS; i < end; i++)
        CHECK(words[i] == GUARD_WORD);
}

void nn_check_guards(struct nn *nn) {
    if (!nn->guarded || nn->device == NN_PLAN || !nn->memory) return;
    nn_wait(nn);
    for (int64_t i = 0; i < nn->heap.num_spans; i++)
        if (nn->heap.spans[i].used) check_guard(nn, &nn->heap.spans[i]);
}

static void give_back(struct nn *nn, void *data) {
    if (!data) return;
    int64_t offset = (char *)data - nn->memory;
    if (nn->guarded && nn->device != NN_PLAN) {
        nn_wait(nn);
        check_guard(nn, heap_span_at(&nn->heap, offset));
    }
    heap_free(&nn->heap, offset);
}

float *nn_scratch(struct nn *nn, int64_t num_floats) {
    return allocate(nn, num_floats * (int64_t)sizeof(float));
}

void nn_scratch_free(struct nn *nn, void *scratch) {
    give_back(nn, scratch);
}

// Without data.
static struct tensor *describe(struct nn *nn, struct tensor shape) {
    struct tensor *t = arena_alloc_zero(&nn->records, 1, sizeof *t);
    if (!t) {
        nn_fail(nn, STATUS_MEMORY, "records of operations: out of memory");
        struct tensor *nothing = &nn->nothing[nn->num_nothing++ % NUM_NOTHING];
        *nothing = shape;
        return nothing;
    }
    *t = shape;
    return t;
}

struct tensor *nn_tensor_of(struct nn *nn, enum number_type type, int64_t n, int64_t h, int64_t w,
                            int64_t c) {
    CHECK(n >= 0 && h >= 0 && w >= 0 && c >= 0);
    struct tensor *t = describe(nn, (struct tensor){.type = type, .n = n, .h = h, .w = w, .c = c});
    t->data = allocate(nn, tensor_bytes(t));
    return t;
}

struct tensor *nn_tensor(struct nn *nn, int64_t n, int64_t h, int64_t w, int64_t c) {
    return nn_tensor_of(nn, NUMBER_FLOAT32, n, h, w, c);
}

float *nn_own_memory(struct nn *nn, int64_t num_floats) {
    if (nn->device == NN_CUDA) return staging_alloc(nn, num_floats * (int64_t)sizeof(float));
    return allocate(nn, num_floats * (int64_t)sizeof(float));
}

struct tensor *nn_result(struct nn *nn) {
    struct tensor *t = describe(nn, (struct tensor){.n = 1, .h = 1, .w = 1, .c = 1});
    t->data = nn_own_memory(nn, 1);
    return t;
}

const void *nn_read(struct nn *nn, const void *values, int64_t bytes) {
    if (nn->device != NN_CUDA) return values;
    void *copy = staging_alloc(nn, bytes);
    if (copy) cuda_transfer(nn, copy, values, bytes);
    return copy;
}

float *nn_place(struct nn *nn, struct tensor *t) {
    CHECK(t->type == NUMBER_FLOAT32);
    return nn->device == NN_CUDA ? nn_own_memory(nn, tensor_count(t)) : t->data;
}

void nn_put(struct nn *nn, struct tensor *t, const float *values) {
    if (nn->device == NN_CUDA && !nn_failed(nn))
        cuda_transfer(nn, t->data, values, tensor_bytes(t));
}

static void release_data(struct nn *nn, struct tensor *t) {
    give_back(nn, t->data);
    give_back(nn, t->embedding);
    give_back(nn, t->pull);
    t->data = NULL;
    t->embedding = NULL;
    t->pull = NULL;
}

void nn_release(struct nn *nn, struct tensor *t) {
    if (!t->saved) release_data(nn, t);
}

// ---- Calls ----

void *nn_call(struct nn *nn, enum op op, int64_t call_bytes) {
    CHECK(call_bytes >= (int64_t)sizeof(struct call) && call_bytes <= CALL_MAX_BYTES);
    struct call *call = arena_alloc_zero(&nn->records, 1, (size_t)call_bytes);
    if (!call) {
        nn_fail(nn, STATUS_MEMORY, "records of operations: out of memory");
        // Nothing runs after a failure, so all further calls can share one place.
        call = memset(nn->spare, 0, CALL_MAX_BYTES);
    }
    call->op = op;
    return call;
}

void call_add_input(struct call *call, struct tensor *input) {
    if (!input) return;
    CHECK(call->num_inputs < CALL_MAX_INPUTS);
    call->inputs[call->num_inputs++] = input;
}

static void record(struct nn *nn, struct call *call) {
    if (!call->out || !device_has_backward(call->op)) return;
    bool wanted = call->trains;
    for (int i = 0; i < call->num_inputs; i++)
        wanted = wanted || call->inputs[i]->wants_grad;
    call->out->wants_grad = wanted;
    if (!wanted) return;
    call->out->saved = true;
    for (int i = 0; i < call->num_inputs; i++)
        call->inputs[i]->saved = true;
    call->before = nn->tape;
    nn->tape = call;
}

void nn_run(struct nn *nn, struct call *call) {
    if (call->out) call->out->producer = call;
    if (nn->observer) nn->observer(nn->observer_context, call);
    if (nn->mode == NN_TRAINING && !nn_failed(nn)) record(nn, call);
    if (!nn_failed(nn)) device_forward(nn, call);
    nn_check_guards(nn);
}

void nn_mark(struct nn *nn, const struct parameter *first) {
    if (nn->mode != NN_TRAINING || nn_failed(nn)) return;
    struct call *call = nn_call(nn, NUM_OPS, (int64_t)sizeof *call);
    call->mark = first;
    call->before = nn->tape;
    nn->tape = call;
}

float *nn_grad(struct nn *nn, struct tensor *input, bool *add) {
    *add = input->grad != NULL;
    if (!input->wants_grad) return NULL;
    if (!input->grad) input->grad = allocate(nn, tensor_bytes(input));
    return input->grad;
}

void nn_move_grad(struct tensor *from, struct tensor *input) {
    CHECK(!input->grad && tensor_same_shape(from, input) && from->type == input->type);
    input->grad = from->grad;
    from->grad = NULL;
}

void nn_backward(struct nn *nn) {
    for (struct call *call = nn->tape; call && !nn_failed(nn); call = call->before) {
        struct tensor *out = call->out;
        if (call->mark) {
            if (nn->gradient_observer) nn->gradient_observer(nn->gradient_context, call->mark);
            continue;
        }
        bool reached = out->grad || call->is_loss;
        if (reached && nn->backward_observer) nn->backward_observer(nn->observer_context, call);
        if (reached) device_backward(nn, call);
        give_back(nn, out->grad);
        out->grad = NULL;
        if (!call->is_loss) release_data(nn, out);
        nn_check_guards(nn);
    }
    nn->tape = NULL;
}
