// A whole small network on the device beside the CPU: what it detects, and one training
// step with all its gradients.
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "detector/losses.h"
#include "nn/sgd/sgd.h"
#include "nn/squares/squares.h"
#include "tests/context.h"
#include "tests/detector/check_model.h"
#include "tests/gpu.h"
#include "tests/harness.h"

enum { NUM_DEVICES = 2 };

// How near the device's numbers are to the CPU's in a precision.
struct nearness {
    enum nn_precision precision;
    double score, overlap; // of two detections that are the same
    double share;          // of the CPU's detections that are found
    double loss_scale;
    double loss, gradient; // in shares of the loss; of the norm of gradients
};

// Rounding may decide which of two near ones suppresses the other.
static const struct nearness FLOAT32 = {NN_FLOAT32, 1e-3, 0.99, 0.95, 1, 1e-3, 5e-3};
static const struct nearness BF16 = {NN_BF16, 0.02, 0.9, 0.8, 1, 0.02, 0.1};
static const struct nearness FP16 = {NN_FP16, 3e-3, 0.98, 0.9, 1024, 3e-3, 0.01};

static struct nn *open_device(int device, enum nn_precision precision) {
    const struct nn_options options = {
        .device = device ? NN_CUDA : NN_CPU,
        .precision = device ? precision : NN_FLOAT32,
        .num_threads = 2,
        .memory_bytes = (int64_t)1 << 30,
        .direct_convolution = true,
        .cuda_module = tested_cuda_module(CUDA_MODULE),
    };
    return tested_context(&options);
}

static void build(struct small_model *small, const char *norm, const char *attention) {
    const char *const settings[] = {"backbone.norm", norm, "backbone.attention", attention, NULL};
    small_model_build(small, settings, 5);
    if (strcmp(attention, "gct") == 0) small_model_open_gates(small, 7);
}

// ---- Detection ----

static double overlap(const float *a, const float *b) {
    double width = fmin((double)a[2], (double)b[2]) - fmax((double)a[0], (double)b[0]);
    double height = fmin((double)a[3], (double)b[3]) - fmax((double)a[1], (double)b[1]);
    if (width <= 0 || height <= 0) return 0;
    double areas =
        (double)((a[2] - a[0]) * (a[3] - a[1])) + (double)((b[2] - b[0]) * (b[3] - b[1]));
    return width * height / (areas - width * height);
}

static bool found(const struct detection *wanted, const struct detection_list *list,
                  const struct nearness *near) {
    for (int64_t i = 0; i < list->count; i++) {
        const struct detection *d = &list->items[i];
        if (d->label == wanted->label && fabs((double)(d->score - wanted->score)) < near->score &&
            overlap(d->box, wanted->box) > near->overlap)
            return true;
    }
    return false;
}

static void expect_same_detections(const char *norm, const char *attention,
                                   const struct nearness *near) {
    struct detection_list lists[NUM_DEVICES] = {{NULL, 0}};
    struct small_model small[NUM_DEVICES];
    struct nn *nn[NUM_DEVICES];
    struct error err;
    for (int d = 0; d < NUM_DEVICES; d++) {
        build(&small[d], norm, attention);
        nn[d] = open_device(d, near->precision);
        struct image image = noise_image(120, 90, 3, &small[d].arena);
        EXPECT_OK(
            detect_images(nn[d], &small[d].model, &image, 1, &small[d].arena, &lists[d], &err),
            &err);
    }
    int64_t matched = 0;
    for (int64_t i = 0; i < lists[0].count; i++)
        matched += found(&lists[0].items[i], &lists[1], near);
    EXPECT(lists[0].count > 5);
    if (near->precision == NN_FLOAT32) EXPECT_INT(lists[1].count, lists[0].count);
    EXPECT((double)matched >= (double)lists[0].count * near->share);
    for (int d = 0; d < NUM_DEVICES; d++) {
        nn_destroy(nn[d]);
        small_model_destroy(&small[d]);
    }
}

static void detects_gct(void) {
    expect_same_detections("frozen_bn", "gct", &FLOAT32);
}

static void detects_gct_bf16(void) {
    expect_same_detections("frozen_bn", "gct", &BF16);
}

static void detects_gct_fp16(void) {
    expect_same_detections("frozen_bn", "gct", &FP16);
}

static void detects_gn(void) {
    expect_same_detections("gn", "none", &FLOAT32);
}

static void detects_se(void) {
    expect_same_detections("frozen_bn", "se", &FLOAT32);
}

static void detects_se_bf16(void) {
    expect_same_detections("frozen_bn", "se", &BF16);
}

// ---- A training step ----

enum { HEIGHT = 96, WIDTH = 128, NUM_OBJECTS = 3 };

static const float BOXES[NUM_OBJECTS][4] = {{10, 12, 40, 50}, {60, 20, 120, 80}, {30, 60, 50, 90}};
static const int32_t LABELS[NUM_OBJECTS] = {1, 3, 2};

// Each object fills the upper left half of its box.
static void make_mask(const float *box, struct object_mask *mask, struct arena *arena) {
    static uint8_t pixels[HEIGHT * WIDTH];
    struct error err;
    for (int y = 0; y < HEIGHT; y++) {
        for (int x = 0; x < WIDTH; x++) {
            float across = ((float)x - box[0]) / (box[2] - box[0]);
            float down = ((float)y - box[1]) / (box[3] - box[1]);
            pixels[y * WIDTH + x] = across >= 0 && down >= 0 && across + down <= 1;
        }
    }
    EXPECT_OK(rle_encode(&mask->rle, pixels, HEIGHT, WIDTH, arena, &err), &err);
}

// loss_scale: what losses and gradients come multiplied with.
static void run_step(struct nn *nn, struct small_model *small, struct mask_rcnn *model,
                     double loss_scale, struct losses *losses) {
    struct object_mask masks[NUM_OBJECTS] = {0};
    struct loss_tensors tensors;
    struct error err;
    for (int i = 0; i < NUM_OBJECTS; i++)
        make_mask(BOXES[i], &masks[i], &small->arena);
    const struct image_truth truth = {NUM_OBJECTS, BOXES[0], LABELS, masks};
    const struct extent extent = {HEIGHT, WIDTH};
    // All anchors and regions count, so that no draw hangs by a rounding error.
    struct loss_settings settings = loss_settings_of(&small->config);
    settings.anchors.count = 0;
    settings.regions.count = 0;
    settings.weight = loss_scale;
    nn_begin(nn, NN_TRAINING);
    struct tensor *input = nn_tensor(nn, 1, HEIGHT, WIDTH, 3);
    float *planes = nn_place(nn, input);
    struct random random = random_stream(4, 4);
    REQUIRE(planes);
    for (int64_t i = 0; i < tensor_count(input); i++)
        planes[i] = (float)random_between(&random, -2, 2);
    nn_put(nn, input, planes);
    mask_rcnn_losses_start(nn, model, input, &extent, &truth, &settings, &tensors);
    nn_backward(nn);
    EXPECT_OK(nn_status(nn, &err), &err);
    losses_read(nn, &tensors, losses);
}

static double norm_of(const float *values, int64_t count) {
    double squares = 0;
    for (int64_t i = 0; i < count; i++)
        squares += (double)values[i] * (double)values[i];
    return sqrt(squares);
}

static double distance_of(const float *got, const float *expected, int64_t count) {
    double squares = 0;
    for (int64_t i = 0; i < count; i++)
        squares += pow((double)got[i] - (double)expected[i], 2);
    return sqrt(squares);
}

static void expect_near_gradient(const struct parameter *got, const float *gradients,
                                 const struct parameter *expected, double tolerance) {
    EXPECT((got->grad != NULL) == (expected->grad != NULL));
    if (!got->grad || !expected->grad) return;
    double distance = distance_of(gradients + parameter_offset(got), expected->grad, got->count);
    double scale = norm_of(expected->grad, expected->count) + 1e-6;
    if (distance > tolerance * scale)
        fprintf(stderr, "%s: off by %.3g of its norm\n", got->name, distance / scale);
    EXPECT(distance <= tolerance * scale);
}

// In 16 bits, in which some proposals become others, that of all parameters together.
static void expect_near_gradients(struct parameters *got, const struct parameters *expected,
                                  const struct nearness *near) {
    int64_t count = expected->num_trainable_floats;
    float *gradients = NULL;
    struct error err;
    EXPECT_OK(parameters_read_array(got, got->grad, &gradients, &err), &err);
    REQUIRE(gradients);
    double distance = distance_of(gradients, expected->grad, count);
    EXPECT(distance <= near->gradient * norm_of(expected->grad, count));
    for (int64_t i = 0; i < expected->count && near->precision == NN_FLOAT32; i++)
        expect_near_gradient(got->items[i], gradients, expected->items[i], near->gradient);
}

static void expect_same_step(const char *norm, const char *attention, const struct nearness *near) {
    struct small_model small[NUM_DEVICES];
    struct mask_rcnn models[NUM_DEVICES];
    struct losses losses[NUM_DEVICES];
    struct nn *nn[NUM_DEVICES];
    struct error err;
    for (int d = 0; d < NUM_DEVICES; d++) {
        build(&small[d], norm, attention);
        EXPECT_OK(mask_rcnn_build(&models[d], &small[d].config, &small[d].arena, true, &err), &err);
        const struct parameters *from = &small[d].model.parameters;
        for (int64_t i = 0; i < from->count; i++) {
            const struct parameter *p = from->items[i];
            memcpy(parameters_find(&models[d].parameters, p->name)->data, p->data,
                   (size_t)p->count * sizeof *p->data);
        }
        parameters_changed(&models[d].parameters);
        nn[d] = open_device(d, near->precision);
        EXPECT_OK(parameters_move(&models[d].parameters, nn[d], &err), &err);
        run_step(nn[d], &small[d], &models[d], near->loss_scale, &losses[d]);
    }
    EXPECT_NEAR(losses[1].objectness, losses[0].objectness, near->loss * losses[0].objectness);
    EXPECT_NEAR(losses[1].anchor_box, losses[0].anchor_box, near->loss * losses[0].anchor_box);
    EXPECT_NEAR(losses[1].classes, losses[0].classes, near->loss * losses[0].classes);
    EXPECT_NEAR(losses[1].box, losses[0].box, near->loss * losses[0].box);
    EXPECT_NEAR(losses[1].mask, losses[0].mask, near->loss * losses[0].mask);
    EXPECT(losses[0].mask > 0 && losses[0].box > 0);
    expect_near_gradients(&models[1].parameters, &models[0].parameters, near);
    for (int d = 0; d < NUM_DEVICES; d++) {
        nn_destroy(nn[d]);
        small_model_destroy(&small[d]);
    }
}

static void trains_gct(void) {
    expect_same_step("frozen_bn", "gct", &FLOAT32);
}

static void trains_gct_bf16(void) {
    expect_same_step("frozen_bn", "gct", &BF16);
}

static void trains_gct_fp16(void) {
    expect_same_step("frozen_bn", "gct", &FP16);
}

static void trains_gn(void) {
    expect_same_step("gn", "none", &FLOAT32);
}

static void trains_gn_bf16(void) {
    expect_same_step("gn", "none", &BF16);
}

// In float16 a loss scale that is too large shows in the gradients' norm, which the losses, of
// float32, do not reach.
static void overflow_shows(void) {
    static const double SCALES[] = {1024, 1 << 30};
    for (int i = 0; i < 2; i++) {
        struct small_model small;
        struct mask_rcnn model;
        struct losses losses;
        struct error err;
        build(&small, "frozen_bn", "gct");
        EXPECT_OK(mask_rcnn_build(&model, &small.config, &small.arena, true, &err), &err);
        parameters_initialise(&model.parameters, 3);
        struct nn *nn = open_device(1, NN_FP16);
        EXPECT_OK(parameters_move(&model.parameters, nn, &err), &err);
        run_step(nn, &small, &model, SCALES[i], &losses);
        double squares =
            squares_forward(nn, model.parameters.grad, model.parameters.num_trainable_floats);
        EXPECT(isfinite(losses.mask + losses.box + losses.classes + losses.objectness));
        EXPECT(isfinite(squares) == (i == 0));
        nn_destroy(nn);
        small_model_destroy(&small);
    }
}

// ---- What a step asks of the host ----

// How often something has happened so far; see tests/cuda/emulator/stream.h.
static int64_t count_of(const char *name) {
    int64_t (*emulator_count)(const char *) = NULL;
    void *module = dlopen(tested_cuda_module(CUDA_MODULE), RTLD_NOW);
    REQUIRE(module);
    void *symbol = dlsym(module, "emulator_count");
    if (!symbol) skip_case("only the emulator counts");
    memcpy(&emulator_count, &symbol, sizeof symbol);
    return emulator_count(name);
}

struct counts {
    int64_t waits, uploads, downloads;
};

static struct counts counts_since(struct counts before) {
    return (struct counts){count_of("waits") - before.waits, count_of("uploads") - before.uploads,
                           count_of("downloads") - before.downloads};
}

// The proposals' counts, the detections', the masks. What is copied is the size of
// the image, for two operations, and the counts.
static void waits_of_detection(void) {
    struct detection_list list;
    struct small_model small;
    struct error err;
    build(&small, "frozen_bn", "gct");
    struct nn *nn = open_device(1, NN_FLOAT32);
    EXPECT_OK(parameters_move(&small.model.parameters, nn, &err), &err);
    struct image image = noise_image(120, 90, 3, &small.arena);
    struct counts before = counts_since((struct counts){0});
    EXPECT_OK(detect_images(nn, &small.model, &image, 1, &small.arena, &list, &err), &err);
    EXPECT(list.count > 5);
    struct counts counts = counts_since(before);
    EXPECT_INT(counts.waits, 3);
    EXPECT_INT(counts.uploads, 1);
    EXPECT_INT(counts.downloads, 3);
    nn_destroy(nn);
    small_model_destroy(&small);
}

// For the regions' counts, the gradients (and losses), their norm, the new values.
// No copy of a parameter, gradient or velocity: only the solver's table of rates goes to the
// device, and the norm comes back.
static void waits_of_training(void) {
    struct small_model small;
    struct mask_rcnn model;
    struct losses losses;
    struct error err;
    float *velocity = NULL;
    build(&small, "frozen_bn", "gct");
    EXPECT_OK(mask_rcnn_build(&model, &small.config, &small.arena, true, &err), &err);
    parameters_initialise(&model.parameters, 3);
    struct nn *nn = open_device(1, NN_FLOAT32);
    EXPECT_OK(parameters_move(&model.parameters, nn, &err), &err);
    EXPECT_OK(parameters_allocate_state(&model.parameters, &velocity, &err), &err);
    struct sgd_rate *rates = arena_alloc_zero(&small.arena, model.parameters.count, sizeof *rates);
    REQUIRE(rates && velocity);
    const struct sgd_rates all = {0.1f, 1, rates};
    struct counts before = counts_since((struct counts){0});
    run_step(nn, &small, &model, 1, &losses);
    EXPECT(squares_forward(nn, model.parameters.grad, model.parameters.num_trainable_floats) > 0);
    sgd_forward(nn, &model.parameters, velocity, &(struct sgd){0.9f, false}, &all);
    EXPECT_OK(nn_status(nn, &err), &err);
    struct counts counts = counts_since(before);
    EXPECT_INT(counts.waits, 4);
    EXPECT_INT(counts.downloads, 1);
    EXPECT_INT(counts.uploads, 1);
    nn_destroy(nn);
    small_model_destroy(&small);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"detects_gct", detects_gct},
                                          {"detects_gct_bf16", detects_gct_bf16},
                                          {"detects_gct_fp16", detects_gct_fp16},
                                          {"detects_gn", detects_gn},
                                          {"detects_se", detects_se},
                                          {"detects_se_bf16", detects_se_bf16},
                                          {"trains_gct", trains_gct},
                                          {"trains_gct_bf16", trains_gct_bf16},
                                          {"trains_gct_fp16", trains_gct_fp16},
                                          {"overflow_shows", overflow_shows},
                                          {"trains_gn", trains_gn},
                                          {"trains_gn_bf16", trains_gn_bf16},
                                          {"waits_of_detection", waits_of_detection},
                                          {"waits_of_training", waits_of_training},
                                          {0}});
}
