// Ten training steps against PyTorch's: its losses, gradient norms and parameters at the end, for
// the same model, batch, solver and schedule, from the files in tests/train/sgd_steps/. They were
// written by tests/oracle/sgd_steps.py:
//     sgd_steps.py r50_bn_gct_gn_gct --conventions detectron2 --rate 0.000012 --clip 180
//     sgd_steps.py r50_gn_gn --conventions torchvision --rate 0.000015
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file_view.h"
#include "base/json_reader.h"
#include "detector/losses.h"
#include "detector/preprocess.h"
#include "tests/detector/fixture.h"
#include "tests/detector/formula.h"
#include "tests/harness.h"
#include "tests/sanitized.h"
#include "train/schedule.h"
#include "train/solver.h"

// What is compared. Rounding differs between any two programs, and each step enlarges what it left:
// kinks (a loss that turns its slope, a pixel that another one outdoes) are crossed a step sooner
// or later. How fast is measured: PyTorch's own results spread when only its rounding differs. So
// relative errors are allowed up to a fixed number, which is smaller in the first step, or to some
// times the largest spread of any result of the kind in this step or before.
enum kind { LOSSES, GRADIENT_NORMS, NORMS, WAYS, NUM_KINDS };

static const struct {
    const char *name;
    double first, later;
} TOLERANCES[NUM_KINDS] = {
    [LOSSES] = {"losses", 1e-3, 2e-2},
    [GRADIENT_NORMS] = {"gradient norms", 2e-3, 2e-2},
    [NORMS] = {"parameters' norms", 0, 3e-5},
    [WAYS] = {"parameters' ways", 0, 3e-2},
};
static const double TIMES_SPREAD = 4;

enum { MAX_STEPS = 16, MAX_PARAMETERS = 64 };

// A result, and how far PyTorch's own results lay from it when only rounding differed.
struct expected {
    double value, spread;
};

struct expected_step {
    struct expected losses[FIXTURE_NUM_LOSSES];
    struct expected gradient_norm;
    double learning_rate;
};

struct expected_parameter {
    const char *name;
    struct expected norm; // at the end
    struct expected way;  // norm of the difference from the start
};

struct reference {
    struct expected_step steps[MAX_STEPS]; // of the last one, only the losses
    int64_t num_steps;
    struct expected_parameter parameters[MAX_PARAMETERS];
    int64_t num_parameters;
};

struct run {
    struct fixture fixture;
    struct reference reference;
    struct detector_model model;
    struct solver solver;
    struct loss_settings settings;
    struct extent extent;
    struct image image;
    struct image_truth truth;
    struct nn *nn;
    float *start;              // parameters before the first step
    double spreads[NUM_KINDS]; // the largest so far
    double first_loss;         // the largest relative errors: of losses in the first step,
    double errors[NUM_KINDS];  // of all
    double shares[NUM_KINDS];  // and as shares of what is allowed
};

// ---- Reading ----

static struct expected read_expected(struct json_reader *r) {
    struct expected result = {0};
    json_begin_array(r);
    if (json_next_element(r)) result.value = json_double(r);
    if (json_next_element(r)) result.spread = json_double(r);
    if (json_next_element(r)) json_fail(r, "more than a value and its spread");
    return result;
}

static void read_losses(struct json_reader *r, struct expected *losses) {
    struct json_string key;
    int num_found = 0;
    json_begin_object(r);
    while (json_next_key(r, &key))
        for (int i = 0; i < FIXTURE_NUM_LOSSES; i++)
            if (json_string_is(&key, FIXTURE_LOSS_NAMES[i])) {
                losses[i] = read_expected(r);
                num_found++;
            }
    if (num_found != FIXTURE_NUM_LOSSES) json_fail(r, "%d losses", num_found);
}

static void read_steps(struct json_reader *r, struct reference *reference) {
    struct json_string key;
    json_begin_array(r);
    while (json_next_element(r)) {
        struct expected_step *step = &reference->steps[reference->num_steps++ % MAX_STEPS];
        json_begin_object(r);
        while (json_next_key(r, &key)) {
            if (json_string_is(&key, "losses"))
                read_losses(r, step->losses);
            else if (json_string_is(&key, "gradient_norm"))
                step->gradient_norm = read_expected(r);
            else if (json_string_is(&key, "learning_rate"))
                step->learning_rate = json_double(r);
            else
                json_skip(r);
        }
    }
}

static void read_parameters(struct json_reader *r, struct reference *reference,
                            struct arena *arena) {
    struct json_string key;
    json_begin_object(r);
    while (json_next_key(r, &key)) {
        struct expected_parameter *p =
            &reference->parameters[reference->num_parameters++ % MAX_PARAMETERS];
        p->name = arena_copy_text(arena, key.data, key.size);
        json_begin_object(r);
        while (json_next_key(r, &key)) {
            if (json_string_is(&key, "norm"))
                p->norm = read_expected(r);
            else if (json_string_is(&key, "way"))
                p->way = read_expected(r);
            else
                json_skip(r);
        }
    }
}

static void read_drops(struct json_reader *r, struct option_ints *drops, struct arena *arena) {
    int64_t *items = arena_alloc(arena, MAX_STEPS, sizeof *items);
    REQUIRE(items);
    *drops = (struct option_ints){items, 0};
    json_begin_array(r);
    while (json_next_element(r))
        items[drops->count++ % MAX_STEPS] = json_int64(r);
}

static void read_settings(struct json_reader *r, struct model_config *c, struct arena *arena) {
    const struct {
        const char *name;
        double *to;
    } fields[] = {
        {"learning_rate", &c->solver.learning_rate},
        {"momentum", &c->solver.momentum},
        {"weight_decay", &c->solver.weight_decay},
        {"bias_weight_decay", &c->solver.bias_weight_decay},
        {"norm_weight_decay", &c->solver.norm_weight_decay},
        {"beta_weight_decay", &c->solver.beta_weight_decay},
        {"bias_rate", &c->solver.bias_rate},
        {"clip_norm", &c->solver.clip_norm},
        {"drop_factor", &c->schedule.drop_factor},
        {"warmup_factor", &c->schedule.warmup_factor},
    };
    struct json_string key;
    json_begin_object(r);
    while (json_next_key(r, &key)) {
        bool known = true;
        if (json_string_is(&key, "warmup"))
            c->schedule.warmup = json_int64(r);
        else if (json_string_is(&key, "drops"))
            read_drops(r, &c->schedule.drops, arena);
        else
            known = false;
        for (size_t i = 0; !known && i < sizeof fields / sizeof fields[0]; i++)
            if (json_string_is(&key, fields[i].name)) {
                *fields[i].to = json_double(r);
                known = true;
            }
        if (!known) json_fail(r, "an unknown setting");
    }
}

// What a fixture does not have; the configuration is the fixture's already.
static enum status read_reference(struct run *run, const char *path, struct error *err) {
    struct file_view view;
    struct json_reader reader;
    struct json_string key;
    struct arena *arena = &run->model.arena;
    TRY(file_view_open(&view, path, 0, err));
    json_reader_init(&reader, view.data, view.size, path, err);
    json_begin_object(&reader);
    while (json_next_key(&reader, &key)) {
        if (json_string_is(&key, "solver") || json_string_is(&key, "schedule"))
            read_settings(&reader, &run->model.config, arena);
        else if (json_string_is(&key, "steps"))
            read_steps(&reader, &run->reference);
        else if (json_string_is(&key, "parameters"))
            read_parameters(&reader, &run->reference, arena);
        else
            json_skip(&reader);
    }
    json_end(&reader);
    file_view_close(&view);
    return json_status(&reader);
}

// ---- The batch ----

// Every second pixel, each way.
static struct image halved(const struct image *image, struct arena *arena) {
    struct image half = {image->width / 2, image->height / 2, NULL};
    half.pixels = arena_alloc(arena, (int64_t)half.width * half.height, 3);
    REQUIRE(half.pixels);
    for (int64_t y = 0; y < half.height; y++)
        for (int64_t x = 0; x < half.width; x++)
            memcpy(half.pixels + 3 * (y * half.width + x),
                   image->pixels + 3 * (2 * y * image->width + 2 * x), 3);
    return half;
}

static enum status make_batch(struct run *run, const char *photo, struct error *err) {
    const struct fixture *f = &run->fixture;
    struct arena *arena = &run->model.arena;
    struct image_limits limits = image_limits_default();
    struct image image;
    TRY(image_load(&image, NULL, photo, &limits, true, arena, err));
    run->image = halved(&image, arena);
    run->extent = preprocess_extent(&run->model.network, run->image.width, run->image.height);
    EXPECT_INT(run->extent.width, f->resized_width);
    EXPECT_INT(run->extent.height, f->resized_height);
    struct object_mask *masks = arena_alloc_zero(arena, f->num_truths, sizeof *masks);
    REQUIRE(masks);
    for (int64_t i = 0; i < f->num_truths; i++)
        masks[i].rle = f->truth_masks[i];
    run->truth = (struct image_truth){f->num_truths, f->truth_boxes, f->truth_labels, masks};
    return STATUS_OK;
}

// ---- Comparing ----

static void widen(struct run *run, enum kind kind, const struct expected *expected) {
    run->spreads[kind] = fmax(run->spreads[kind], expected->spread);
}

static void compare(struct run *run, enum kind kind, const char *name, int64_t step, double got,
                    const struct expected *expected) {
    double error = fabs(got / expected->value - 1);
    double least = step == 0 ? TOLERANCES[kind].first : TOLERANCES[kind].later;
    double allowed = fmax(least, TIMES_SPREAD * run->spreads[kind]);
    run->errors[kind] = fmax(run->errors[kind], error);
    run->shares[kind] = fmax(run->shares[kind], error / allowed);
    if (error <= allowed) return;
    printf("step %lld, %s: %.9g, expected %.9g; %.1e of it, allowed %.1e\n", (long long)step, name,
           got, expected->value, error, allowed);
    EXPECT(error <= allowed);
}

static void compare_losses(struct run *run, int64_t step, const struct losses *losses) {
    const double values[FIXTURE_NUM_LOSSES] = {
        [FIXTURE_OBJECTNESS] = losses->objectness,
        [FIXTURE_ANCHOR_BOX] = losses->anchor_box,
        [FIXTURE_CLASSES] = losses->classes,
        [FIXTURE_BOX] = losses->box,
        [FIXTURE_MASK] = losses->mask,
    };
    const struct expected *expected = run->reference.steps[step].losses;
    for (int i = 0; i < FIXTURE_NUM_LOSSES; i++)
        widen(run, LOSSES, &expected[i]);
    for (int i = 0; i < FIXTURE_NUM_LOSSES; i++)
        compare(run, LOSSES, FIXTURE_LOSS_NAMES[i], step, values[i], &expected[i]);
    if (step == 0) run->first_loss = run->errors[LOSSES];
}

static double norm_of(const float *values, const float *minus, int64_t count) {
    double squares = 0;
    for (int64_t i = 0; i < count; i++) {
        double value = (double)values[i] - (minus ? (double)minus[i] : 0);
        squares += value * value;
    }
    return sqrt(squares);
}

static void compare_parameters(struct run *run, int64_t step) {
    const struct parameters *parameters = &run->model.network.parameters;
    for (int64_t i = 0; i < run->reference.num_parameters; i++) {
        widen(run, NORMS, &run->reference.parameters[i].norm);
        widen(run, WAYS, &run->reference.parameters[i].way);
    }
    for (int64_t i = 0; i < run->reference.num_parameters; i++) {
        const struct expected_parameter *expected = &run->reference.parameters[i];
        const struct parameter *p = parameters_find(parameters, expected->name);
        REQUIRE(p);
        const float *start = run->start + (p->data - parameters->data);
        compare(run, NORMS, p->name, step, norm_of(p->data, NULL, p->count), &expected->norm);
        compare(run, WAYS, p->name, step, norm_of(p->data, start, p->count), &expected->way);
    }
}

// ---- Training ----

// The losses of the parameters as they are.
static void compute_losses(struct run *run, struct losses *losses) {
    struct error err;
    nn_begin(run->nn, NN_TRAINING);
    struct extent padded = preprocess_padded(&run->extent, 1);
    struct tensor *input = nn_tensor(run->nn, 1, padded.height, padded.width, 3);
    REQUIRE(nn_status(run->nn, &err) == STATUS_OK);
    EXPECT_OK(preprocess_image(&run->model.network, &run->image, run->extent, padded, input->data,
                               &run->model.arena, &err),
              &err);
    mask_rcnn_losses(run->nn, &run->model.network, input, &run->extent, &run->truth, &run->settings,
                     losses);
}

static void train_step(struct run *run, int64_t step) {
    const struct expected_step *expected = &run->reference.steps[step];
    struct losses losses;
    struct error err;
    compute_losses(run, &losses);
    nn_backward(run->nn);
    EXPECT_OK(nn_status(run->nn, &err), &err);
    compare_losses(run, step, &losses);
    double norm = solver_gradient_norm(run->nn, &run->solver);
    widen(run, GRADIENT_NORMS, &expected->gradient_norm);
    compare(run, GRADIENT_NORMS, "gradient norm", step, norm, &expected->gradient_norm);
    double rate = schedule_learning_rate(&run->model.config, step);
    EXPECT_NEAR(rate, expected->learning_rate, 1e-12 * rate);
    EXPECT(solver_first_not_finite(&run->solver) == NULL);
    solver_step(run->nn, &run->solver, rate, norm);
}

static enum status prepare(struct run *run, const char *path, const char *photo,
                           struct error *err) {
    struct detector_model *model = &run->model;
    struct parameters *parameters = &model->network.parameters;
    const struct nn_options options = {0};
    arena_init(&model->arena, 1 << 20, 0);
    TRY(fixture_load(&run->fixture, path, &model->arena, err));
    TRY(fixture_configure(&run->fixture, &model->config, &model->arena, err));
    TRY(read_reference(run, path, err));
    REQUIRE(run->reference.num_steps > 1 && run->reference.num_steps <= MAX_STEPS);
    REQUIRE(run->reference.num_parameters <= MAX_PARAMETERS);
    TRY(mask_rcnn_build(&model->network, &model->config, &model->arena, true, err));
    formula_fill(parameters, run->fixture.salt);
    run->start = arena_alloc(&model->arena, parameters->num_floats, sizeof *run->start);
    REQUIRE(run->start);
    memcpy(run->start, parameters->data, (size_t)parameters->num_floats * sizeof *run->start);
    TRY(make_batch(run, photo, err));
    TRY(solver_init(&run->solver, model, err));
    // All anchors and regions, so that nothing is random.
    run->settings = loss_settings_of(&model->config);
    run->settings.anchors.count = 0;
    run->settings.regions.count = 0;
    return nn_create(&run->nn, &options, err);
}

static void follow(const char *name) {
    // Sanitizers make a step slow, and what they look for is there in the first ones.
    const int64_t most = SANITIZED ? 2 : MAX_STEPS;
    static struct run run;
    struct losses losses;
    struct error err;
    char path[512];
    const char *photo = shared_path("parity/photo.png");
    if (!photo) skip_case("needs ../shared/parity/photo.png");
    snprintf(path, sizeof path, "%s/train/sgd_steps/%s.json", TESTS_DIR, name);
    run = (struct run){0};
    enum status status = prepare(&run, path, photo, &err);
    EXPECT_OK(status, &err);
    REQUIRE(status == STATUS_OK);
    int64_t num_steps = run.reference.num_steps - 1;
    for (int64_t step = 0; step < num_steps && step < most; step++)
        train_step(&run, step);
    if (num_steps <= most) {
        compute_losses(&run, &losses);
        compare_losses(&run, num_steps, &losses);
        compare_parameters(&run, num_steps);
    }
    printf("largest relative errors, and of what is allowed: losses of the first step %.1e",
           run.first_loss);
    for (int i = 0; i < NUM_KINDS; i++)
        printf("; %s %.1e, %.0f %%", TOLERANCES[i].name, run.errors[i], 100 * run.shares[i]);
    printf("\n");
    nn_destroy(run.nn);
    arena_destroy(&run.model.arena);
}

static void gct_detectron2(void) {
    follow("r50_bn_gct_gn_gct.detectron2");
}

static void gn_torchvision(void) {
    follow("r50_gn_gn.torchvision");
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"gct, detectron2", gct_detectron2},
                         {"group norm, torchvision", gn_torchvision},
                         {0},
                     });
}
