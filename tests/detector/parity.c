// build/tests/parity FIXTURE.json PHOTO.png [--threads N] [--cuda MODULE]
//     [--precision float32|bfloat16|tf32|float16]
//
// Compares the detector with what PyTorch and torchvision computed (a fixture), quantity by
// quantity: fills the model by the formula that the fixture's writer used, runs it on the photo and
// prints the largest error of each. Exits with 1 if one is beyond its tolerance. In bf16, which is
// for inference only, the training step is left out.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "detector/detect.h"
#include "detector/losses.h"
#include "detector/preprocess.h"
#include "nn/cuda/number_bits.h"
#include "nn/onednn.h"
#include "tests/detector/fixture.h"
#include "tests/detector/formula.h"

// What may differ.
struct tolerances {
    double norm;   // relative error
    double sample; // error in units of the tensor's root mean square
    // Lists, whose order may change where scores are close: the share of their items that must be
    // found again, and what counts as found.
    double share, box_iou, score;
    double mask_iou; // of each detection that was found
};
static const struct tolerances FLOAT32 = {1e-4, 1e-3, 0.95, 0.99, 1e-3, 0.98};
// The scores that made-up weights give are so close to each other that rounding decides which boxes
// suppress which: about a third is not found again. Of a trained model's detections 2 % are not.
static const struct tolerances BF16 = {1e-2, 0.1, 0.4, 0.9, 0.05, 0.2};

// Relative errors of losses and of gradients' norms: most of them, and all.
static const double LOSS_TOLERANCE = 1e-3;
static const double GRADIENT_TOLERANCE = 2e-3;
static const double GRADIENT_SHARE = 0.99;
static const double GRADIENT_LIMIT = 2e-2;

static const int64_t CUDA_BYTES = (int64_t)4 << 30; // step memory: not a whole card

enum { EXIT_SKIPPED = 77 };

struct parity {
    struct fixture fixture;
    struct model_config config;
    struct mask_rcnn model;
    struct mask_rcnn trained; // the same with gradients
    struct nn *nn;
    const struct tolerances *tolerances;
    struct image image;
    struct arena arena;
    int num_failures;
};

static void report(struct parity *p, const char *name, bool good, const char *text) {
    printf("%-8s%-18s%s\n", good ? "ok" : "FAILED", name, text);
    p->num_failures += !good;
}

// ---- Tensors ----

// Where element index of a [n, c, h, w] tensor lies in ours.
static int64_t place(const struct tensor *t, int64_t index) {
    int64_t x = index % t->w;
    int64_t y = index / t->w % t->h;
    int64_t c = index / (t->w * t->h) % t->c;
    int64_t n = index / (t->w * t->h * t->c);
    return ((n * t->h + y) * t->w + x) * t->c + c;
}

static bool same_shape(const struct tensor *t, const struct fixture_tensor *expected) {
    int64_t shape[4] = {1, 1, 1, 1};
    memcpy(shape, expected->shape, (size_t)expected->num_dims * sizeof *shape);
    return t->n == shape[0] && t->c == shape[1] && t->h == shape[2] && t->w == shape[3];
}

static double value_of(const void *values, enum number_type type, int64_t i) {
    const uint16_t *halves = values;
    if (type == NUMBER_BF16) return (double)number_from_bf16(halves[i]);
    if (type == NUMBER_FP16) return (double)number_from_fp16(halves[i]);
    return (double)((const float *)values)[i];
}

static void compare_tensor(struct parity *p, const char *name, const struct tensor *t) {
    const struct fixture_tensor *expected = fixture_tensor_find(&p->fixture, name);
    const void *values = nn_read(p->nn, t->data, tensor_bytes(t));
    nn_wait(p->nn);
    if (!expected || nn_failed(p->nn) || !same_shape(t, expected)) {
        report(p, name, false, expected ? "not computed, or of another shape" : "not in the file");
        return;
    }
    double squares = 0;
    int64_t count = tensor_count(t);
    for (int64_t i = 0; i < count; i++)
        squares += pow(value_of(values, t->type, i), 2);
    double norm_error = fabs(sqrt(squares) - expected->norm) / expected->norm;
    double rms = expected->norm / sqrt((double)count);
    double sample_error = 0;
    for (int64_t i = 0; i < expected->num_samples; i++) {
        double got = value_of(values, t->type, place(t, expected->samples[i].index));
        double error = fabs(got - expected->samples[i].value) / rms;
        if (!(error <= sample_error)) sample_error = error;
    }
    char text[128];
    snprintf(text, sizeof text, "norm %.1e (<= %.0e)  samples %.1e RMS (<= %.0e)", norm_error,
             p->tolerances->norm, sample_error, p->tolerances->sample);
    report(p, name, norm_error <= p->tolerances->norm && sample_error <= p->tolerances->sample,
           text);
}

// ---- Lists of boxes ----

static double iou(const float *a, const float *b) {
    double width = fmin((double)a[2], (double)b[2]) - fmax((double)a[0], (double)b[0]);
    double height = fmin((double)a[3], (double)b[3]) - fmax((double)a[1], (double)b[1]);
    if (width <= 0 || height <= 0) return 0;
    double areas =
        (double)((a[2] - a[0]) * (a[3] - a[1])) + (double)((b[2] - b[0]) * (b[3] - b[1]));
    return width * height / (areas - width * height);
}

static void compare_proposals(struct parity *p, const struct box_list *list) {
    const struct fixture *f = &p->fixture;
    int64_t matched = 0;
    for (int64_t i = 0; i < f->num_proposals; i++) {
        double best = 0;
        for (int64_t j = 0; j < list->count; j++)
            best = fmax(best, iou(f->proposals + 4 * i, list->boxes + 4 * j));
        matched += best > p->tolerances->box_iou;
    }
    char text[128];
    snprintf(text, sizeof text, "%lld of %lld found (>= %.0f %%), %lld of our own",
             (long long)matched, (long long)f->num_proposals, 100 * p->tolerances->share,
             (long long)list->count);
    double share = (double)matched / fmax((double)f->num_proposals, 1);
    bool good =
        list->count == f->num_proposals && (share >= p->tolerances->share || !f->num_proposals);
    report(p, "proposals", good, text);
}

// The detection that expected is, or NULL.
static const struct detection *find_match(const struct tolerances *tolerances,
                                          const struct fixture_detection *expected,
                                          const struct detection_list *list) {
    for (int64_t i = 0; i < list->count; i++) {
        const struct detection *d = &list->items[i];
        if (d->label == expected->label && iou(d->box, expected->box) > tolerances->box_iou &&
            fabs((double)d->score - expected->score) < tolerances->score)
            return d;
    }
    return NULL;
}

static void compare_detections(struct parity *p, const struct detection_list *list) {
    const struct fixture *f = &p->fixture;
    int64_t matched = 0;
    double score_error = 0;
    double lowest = 1;
    for (int64_t i = 0; i < f->num_detections; i++) {
        const struct fixture_detection *expected = &f->detections[i];
        const struct detection *d = find_match(p->tolerances, expected, list);
        if (!d) continue;
        matched++;
        score_error = fmax(score_error, fabs((double)d->score - expected->score));
        bool empty = rle_area(&d->mask) == 0 && rle_area(&expected->mask) == 0;
        if (!empty) lowest = fmin(lowest, rle_iou(&d->mask, &expected->mask, false));
    }
    char text[128];
    snprintf(text, sizeof text, "%lld of %lld found (>= %.0f %%), scores within %.1e",
             (long long)matched, (long long)f->num_detections, 100 * p->tolerances->share,
             score_error);
    double share = (double)matched / fmax((double)f->num_detections, 1);
    bool good =
        list->count == f->num_detections && (share >= p->tolerances->share || !f->num_detections);
    report(p, "detections", good, text);
    snprintf(text, sizeof text, "IoU at least %.4f (> %.2f)", lowest, p->tolerances->mask_iou);
    report(p, "masks", lowest > p->tolerances->mask_iou, text);
}

// ---- The comparison ----

static enum status make_input(struct parity *p, struct extent *extent, struct tensor **input,
                              struct error *err) {
    *extent = preprocess_extent(&p->model, p->image.width, p->image.height);
    struct extent padded = preprocess_padded(extent, 1);
    struct tensor *x = nn_tensor(p->nn, 1, padded.height, padded.width, 3);
    float *planes = nn_place(p->nn, x);
    TRY(nn_status(p->nn, err));
    TRY(preprocess_image(&p->model, &p->image, *extent, padded, planes, &p->arena, err));
    nn_put(p->nn, x, planes);
    bool good =
        extent->height == p->fixture.resized_height && extent->width == p->fixture.resized_width;
    char text[128];
    snprintf(text, sizeof text, "%d x %d, expected %lld x %lld", extent->width, extent->height,
             (long long)p->fixture.resized_width, (long long)p->fixture.resized_height);
    report(p, "resized", good, text);
    *input = x;
    return STATUS_OK;
}

static void compare_levels(struct parity *p, const char *prefix, int first, int count,
                           struct tensor *const tensors[]) {
    for (int i = 0; i < count; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s%d", prefix, first + i);
        compare_tensor(p, name, tensors[i]);
    }
}

// The box head on the fixture's own proposals, since ours may come in another order.
static void compare_box_head(struct parity *p, const struct features *features) {
    int64_t count = p->fixture.num_proposals;
    struct tensor *boxes = nn_tensor(p->nn, count, 1, 1, 5); // and indices of the one image
    struct box_list list = {.capacity = count, .count = count};
    float *place = nn_place(p->nn, boxes);
    float *levels = nn_scratch(p->nn, count);
    if (nn_failed(p->nn)) return;
    memcpy(place, p->fixture.proposals, (size_t)count * 4 * sizeof(float));
    memset(place + 4 * count, 0, (size_t)count * sizeof(int32_t));
    nn_put(p->nn, boxes, place);
    list.boxes = boxes->data;
    list.images = (int32_t *)(void *)(boxes->data + 4 * count);
    list.levels = (int32_t *)(void *)levels;
    struct tensor *pooled = roi_pool(p->nn, &p->model.rules->roi_pooling, p->config.box.resolution,
                                     features->levels, &list);
    compare_tensor(p, "box.pooled", pooled);
    struct box_scores scores = box_head_forward(p->nn, &p->model.box_head, pooled);
    compare_tensor(p, "box.feature", scores.feature);
    compare_tensor(p, "box.logits", scores.logits);
    compare_tensor(p, "box.deltas", scores.deltas);
}

static enum status compare(struct parity *p, struct error *err) {
    struct extent extent;
    struct tensor *input = NULL;
    struct tensor *stages[RESNET_STAGES];
    struct features features;
    struct rpn_maps maps;
    struct box_list proposals;
    nn_begin(p->nn, NN_INFERENCE);
    TRY(make_input(p, &extent, &input, err));
    compare_tensor(p, "input", input);
    resnet_forward(p->nn, &p->model.resnet, input, stages);
    compare_levels(p, "c", 2, RESNET_STAGES, stages);
    features.height = input->h;
    features.width = input->w;
    fpn_forward(p->nn, &p->model.fpn, stages, features.levels);
    compare_levels(p, "p", 2, FPN_LEVELS, features.levels);
    rpn_forward(p->nn, &p->model.rpn, features.levels, &maps);
    compare_levels(p, "rpn.logits.p", 2, RPN_LEVELS, maps.logits);
    compare_levels(p, "rpn.deltas.p", 2, RPN_LEVELS, maps.deltas);
    mask_rcnn_propose(p->nn, &p->model, &features, &extent, &proposals);
    const struct box_list found = box_list_read(p->nn, &proposals);
    TRY(nn_status(p->nn, err));
    compare_proposals(p, &found);
    compare_box_head(p, &features);
    TRY(nn_status(p->nn, err));

    struct detection_list list;
    TRY(detect_images(p->nn, &p->model, &p->image, 1, &p->arena, &list, err));
    compare_detections(p, &list);
    return STATUS_OK;
}

// ---- The training step ----

// The photo's mask in the resized image: torchvision's nearest neighbour.
static enum status resize_mask(const struct rle *mask, struct extent to, struct arena *arena,
                               struct rle *result, struct error *err) {
    uint8_t *pixels = arena_alloc(arena, (int64_t)mask->height * mask->width, 1);
    uint8_t *resized = arena_alloc(arena, (int64_t)to.height * to.width, 1);
    if (!pixels || !resized) return error_memory(err, "a mask", to.height * to.width);
    float scale_y = (float)mask->height / (float)to.height;
    float scale_x = (float)mask->width / (float)to.width;
    rle_decode(mask, pixels);
    for (int32_t y = 0; y < to.height; y++) {
        for (int32_t x = 0; x < to.width; x++) {
            int32_t from_y = (int32_t)fminf((float)y * scale_y, (float)(mask->height - 1));
            int32_t from_x = (int32_t)fminf((float)x * scale_x, (float)(mask->width - 1));
            resized[y * to.width + x] = pixels[from_y * mask->width + from_x];
        }
    }
    return rle_encode(result, resized, to.height, to.width, arena, err);
}

static enum status make_truth(struct parity *p, struct extent extent, struct image_truth *truth,
                              struct error *err) {
    const struct fixture *f = &p->fixture;
    float *boxes = arena_alloc(&p->arena, 4 * f->num_truths, sizeof *boxes);
    struct object_mask *masks = arena_alloc_zero(&p->arena, f->num_truths, sizeof *masks);
    if (!boxes || !masks) return error_memory(err, "truths", f->num_truths);
    float scale_x = (float)extent.width / (float)f->width;
    float scale_y = (float)extent.height / (float)f->height;
    for (int64_t i = 0; i < f->num_truths; i++) {
        for (int j = 0; j < 4; j++)
            boxes[4 * i + j] = f->truth_boxes[4 * i + j] * (j % 2 ? scale_y : scale_x);
        TRY(resize_mask(&f->truth_masks[i], extent, &p->arena, &masks[i].rle, err));
    }
    *truth = (struct image_truth){f->num_truths, boxes, f->truth_labels, masks};
    return STATUS_OK;
}

static void compare_losses(struct parity *p, const struct losses *losses) {
    const double values[FIXTURE_NUM_LOSSES] = {
        [FIXTURE_OBJECTNESS] = losses->objectness,
        [FIXTURE_ANCHOR_BOX] = losses->anchor_box,
        [FIXTURE_CLASSES] = losses->classes,
        [FIXTURE_BOX] = losses->box,
        [FIXTURE_MASK] = losses->mask,
    };
    for (int i = 0; i < FIXTURE_NUM_LOSSES; i++) {
        double expected = p->fixture.losses[i];
        double error = fabs(values[i] - expected) / fmax(fabs(expected), 1e-12);
        char text[128];
        snprintf(text, sizeof text, "%.6g, expected %.6g: %.1e (<= %.0e)", values[i], expected,
                 error, LOSS_TOLERANCE);
        report(p, FIXTURE_LOSS_NAMES[i], error <= LOSS_TOLERANCE, text);
    }
}

static double norm_of(const float *values, int64_t count) {
    double squares = 0;
    for (int64_t i = 0; i < count; i++)
        squares += (double)values[i] * (double)values[i];
    return sqrt(squares);
}

static enum status compare_gradients(struct parity *p, struct parameters *parameters,
                                     struct error *err) {
    float *gradients = NULL;
    TRY(parameters_read_array(parameters, parameters->grad, &gradients, err));
    const struct fixture *f = &p->fixture;
    int64_t close = 0;
    double worst = 0;
    const char *worst_name = "";
    for (int64_t i = 0; i < f->num_gradients; i++) {
        const struct fixture_tensor *expected = &f->gradients[i];
        const struct parameter *got = parameters_find(parameters, expected->name);
        double error = HUGE_VAL;
        if (got && got->grad)
            error = fabs(norm_of(gradients + parameter_offset(got), got->count) - expected->norm) /
                    fmax(expected->norm, 1e-20);
        close += error <= GRADIENT_TOLERANCE;
        if (error <= worst) continue;
        worst = error;
        worst_name = expected->name;
    }
    char text[256];
    double share = (double)close / fmax((double)f->num_gradients, 1);
    snprintf(text, sizeof text,
             "%lld of %lld norms within %.0e (>= %.0f %%), worst %.1e (<= %.0e) %s",
             (long long)close, (long long)f->num_gradients, GRADIENT_TOLERANCE,
             100 * GRADIENT_SHARE, worst, GRADIENT_LIMIT, worst_name);
    report(p, "gradients", share >= GRADIENT_SHARE && worst <= GRADIENT_LIMIT, text);
    return STATUS_OK;
}

// One step in which all anchors and all regions count, so that nothing is random.
static enum status compare_training(struct parity *p, struct error *err) {
    struct extent extent;
    struct tensor *input = NULL;
    struct image_truth truth;
    struct losses losses;
    struct loss_settings settings = loss_settings_of(&p->config);
    settings.anchors.count = 0;
    settings.regions.count = 0;
    TRY(mask_rcnn_build(&p->trained, &p->config, &p->arena, true, err));
    formula_fill(&p->trained.parameters, p->fixture.salt);
    TRY(parameters_move(&p->trained.parameters, p->nn, err));
    nn_begin(p->nn, NN_TRAINING);
    TRY(make_input(p, &extent, &input, err));
    TRY(make_truth(p, extent, &truth, err));
    mask_rcnn_losses(p->nn, &p->trained, input, &extent, &truth, &settings, &losses);
    nn_backward(p->nn);
    TRY(nn_status(p->nn, err));
    compare_losses(p, &losses);
    return compare_gradients(p, &p->trained.parameters, err);
}

static enum status run(struct parity *p, const char *fixture, const char *photo,
                       const struct nn_options *options, struct error *err) {
    struct image_limits limits = image_limits_default();
    TRY(fixture_load(&p->fixture, fixture, &p->arena, err));
    TRY(fixture_configure(&p->fixture, &p->config, &p->arena, err));
    TRY(image_load(&p->image, NULL, photo, &limits, true, &p->arena, err));
    if (p->image.width != p->fixture.width || p->image.height != p->fixture.height)
        return error_set(err, STATUS_DATA, "%s: %d x %d pixels, expected the fixture's %lld x %lld",
                         photo, p->image.width, p->image.height, (long long)p->fixture.width,
                         (long long)p->fixture.height);
    TRY(mask_rcnn_build(&p->model, &p->config, &p->arena, false, err));
    formula_fill(&p->model.parameters, p->fixture.salt);
    TRY(nn_create(&p->nn, options, err));
    TRY(parameters_move(&p->model.parameters, p->nn, err));
    p->tolerances = options->precision == NN_FLOAT32 ? &FLOAT32 : &BF16;
    TRY(compare(p, err));
    return options->precision == NN_FLOAT32 ? compare_training(p, err) : STATUS_OK;
}

static bool parse(int argc, char **argv, struct nn_options *options) {
    *options = (struct nn_options){0};
    for (int i = 3; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--threads") == 0)
            options->num_threads = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--cuda") == 0)
            *options = (struct nn_options){
                .device = NN_CUDA, .memory_bytes = CUDA_BYTES, .cuda_module = argv[i + 1]};
        else if (strcmp(argv[i], "--precision") != 0 ||
                 !nn_precision_named(argv[i + 1], &options->precision))
            return false;
    }
    return argc >= 3 && argc % 2 == 1;
}

int main(int argc, char **argv) {
    struct nn_options options;
    if (!parse(argc, argv, &options)) {
        fprintf(stderr, "usage: parity FIXTURE.json PHOTO.png [--threads N] "
                        "[--precision float32|bfloat16|tf32|float16] [--cuda MODULE]\n");
        return 64;
    }
    if (options.precision == NN_BF16 && options.device == NN_CPU && !onednn_has_bf16()) {
        printf("skipped: this processor has no bf16 instructions\n");
        return EXIT_SKIPPED;
    }
    static struct parity parity;
    struct error err;
    arena_init(&parity.arena, 1 << 20, 0);
    enum status status = run(&parity, argv[1], argv[2], &options, &err);
    if (status != STATUS_OK) fprintf(stderr, "parity: %s\n", err.message);
    nn_destroy(parity.nn);
    arena_destroy(&parity.arena);
    if (status == STATUS_DEVICE && strstr(err.message, "no device can be used"))
        return EXIT_SKIPPED;
    return status != STATUS_OK || parity.num_failures > 0;
}
