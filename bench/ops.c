// Each operation's time beside the least that the machine allows: floating-point operations over
// the rate of a large matrix product, or bytes over the rate of a copy, both measured in this run.
// bench/ops builds and runs it.
//
//     ops [--threads N] [--rounds N] [--size WxH]
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "bench/peak.h"
#include "detector/mask_rcnn.h"
#include "nn/gate/gate_cpu.h"
#include "nn/onednn.h"

enum { MAX_SHAPES = 128, NUM_CLASSES = 80 };

static struct nn *nn;
static struct arena arena;
static int num_rounds = 5;
static double peak_flops; // of one second
static double peak_bytes;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void check(enum status status, const struct error *err) {
    if (status == STATUS_OK) return;
    fprintf(stderr, "ops: %s\n", err->message);
    exit(1);
}

static void check_nn(void) {
    struct error err;
    check(nn_status(nn, &err), &err);
}

static void fill(float *values, int64_t count) {
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < count; i++)
        values[i] = (float)((uint32_t)i * 2654435761u >> 8) * 0x1p-23f - 1;
}

static struct tensor *filled(int64_t n, int64_t h, int64_t w, int64_t c) {
    struct tensor *t = nn_tensor(nn, n, h, w, c);
    check_nn();
    fill(t->data, tensor_count(t));
    return t;
}

// ---- What the machine can do ----

static void measure_flops(void) {
    struct error err;
    check(measure_matrix_product(nn, 2 * num_rounds, &peak_flops, &err), &err);
}

// Seconds for a copy of count floats, by all threads.
static double time_copy(const float *from, int64_t count, float *to) {
    double start = now();
#pragma omp parallel for schedule(static)
    for (int64_t part = 0; part < 64; part++) {
        int64_t begin = part * count / 64;
        memcpy(to + begin, from + begin, (size_t)((part + 1) * count / 64 - begin) * sizeof *to);
    }
    return now() - start;
}

static void measure_bytes(void) {
    int64_t count = 16 << 20; // 64 MiB, as the largest activations
    nn_begin(nn, NN_INFERENCE);
    struct tensor *a = filled(1, 1, 1, count);
    struct tensor *b = filled(1, 1, 1, count);
    double best = 1e9;
    for (int i = 0; i < 2 * num_rounds; i++) {
        double seconds = time_copy(a->data, count, b->data);
        if (seconds < best) best = seconds;
    }
    peak_bytes = 2.0 * sizeof(float) * (double)count / best;
}

// ---- Convolutions ----

struct shape {
    int64_t n, h, w, in, out, groups, kernel, stride;
    int64_t at_once;
    int64_t count; // how often the model has it
};

struct shapes {
    struct shape items[MAX_SHAPES];
    int count;
};

static void collect(void *context, const struct call *call) {
    struct shapes *shapes = context;
    if (call->op != OP_conv) return;
    const struct conv *conv = ((const struct conv_call *)call)->conv;
    const struct tensor *x = call->inputs[0];
    struct shape shape = {x->n,
                          x->h,
                          x->w,
                          x->c,
                          conv->out_channels,
                          conv->groups,
                          conv->kernel,
                          conv->stride,
                          conv->images_at_once,
                          0};
    for (int i = 0; i < shapes->count; i++) {
        struct shape *other = &shapes->items[i];
        shape.count = other->count;
        if (memcmp(&shape, other, sizeof shape) != 0) continue;
        other->count++;
        return;
    }
    CHECK(shapes->count < MAX_SHAPES);
    shape.count = 1;
    shapes->items[shapes->count++] = shape;
}

// The shapes of R-50-FPN's convolutions at this size, with 1000 proposals and 100 detections.
static void collect_shapes(struct shapes *shapes, int64_t height, int64_t width) {
    static struct model_config config;
    static struct mask_rcnn model;
    static const char *names[NUM_CLASSES];
    struct options options;
    struct error err;
    struct nn *plan = NULL;
    for (int i = 0; i < NUM_CLASSES; i++)
        names[i] = "class";
    check(options_init(&options, MODEL_OPTIONS, &config, &arena, &err), &err);
    config.classes.names = (struct option_texts){names, NUM_CLASSES};
    check(mask_rcnn_build(&model, &config, &arena, false, &err), &err);
    check(nn_create(&plan, &(struct nn_options){.device = NN_PLAN}, &err), &err);
    plan->observer = collect;
    plan->observer_context = shapes;
    const struct extent extent = {(int32_t)height, (int32_t)width};
    struct features features;
    struct box_list proposals;
    struct box_list detections;
    mask_rcnn_features(plan, &model, nn_tensor(plan, 1, height, width, 3), &features);
    mask_rcnn_propose(plan, &model, &features, &extent, &proposals);
    mask_rcnn_boxes(plan, &model, &features, &proposals, &extent, &detections);
    mask_rcnn_masks(plan, &model, &features, &detections);
    nn_destroy(plan);
}

enum pass { PASS_FORWARD, PASS_DATA, PASS_WEIGHTS, NUM_PASSES };

// The fastest of some rounds of one pass.
static double time_pass(const struct shape *s, enum pass pass) {
    struct parameters parameters;
    struct error err;
    struct arena mine;
    arena_init(&mine, 1 << 20, 0);
    parameters_init(&parameters, &mine);
    int64_t weight[] = {s->out, s->in / s->groups, s->kernel, s->kernel};
    struct conv conv = {
        .label = "conv",
        .in_channels = s->in,
        .out_channels = s->out,
        .groups = s->groups,
        .kernel = s->kernel,
        .stride = s->stride,
        .padding = s->kernel / 2,
        .images_at_once = s->at_once,
        .weight = parameter_add(&parameters, PARAMETER_WEIGHT, 4, weight, initial_constant(0), "w"),
    };
    conv.weight->trainable = pass == PASS_WEIGHTS;
    check(parameters_allocate(&parameters, true, &err), &err);
    fill(conv.weight->data, conv.weight->count);
    double best = 1e9;
    for (int i = 0; i <= num_rounds; i++) {
        nn_begin(nn, pass == PASS_FORWARD ? NN_INFERENCE : NN_TRAINING);
        struct tensor *x = filled(s->n, s->h, s->w, s->in);
        x->wants_grad = pass == PASS_DATA;
        double start = now();
        struct tensor *y = conv_forward(nn, &conv, x, NULL, false);
        if (pass != PASS_FORWARD) {
            bool add = false;
            float *grad = nn_grad(nn, y, &add);
            check_nn();
            fill(grad, tensor_count(y));
            start = now();
            nn_backward(nn);
        }
        double seconds = now() - start;
        check_nn();
        if (i > 0 && seconds < best) best = seconds; // the first compiles and packs
    }
    arena_destroy(&mine);
    return best;
}

static void bench_convolutions(int64_t height, int64_t width) {
    static struct shapes shapes;
    collect_shapes(&shapes, height, width);
    printf("\nConvolutions of R-50-FPN at %lldx%lld: share of the matrix product's rate\n",
           (long long)width, (long long)height);
    printf("%-36s %5s %8s %9s %9s %9s\n", "layer", "times", "GFLOP", "forward", "data", "weights");
    double floor = 0;
    double totals[NUM_PASSES] = {0};
    for (int i = 0; i < shapes.count; i++) {
        const struct shape *s = &shapes.items[i];
        int64_t oh = (s->h + 2 * (s->kernel / 2) - s->kernel) / s->stride + 1;
        int64_t ow = (s->w + 2 * (s->kernel / 2) - s->kernel) / s->stride + 1;
        double flops = 2.0 * (double)(s->n * oh * ow * s->out) *
                       ((double)s->in / (double)s->groups) * (double)(s->kernel * s->kernel);
        char name[64];
        snprintf(name, sizeof name, "%lldx%lld s%lld %lld->%lld, %lld x %lldx%lld",
                 (long long)s->kernel, (long long)s->kernel, (long long)s->stride, (long long)s->in,
                 (long long)s->out, (long long)s->n, (long long)s->h, (long long)s->w);
        printf("%-36s %5lld %8.2f", name, (long long)s->count, flops * 1e-9);
        floor += (double)s->count * flops / peak_flops;
        for (int pass = 0; pass < NUM_PASSES; pass++) {
            double seconds = time_pass(s, (enum pass)pass);
            totals[pass] += (double)s->count * seconds;
            printf(" %7.0f %%", 100 * flops / peak_flops / seconds);
            fflush(stdout);
        }
        printf("\n");
    }
    printf("%-51s", "all, weighted by time");
    for (int pass = 0; pass < NUM_PASSES; pass++)
        printf(" %7.0f %%", 100 * floor / totals[pass]);
    printf("\n%-51s", "seconds");
    for (int pass = 0; pass < NUM_PASSES; pass++)
        printf(" %9.3f", totals[pass]);
    printf("\n");
}

// ---- Operations that memory bounds ----

static struct parameter *vector_of(struct parameters *parameters, const char *name, int64_t c) {
    return parameter_add(parameters, PARAMETER_GATE_ALPHA, 1, &c, initial_constant(0.5), "%s",
                         name);
}

static void line(const char *name, double seconds, double floor) {
    printf("%-44s %9.3f ms %9.3f ms %6.2f\n", name, 1e3 * seconds, 1e3 * floor, seconds / floor);
}

// A gate's statistics and scaling; a group norm; forward, then backward.
static void bench_channels(int64_t n, int64_t h, int64_t w, int64_t c) {
    struct parameters parameters;
    struct error err;
    struct arena mine;
    arena_init(&mine, 1 << 20, 0);
    parameters_init(&parameters, &mine);
    const struct gate gate = {
        .label = "gate",
        .channels = c,
        .epsilon = 1e-5f,
        .alpha = vector_of(&parameters, "alpha", c),
        .gamma = vector_of(&parameters, "gamma", c),
        .beta = vector_of(&parameters, "beta", c),
    };
    const struct group_norm norm = {
        .label = "norm",
        .channels = c,
        .groups = 32,
        .epsilon = 1e-5f,
        .weight = vector_of(&parameters, "weight", c),
        .bias = vector_of(&parameters, "bias", c),
    };
    check(parameters_allocate(&parameters, true, &err), &err);
    parameters_initialise(&parameters, 1);
    double best[6] = {1e9, 1e9, 1e9, 1e9, 1e9, 1e9};
    for (int i = 0; i <= 2 * num_rounds; i++) {
        double t[6];
        nn_begin(nn, NN_TRAINING);
        struct tensor *x = filled(n, h, w, c);
        struct tensor *copy = nn_tensor(nn, n, h, w, c);
        check_nn();
        t[5] = time_copy(x->data, tensor_count(x), copy->data);
        nn_release(nn, copy);
        x->wants_grad = true;
        double start = now();
        gate_embed(nn, &gate, x);
        t[0] = now() - start;
        x->embedding = NULL;
        start = now();
        struct tensor *y = gate_forward(nn, &gate, x, NULL, NULL, false);
        t[1] = now() - start;
        bool add = false;
        fill(nn_grad(nn, y, &add), tensor_count(y));
        start = now();
        nn_backward(nn);
        t[2] = now() - start;
        nn_begin(nn, NN_TRAINING);
        x = filled(n, h, w, c);
        x->wants_grad = true;
        start = now();
        y = group_norm_forward(nn, &norm, x, NULL, true);
        t[3] = now() - start;
        fill(nn_grad(nn, y, &add), tensor_count(y));
        start = now();
        nn_backward(nn);
        t[4] = now() - start;
        check_nn();
        for (int j = 0; j < 6; j++)
            if (i > 0 && t[j] < best[j]) best[j] = t[j];
    }
    arena_destroy(&mine);
    char name[64];
    const struct {
        const char *what;
        int passes; // readings and writings of the tensor that cannot be avoided
    } rows[] = {{"GCT: sums", 1},
                {"GCT: sums and scaling", 3},
                {"GCT backward", 6},
                {"GN and ReLU", 3},
                {"GN and ReLU backward", 7}};
    for (int j = 0; j < 5; j++) {
        snprintf(name, sizeof name, "%s, %lld x %lldx%lldx%lld", rows[j].what, (long long)n,
                 (long long)h, (long long)w, (long long)c);
        line(name, best[j], rows[j].passes * best[5] / 2); // a copy reads and writes
    }
}

// Positions of its level that region r covers.
static double covered_positions(const struct box_list *list, int64_t r) {
    const float *box = list->boxes + 4 * r;
    float stride = (float)(4 << list->levels[r]);
    return ceil((double)((box[2] - box[0]) / stride)) * ceil((double)((box[3] - box[1]) / stride));
}

// Regions as a network finds them: all over the image, most of them small.
static void bench_roi_align(int64_t count, int64_t size, int64_t height, int64_t width,
                            struct roi_pooling pooling, const char *name) {
    enum { CHANNELS = 256 };
    double best = 1e9;
    double best_backward = 1e9;
    double read = 0; // bytes of features inside regions
    double bytes = sizeof(float) * (double)(count * size * size * CHANNELS);
    for (int i = 0; i <= num_rounds; i++) {
        struct tensor *levels[ROI_LEVELS];
        struct box_list list;
        nn_begin(nn, NN_TRAINING);
        for (int j = 0; j < ROI_LEVELS; j++) {
            levels[j] = filled(1, height >> (j + 2), width >> (j + 2), CHANNELS);
            levels[j]->wants_grad = true;
        }
        box_list_create(nn, &list, count);
        check_nn();
        list.count = count;
        uint32_t state = 7;
        for (int64_t r = 0; r < count; r++) {
            float u[4];
            for (int k = 0; k < 4; k++) {
                state = state * 1664525u + 1013904223u;
                u[k] = (float)(state >> 8) * 0x1p-24f;
            }
            float w = 16 + u[2] * u[2] * u[2] * 600;
            float h = 16 + u[3] * u[3] * u[3] * 600;
            float *box = list.boxes + 4 * r;
            box[0] = u[0] * ((float)width - w);
            box[1] = u[1] * ((float)height - h);
            box[2] = box[0] + w;
            box[3] = box[1] + h;
            list.images[r] = 0;
        }
        roi_levels_forward(nn, &list, pooling.level_rule, ROI_LEVELS);
        read = 0;
        for (int64_t r = 0; r < count; r++)
            read += sizeof(float) * CHANNELS * covered_positions(&list, r);
        double start = now();
        struct tensor *pooled = roi_pool(nn, &pooling, size, levels, &list);
        double seconds = now() - start;
        bool add = false;
        fill(nn_grad(nn, pooled, &add), tensor_count(pooled));
        start = now();
        nn_backward(nn);
        double backward = now() - start;
        check_nn();
        if (i > 0 && seconds < best) best = seconds;
        if (i > 0 && backward < best_backward) best_backward = backward;
    }
    double features = 0;
    for (int j = 0; j < ROI_LEVELS; j++)
        features += sizeof(float) * (double)((height >> (j + 2)) * (width >> (j + 2)) * CHANNELS);
    // Each region's features are read once and its result is written once.
    char text[64];
    snprintf(text, sizeof text, "RoIAlign %s, %lld x %lldx%lld", name, (long long)count,
             (long long)size, (long long)size);
    line(text, best, (read + bytes) / peak_bytes);
    snprintf(text, sizeof text, "RoIAlign backward, %s, %lld x %lldx%lld", name, (long long)count,
             (long long)size, (long long)size);
    // The gradients of all features are cleared first.
    line(text, best_backward, (bytes + 2 * read + features) / peak_bytes);
}

static void bench_memory_bound(int64_t height, int64_t width) {
    printf("\n%-44s %12s %12s %6s\n", "operation", "time", "memory time", "ratio");
    bench_channels(1, height / 4, width / 4, 256);
    bench_channels(1, height / 16, width / 16, 1024);
    bench_channels(512, 7, 7, 256);
    struct roi_pooling legacy = {.sampling = 2};
    struct roi_pooling aligned = {.sampling = 0, .aligned = true};
    bench_roi_align(1000, 7, height, width, legacy, "2x2 samples");
    bench_roi_align(100, 14, height, width, legacy, "2x2 samples");
    bench_roi_align(1000, 7, height, width, aligned, "adaptive");
    bench_roi_align(100, 14, height, width, aligned, "adaptive");
}

int main(int argc, char **argv) {
    struct nn_options options = {.num_threads = 0};
    int width = 1344;
    int height = 800;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--threads") == 0) options.num_threads = atoi(argv[i + 1]);
        if (strcmp(argv[i], "--rounds") == 0) num_rounds = atoi(argv[i + 1]);
        if (strcmp(argv[i], "--size") == 0 && sscanf(argv[i + 1], "%dx%d", &width, &height) != 2)
            return 64;
    }
    struct error err;
    setvbuf(stdout, NULL, _IOLBF, 0);
    arena_init(&arena, 1 << 20, 0);
    check(nn_create(&nn, &options, &err), &err);
    measure_flops();
    measure_bytes();
    printf("oneDNN %s, %d threads: matrix product %.0f GFLOP/s, copy %.1f GB/s\n",
           onednn_version().text, nn->num_threads, peak_flops * 1e-9, peak_bytes * 1e-9);
    bench_memory_bound(height, width);
    bench_convolutions(height, width);
    measure_flops();
    measure_bytes();
    printf("\nafterwards: matrix product %.0f GFLOP/s, copy %.1f GB/s\n", peak_flops * 1e-9,
           peak_bytes * 1e-9);
    nn_destroy(nn);
    arena_destroy(&arena);
    return 0;
}
