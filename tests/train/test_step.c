// One training step: what a batch is to its groups and a group to its images, images without
// objects, and numbers that are not finite.
#include "train/step.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/harness.h"
#include "tests/train/check_trainer.h"

static struct tiny_training tiny;
static struct solver solver;
static struct stepper stepper;
static struct error err;

static const struct parameters *parameters(void) {
    return &tiny.detector.model.network.parameters;
}

static struct loader *create_loader(int64_t first) {
    const struct loader_options options = {
        .dataset = &tiny.dataset,
        .model = &tiny.detector.model.network,
        .image_folder = tiny_image_folder(),
        .seed = 5,
        .augments = true,
        .first = first,
        .stride = 1,
        .num_groups = 1,
    };
    struct loader *loader = NULL;
    EXPECT_OK(loader_create(&loader, &options, &err), &err);
    REQUIRE(loader);
    return loader;
}

static void begin(const char *annotations, const char *const *settings) {
    tiny_training_create(&tiny, annotations, settings);
    REQUIRE(solver_init(&solver, &tiny.detector.model, &err) == STATUS_OK);
    stepper = (struct stepper){
        .nn = tiny.detector.nn,
        .model = &tiny.detector.model,
        .solver = &solver,
        .loader = create_loader(0),
        .communicator = tiny.communicator,
        .seed = 5,
    };
}

static void end(void) {
    loader_destroy(stepper.loader);
    tiny_training_destroy(&tiny);
}

static struct step_result run_step(int64_t step) {
    struct step_result result;
    enum status status = step_run(&stepper, step, &result, &err);
    EXPECT_OK(status, &err);
    REQUIRE(status == STATUS_OK);
    return result;
}

// ---- A batch and its groups ----

// Losses and gradients of some groups, each computed alone: their means.
struct reference {
    double *grad;
    struct losses losses;
};

static void add_group(struct reference *reference, const struct group *group, double share) {
    struct nn *nn = tiny.detector.nn;
    struct losses l;
    struct loss_settings settings = loss_settings_of(&tiny.detector.model.config);
    settings.seed = stepper.seed;
    settings.step = (uint64_t)group->index;
    nn_begin(nn, NN_TRAINING);
    struct tensor *input =
        nn_tensor(nn, group->num_images, group->padded.height, group->padded.width, 3);
    memcpy(input->data, group->planes, (size_t)tensor_count(input) * sizeof *input->data);
    mask_rcnn_losses(nn, &tiny.detector.model.network, input, group->extents, group->truths,
                     &settings, &l);
    nn_backward(nn);
    EXPECT_OK(nn_status(nn, &err), &err);
    for (int64_t i = 0; i < parameters()->num_trainable_floats; i++)
        reference->grad[i] += share * (double)parameters()->grad[i];
    parameters_clear_gradients(&tiny.detector.model.network.parameters);
    reference->losses.objectness += share * l.objectness;
    reference->losses.anchor_box += share * l.anchor_box;
    reference->losses.classes += share * l.classes;
    reference->losses.box += share * l.box;
    reference->losses.mask += share * l.mask;
}

static struct reference group_by_group(int64_t num_groups) {
    struct reference reference = {
        .grad = calloc((size_t)parameters()->num_trainable_floats, sizeof(double))};
    struct loader *loader = create_loader(0);
    REQUIRE(reference.grad);
    for (int64_t k = 0; k < num_groups; k++) {
        const struct group *group = NULL;
        EXPECT_OK(loader_next(loader, &group, &err), &err);
        add_group(&reference, group, 1 / (double)num_groups);
        loader_release(loader, group);
    }
    loader_destroy(loader);
    return reference;
}

static void expect_losses(const struct losses *a, const struct losses *b, double tolerance) {
    EXPECT_NEAR(a->objectness, b->objectness, tolerance);
    EXPECT_NEAR(a->anchor_box, b->anchor_box, tolerance);
    EXPECT_NEAR(a->classes, b->classes, tolerance);
    EXPECT_NEAR(a->box, b->box, tolerance);
    EXPECT_NEAR(a->mask, b->mask, tolerance);
    EXPECT(a->mask > 0);
}

// The largest difference in a tensor, as a share of the tensor's largest value; of all tensors.
static double largest_difference(const float *values, const double *reference) {
    double worst = 0;
    for (int64_t i = 0; i < parameters()->count; i++) {
        const struct parameter *p = parameters()->items[i];
        double largest = 0;
        double difference = 0;
        if (!p->grad) continue;
        for (int64_t j = p->grad - parameters()->grad, k = 0; k < p->count; j++, k++) {
            largest = fmax(largest, fabs(reference[j]));
            difference = fmax(difference, fabs((double)values[j] - reference[j]));
        }
        if (largest > 0) worst = fmax(worst, difference / largest);
    }
    return worst;
}

static double norm(const double *values, int64_t count) {
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += values[i] * values[i];
    return sqrt(sum);
}

// Without weight decay, the first step's velocity is the gradient itself.
static void batch_is_mean_of_groups(void) {
    begin(tiny_annotations("train"),
          (const char *const[]){"schedule.batch=6", "schedule.group=2", "solver.weight_decay=0",
                                "solver.learning_rate=0.5", NULL});
    int64_t count = parameters()->num_trainable_floats;
    struct reference reference = group_by_group(3);
    float *before = malloc((size_t)count * sizeof *before);
    REQUIRE(before);
    memcpy(before, parameters()->data, (size_t)count * sizeof *before);
    struct step_result result = run_step(0);
    expect_losses(&result.losses, &reference.losses, 1e-6);
    EXPECT_NEAR(largest_difference(solver.velocity, reference.grad), 0, 1e-5);
    EXPECT_NEAR(result.gradient_norm, norm(reference.grad, count), 1e-6 * result.gradient_norm);
    EXPECT_NEAR(result.learning_rate, 0.5, 0);
    // Biases learn twice as fast, and nothing is left of the gradients.
    for (int64_t i = 0; i < parameters()->count; i++) {
        const struct parameter *p = parameters()->items[i];
        bool is_bias = p->kind == PARAMETER_BIAS || p->kind == PARAMETER_NORM_BIAS;
        for (int64_t j = 0; p->grad && j < p->count; j++) {
            int64_t at = p->data - parameters()->data + j;
            float rate = is_bias ? 1.0F : 0.5F;
            EXPECT_NEAR((double)p->data[j], (double)(before[at] - rate * solver.velocity[at]),
                        1e-7);
            EXPECT(equal_bits(&p->grad[j], &(float){0}, sizeof(float)));
        }
    }
    free(before);
    free(reference.grad);
    end();
}

// Steps follow one another through the groups.
static void steps_go_through_the_groups(void) {
    begin(tiny_annotations("train"),
          (const char *const[]){"schedule.batch=4", "schedule.group=2", "solver.weight_decay=0",
                                "solver.learning_rate=0", "solver.momentum=0", NULL});
    run_step(0);
    struct step_result second = run_step(1);
    struct reference four = group_by_group(4);
    struct reference two = group_by_group(2);
    for (int64_t i = 0; i < parameters()->num_trainable_floats; i++)
        four.grad[i] = 2 * four.grad[i] - two.grad[i];
    EXPECT_NEAR(largest_difference(solver.velocity, four.grad), 0, 1e-5);
    EXPECT_NEAR(losses_total(&second.losses),
                2 * losses_total(&four.losses) - losses_total(&two.losses), 1e-5);
    free(four.grad);
    free(two.grad);
    end();
}

// ---- A group and its images ----

#define HEAD(images)                                                                               \
    "{\"categories\":[{\"id\":1,\"name\":\"disk\"},{\"id\":2,\"name\":\"ring\"}],\"images\":"      \
    "[" images "],\"annotations\":["
#define IMAGE(id)                                                                                  \
    "{\"id\":" #id ",\"file_name\":\"train_00000" #id ".jpg\",\"width\":64,\"height\":48}"
#define OBJECT(id, image, box, polygon)                                                            \
    "{\"id\":" #id ",\"image_id\":" #image ",\"category_id\":1,\"iscrowd\":0,\"area\":99,"         \
    "\"bbox\":" box ",\"segmentation\":[" polygon "]}"
#define SQUARE(id, image) OBJECT(id, image, "[10,10,30,30]", "[10,10,40,10,40,40,10,40]")
#define SMALL(id, image)  OBJECT(id, image, "[40,5,12,8]", "[40,5,52,5,52,13,40,13]")

// All anchors and regions are judged, so that chance decides nothing.
#define ALL_SAMPLED                                                                                \
    "classes.names=disk,ring", "augment.flip=0", "rpn.sampled=20000", "box.sampled=20000",         \
        "rpn.pre_nms_train=2000", "rpn.post_nms_train=1000", "solver.weight_decay=0"

static struct losses first_losses(const char *annotations, const char *batch, const char *group) {
    begin(annotations, (const char *const[]){ALL_SAMPLED, batch, group, NULL});
    struct step_result result = run_step(0);
    end();
    return result.losses;
}

// The same image several times, in one group or in groups of its own, is the image.
static void equal_images(void) {
    static const char SET[] = HEAD(IMAGE(1)) SQUARE(1, 1) "," SMALL(2, 1) "]}";
    struct losses alone = first_losses(SET, "schedule.batch=1", "schedule.group=1");
    struct losses together = first_losses(SET, "schedule.batch=4", "schedule.group=4");
    struct losses apart = first_losses(SET, "schedule.batch=4", "schedule.group=1");
    expect_losses(&together, &alone, 2e-6);
    expect_losses(&apart, &alone, 2e-6);
}

// The same for the gradients.
static void equal_images_gradients(void) {
    static const char SET[] = HEAD(IMAGE(1)) SQUARE(1, 1) "," SMALL(2, 1) "]}";
    begin(SET, (const char *const[]){ALL_SAMPLED, "schedule.batch=1", "schedule.group=1", NULL});
    struct reference alone = group_by_group(1);
    end();
    static const char *const GROUPS[] = {"schedule.group=1", "schedule.group=2",
                                         "schedule.group=4"};
    for (int i = 0; i < 3; i++) {
        begin(SET, (const char *const[]){ALL_SAMPLED, "schedule.batch=4", GROUPS[i], NULL});
        run_step(0);
        EXPECT_NEAR(largest_difference(solver.velocity, alone.grad), 0, 2e-5);
        end();
    }
    free(alone.grad);
}

// A group divides by what all of its images have together: mask pixels of a large object and a
// small one count alike, and an image with more objects weighs more, unlike in groups of their own.
static void group_is_the_unit(void) {
    static const char ONE[] = HEAD(IMAGE(1)) SQUARE(1, 1) "]}";
    static const char OTHER[] = HEAD(IMAGE(2)) SQUARE(1, 2) "," SMALL(2, 2) "]}";
    static const char BOTH[] =
        HEAD(IMAGE(1) "," IMAGE(2)) SQUARE(1, 1) "," SQUARE(2, 2) "," SMALL(3, 2) "]}";
    struct losses one = first_losses(ONE, "schedule.batch=1", "schedule.group=1");
    struct losses other = first_losses(OTHER, "schedule.batch=1", "schedule.group=1");
    struct losses apart = first_losses(BOTH, "schedule.batch=2", "schedule.group=1");
    struct losses together = first_losses(BOTH, "schedule.batch=2", "schedule.group=2");
    EXPECT_NEAR(losses_total(&apart), (losses_total(&one) + losses_total(&other)) / 2, 1e-6);
    EXPECT(fabs(one.box - other.box) > 1e-3);
    EXPECT(fabs(together.box - apart.box) > 2e-5);
    EXPECT(together.box > fmin(one.box, other.box));
    EXPECT(together.box < fmax(one.box, other.box));
}

// ---- Images without objects, and degenerate objects ----

// Twice as large, many pictures show nothing of an object in one corner.
static void objects_cut_away(void) {
    static const char SET[] =
        HEAD(IMAGE(1) "," IMAGE(2)) OBJECT(1, 1, "[0,0,20,16]", "[0,0,20,0,20,16,0,16]") "," OBJECT(
            2, 2, "[44,32,20,16]", "[44,32,64,32,64,48,44,48]") "]}";
    int num_empty = 0;
    begin(SET,
          (const char *const[]){"classes.names=disk,ring", "schedule.batch=2", "schedule.group=2",
                                "augment.jitter=2,2", "solver.learning_rate=0.001", NULL});
    struct loader *other = create_loader(0);
    for (int step = 0; step < 8; step++) {
        const struct group *group = NULL;
        EXPECT_OK(loader_next(other, &group, &err), &err);
        bool empty = group->truths[0].count + group->truths[1].count == 0;
        loader_release(other, group);
        struct step_result result = run_step(step);
        num_empty += empty;
        EXPECT((result.losses.mask > 0) == !empty);
        EXPECT((result.losses.anchor_box > 0) == !empty);
        EXPECT(result.losses.objectness > 0 && result.losses.classes > 0);
        EXPECT(result.gradient_norm > 0);
    }
    EXPECT(num_empty >= 2 && num_empty <= 6);
    loader_destroy(other);
    end();
}

// Nothing to see of a polygon that is a line, nor of objects that are scaled to less than a pixel.
static void degenerate_objects(void) {
    static const char SET[] = HEAD(IMAGE(1) "," IMAGE(2))
        SQUARE(1, 1) "," OBJECT(2, 1, "[5,5,20,20]", "[5,5,25,25,5,5]") "," OBJECT(
            3, 2, "[9,9,0.5,20]", "[9,9,9.5,9,9.5,29]") "," SMALL(4, 2) "]}";
    static const char *const JITTERS[] = {"augment.jitter=1,1", "augment.jitter=0.05,0.1"};
    for (int i = 0; i < 2; i++) {
        begin(SET, (const char *const[]){"classes.names=disk,ring", "schedule.batch=2",
                                         "schedule.group=1", JITTERS[i], NULL});
        EXPECT_INT(tiny.dataset.objects_left_out[LEFT_OUT_SMALL], 1);
        EXPECT_INT(tiny.dataset.num_objects, 3);
        for (int step = 0; step < 3; step++)
            EXPECT(run_step(step).losses.classes > 0);
        end();
    }
}

// ---- Numbers that are not finite ----

// A step that must fail, which leaves parameters and momentum as they are.
static void expect_failure(const char *message) {
    size_t bytes = (size_t)parameters()->num_floats * sizeof(float);
    size_t velocity_bytes = (size_t)parameters()->num_trainable_floats * sizeof(float);
    float *before = malloc(bytes);
    float *velocity = malloc(velocity_bytes);
    struct step_result result;
    REQUIRE(before && velocity);
    memcpy(before, parameters()->data, bytes);
    memcpy(velocity, solver.velocity, velocity_bytes);
    EXPECT_STATUS(step_run(&stepper, 2, &result, &err), STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message, message);
    EXPECT(equal_bits(before, parameters()->data, bytes));
    EXPECT(equal_bits(velocity, solver.velocity, velocity_bytes));
    free(before);
    free(velocity);
}

// What the next failure is to happen to: step 3, whose first images these are.
static char next_images[256];

// A label that only images of the second group have, and their names.
static int32_t second_label;
static char second_images[256];

static void name_images(const struct group *group, char text[256]) {
    snprintf(text, 256, "%s, %s", group->images[0]->record->file_name,
             group->images[1]->record->file_name);
}

// Which labels a group's objects have, as bits.
static unsigned labels_of(const struct group *group) {
    unsigned labels = 0;
    for (int64_t i = 0; i < group->num_images; i++)
        for (int64_t j = 0; j < group->truths[i].count; j++)
            labels |= 1U << group->truths[i].labels[j];
    return labels;
}

static void look_ahead(void) {
    struct loader *loader = create_loader(4);
    const struct group *group = NULL;
    EXPECT_OK(loader_next(loader, &group, &err), &err);
    name_images(group, next_images);
    unsigned labels = labels_of(group);
    loader_release(loader, group);
    EXPECT_OK(loader_next(loader, &group, &err), &err);
    name_images(group, second_images);
    labels = labels_of(group) & ~labels;
    for (second_label = 0; labels >> second_label > 1;)
        second_label++;
    EXPECT(labels != 0);
    loader_release(loader, group);
    loader_destroy(loader);
}

static void begin_and_go(void) {
    begin(tiny_annotations("train"),
          (const char *const[]){"schedule.batch=4", "schedule.group=2", NULL});
    run_step(0);
    run_step(1);
    look_ahead();
}

// Back to where the failed step began.
static void again(void) {
    loader_destroy(stepper.loader);
    stepper.loader = create_loader(4);
    parameters_clear_gradients(&tiny.detector.model.network.parameters);
}

static void set_value(struct parameter *p, int64_t index, float value) {
    p->data[index] = value;
    parameters_changed(&tiny.detector.model.network.parameters);
}

static void losses_not_finite(void) {
    static const struct {
        const char *parameter, *loss;
        float value;
    } CASES[] = {
        {"rpn.head.cls_logits.bias", "objectness", NAN},
        {"rpn.head.cls_logits.bias", "objectness", INFINITY},
        {"rpn.head.bbox_pred.bias", "anchor box", NAN},
        {"rpn.head.bbox_pred.bias", "anchor box", INFINITY},
        {"roi_heads.box_predictor.cls_score.bias", "class", NAN},
        {"roi_heads.box_predictor.bbox_pred.weight", "box", NAN},
        {"roi_heads.mask_predictor.mask_fcn_logits.weight", "mask", NAN},
    };
    begin_and_go();
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        char message[64];
        struct parameter *p = parameters_find(parameters(), CASES[i].parameter);
        REQUIRE(p);
        snprintf(message, sizeof message, "step 3: the %s loss is not finite (", CASES[i].loss);
        // Those of all classes: the images have one or the other.
        float *values = malloc((size_t)p->count * sizeof *values);
        REQUIRE(values);
        memcpy(values, p->data, (size_t)p->count * sizeof *values);
        for (int64_t j = 0; j < p->count; j++)
            p->data[j] = CASES[i].value;
        parameters_changed(&tiny.detector.model.network.parameters);
        expect_failure(message);
        // The images of this group and no others.
        EXPECT_TEXT(strstr(err.message, " in ") + 4, next_images);
        memcpy(p->data, values, (size_t)p->count * sizeof *values);
        free(values);
        again();
    }
    parameters_changed(&tiny.detector.model.network.parameters);
    run_step(2);
    end();
}

// The first group of the batch has nothing to do with it.
static void loss_of_the_second_group(void) {
    begin_and_go();
    set_value(parameters_find(parameters(), "roi_heads.mask_predictor.mask_fcn_logits.bias"),
              second_label, NAN);
    expect_failure("step 3: the mask loss is not finite (");
    EXPECT_TEXT(strstr(err.message, " in ") + 4, second_images);
    end();
}

// Gradients accumulate, so one that is damaged beforehand stays so.
static void gradients_not_finite(void) {
    static const float VALUES[] = {NAN, INFINITY, -INFINITY};
    begin_and_go();
    for (int i = 0; i < 3; i++) {
        struct parameter *p = parameters_find(parameters(), "rpn.head.cls_logits.weight");
        REQUIRE(p && p->grad);
        p->grad[3] = VALUES[i];
        expect_failure("step 3: the gradient of rpn.head.cls_logits.weight is not finite, at a "
                       "learning rate of 0.02, in ");
        EXPECT_CONTAINS(err.message, next_images);
        again();
    }
    // ReLU makes zeros of numbers that are none, so that losses look fine.
    set_value(parameters_find(parameters(), "backbone.body.conv1.weight"), 0, NAN);
    expect_failure("step 3: the gradient of backbone.body.");
    end();
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"batch_is_mean_of_groups", batch_is_mean_of_groups},
                         {"steps_go_through_the_groups", steps_go_through_the_groups},
                         {"equal_images", equal_images},
                         {"equal_images_gradients", equal_images_gradients},
                         {"group_is_the_unit", group_is_the_unit},
                         {"objects_cut_away", objects_cut_away},
                         {"degenerate_objects", degenerate_objects},
                         {"losses_not_finite", losses_not_finite},
                         {"loss_of_the_second_group", loss_of_the_second_group},
                         {"gradients_not_finite", gradients_not_finite},
                         {0},
                     });
}
