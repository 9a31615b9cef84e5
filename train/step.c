#include "train/step.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "train/schedule.h"

static const double LOAD_SECONDS = 300;

double losses_total(const struct losses *l) {
    return l->objectness + l->anchor_box + l->classes + l->box + l->mask;
}

int64_t step_num_groups(const struct model_config *config) {
    return config->schedule.batch / config->schedule.group;
}

int64_t step_first_group(const struct model_config *config, int64_t step, int rank, int size) {
    int64_t first = step * step_num_groups(config);
    int64_t ahead = (rank - first % size + size) % size;
    return first + ahead;
}

// Names of images, for messages: as many as there is room for.
struct image_names {
    char text[256];
    size_t length;
};

// What is under way.
struct step {
    const struct stepper *stepper;
    int64_t number;
    float *unsent; // gradients from here on are being summed already
    bool in_last_group;
    struct image_names images; // so far
    struct error reason;       // why the step is to be dropped, as far as this process knows
};

static void add_images(struct image_names *names, const struct group *group) {
    for (int64_t i = 0; i < group->num_images && names->length < sizeof names->text; i++)
        names->length += (size_t)snprintf(
            names->text + names->length, sizeof names->text - names->length, "%s%s",
            names->length > 0 ? ", " : "", group->images[i]->record->file_name);
}

// ---- Losses ----

// Each operation shows that this process is alive.
static void tick(void *context, const struct call *call) {
    (void)call;
    communicator_tick(context);
}

static void scale_losses(struct losses *losses, double factor) {
    losses->objectness *= factor;
    losses->anchor_box *= factor;
    losses->classes *= factor;
    losses->box *= factor;
    losses->mask *= factor;
}

static struct tensor *make_input(const struct stepper *t, const struct group *group) {
    if (group->pictures)
        return preprocess_pictures(t->nn, &t->model->network, group->pictures, group->num_images,
                                   group->padded, NULL);
    struct tensor *input =
        nn_tensor(t->nn, group->num_images, group->padded.height, group->padded.width, 3);
    float *planes = nn_place(t->nn, input);
    if (!planes) return input;
    memcpy(planes, group->planes, (size_t)tensor_count(input) * sizeof *planes);
    nn_put(t->nn, input, planes);
    return input;
}

// Runs the network on a group; with weight, for a backward pass that multiplies its gradients so.
// The losses may still be on their way.
static enum status forward(const struct stepper *t, const struct group *group, double weight,
                           struct loss_tensors *losses, struct error *err) {
    struct loss_settings settings = loss_settings_of(&t->model->config);
    settings.weight = weight;
    settings.seed = t->seed;
    settings.step = (uint64_t)group->index;
    nn_begin(t->nn, NN_TRAINING);
    t->nn->observer = tick;
    t->nn->observer_context = t->communicator;
    struct tensor *input = make_input(t, group);
    mask_rcnn_losses_start(t->nn, &t->model->network, input, group->extents, group->truths,
                           &settings, losses);
    t->nn->observer = NULL;
    return nn_failed(t->nn) ? nn_status(t->nn, err) : STATUS_OK;
}

static void add_losses(struct losses *sum, const struct losses *losses) {
    sum->objectness += losses->objectness;
    sum->anchor_box += losses->anchor_box;
    sum->classes += losses->classes;
    sum->box += losses->box;
    sum->mask += losses->mask;
}

static enum status check_losses(const struct step *s, const struct group *group,
                                const struct losses *l, struct error *err) {
    const struct {
        const char *name;
        double value;
    } all[] = {{"objectness", l->objectness},
               {"anchor box", l->anchor_box},
               {"class", l->classes},
               {"box", l->box},
               {"mask", l->mask}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (isfinite(all[i].value)) continue;
        struct image_names names = {0};
        add_images(&names, group);
        return error_set(err, STATUS_DATA, "step %lld: the %s loss is not finite (%g), in %s",
                         (long long)s->number + 1, all[i].name, all[i].value, names.text);
    }
    return STATUS_OK;
}

enum status step_evaluate(const struct stepper *stepper, const struct group *group,
                          struct losses *sum, struct error *err) {
    struct loss_tensors tensors;
    struct losses losses;
    TRY(forward(stepper, group, 1, &tensors, err));
    losses_read(stepper->nn, &tensors, &losses);
    add_losses(sum, &losses);
    return nn_status(stepper->nn, err);
}

// ---- Gradients ----

// On a device the gradients are still to be computed: if it is not that which sums them, they are
// sent when they are there.
static bool can_send_at_once(const struct stepper *t) {
    return t->nn->device == NN_CPU || communicator_device_library(t->communicator);
}

// The gradients from first to those that were sent already are complete: if no other group adds to
// them, on with them.
static void send(void *context, const struct parameter *first) {
    struct step *s = context;
    communicator_tick(s->stepper->communicator);
    if (!s->in_last_group || !can_send_at_once(s->stepper)) return;
    if (!first->grad) return; // it is frozen: nothing up to there is trained
    CHECK(first->grad <= s->unsent);
    communicator_sum_start(s->stepper->communicator, first->grad, s->unsent - first->grad);
    s->unsent = first->grad;
}

static enum status backward(struct step *s, bool is_last, struct error *err) {
    struct nn *nn = s->stepper->nn;
    s->in_last_group = is_last;
    nn->gradient_observer = send;
    nn->gradient_context = s;
    nn_backward(nn);
    nn->gradient_observer = NULL;
    return nn_status(nn, err);
}

enum status step_next_group(const struct stepper *stepper, struct loader *loader,
                            const struct group **group, struct error *err) {
    communicator_allow(stepper->communicator, LOAD_SECONDS);
    return loader_next(loader, group, err);
}

// All processes must make the same sums: where a step may be dropped, it goes on to its end.
static enum status tolerate(struct step *s, enum status status, const struct error *err) {
    if (status == STATUS_OK || !s->stepper->drops) return status;
    if (s->reason.code == STATUS_OK) s->reason = *err;
    return STATUS_OK;
}

static enum status learn_from_group(struct step *s, bool is_last, struct step_result *result,
                                    struct error *err) {
    const struct stepper *t = s->stepper;
    const struct group *group = NULL;
    struct loss_tensors tensors;
    struct losses losses = {0};
    TRY(step_next_group(t, t->loader, &group, err));
    result->data_seconds += group->seconds_waited;
    add_images(&s->images, group);
    double weight = 1 / (double)step_num_groups(&t->model->config);
    const double scale = t->solver->loss_scale;
    // The device gets the backward pass before the program waits for the losses.
    enum status status = forward(t, group, weight * scale, &tensors, err);
    if (status == STATUS_OK) status = backward(s, is_last, err);
    if (status == STATUS_OK) losses_read(t->nn, &tensors, &losses);
    if (status == STATUS_OK) scale_losses(&losses, 1 / scale);
    if (status == STATUS_OK) status = tolerate(s, check_losses(s, group, &losses, err), err);
    loader_release(t->loader, group);
    communicator_tick(t->communicator);
    if (status == STATUS_OK) add_losses(&result->losses, &losses);
    return status;
}

static enum status sum_over_processes(struct step *s, struct step_result *result,
                                      struct error *err) {
    struct communicator *communicator = s->stepper->communicator;
    struct parameters *parameters = &s->stepper->model->network.parameters;
    // What the device does not sum, it cannot have sent: all of it goes by the program's memory.
    bool in_place = can_send_at_once(s->stepper) || communicator_size(communicator) == 1;
    float *first = parameters->grad;
    if (!in_place) TRY(parameters_read_array(parameters, parameters->grad, &first, err));
    communicator_sum_start(communicator, first, s->unsent - parameters->grad);
    struct losses *l = &result->losses;
    double values[] = {l->objectness, l->anchor_box, l->classes, l->box, l->mask};
    TRY(communicator_sum_doubles(communicator, values, 5, err));
    *l = (struct losses){values[0], values[1], values[2], values[3], values[4]};
    TRY(communicator_sum_wait(communicator, err));
    return in_place ? STATUS_OK : parameters_write_array(parameters, parameters->grad, err);
}

static enum status check_gradients(const struct step *s, const struct step_result *result,
                                   struct error *err) {
    if (isfinite(result->gradient_norm)) return STATUS_OK;
    const struct parameter *p = solver_first_not_finite(s->stepper->solver);
    return error_set(
        err, STATUS_DATA,
        "step %lld: the gradient of %s is not finite, at a learning rate of %g, in %s%s",
        (long long)s->number + 1, p ? p->name : "all parameters together", result->learning_rate,
        s->images.text,
        communicator_size(s->stepper->communicator) > 1 ? " or in images of the other processes"
                                                        : "");
}

// The first process tells what the first one that knows something knows.
static enum status drop(struct step *s, struct step_result *result, struct error *err) {
    struct communicator *communicator = s->stepper->communicator;
    struct communicator_part *parts = NULL;
    struct arena arena;
    arena_init(&arena, 1 << 14, 0);
    enum status status =
        communicator_gather(communicator, &s->reason, sizeof s->reason, &arena, &parts, err);
    for (int rank = 0; parts && status == STATUS_OK && rank < communicator_size(communicator);
         rank++) {
        const struct error *reason = parts[rank].bytes;
        if (result->reason.code == STATUS_OK) result->reason = *reason;
    }
    arena_destroy(&arena);
    parameters_clear_gradients(&s->stepper->model->network.parameters);
    result->dropped = true;
    return status;
}

enum status step_run(const struct stepper *stepper, int64_t step, struct step_result *result,
                     struct error *err) {
    const struct model_config *config = &stepper->model->config;
    const struct parameters *parameters = &stepper->model->network.parameters;
    int rank = communicator_rank(stepper->communicator);
    int size = communicator_size(stepper->communicator);
    struct step s = {.stepper = stepper,
                     .number = step,
                     .unsent = parameters->grad + parameters->num_trainable_floats};
    struct loss_scale unscaled = {0};
    struct loss_scale *scale = stepper->loss_scale ? stepper->loss_scale : &unscaled;
    stepper->solver->loss_scale = loss_scale_factor(scale);
    *result = (struct step_result){.learning_rate = schedule_learning_rate(config, step)};
    int64_t end = (step + 1) * step_num_groups(config);
    for (int64_t k = step_first_group(config, step, rank, size); k < end; k += size)
        TRY(learn_from_group(&s, k + size >= end, result, err));
    TRY(sum_over_processes(&s, result, err));
    result->gradient_norm = solver_gradient_norm(stepper->nn, stepper->solver);
    if (isfinite(losses_total(&result->losses)) &&
        loss_scale_adapt(scale, isfinite(result->gradient_norm))) {
        parameters_clear_gradients(&stepper->model->network.parameters);
        result->overflowed = true;
        return STATUS_OK;
    }
    TRY(tolerate(&s, check_gradients(&s, result, err), err));
    // The sums are the same on all processes, the reasons are not.
    if (!isfinite(result->gradient_norm) || !isfinite(losses_total(&result->losses)))
        return drop(&s, result, err);
    solver_step(stepper->nn, stepper->solver, result->learning_rate, result->gradient_norm);
    return nn_status(stepper->nn, err);
}
