#include "nn/nn.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nn/rows.h"
#include "tests/nn/check_network.h"
#include "tests/nn/check_op.h"

static struct nn *create(const struct nn_options *options) {
    struct nn *nn = NULL;
    struct error err;
    EXPECT_OK(nn_create(&nn, options, &err), &err);
    REQUIRE(nn != NULL);
    return nn;
}

// ---- Failures ----

static void first_failure_stays(void) {
    struct nn *nn = create(&(struct nn_options){.num_threads = 1});
    struct error err;
    EXPECT_OK(nn_status(nn, &err), &err);
    nn_fail(nn, STATUS_DEVICE, "%s number %d", "failure", 1);
    nn_fail(nn, STATUS_MEMORY, "number 2");
    EXPECT(nn_failed(nn));
    EXPECT_STATUS(nn_status(nn, &err), STATUS_DEVICE, &err);
    EXPECT_TEXT(err.message, "failure number 1");
    EXPECT(!nn_scratch(nn, 1));
    nn_scratch_free(nn, NULL);
    nn_begin(nn, NN_INFERENCE);
    EXPECT_OK(nn_status(nn, &err), &err);
    EXPECT(nn_scratch(nn, 1) != NULL);
    nn_destroy(nn);
    nn_destroy(NULL);
}

static void impossible_context(void) {
    struct nn *nn = NULL;
    struct error err = {0};
    struct nn_options options = {.memory_bytes = INT64_C(1) << 60};
    EXPECT_STATUS(nn_create(&nn, &options, &err), STATUS_MEMORY, &err);
    EXPECT(nn == NULL);
    EXPECT_CONTAINS(err.message, "step memory");
}

static void tiny_memory(void) {
    struct nn *nn = create(&(struct nn_options){.num_threads = 2, .memory_bytes = 1});
    struct network network;
    network_create(&network);
    nn_begin(nn, NN_TRAINING);
    struct tensor *x = network_input(nn, 4000); // 26 MiB, and there are 2
    EXPECT(!x->data && x->n == 4000 && x->c == NETWORK_CHANNELS);
    struct error err;
    EXPECT_STATUS(nn_status(nn, &err), STATUS_MEMORY, &err);
    EXPECT_CONTAINS(err.message, "step memory: no room for 27648000 bytes");
    struct tensor *y = network_forward(nn, &network, x);
    EXPECT(y->n == 4000 && y->h == 1 && y->w == 1 && y->c == NETWORK_OUTPUTS && !y->data);
    network_backward(nn, y);
    nn_release(nn, y);
    struct error again;
    EXPECT_STATUS(nn_status(nn, &again), STATUS_MEMORY, &again);
    EXPECT_TEXT(again.message, err.message);
    network_destroy(&network);
    nn_destroy(nn);
}

enum { IMAGES = 11 };

// All that a step computes: the result and every gradient.
struct outcome {
    enum status status;
    float y[IMAGES * NETWORK_OUTPUTS];
    float grads[1 << 15];
};

static void step(struct nn *nn, struct network *network, enum nn_mode mode, struct outcome *o) {
    int64_t num_grads = network->parameters.num_trainable_floats;
    REQUIRE(num_grads <= (int64_t)(sizeof o->grads / sizeof o->grads[0]));
    memset(o, 0, sizeof *o);
    parameters_clear_gradients(&network->parameters);
    struct tensor *y = network_forward(nn, network, network_input(nn, IMAGES));
    EXPECT(y->n == IMAGES && y->c == NETWORK_OUTPUTS);
    if (y->data && !nn_failed(nn)) memcpy(o->y, y->data, sizeof o->y);
    if (mode == NN_TRAINING) network_backward(nn, y);
    memcpy(o->grads, network->parameters.grad, (size_t)num_grads * sizeof(float));
    struct error err;
    o->status = nn_status(nn, &err);
    if (o->status == STATUS_OK) return;
    EXPECT_STATUS(o->status, STATUS_MEMORY, &err);
    EXPECT_CONTAINS(err.message, "memory");
}

static bool same(const struct outcome *a, const struct outcome *b) {
    return a->status == b->status && equal_bits(a->y, b->y, sizeof a->y) &&
           equal_bits(a->grads, b->grads, sizeof a->grads);
}

static struct outcome expected;
static struct outcome got;

// With every amount of step memory: all is as usual or fails plainly, and no failure leaves a trace
// in what the context keeps. The parameters change from step to step, so that stale weights show.
static void any_step_memory_in(enum nn_mode mode) {
    enum { LIMITS = 40 };
    static struct outcome of_seed[2];
    struct nn *nn = create(&(struct nn_options){.num_threads = 2, .guarded = true});
    struct network network;
    network_create(&network);
    for (int seed = 0; seed < 2; seed++) {
        parameters_initialise(&network.parameters, (uint64_t)seed);
        nn_begin(nn, mode);
        step(nn, &network, mode, &of_seed[seed]);
        EXPECT(of_seed[seed].status == STATUS_OK);
    }
    int64_t whole = nn->heap.capacity;
    int64_t peak = nn->heap.peak_bytes;
    int failures = 0;
    for (int i = 0; i <= LIMITS; i++) {
        const struct outcome *right = &of_seed[i % 2];
        parameters_initialise(&network.parameters, (uint64_t)i % 2);
        nn->heap.capacity = peak * i / LIMITS / HEAP_ALIGNMENT * HEAP_ALIGNMENT;
        nn_begin(nn, mode);
        step(nn, &network, mode, &got);
        failures += got.status != STATUS_OK;
        if (got.status == STATUS_OK) EXPECT(same(&got, right));
        nn->heap.capacity = whole;
        nn_begin(nn, mode);
        step(nn, &network, mode, &got);
        EXPECT(same(&got, right));
    }
    EXPECT(failures > LIMITS / 2 && failures <= LIMITS);
    network_destroy(&network);
    nn_destroy(nn);
}

static void any_step_memory(void) {
    any_step_memory_in(NN_INFERENCE);
    any_step_memory_in(NN_TRAINING);
}

// The same for the memory of packed weights. A limit below 0 is none; returns what was needed.
static int64_t run_with_model_memory(int64_t limit, struct outcome *o) {
    struct nn *nn = create(&(struct nn_options){.num_threads = 2});
    arena_init(&nn->model, 1024, limit < 0 ? 0 : limit + 1); // it is still empty
    struct network network;
    network_create(&network);
    nn_begin(nn, NN_TRAINING);
    step(nn, &network, NN_TRAINING, o);
    nn->model.limit_bytes = 0;
    static struct outcome again;
    nn_begin(nn, NN_TRAINING);
    step(nn, &network, NN_TRAINING, &again);
    if (limit >= 0) EXPECT(same(&again, &expected));
    int64_t needed = nn->model.reserved_bytes;
    network_destroy(&network);
    nn_destroy(nn);
    return needed;
}

static void any_model_memory(void) {
    enum { LIMITS = 16 };
    int64_t needed = run_with_model_memory(-1, &expected);
    int failures = 0;
    for (int i = 0; i <= LIMITS; i++) {
        run_with_model_memory(needed * i / LIMITS, &got);
        failures += got.status != STATUS_OK;
        if (got.status == STATUS_OK) EXPECT(same(&got, &expected));
    }
    EXPECT(failures > LIMITS / 2 && failures <= LIMITS);
}

// And for that of tensors and calls: shapes stay right even there.
static void any_record_memory(void) {
    struct nn *nn = create(&(struct nn_options){.num_threads = 2});
    struct network network;
    network_create(&network);
    nn_begin(nn, NN_TRAINING);
    step(nn, &network, NN_TRAINING, &expected);
    nn_begin(nn, NN_TRAINING);
    nn->records.limit_bytes = nn->records.reserved_bytes;
    int64_t room = 0;
    while (arena_alloc(&nn->records, 64, 1))
        room++;
    int failures = 0;
    for (int64_t left = 0; left < 120; left++) {
        nn_begin(nn, NN_TRAINING);
        REQUIRE(arena_alloc(&nn->records, 64, 1));
        for (int64_t i = 1; i < room - left; i++)
            arena_alloc(&nn->records, 64, 1);
        step(nn, &network, NN_TRAINING, &got);
        failures += got.status != STATUS_OK;
        if (got.status == STATUS_OK) EXPECT(same(&got, &expected));
    }
    EXPECT(failures > 10 && failures < 120);
    nn_begin(nn, NN_TRAINING);
    while (arena_alloc(&nn->records, 64, 1))
        continue;
    const struct tensor *wide = nn_tensor(nn, 1, 2, 3, 64);
    const struct tensor *narrow = nn_tensor(nn, 5, 6, 7, 8);
    EXPECT(wide->n == 1 && wide->h == 2 && wide->w == 3 && wide->c == 64);
    EXPECT(narrow->n == 5 && narrow->h == 6 && narrow->w == 7 && narrow->c == 8);
    network_destroy(&network);
    nn_destroy(nn);
}

// ---- The plan device ----

static void sum_operations(void *context, const struct call *call) {
    *(double *)context += call->multiply_adds;
}

static void plan(void) {
    double counted[2] = {0};
    int64_t peaks[2];
    for (int device = 0; device < 2; device++) {
        struct nn *nn = create(&(struct nn_options){.device = device ? NN_PLAN : NN_CPU});
        struct network network;
        network_create(&network);
        nn->observer = sum_operations;
        nn->observer_context = &counted[device];
        for (int mode = NN_INFERENCE; mode <= NN_TRAINING; mode++) {
            nn_begin(nn, (enum nn_mode)mode);
            struct tensor *y = network_forward(nn, &network, network_input(nn, 3));
            EXPECT(y->n == 3 && y->c == NETWORK_OUTPUTS);
            network_backward(nn, y);
            struct error err;
            EXPECT_OK(nn_status(nn, &err), &err);
        }
        peaks[device] = nn->heap.peak_bytes;
        network_destroy(&network);
        nn_destroy(nn);
    }
    EXPECT_NEAR(counted[1], counted[0], 0);
    EXPECT(counted[0] > 1e5);
    EXPECT(peaks[1] > 0 && peaks[1] <= peaks[0]);
}

// A plan may be larger than any machine.
static void large_plan(void) {
    struct nn *nn = create(&(struct nn_options){.device = NN_PLAN});
    struct network network;
    network_create(&network);
    nn_begin(nn, NN_INFERENCE);
    network_forward(nn, &network, network_input(nn, 10000000));
    struct error err;
    EXPECT_OK(nn_status(nn, &err), &err);
    EXPECT(nn->heap.peak_bytes > INT64_C(60) * 1000 * 1000 * 1000);
    network_destroy(&network);
    nn_destroy(nn);
}

// ---- Memory ----

static int64_t used_spans(const struct nn *nn) {
    int64_t count = 0;
    for (int64_t i = 0; i < nn->heap.num_spans; i++)
        count += nn->heap.spans[i].used;
    return count;
}

static void release(void) {
    struct nn *nn = create(&(struct nn_options){.num_threads = 2});
    struct network network;
    network_create(&network);
    nn_begin(nn, NN_INFERENCE);
    struct tensor *x = network_input(nn, 3);
    const struct tensor *y = network_forward(nn, &network, x);
    EXPECT_INT(used_spans(nn), 3); // x, its embedding and y
    const float *place = x->data;
    nn_release(nn, x);
    nn_release(nn, x); // harmless
    EXPECT(!x->data && !x->embedding);
    EXPECT_INT(used_spans(nn), 1);
    EXPECT(nn_tensor(nn, x->n, x->h, x->w, x->c)->data == place);
    EXPECT(y->data && !y->wants_grad && !nn->tape);

    nn_begin(nn, NN_TRAINING);
    x = network_input(nn, 3);
    y = network_forward(nn, &network, x);
    nn_release(nn, x);
    EXPECT(x->saved && x->data && x->embedding && y->saved && y->wants_grad && nn->tape);
    struct tensor *unused = nn_tensor(nn, 1, 1, 1, 1);
    nn_release(nn, unused); // no recorded call needs it
    EXPECT(!unused->data);
    network_destroy(&network);
    nn_destroy(nn);
}

// After the backward pass only the input is left, with what was computed from it and its gradient.
static void backward_frees(void) {
    struct nn *nn = create(&(struct nn_options){.num_threads = 2, .guarded = true});
    struct network network;
    network_create(&network);
    for (int wants = 0; wants < 2; wants++) {
        nn_begin(nn, NN_TRAINING);
        struct tensor *x = network_input(nn, 3);
        x->wants_grad = wants;
        struct tensor *y = network_forward(nn, &network, x);
        EXPECT(used_spans(nn) > 10);
        network_backward(nn, y);
        EXPECT(!y->data && !y->grad && !nn->tape);
        EXPECT(x->data && x->embedding && (x->grad != NULL) == wants);
        EXPECT_INT(used_spans(nn), 2 + wants);
    }
    network_destroy(&network);
    nn_destroy(nn);
}

// A write behind a buffer, by however little, ends the program.
static void guards(void) {
    struct nn *nn = create(&(struct nn_options){.num_threads = 1, .guarded = true});
    for (int64_t count = 0; count < 40; count += 13) {
        for (int64_t beyond = 0; beyond < 16; beyond++) {
            nn_begin(nn, NN_INFERENCE);
            float *buffer = nn_scratch(nn, count);
            for (int64_t i = 0; i < count; i++)
                buffer[i] = 0;
            nn_check_guards(nn);
            fflush(NULL);
            pid_t child = fork();
            REQUIRE(child >= 0);
            if (child == 0) {
                (void)!freopen("/dev/null", "w", stderr);
                buffer[count + beyond] = 0;
                if (beyond % 2)
                    nn_check_guards(nn);
                else
                    nn_scratch_free(nn, buffer);
                _exit(0);
            }
            int status = 0;
            REQUIRE(waitpid(child, &status, 0) == child);
            EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        }
    }
    nn_destroy(nn);
}

// ---- Repeatability ----

// Steps that are repeated, in one context or another, give the same bits.
static void repeated_steps(void) {
    for (int context = 0; context < 2; context++) {
        struct nn *nn = create(&(struct nn_options){.num_threads = 2});
        struct network network;
        network_create(&network);
        for (int i = 0; i < 3; i++) {
            nn_begin(nn, NN_TRAINING);
            step(nn, &network, NN_TRAINING, context + i ? &got : &expected);
            if (context + i) EXPECT(same(&got, &expected));
        }
        nn_begin(nn, NN_INFERENCE);
        step(nn, &network, NN_INFERENCE, &got);
        EXPECT(equal_bits(got.y, expected.y, sizeof got.y)); // both modes compute the same
        network_destroy(&network);
        nn_destroy(nn);
    }
}

// An image's result is the same alone and among others.
static void images_are_independent(void) {
    struct nn *nn = create(&(struct nn_options){.num_threads = 2});
    struct network network;
    network_create(&network);
    nn_begin(nn, NN_INFERENCE);
    struct tensor *all = network_input(nn, IMAGES);
    const struct tensor *y = network_forward(nn, &network, all);
    int64_t size = NETWORK_SIZE * NETWORK_SIZE * NETWORK_CHANNELS;
    for (int64_t i = 0; i < IMAGES; i++) {
        struct tensor *x = nn_tensor(nn, 1, NETWORK_SIZE, NETWORK_SIZE, NETWORK_CHANNELS);
        memcpy(x->data, all->data + i * size, (size_t)size * sizeof(float));
        const struct tensor *one = network_forward(nn, &network, x);
        EXPECT(
            equal_bits(one->data, y->data + i * NETWORK_OUTPUTS, NETWORK_OUTPUTS * sizeof(float)));
    }
    network_destroy(&network);
    nn_destroy(nn);
}

enum { THREAD_N = 2, THREAD_SIZE = 61, THREAD_C = 24 };
enum { THREAD_COUNT = THREAD_N * THREAD_SIZE * THREAD_SIZE * THREAD_C };

// Kernels of ours on a map that is worth several threads: a gate with norm and residual, forward
// and backward. results gets y, dx and the gradients of the gate.
static void run_own_kernels(int num_threads, enum gate_embedding embedding, float *results) {
    struct nn *nn = create(&(struct nn_options){.num_threads = num_threads});
    struct network network;
    network_create(&network);
    struct arena arena;
    struct parameters parameters;
    arena_init(&arena, 1 << 16, 0);
    parameters_init(&parameters, &arena);
    int64_t c = THREAD_C;
    struct initial wide = {INITIAL_UNIFORM, 1};
    struct gate gate = {
        .label = "gate",
        .channels = c,
        .embedding = embedding,
        .epsilon = 1e-5f,
        .alpha = parameter_add(&parameters, PARAMETER_GATE_ALPHA, 1, &c, wide, "alpha"),
        .gamma = parameter_add(&parameters, PARAMETER_GATE_GAMMA, 1, &c, wide, "gamma"),
        .beta = parameter_add(&parameters, PARAMETER_GATE_BETA, 1, &c, wide, "beta"),
    };
    struct error err;
    EXPECT_OK(parameters_allocate(&parameters, true, &err), &err);
    parameters_initialise(&parameters, 1);
    nn_begin(nn, NN_TRAINING);
    struct tensor *x = filled_tensor(nn, THREAD_N, THREAD_SIZE, THREAD_SIZE, c, 1, -1, 1, true);
    struct tensor *residual =
        filled_tensor(nn, THREAD_N, THREAD_SIZE, THREAD_SIZE, c, 2, -1, 1, true);
    struct tensor *y = gate_forward(nn, &gate, x, NULL, residual, true);
    memcpy(results, y->data, THREAD_COUNT * sizeof *results);
    seed_gradient(nn, y, residual->data);
    nn_backward(nn);
    memcpy(results + THREAD_COUNT, x->grad, THREAD_COUNT * sizeof *results);
    memcpy(results + 2 * THREAD_COUNT, parameters.grad,
           (size_t)parameters.num_trainable_floats * sizeof *results);
    EXPECT_OK(nn_status(nn, &err), &err);
    network_destroy(&network);
    arena_destroy(&arena);
    nn_destroy(nn);
}

static void any_number_of_threads(void) {
    static float first[2 * THREAD_COUNT + 256];
    static float other[2 * THREAD_COUNT + 256];
    for (int e = GATE_EMBEDDING_L2; e <= GATE_EMBEDDING_LINF; e++) {
        run_own_kernels(1, (enum gate_embedding)e, first);
        for (int num_threads = 2; num_threads <= 4; num_threads++) {
            run_own_kernels(num_threads, (enum gate_embedding)e, other);
            EXPECT(equal_bits(first, other, sizeof first));
        }
    }
}

// ---- Small things ----

static void gradients_are_written_then_added(void) {
    struct nn *nn = create(&(struct nn_options){.num_threads = 1});
    nn_begin(nn, NN_TRAINING);
    struct tensor *t = nn_tensor(nn, 1, 2, 3, 4);
    bool add = true;
    EXPECT(!nn_grad(nn, t, &add)); // none is wanted
    t->wants_grad = true;
    const float *grad = nn_grad(nn, t, &add);
    EXPECT(grad && !add);
    EXPECT(nn_grad(nn, t, &add) == grad && add);
    struct tensor *other = nn_tensor(nn, 1, 2, 3, 4);
    nn_move_grad(t, other);
    EXPECT(other->grad == grad && !t->grad);
    nn_destroy(nn);
}

static void names(void) {
    EXPECT_TEXT(op_name(OP_conv), "conv");
    EXPECT_TEXT(op_name(OP_linear), "linear");
    for (int op = 0; op < NUM_OPS; op++)
        EXPECT(op_name((enum op)op)[0] != 0);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"first_failure_stays", first_failure_stays},
                         {"impossible_context", impossible_context},
                         {"tiny_memory", tiny_memory},
                         {"repeated_steps", repeated_steps},
                         {"any_step_memory", any_step_memory},
                         {"any_model_memory", any_model_memory},
                         {"any_record_memory", any_record_memory},
                         {"plan", plan},
                         {"large_plan", large_plan},
                         {"release", release},
                         {"backward_frees", backward_frees},
                         {"guards", guards},
                         {"images_are_independent", images_are_independent},
                         {"any_number_of_threads", any_number_of_threads},
                         {"gradients_are_written_then_added", gradients_are_written_then_added},
                         {"names", names},
                         {0},
                     });
}
