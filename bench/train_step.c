// Times training steps of Mask R-CNN by phase: losses, gradients, solver. Weights follow from a
// formula (tests/detector/formula.h), images and objects from another one (bench/train_scene.h), so
// that other programs can have the same ones. bench/train runs it.
//
//     train_step [--size WxH] [--images N] [--gct] [--threads N] [--rounds N] [--json | --profile]
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/clock.h"
#include "bench/kernel_times.h"
#include "bench/peak.h"
#include "bench/train_scene.h"
#include "nn/onednn.h"
#include "tests/detector/formula.h"
#include "train/solver.h"
#include "train/step.h"

enum { MAX_ROUNDS = 200, PEAK_ROUNDS = 10 };

// So small that the weights stay as good as the same.
static const double LEARNING_RATE = 1e-6;

// The last is the time of all processors, which other programs' load changes less.
enum phase { PHASE_FORWARD, PHASE_BACKWARD, PHASE_SOLVER, PHASE_TOTAL, PHASE_CPU, NUM_PHASES };

static const char *const NAMES[] = {"forward", "backward", "solver", "total", "processors"};

struct bench {
    bool gct, json, profile;
    int num_threads, num_rounds, num_images;
    struct extent extent;
    struct detector_model model;
    struct solver solver;
    struct scene scene;
    struct nn *nn;
    float *planes; // as the loader has them
    double times[NUM_PHASES][MAX_ROUNDS];
    struct losses losses; // of the first step
    double first;         // seconds of the first step
    int64_t num_regions, num_objects;
    double peak_flops; // of one second
    double rss_mib;
};

// ---- Preparation ----

static enum status make_model(struct bench *b, struct error *err) {
    static const char *names[SCENE_CLASSES];
    struct detector_model *model = &b->model;
    struct model_config *config = &model->config;
    TRY(options_init(&model->options, MODEL_OPTIONS, config, &model->arena, err));
    for (int i = 0; i < SCENE_CLASSES; i++)
        names[i] = "class";
    config->conventions = CONVENTIONS_TORCHVISION;
    config->classes.names = (struct option_texts){names, SCENE_CLASSES};
    config->backbone.attention = b->gct ? ATTENTION_GCT : ATTENTION_NONE;
    config->rpn.post_nms_train = 2000;
    TRY(model_config_check(config, err));
    TRY(mask_rcnn_build(&model->network, config, &model->arena, true, err));
    formula_fill(&model->network.parameters, "");
    return solver_init(&b->solver, model, err);
}

static enum status make_planes(struct bench *b, struct error *err) {
    int64_t count = (int64_t)b->num_images * b->scene.padded.height * b->scene.padded.width * 3;
    b->planes = arena_alloc(&b->model.arena, count, sizeof *b->planes);
    if (!b->planes) return error_memory(err, "images", count * (int64_t)sizeof *b->planes);
    scene_fill_input(&b->scene, b->planes);
    return STATUS_OK;
}

// ---- Steps ----

// Which regions the heads were given.
static void count_regions(void *context, const struct call *call) {
    struct bench *b = context;
    if (call->op == OP_softmax_loss) b->num_regions = call->inputs[0]->n;
    if (call->op == OP_deconv) b->num_objects = call->inputs[0]->n;
}

// One step as train/step.c takes it; phases[NUM_PHASES] gets the seconds.
static enum status train(struct bench *b, uint64_t step, struct losses *losses, double *phases,
                         struct error *err) {
    struct nn *nn = b->nn;
    struct loss_settings settings = loss_settings_of(&b->model.config);
    settings.step = step;
    clock_t cpu_start = clock();
    double start = clock_seconds();
    nn_begin(nn, NN_TRAINING);
    struct tensor *input =
        nn_tensor(nn, b->num_images, b->scene.padded.height, b->scene.padded.width, 3);
    TRY(nn_status(nn, err));
    memcpy(input->data, b->planes, (size_t)tensor_count(input) * sizeof *input->data);
    mask_rcnn_losses(nn, &b->model.network, input, b->scene.extents, b->scene.truths, &settings,
                     losses);
    double forward_end = clock_seconds();
    nn_backward(nn);
    double backward_end = clock_seconds();
    double norm = solver_gradient_norm(nn, &b->solver);
    solver_step(nn, &b->solver, LEARNING_RATE, norm);
    double end = clock_seconds();
    phases[PHASE_FORWARD] = forward_end - start;
    phases[PHASE_BACKWARD] = backward_end - forward_end;
    phases[PHASE_SOLVER] = end - backward_end;
    phases[PHASE_TOTAL] = end - start;
    phases[PHASE_CPU] = (double)(clock() - cpu_start) / CLOCKS_PER_SEC;
    return nn_status(nn, err);
}

static enum status measure(struct bench *b, struct error *err) {
    double phases[NUM_PHASES];
    b->nn->observer = count_regions;
    b->nn->observer_context = b;
    TRY(train(b, 0, &b->losses, phases, err));
    b->nn->observer = NULL;
    b->first = phases[PHASE_TOTAL];
    if (b->profile) kernel_times_start();
    for (int i = 0; i < b->num_rounds; i++) {
        struct losses losses;
        TRY(train(b, (uint64_t)i + 1, &losses, phases, err));
        kernel_times_end_step();
        for (int j = 0; j < NUM_PHASES; j++)
            b->times[j][i] = phases[j];
    }
    kernel_times_stop();
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    b->rss_mib = (double)usage.ru_maxrss / 1024;
    return measure_matrix_product(b->nn, PEAK_ROUNDS, &b->peak_flops, err);
}

// ---- Reports ----

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

// Sorts the times.
static double median(double *values, int count) {
    qsort(values, (size_t)count, sizeof *values, compare_doubles);
    return values[count / 2];
}

static void report_json(struct bench *b) {
    const struct losses *l = &b->losses;
    double *totals = b->times[PHASE_TOTAL];
    double total = median(totals, b->num_rounds);
    printf("{\"engine\":\"gctmask%s\",\"ms\":%.2f,\"min_ms\":%.2f,\"first_ms\":%.1f,"
           "\"cpu_ms\":%.2f,\"rss_mib\":%.0f,\"regions\":%lld,\"objects\":%lld,",
           b->gct ? " with GCT" : "", 1e3 * total, 1e3 * totals[0], 1e3 * b->first,
           1e3 * median(b->times[PHASE_CPU], b->num_rounds), b->rss_mib, (long long)b->num_regions,
           (long long)b->num_objects);
    printf("\"losses\":{\"objectness\":%.5f,\"anchor_box\":%.5f,\"classes\":%.5f,\"box\":%.5f,"
           "\"mask\":%.5f},\"peak_gflops\":%.1f,\"phases\":{",
           l->objectness, l->anchor_box, l->classes, l->box, l->mask, 1e-9 * b->peak_flops);
    for (int i = 0; i < PHASE_TOTAL; i++)
        printf("%s\"%s\":%.2f", i ? "," : "", NAMES[i], 1e3 * median(b->times[i], b->num_rounds));
    printf("}}\n");
}

static void report_profile(struct bench *b) {
    double forward = median(b->times[PHASE_FORWARD], b->num_rounds);
    double backward = median(b->times[PHASE_BACKWARD], b->num_rounds);
    printf("\nMilliseconds of a step, the least of %d; rates are shares of the matrix product's\n",
           b->num_rounds);
    kernel_times_print(b->peak_flops);
    printf(
        "kernels: forward %.2f ms, backward %.2f ms; beside them in the median step: %.2f ms and "
        "%.2f ms\n",
        1e3 * kernel_times_forward(), 1e3 * kernel_times_backward(),
        1e3 * (forward - kernel_times_forward()), 1e3 * (backward - kernel_times_backward()));
}

static void report_memory(const struct bench *b) {
    const struct parameters *p = &b->model.network.parameters;
    double mib = 1 << 20;
    printf("memory: step %.0f MiB, copies of weights in kernels' layouts %.0f, parameters %.0f, "
           "their gradients and momentum %.0f each\n",
           (double)b->nn->heap.peak_bytes / mib, (double)b->nn->model.reserved_bytes / mib,
           (double)p->num_floats * sizeof(float) / mib,
           (double)p->num_trainable_floats * sizeof(float) / mib);
}

static void report_text(struct bench *b) {
    printf("oneDNN %s, %d threads, %d images of %d x %d: %lld regions, %lld of them objects, "
           "loss %.4f, first %.0f ms, peak %.0f MiB; matrix product %.0f GFLOP/s\n",
           onednn_version().text, b->nn->num_threads, b->num_images, b->extent.width,
           b->extent.height, (long long)b->num_regions, (long long)b->num_objects,
           losses_total(&b->losses), 1e3 * b->first, b->rss_mib, 1e-9 * b->peak_flops);
    for (int i = 0; i < NUM_PHASES; i++)
        printf("%-10s %9.2f ms\n", NAMES[i], 1e3 * median(b->times[i], b->num_rounds));
    report_memory(b);
    if (b->profile) report_profile(b);
}

// ---- The program ----

static enum status run(struct bench *b, struct error *err) {
    const struct nn_options options = {.num_threads = b->num_threads};
    TRY(make_model(b, err));
    TRY(scene_make(&b->scene, b->num_images, b->extent, &b->model.arena, err));
    TRY(make_planes(b, err));
    TRY(nn_create(&b->nn, &options, err));
    scene_attach(&b->scene);
    TRY(measure(b, err));
    if (b->json)
        report_json(b);
    else
        report_text(b);
    return STATUS_OK;
}

static bool parse(struct bench *b, int argc, char **argv) {
    *b = (struct bench){.num_rounds = 3, .num_images = 1, .extent = {800, 1333}};
    for (int i = 1; i < argc; i++) {
        const char *next = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--gct") == 0)
            b->gct = true;
        else if (strcmp(argv[i], "--json") == 0)
            b->json = true;
        else if (strcmp(argv[i], "--profile") == 0)
            b->profile = true;
        else if (strcmp(argv[i], "--threads") == 0)
            b->num_threads = atoi(next), i++;
        else if (strcmp(argv[i], "--rounds") == 0)
            b->num_rounds = atoi(next), i++;
        else if (strcmp(argv[i], "--images") == 0)
            b->num_images = atoi(next), i++;
        else if (strcmp(argv[i], "--size") == 0 &&
                 sscanf(next, "%dx%d", &b->extent.width, &b->extent.height) == 2)
            i++;
        else
            return false;
    }
    return b->num_rounds >= 1 && b->num_rounds <= MAX_ROUNDS && b->num_images >= 1 &&
           b->extent.width >= 32 && b->extent.height >= 32;
}

int main(int argc, char **argv) {
    static struct bench bench;
    struct error err;
    if (!parse(&bench, argc, argv)) {
        fprintf(stderr, "usage: train_step [--size WxH] [--images N] [--gct] [--threads N] "
                        "[--rounds N] [--json | --profile]\n");
        return 64;
    }
    arena_init(&bench.model.arena, 1 << 20, 0);
    enum status status = run(&bench, &err);
    if (status != STATUS_OK) fprintf(stderr, "train_step: %s\n", err.message);
    nn_destroy(bench.nn);
    arena_destroy(&bench.model.arena);
    return status != STATUS_OK;
}
