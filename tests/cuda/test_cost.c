// What the kernels of a small network are said to move, beside what they move on the emulated
// device, whose module counts it.
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "detector/losses.h"
#include "nn/cuda/cost.h"
#include "tests/detector/check_model.h"
#include "tests/harness.h"

typedef int64_t count_function(const char *name);

// All calls of an operation, forward or backward.
struct sum {
    double counted, measured;
};

struct meter {
    struct nn *nn;
    count_function *count;
    struct cost_sheet sheet;
    int64_t bytes; // when the last call began
    struct sum *last;
    struct sum sums[NUM_OPS][2];
};

static double counted_bytes(const struct meter *m) {
    return cost_sum(&m->sheet, NUM_OPS, false).bytes;
}

// What was moved since belongs to the last call.
static void settle(struct meter *m) {
    nn_wait(m->nn);
    int64_t bytes = m->count("bytes");
    if (m->last) m->last->measured += (double)(bytes - m->bytes);
    m->bytes = bytes;
    m->last = NULL;
}

static void observe(struct meter *m, const struct call *call, bool backward) {
    double before = counted_bytes(m);
    settle(m);
    m->last = &m->sums[call->op][backward];
    if (backward)
        cost_backward(&m->sheet, call);
    else
        cost_forward(&m->sheet, call);
    m->last->counted += counted_bytes(m) - before;
}

static void observe_forward(void *context, const struct call *call) {
    observe(context, call, false);
}

static void observe_backward(void *context, const struct call *call) {
    observe(context, call, true);
}

static void open_meter(struct meter *m, enum nn_precision precision) {
    struct error err;
    const struct nn_options options = {
        .device = NN_CUDA,
        .precision = precision,
        .memory_bytes = (int64_t)1 << 28,
        .cuda_module = CUDA_MODULE,
    };
    *m = (struct meter){.sheet.own_products = true};
    EXPECT_OK(nn_create(&m->nn, &options, &err), &err);
    REQUIRE(m->nn != NULL);
    void *module = dlopen(CUDA_MODULE, RTLD_NOW | RTLD_NOLOAD);
    REQUIRE(module);
    void *symbol = dlsym(module, "emulator_count");
    REQUIRE(symbol);
    memcpy(&m->count, &symbol, sizeof m->count);
    m->nn->observer = observe_forward;
    m->nn->backward_observer = observe_backward;
    m->nn->observer_context = m;
}

// What hangs by the data is counted as if there were as much as there may be.
static bool hangs_by_data(enum op op) {
    static const enum op ops[] = {
        OP_top_k,      OP_nms,          OP_proposals,    OP_detections,   OP_roi_align,
        OP_roi_levels, OP_class_logits, OP_softmax_loss, OP_sigmoid_loss, OP_smooth_l1_loss,
        OP_match,      OP_sample,       OP_encode,       OP_regions,      OP_mask_targets};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (ops[i] == op) return true;
    return false;
}

static void expect_sum(const struct sum *sum, enum op op, bool backward) {
    if (sum->counted == 0 && sum->measured == 0) return;
    double ratio = sum->measured / sum->counted;
    bool fits = hangs_by_data(op) ? ratio > 0.02 && ratio < 1.4 : ratio > 0.98 && ratio < 1.02;
    if (!fits)
        printf("%s%s: %.0f bytes moved, %.3f of what is counted\n", op_name(op),
               backward ? ", backward" : "", sum->measured, ratio);
    EXPECT(fits);
}

// What came so far, which was not a training step.
static void forget(struct meter *m) {
    settle(m);
    memset(m->sums, 0, sizeof m->sums);
    m->sheet = (struct cost_sheet){.own_products = true, .keeps_weights = true};
}

static void close_meter(struct meter *m) {
    struct error err;
    settle(m);
    EXPECT_OK(nn_status(m->nn, &err), &err);
    for (int op = 0; op < NUM_OPS; op++)
        for (int backward = 0; backward < 2; backward++)
            expect_sum(&m->sums[op][backward], (enum op)op, backward);
    nn_destroy(m->nn);
}

static void build(struct small_model *small, const char *norm, const char *attention) {
    const char *const settings[] = {"backbone.norm", norm, "backbone.attention", attention, NULL};
    small_model_build(small, settings, 5);
    if (strcmp(attention, "gct") == 0) small_model_open_gates(small, 7);
}

// ---- Detection ----

static void detect(const char *norm, const char *attention, enum nn_precision precision) {
    struct small_model small;
    struct detection_list list = {NULL, 0};
    struct meter meter;
    struct error err;
    build(&small, norm, attention);
    open_meter(&meter, precision);
    struct image image = noise_image(120, 90, 3, &small.arena);
    EXPECT_OK(detect_images(meter.nn, &small.model, &image, 1, &small.arena, &list, &err), &err);
    forget(&meter); // the first one packs weights
    EXPECT_OK(detect_images(meter.nn, &small.model, &image, 1, &small.arena, &list, &err), &err);
    EXPECT(list.count > 5);
    close_meter(&meter);
    small_model_destroy(&small);
}

static void detects_gct(void) {
    detect("frozen_bn", "gct", NN_FLOAT32);
}

static void detects_gct_bf16(void) {
    detect("frozen_bn", "gct", NN_BF16);
}

// ---- A training step ----

enum { HEIGHT = 96, WIDTH = 128, NUM_OBJECTS = 3 };

static const float BOXES[NUM_OBJECTS][4] = {{10, 12, 40, 50}, {60, 20, 120, 80}, {30, 60, 50, 90}};
static const int32_t LABELS[NUM_OBJECTS] = {1, 3, 2};

// The whole image; which pixels an object has is no matter here.
static void make_mask(struct object_mask *mask, struct arena *arena) {
    static uint8_t pixels[HEIGHT * WIDTH];
    struct error err;
    memset(pixels, 1, sizeof pixels);
    EXPECT_OK(rle_encode(&mask->rle, pixels, HEIGHT, WIDTH, arena, &err), &err);
}

static void run_step(struct nn *nn, struct small_model *small, struct mask_rcnn *model) {
    struct object_mask masks[NUM_OBJECTS] = {0};
    for (int i = 0; i < NUM_OBJECTS; i++)
        make_mask(&masks[i], &small->arena);
    const struct image_truth truth = {NUM_OBJECTS, BOXES[0], LABELS, masks};
    const struct extent extent = {HEIGHT, WIDTH};
    const struct loss_settings settings = loss_settings_of(&small->config);
    struct losses losses;
    nn_begin(nn, NN_TRAINING);
    struct tensor *input = nn_tensor(nn, 1, HEIGHT, WIDTH, 3);
    float *planes = nn_place(nn, input);
    struct random random = random_stream(4, 4);
    REQUIRE(planes);
    for (int64_t i = 0; i < tensor_count(input); i++)
        planes[i] = (float)random_between(&random, -2, 2);
    nn_put(nn, input, planes);
    mask_rcnn_losses(nn, model, input, &extent, &truth, &settings, &losses);
    EXPECT(losses.mask > 0 && losses.box > 0);
    nn_backward(nn);
}

static void train(const char *norm, const char *attention, enum nn_precision precision) {
    struct small_model small;
    struct mask_rcnn model;
    struct meter meter;
    struct error err;
    build(&small, norm, attention);
    EXPECT_OK(mask_rcnn_build(&model, &small.config, &small.arena, true, &err), &err);
    parameters_initialise(&model.parameters, 5);
    open_meter(&meter, precision);
    run_step(meter.nn, &small, &model);
    close_meter(&meter);
    small_model_destroy(&small);
}

static void trains_gct(void) {
    train("frozen_bn", "gct", NN_FLOAT32);
}

static void trains_gct_bf16(void) {
    train("frozen_bn", "gct", NN_BF16);
}

static void trains_gn(void) {
    train("gn", "none", NN_FLOAT32);
}

static void trains_gn_fp16(void) {
    train("gn", "none", NN_FP16);
}

static void trains_se(void) {
    train("frozen_bn", "se", NN_FLOAT32);
}

static void trains_se_bf16(void) {
    train("frozen_bn", "se", NN_BF16);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"detects_gct", detects_gct},
                                          {"detects_gct_bf16", detects_gct_bf16},
                                          {"trains_gct", trains_gct},
                                          {"trains_gct_bf16", trains_gct_bf16},
                                          {"trains_gn", trains_gn},
                                          {"trains_gn_fp16", trains_gn_fp16},
                                          {"trains_se", trains_se},
                                          {"trains_se_bf16", trains_se_bf16},
                                          {0}});
}
