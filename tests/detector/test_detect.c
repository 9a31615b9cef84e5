#include "detector/detect.h"

#include <math.h>
#include <stdio.h>

#include "nn/onednn.h"
#include "tests/detector/check_model.h"
#include "tests/harness.h"

enum { NUM_IMAGES = 3 };

static struct nn *nn;
static struct arena arena; // of images and detections

static const char *const PLAIN[] = {NULL};
static const char *const GATED[] = {"backbone.attention", "gct", "conventions", "torchvision",
                                    NULL};
static const char *const HEAVY[] = {
    "backbone.attention", "gct", "box.convs", "2",  "box.linears",   "1",  "box.gct", "true",
    "box.norm",           "gn",  "mask.norm", "gn", "gct.embedding", "l1", NULL};
static const char *const FROZEN[] = {"backbone.norm", "frozen_bn", "backbone.attention", "se",
                                     NULL};
static const char *const *const MODELS[] = {PLAIN, GATED, HEAVY, FROZEN};
enum { NUM_MODELS = sizeof MODELS / sizeof MODELS[0] };

static enum nn_precision precision;

static void fresh_context(void) {
    struct error err;
    const struct nn_options options = {.num_threads = 2, .precision = precision};
    nn_destroy(nn);
    nn = NULL;
    EXPECT_OK(nn_create(&nn, &options, &err), &err);
    REQUIRE(nn != NULL);
}

static void begin_case(void) {
    arena_destroy(&arena);
    arena_init(&arena, 1 << 20, 0);
    fresh_context();
}

static void detect(struct small_model *small, const struct image *images, int64_t count,
                   struct detection_list *lists) {
    struct error err;
    EXPECT_OK(detect_images(nn, &small->model, images, count, &arena, lists, &err), &err);
}

// What any list of detections must be.
static void expect_sound(const struct detection_list *list, const struct image *image) {
    for (int64_t i = 0; i < list->count; i++) {
        const struct detection *d = &list->items[i];
        EXPECT(d->score > 0.1f && d->score <= 1);
        EXPECT(i == 0 || d->score <= list->items[i - 1].score);
        EXPECT(d->label >= 1 && d->label <= 4);
        EXPECT(d->box[0] >= 0 && d->box[1] >= 0 && d->box[0] < d->box[2] && d->box[1] < d->box[3]);
        EXPECT((double)d->box[2] <= image->width * 1.0001);
        EXPECT((double)d->box[3] <= image->height * 1.0001);
        EXPECT(d->mask.width == image->width && d->mask.height == image->height);
        int64_t sum = 0;
        for (int64_t j = 0; j < d->mask.num_runs; j++)
            sum += d->mask.runs[j];
        EXPECT_INT(sum, (int64_t)image->width * image->height);
    }
}

// An image's detections do not depend on the other images of its batch.
static void in_a_batch(void) {
    for (int m = 0; m < NUM_MODELS; m++) {
        struct small_model small;
        struct image images[NUM_IMAGES];
        struct detection_list together[NUM_IMAGES];
        begin_case();
        small_model_build(&small, MODELS[m], 5);
        small_model_open_gates(&small, 6);
        for (int i = 0; i < NUM_IMAGES; i++)
            images[i] = noise_image(150, 110, (uint64_t)i, &arena);
        detect(&small, images, NUM_IMAGES, together);
        int64_t total = 0;
        for (int i = 0; i < NUM_IMAGES; i++) {
            struct detection_list alone;
            expect_sound(&together[i], &images[i]);
            detect(&small, &images[i], 1, &alone);
            EXPECT(same_detections(&alone, &together[i]));
            total += alone.count;
        }
        EXPECT(total > 5);
        EXPECT(!same_detections(&together[0], &together[1]));
        small_model_destroy(&small);
    }
}

static void again(void) {
    for (int m = 0; m < NUM_MODELS; m++) {
        struct small_model small;
        struct detection_list first;
        struct detection_list other;
        struct detection_list second;
        begin_case();
        small_model_build(&small, MODELS[m], 8);
        small_model_open_gates(&small, 9);
        struct image image = noise_image(140, 131, 1, &arena);
        struct image larger = noise_image(90, 180, 2, &arena);
        detect(&small, &image, 1, &first);
        detect(&small, &larger, 1, &other);
        detect(&small, &image, 1, &second);
        EXPECT(first.count > 0 && same_detections(&first, &second));
        for (int threads = 1; threads <= 3; threads += 2) {
            nn->num_threads = threads;
            detect(&small, &image, 1, &second);
            EXPECT(same_detections(&first, &second));
        }
        small_model_destroy(&small);
    }
}

static void skip_without_bf16(void) {
    if (!onednn_has_bf16()) skip_case("this processor has no instructions for bf16");
}

// What holds in float32 to the last bit does in bf16, too.
static void same_in_bf16(void) {
    skip_without_bf16();
    precision = NN_BF16;
    in_a_batch();
    again();
    precision = NN_FLOAT32;
}

static double overlap(const float *a, const float *b) {
    double width = fmin((double)a[2], (double)b[2]) - fmax((double)a[0], (double)b[0]);
    double height = fmin((double)a[3], (double)b[3]) - fmax((double)a[1], (double)b[1]);
    if (width <= 0 || height <= 0) return 0;
    double areas = (double)(a[2] - a[0]) * (double)(a[3] - a[1]) +
                   (double)(b[2] - b[0]) * (double)(b[3] - b[1]);
    return width * height / (areas - width * height);
}

// How many of the expected detections are there.
static int64_t count_found(const struct detection_list *expected,
                           const struct detection_list *got) {
    int64_t found = 0;
    for (int64_t i = 0; i < expected->count; i++) {
        const struct detection *e = &expected->items[i];
        bool is_there = false;
        for (int64_t j = 0; j < got->count; j++) {
            const struct detection *g = &got->items[j];
            is_there = is_there || (g->label == e->label && overlap(g->box, e->box) > 0.9 &&
                                    fabsf(g->score - e->score) < 0.05f);
        }
        found += is_there;
    }
    return found;
}

// Much the same is found in both precisions. (With weights that were never trained, many scores are
// so close that rounding decides which of two boxes suppresses the other: of a trained model's
// detections, 98 % were found again.)
static void near_float32(void) {
    enum { NUM_PICTURES = 8 };
    skip_without_bf16();
    for (int m = 0; m < NUM_MODELS; m++) {
        int64_t total = 0;
        int64_t found = 0;
        bool differs = false;
        for (uint64_t i = 0; i < NUM_PICTURES; i++) {
            struct detection_list lists[2];
            begin_case();
            struct image image = noise_image(150, 110, i, &arena);
            for (int p = NN_FLOAT32; p <= NN_BF16; p++) {
                struct small_model small; // belongs to one context
                precision = (enum nn_precision)p;
                fresh_context();
                small_model_build(&small, MODELS[m], 5);
                small_model_open_gates(&small, 6);
                detect(&small, &image, 1, &lists[p]);
                small_model_destroy(&small);
            }
            precision = NN_FLOAT32;
            total += lists[NN_FLOAT32].count;
            found += count_found(&lists[NN_FLOAT32], &lists[NN_BF16]);
            differs = differs || !same_detections(&lists[NN_FLOAT32], &lists[NN_BF16]);
        }
        EXPECT(total > 100 && differs);
        EXPECT(found >= total * 85 / 100);
    }
}

static void no_detections(void) {
    static const char *const NEVER[] = {"box.score", "1", "backbone.attention", "gct", NULL};
    struct small_model small;
    struct detection_list lists[2];
    begin_case();
    small_model_build(&small, NEVER, 5);
    struct image images[] = {noise_image(150, 110, 1, &arena), noise_image(150, 110, 2, &arena)};
    detect(&small, images, 2, lists);
    EXPECT_INT(lists[0].count, 0);
    EXPECT_INT(lists[1].count, 0);
    small_model_destroy(&small);
}

// With deltas that are no numbers no proposal is a box, and the heads have nothing to do.
static void no_proposals(void) {
    for (int m = 0; m < NUM_MODELS; m++) {
        struct small_model small;
        struct detection_list list;
        begin_case();
        small_model_build(&small, MODELS[m], 5);
        struct parameter *bias =
            parameters_find(&small.model.parameters, "rpn.head.bbox_pred.bias");
        for (int64_t i = 0; i < bias->count; i++)
            bias->data[i] = 1e6F; // far to the right of the image
        parameters_changed(&small.model.parameters);
        struct image image = noise_image(150, 110, 1, &arena);
        detect(&small, &image, 1, &list);
        EXPECT_INT(list.count, 0);
        small_model_destroy(&small);
    }
}

static void odd_images(void) {
    static const int32_t SIDES[][2] = {
        {1, 1},   {2000, 20}, {20, 2000}, {SMALL_SIDE, SMALL_SIDE}, {SMALL_LONG_SIDE, SMALL_SIDE},
        {3, 200}, {641, 479},
    };
    for (int m = 0; m < NUM_MODELS; m++) {
        struct small_model small;
        begin_case();
        small_model_build(&small, MODELS[m], 5);
        small_model_open_gates(&small, 6);
        for (size_t i = 0; i < sizeof SIDES / sizeof SIDES[0]; i++) {
            struct detection_list list;
            struct image image = noise_image(SIDES[i][0], SIDES[i][1], 3, &arena);
            detect(&small, &image, 1, &list);
            expect_sound(&list, &image);
            EXPECT(list.count <= 20);
        }
        small_model_destroy(&small);
    }
}

// Fresh gates are the identity to the last bit: a detector may get them and stay what it was.
static void fresh_gates(void) {
    static const char *const PAIRS[][2][9] = {
        {{NULL}, {"backbone.attention", "gct", NULL}},
        {{"backbone.norm", "frozen_bn", "conventions", "torchvision", NULL},
         {"backbone.norm", "frozen_bn", "conventions", "torchvision", "backbone.attention", "gct",
          NULL}},
        {{"box.convs", "2", "box.norm", "gn", NULL},
         {"box.convs", "2", "box.norm", "gn", "box.gct", "true", NULL}},
    };
    for (size_t i = 0; i < sizeof PAIRS / sizeof PAIRS[0]; i++) {
        struct small_model plain;
        struct small_model gated;
        struct detection_list lists[2];
        begin_case();
        small_model_build(&plain, PAIRS[i][0], 5);
        small_model_build(&gated, PAIRS[i][1], 77);
        int64_t num_copied = 0;
        for (int64_t j = 0; j < gated.model.parameters.count; j++) {
            struct parameter *to = gated.model.parameters.items[j];
            const struct parameter *from = parameters_find(&plain.model.parameters, to->name);
            if (from) memcpy(to->data, from->data, (size_t)to->count * sizeof *to->data);
            num_copied += from != NULL;
        }
        parameters_changed(&gated.model.parameters);
        EXPECT_INT(num_copied, plain.model.parameters.count);
        EXPECT(gated.model.parameters.count > num_copied);
        struct image image = noise_image(150, 110, 1, &arena);
        detect(&plain, &image, 1, &lists[0]);
        detect(&gated, &image, 1, &lists[1]);
        EXPECT(lists[0].count > 0 && same_detections(&lists[0], &lists[1]));
        small_model_open_gates(&gated, 1);
        detect(&gated, &image, 1, &lists[1]);
        EXPECT(!same_detections(&lists[0], &lists[1]));
        small_model_destroy(&plain);
        small_model_destroy(&gated);
    }
}

// Too little step memory is an error with a number in it, and the context works on.
static void little_memory(void) {
    struct error err;
    begin_case();
    struct image image = noise_image(300, 300, 1, &arena);
    bool succeeded = false;
    int num_failed = 0;
    for (int64_t bytes = 1 << 21; bytes <= 1 << 26; bytes += 1 << 21) {
        struct small_model small; // belongs to one context
        struct detection_list list;
        small_model_build(&small, GATED, 5);
        nn_destroy(nn);
        nn = NULL;
        const struct nn_options options = {.num_threads = 2, .memory_bytes = bytes};
        EXPECT_OK(nn_create(&nn, &options, &err), &err);
        REQUIRE(nn != NULL);
        enum status status = detect_images(nn, &small.model, &image, 1, &arena, &list, &err);
        EXPECT(status == STATUS_OK || (status == STATUS_MEMORY && !succeeded));
        if (status == STATUS_MEMORY) EXPECT_CONTAINS(err.message, "step memory: no room for ");
        succeeded = status == STATUS_OK;
        num_failed += !succeeded;
        nn_begin(nn, NN_INFERENCE);
        EXPECT_OK(nn_status(nn, &err), &err);
        small_model_destroy(&small);
    }
    EXPECT(succeeded && num_failed > 0);
}

int main(int argc, char **argv) {
    int status = run_cases(argc, argv,
                           (struct test_case[]){
                               {"in a batch", in_a_batch},
                               {"again", again},
                               {"same in bf16", same_in_bf16},
                               {"near float32", near_float32},
                               {"no detections", no_detections},
                               {"no proposals", no_proposals},
                               {"odd images", odd_images},
                               {"fresh gates", fresh_gates},
                               {"little memory", little_memory},
                               {0},
                           });
    nn_destroy(nn);
    arena_destroy(&arena);
    return status;
}
