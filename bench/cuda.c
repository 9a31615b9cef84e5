// Times Mask R-CNN on a graphics processor: a detection, a training step, and each kind of
// operation in both, beside what it moves and computes and the least that an H100 can take for that
// (nn/cuda/cost.h). Weights follow from a formula (tests/detector/formula.h), images and objects
// from another one (bench/train_scene.h). The score threshold is nearly 0, so that there are as
// many detections as there may be.
//
//     cuda [--config FILE] [--size HxW] [--batch N] [--device cuda[:N]]
//          [--precision float32|tf32|bf16|fp16] [--tune on|off] [--graphs on|off] [--steps N]
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "bench/op_times.h"
#include "bench/train_scene.h"
#include "detector/detect.h"
#include "detector/detector_model.h"
#include "tests/detector/formula.h"
#include "train/solver.h"

enum { MAX_STEPS = 200, WARM_UP = 5, OP_STEPS = 3 };

// So small that the weights stay as good as the same.
static const double LEARNING_RATE = 1e-9;

enum work { WORK_NETWORK, WORK_DETECTION, WORK_TRAINING, NUM_WORKS };

static const char *const NAMES[NUM_WORKS] = {"network", "detection", "training step"};

struct bench {
    const char *config, *device;
    int height, width, batch, num_steps;
    struct nn_options options;
    struct nn *nn;
    struct detector_model model;
    struct solver solver;
    struct scene scene;
    float *planes;        // as the loader has them
    struct image *images; // [batch], as a decoder has them
    double times[NUM_WORKS][MAX_STEPS];
    int64_t num_proposals, num_detections;
    int64_t num_regions, num_objects; // of a training step
    uint64_t step;
};

// ---- Preparation ----

static enum status make_model(struct bench *b, struct error *err) {
    char sides[2][64];
    int shorter = b->height < b->width ? b->height : b->width;
    snprintf(sides[0], sizeof sides[0], "input.short_side=%d", shorter);
    snprintf(sides[1], sizeof sides[1], "input.long_side=%d", b->height + b->width - shorter);
    const char *items[] = {sides[0], sides[1], "box.score=1e-6"};
    const struct option_texts overrides = {items, sizeof items / sizeof *items};
    TRY(detector_model_create(&b->model, b->config, &overrides, true, 1, err));
    formula_fill(&b->model.network.parameters, "");
    TRY(parameters_move(&b->model.network.parameters, b->nn, err));
    return solver_init(&b->solver, &b->model, err);
}

static enum status make_images(struct bench *b, struct error *err) {
    struct arena *arena = &b->model.arena;
    int64_t planes = (int64_t)b->batch * b->scene.padded.height * b->scene.padded.width * 3;
    int64_t bytes = (int64_t)b->height * b->width * 3;
    b->planes = arena_alloc(arena, planes, sizeof *b->planes);
    b->images = arena_alloc(arena, b->batch, sizeof *b->images);
    if (!b->planes || !b->images) return error_memory(err, "images", planes);
    scene_fill_input(&b->scene, b->planes);
    for (int i = 0; i < b->batch; i++) {
        uint8_t *pixels = arena_alloc(arena, bytes, 1);
        if (!pixels) return error_memory(err, "images", bytes);
        for (int64_t j = 0; j < bytes; j++)
            pixels[j] = (uint8_t)((uint32_t)(i + j) * 2654435761u >> 24);
        b->images[i] = (struct image){b->width, b->height, pixels};
    }
    return STATUS_OK;
}

// ---- The work ----

// What images become, for the device.
static enum status place_input(const struct bench *b, struct tensor **input, struct error *err) {
    const struct extent padded = b->scene.padded;
    *input = nn_tensor(b->nn, b->batch, padded.height, padded.width, 3);
    float *planes = nn_place(b->nn, *input);
    TRY(nn_status(b->nn, err));
    memcpy(planes, b->planes, (size_t)tensor_count(*input) * sizeof *planes);
    nn_put(b->nn, *input, planes);
    return STATUS_OK;
}

// From the network's input to masks of 28 x 28.
static enum status run_network(struct bench *b, struct error *err) {
    struct nn *nn = b->nn;
    struct mask_rcnn *network = &b->model.network;
    struct features features;
    struct box_list proposals;
    struct box_list detections;
    nn_begin(nn, NN_INFERENCE);
    struct tensor *input = NULL;
    TRY(place_input(b, &input, err));
    mask_rcnn_features(nn, network, input, &features);
    mask_rcnn_propose(nn, network, &features, b->scene.extents, &proposals);
    mask_rcnn_boxes(nn, network, &features, &proposals, b->scene.extents, &detections);
    mask_rcnn_masks(nn, network, &features, &detections);
    b->num_proposals = proposals.count;
    b->num_detections = detections.count;
    return nn_status(nn, err);
}

// From decoded images to masks of their size.
static enum status run_detection(struct bench *b, struct error *err) {
    struct detection_list *lists = NULL;
    struct arena *arena = &b->model.arena;
    struct arena_mark mark = arena_mark(arena);
    enum status status = STATUS_OK;
    lists = arena_alloc(arena, b->batch, sizeof *lists);
    if (!lists) status = error_memory(err, "detections", b->batch);
    if (status == STATUS_OK)
        status = detect_images(b->nn, &b->model.network, b->images, b->batch, arena, lists, err);
    arena_release(arena, mark);
    return status;
}

// As train/step.c takes it.
static enum status run_training(struct bench *b, struct error *err) {
    struct nn *nn = b->nn;
    struct loss_settings settings = loss_settings_of(&b->model.config);
    struct loss_tensors losses;
    settings.step = b->step++;
    nn_begin(nn, NN_TRAINING);
    struct tensor *input = NULL;
    TRY(place_input(b, &input, err));
    scene_attach(&b->scene);
    mask_rcnn_losses_start(nn, &b->model.network, input, b->scene.extents, b->scene.truths,
                           &settings, &losses);
    scene_attach(NULL);
    nn_backward(nn);
    solver_step(nn, &b->solver, LEARNING_RATE, solver_gradient_norm(nn, &b->solver));
    return nn_status(nn, err);
}

static enum status run_work(struct bench *b, enum work work, struct error *err) {
    switch (work) {
    case WORK_NETWORK:
        return run_network(b, err);
    case WORK_DETECTION:
        return run_detection(b, err);
    case WORK_TRAINING:
    case NUM_WORKS:
        break;
    }
    return run_training(b, err);
}

// ---- Measuring ----

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static enum status measure(struct bench *b, enum work work, struct error *err) {
    double *times = b->times[work];
    double start = clock_seconds();
    for (int i = 0; i < WARM_UP; i++) {
        TRY(run_work(b, work, err));
        if (i == 0) printf("%-14s first %.1f ms", NAMES[work], 1e3 * (clock_seconds() - start));
    }
    for (int i = 0; i < b->num_steps; i++) {
        start = clock_seconds();
        TRY(run_work(b, work, err));
        times[i] = clock_seconds() - start;
    }
    qsort(times, (size_t)b->num_steps, sizeof *times, compare_doubles);
    double median = times[b->num_steps / 2];
    printf(", median %.2f ms, from %.2f to %.2f, n %d: %.1f images/s; step memory %.0f MiB\n",
           1e3 * median, 1e3 * times[0], 1e3 * times[b->num_steps - 1], b->num_steps,
           b->batch / median, (double)b->nn->heap.peak_bytes / (1 << 20));
    return STATUS_OK;
}

// Which regions the heads were given; and what calls cost.
struct counts {
    struct cost_sheet sheet;
    struct bench *bench;
};

static void count_forward(void *context, const struct call *call) {
    struct counts *counts = context;
    if (call->op == OP_softmax_loss) counts->bench->num_regions = call->inputs[0]->n;
    if (call->op == OP_deconv) counts->bench->num_objects = call->inputs[0]->n;
    cost_forward(&counts->sheet, call);
}

static void count_backward(void *context, const struct call *call) {
    struct counts *counts = context;
    cost_backward(&counts->sheet, call);
}

// The last of each is the newest.
static int processor_of(enum nn_precision precision) {
    enum { FLOAT32 = COST_NUM_PROCESSORS - 3, TF32, IN_16_BITS };
    if (precision == NN_FLOAT32) return FLOAT32;
    return precision == NN_TF32 ? TF32 : IN_16_BITS;
}

static enum status measure_operations(struct bench *b, enum work work, struct error *err) {
    static struct counts counts;
    struct op_times least = {0};
    int processor = processor_of(b->nn->precision);
    counts = (struct counts){
        .bench = b, .sheet = {.keeps_weights = work != WORK_TRAINING, .tuned = b->options.tune}};
    b->nn->observer = count_forward;
    b->nn->backward_observer = count_backward;
    b->nn->observer_context = &counts;
    TRY(run_work(b, work, err));
    b->nn->observer = NULL;
    b->nn->backward_observer = NULL;
    for (int i = 0; i < OP_STEPS; i++) {
        struct op_times times = {0};
        op_times_attach(&times);
        enum status status = run_work(b, work, err);
        op_times_attach(NULL);
        if (status != STATUS_OK) return status;
        op_times_keep_least(&least, &times);
    }
    if (work == WORK_TRAINING)
        printf("\n%s: %lld regions, %lld of them objects; floor: %s\n", NAMES[work],
               (long long)b->num_regions, (long long)b->num_objects,
               COST_PROCESSORS[processor].name);
    else
        printf("\n%s: %lld proposals, %lld detections; floor: %s\n", NAMES[work],
               (long long)b->num_proposals, (long long)b->num_detections,
               COST_PROCESSORS[processor].name);
    op_times_print(&least, &counts.sheet, processor);
    return STATUS_OK;
}

// ---- The program ----

static enum status run(struct bench *b, struct error *err) {
    TRY(nn_options_set_device(&b->options, b->device, err));
    TRY(nn_create(&b->nn, &b->options, err));
    TRY(make_model(b, err));
    TRY(scene_make(&b->scene, b->batch, (struct extent){b->height, b->width}, &b->model.arena,
                   err));
    TRY(make_images(b, err));
    printf("%s, %s, %d x %dx%d, %s%s\n", b->config, b->device, b->batch, b->height, b->width,
           NN_PRECISION_NAMES[b->options.precision], b->options.tune ? ", tuned" : "");
    for (int work = 0; work < NUM_WORKS; work++)
        TRY(measure(b, (enum work)work, err));
    TRY(measure_operations(b, WORK_NETWORK, err));
    return measure_operations(b, WORK_TRAINING, err);
}

static bool parse(struct bench *b, int argc, char **argv) {
    *b = (struct bench){.config = "configs/r50_bn_gct_2fc_90k.json",
                        .device = "cuda",
                        .height = 800,
                        .width = 1333,
                        .batch = 1,
                        .num_steps = 10};
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *value = argv[i + 1];
        bool known = true;
        if (strcmp(argv[i], "--config") == 0)
            b->config = value;
        else if (strcmp(argv[i], "--device") == 0)
            b->device = value;
        else if (strcmp(argv[i], "--batch") == 0)
            b->batch = atoi(value);
        else if (strcmp(argv[i], "--steps") == 0)
            b->num_steps = atoi(value);
        else if (strcmp(argv[i], "--size") == 0)
            known = sscanf(value, "%dx%d", &b->height, &b->width) == 2;
        else if (strcmp(argv[i], "--tune") == 0)
            b->options.tune = strcmp(value, "on") == 0;
        else if (strcmp(argv[i], "--graphs") == 0)
            b->options.no_graphs = strcmp(value, "off") == 0;
        else
            known = strcmp(argv[i], "--precision") == 0 &&
                    nn_precision_named(value, &b->options.precision);
        if (!known) return false;
    }
    return argc % 2 == 1 && b->num_steps >= 1 && b->num_steps <= MAX_STEPS && b->batch >= 1 &&
           b->height >= 32 && b->width >= 32;
}

int main(int argc, char **argv) {
    static struct bench bench;
    struct error err;
    if (!parse(&bench, argc, argv)) {
        fprintf(stderr, "usage: cuda [--config FILE] [--size HxW] [--batch N] [--device cuda[:N]] "
                        "[--precision float32|tf32|bf16|fp16] [--tune on|off] [--graphs on|off] "
                        "[--steps N]\n");
        return 64;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    enum status status = run(&bench, &err);
    if (status != STATUS_OK) fprintf(stderr, "cuda: %s\n", err.message);
    nn_destroy(bench.nn);
    detector_model_destroy(&bench.model);
    return status != STATUS_OK;
}
