#include "train/trainer.h"

#include <math.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "train/metrics_csv.h"

// So long a slow disk may take for a checkpoint.
static const double SAVE_SECONDS = 600;

static struct model_config *config_of(const struct trainer *t) {
    return &t->options.detector->model.config;
}

static bool writes(const struct trainer *t) {
    return communicator_rank(t->options.communicator) == 0;
}

static void report(const struct trainer *t, const struct trainer_report *what) {
    if (writes(t)) t->hooks.report(t->hooks.context, what);
}

static void warn(const struct trainer *t, const struct error *error) {
    report(t, &(struct trainer_report){.warning = error->message});
}

// A disk that is full must not cost the run: training goes on without what could not be written.
static enum status survive_full_disk(const struct trainer *t, enum status status,
                                     const struct error *err) {
    if (status != STATUS_CANNOT_WRITE) return status;
    warn(t, err);
    return STATUS_OK;
}

// ---- Opening ----

static enum status open_loader(struct trainer *t, struct error *err) {
    const struct trainer_options *o = &t->options;
    int rank = communicator_rank(o->communicator);
    int size = communicator_size(o->communicator);
    const struct loader_options loader = {
        .dataset = o->dataset,
        .model = &o->detector->model.network,
        .image_folder = o->image_folder,
        .seed = o->seed,
        .augments = true,
        .as_bytes = o->detector->nn->device == NN_CUDA,
        .first = step_first_group(config_of(t), t->state.step, rank, size),
        .stride = size,
        .num_threads = o->num_loader_threads,
        .num_groups = o->num_loader_threads + LOADER_SPARE_GROUPS,
    };
    loader_destroy(t->loader);
    t->loader = NULL;
    TRY(loader_create(&t->loader, &loader, err));
    t->stepper.loader = t->loader;
    return STATUS_OK;
}

// The table follows what the metrics still have.
static enum status open_table(struct trainer *t, const char *metrics_path, struct error *err) {
    char path[PATH_BYTES];
    struct metrics lines;
    TRY(path_join(path, t->options.folder, RUN_TABLE, err));
    TRY(metrics_read(&lines, metrics_path, err));
    enum status status = metrics_csv_open(&t->table, path, &lines, err);
    metrics_free(&lines);
    return status;
}

static enum status open_files(struct trainer *t, struct error *err) {
    char path[PATH_BYTES];
    int64_t step = t->state.step;
    TRY(path_join(path, t->options.folder, RUN_TIMINGS, err));
    TRY(metrics_file_open(&t->timings, path, step > 0 ? step : -1, err));
    TRY(path_join(path, t->options.folder, RUN_METRICS, err));
    TRY(metrics_file_open(&t->metrics, path, step > 0 ? step : -1, err));
    TRY(open_table(t, path, err));
    return event_file_open(&t->events, t->options.folder, t->options.run->host, (double)time(NULL),
                           step > 0 || t->options.run->record.resumed ? step + 1 : 0, err);
}

enum status trainer_open(struct trainer *t, const struct trainer_options *options,
                         const struct trainer_hooks *hooks, struct error *err) {
    *t = (struct trainer){.options = *options, .hooks = *hooks};
    const struct model_config *config = config_of(t);
    CHECK(communicator_size(options->communicator) <= step_num_groups(config));
    t->state = training_state_start((int64_t)options->seed, config->schedule.batch,
                                    config->schedule.group);
    t->state.loss_scale = loss_scale_start(options->detector->nn->precision);
    struct detector_model *model = &options->detector->model;
    TRY(parameters_move(&model->network.parameters, options->detector->nn, err));
    TRY(solver_init(&t->solver, model, err));
    t->stepper = (struct stepper){
        .nn = options->detector->nn,
        .model = model,
        .solver = &t->solver,
        .communicator = options->communicator,
        .seed = options->seed,
        .drops = options->max_drops > 0,
        .loss_scale = &t->state.loss_scale,
    };
    TRY(path_join(t->checkpoints, options->folder, RUN_CHECKPOINTS, err));
    return writes(t) ? checkpoint_folder_open(t->checkpoints, err) : STATUS_OK;
}

static struct training training_of(struct trainer *t) {
    return (struct training){&t->options.detector->model, t->solver.velocity, &t->state};
}

enum status trainer_load(struct trainer *t, int64_t step, struct error *err) {
    const struct training training = training_of(t);
    const struct loss_scale start = t->state.loss_scale;
    TRY(checkpoint_load(t->checkpoints, step, &training, err));
    // A run may go on in another precision.
    if ((start.factor > 0) != (t->state.loss_scale.factor > 0)) t->state.loss_scale = start;
    if (t->state.seed != (int64_t)t->options.seed)
        return error_set(err, STATUS_USAGE, "--seed is %lld, but the run has %lld",
                         (long long)t->options.seed, (long long)t->state.seed);
    return writes(t) ? checkpoint_rewind(t->checkpoints, &t->state, err) : STATUS_OK;
}

void trainer_close(struct trainer *t) {
    loader_destroy(t->loader);
    metrics_file_close(&t->metrics);
    metrics_file_close(&t->timings);
    append_file_close(&t->table);
    event_file_close(&t->events);
    *t = (struct trainer){0};
}

// ---- Lines of metrics ----

static double peak_bytes(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return 1024 * (double)usage.ru_maxrss;
}

static void start_line(struct trainer *t) {
    t->line_start = clock_seconds();
    t->line_steps = 0;
    t->data_seconds = 0;
}

// Graphs are worth less than the run: they are given up with a warning.
static void write_events(struct trainer *t, const struct event_scalar *scalars, int64_t count) {
    struct error err;
    if (event_file_write(&t->events, (double)time(NULL), t->state.step, scalars, count, &err) !=
        STATUS_OK)
        warn(t, &err);
}

static void write_train_events(struct trainer *t, const struct metrics_train *m,
                               const struct metrics_timing *timing) {
    const struct event_scalar scalars[] = {
        {"loss/total", m->loss},
        {"loss/rpn_class", m->rpn_class},
        {"loss/rpn_box", m->rpn_box},
        {"loss/class", m->classes},
        {"loss/box", m->box},
        {"loss/mask", m->mask},
        {"train/gradient_norm", m->gradient_norm},
        {"train/learning_rate", m->learning_rate},
        {"time/step_seconds", timing->seconds},
        {"time/data_seconds", timing->data_seconds},
        {"time/images_per_second", timing->images_per_second},
    };
    write_events(t, scalars, sizeof scalars / sizeof *scalars);
}

static enum status write_line(struct trainer *t, double learning_rate, struct error *err) {
    double steps = (double)t->line_steps;
    double seconds = (clock_seconds() - t->line_start) / steps;
    const struct metrics_train line = metrics_mean(&t->state.sums, t->state.step, learning_rate);
    const struct metrics_timing timing = {
        .step = t->state.step,
        .seconds = seconds,
        .data_seconds = t->data_seconds / steps,
        .images_per_second = (double)t->state.batch / seconds,
        .memory_bytes = peak_bytes(),
    };
    t->state.sums = (struct metrics_sums){0};
    start_line(t);
    if (!writes(t)) return STATUS_OK;
    TRY(survive_full_disk(t, metrics_write_train(&t->metrics, &line, err), err));
    TRY(survive_full_disk(t, metrics_csv_write_train(&t->table, &line, err), err));
    TRY(survive_full_disk(t, metrics_write_timing(&t->timings, &timing, err), err));
    write_train_events(t, &line, &timing);
    TRY(survive_full_disk(t, run_folder_progress(t->options.run, t->state.step, err), err));
    report(t, &(struct trainer_report){.train = &line, .timing = &timing});
    return STATUS_OK;
}

// ---- Evaluation ----

// Over this process's share of the validation set's groups.
struct val_sums {
    struct losses losses;
    double num_groups;
    bool interrupted; // not all of the share
};

static enum status sum_val_losses(struct trainer *t, struct loader *loader, struct val_sums *sums,
                                  struct error *err) {
    const struct trainer_options *o = &t->options;
    int64_t rank = communicator_rank(o->communicator);
    int64_t size = communicator_size(o->communicator);
    for (int64_t k = rank; k < loader_groups_per_epoch(loader); k += size) {
        const struct group *group = NULL;
        sums->interrupted = t->hooks.is_interrupted(t->hooks.context);
        if (sums->interrupted) return STATUS_OK;
        TRY(step_next_group(&t->stepper, loader, &group, err));
        enum status status = step_evaluate(&t->stepper, group, &sums->losses, err);
        loader_release(loader, group);
        TRY(status);
        sums->num_groups++;
    }
    return STATUS_OK;
}

static enum status compute_val_loss(struct trainer *t, double *loss, struct error *err) {
    const struct trainer_options *o = &t->options;
    const struct loader_options options = {
        .dataset = o->val,
        .model = &o->detector->model.network,
        .image_folder = o->val_image_folder,
        .seed = o->seed,
        .as_bytes = o->detector->nn->device == NN_CUDA,
        .first = communicator_rank(o->communicator),
        .stride = communicator_size(o->communicator),
        .num_threads = o->num_loader_threads,
        .num_groups = o->num_loader_threads + LOADER_SPARE_GROUPS,
    };
    struct val_sums sums = {0};
    struct loader *loader = NULL;
    TRY(loader_create(&loader, &options, err));
    enum status status = sum_val_losses(t, loader, &sums, err);
    loader_destroy(loader);
    TRY(status);
    double totals[] = {losses_total(&sums.losses), sums.num_groups, sums.interrupted};
    TRY(communicator_sum_doubles(o->communicator, totals, 3, err));
    *loss = totals[0] / totals[1];
    return totals[2] > 0 ? error_set(err, STATUS_CANCELLED, "interrupted") : STATUS_OK;
}

// Masks are what this is about; boxes only if there are none.
static double score_of(const struct metrics_eval *eval) {
    return isnan(eval->mask_ap) ? eval->box_ap : eval->mask_ap;
}

static void note_score(struct trainer *t, double score) {
    bool better = !isnan(score) && !(score <= t->state.best_score);
    t->state.evals_since_best = better ? 0 : t->state.evals_since_best + 1;
    if (!better) return;
    t->state.best_score = score;
    t->state.best_step = t->state.step;
}

static enum status write_eval(struct trainer *t, const struct metrics_eval *eval,
                              struct error *err) {
    const struct event_scalar scalars[] = {
        {"eval/box_ap", eval->box_ap},   {"eval/box_ap50", eval->box_ap50},
        {"eval/mask_ap", eval->mask_ap}, {"eval/mask_ap50", eval->mask_ap50},
        {"loss/validation", eval->loss},
    };
    if (!writes(t)) return STATUS_OK;
    TRY(survive_full_disk(t, metrics_write_eval(&t->metrics, eval, err), err));
    TRY(survive_full_disk(t, metrics_csv_write_eval(&t->table, eval, err), err));
    write_events(t, scalars, sizeof scalars / sizeof *scalars);
    report(t,
           &(struct trainer_report){.eval = eval, .is_best = t->state.best_step == t->state.step});
    return STATUS_OK;
}

static enum status evaluate(struct trainer *t, struct error *err) {
    struct metrics_eval eval = {.loss = (double)NAN};
    if (t->options.val) TRY(compute_val_loss(t, &eval.loss, err));
    TRY(t->hooks.evaluate(t->hooks.context, &eval, err));
    eval.step = t->state.step;
    t->state.eval_is_pending = 0;
    note_score(t, score_of(&eval));
    TRY(write_eval(t, &eval, err));
    start_line(t);
    return STATUS_OK;
}

// ---- Checkpoints ----

static enum status write_checkpoint(struct trainer *t, struct error *err) {
    char path[PATH_BYTES];
    const struct training training = training_of(t);
    TRY(metrics_file_sync(&t->metrics, err));
    TRY(checkpoint_save(t->checkpoints, &training, &t->options.keep, err));
    TRY(checkpoint_path(path, t->checkpoints, t->state.step, err));
    report(t, &(struct trainer_report){.saved = path});
    return STATUS_OK;
}

static enum status save(struct trainer *t, bool is_last, struct error *err) {
    if (!writes(t)) return STATUS_OK;
    communicator_allow(t->options.communicator, SAVE_SECONDS);
    enum status status = write_checkpoint(t, err);
    communicator_tick(t->options.communicator);
    return is_last ? status : survive_full_disk(t, status, err);
}

// ---- The loop ----

static bool is_over(const struct trainer *t, enum trainer_end *end) {
    bool finished = t->state.step >= config_of(t)->schedule.iterations;
    bool stopped = t->options.patience > 0 && t->state.evals_since_best >= t->options.patience;
    *end = finished ? TRAINER_FINISHED : TRAINER_STOPPED;
    return finished || stopped;
}

// What all processes agree on after a step.
static enum status agree(struct trainer *t, enum trainer_end *end, bool *done, struct error *err) {
    bool late = t->options.max_seconds > 0 && clock_seconds() - t->start > t->options.max_seconds;
    double asked[] = {t->hooks.is_interrupted(t->hooks.context), late};
    TRY(communicator_sum_doubles(t->options.communicator, asked, 2, err));
    *done = is_over(t, end) || asked[0] > 0 || asked[1] > 0;
    if (*done && !is_over(t, end)) *end = asked[0] > 0 ? TRAINER_INTERRUPTED : TRAINER_OUT_OF_TIME;
    return STATUS_OK;
}

static bool is_due(int64_t step, int64_t every) {
    return every > 0 && step % every == 0;
}

// An evaluation that is interrupted is not lost: it is part of what is saved, as something to do.
static enum status conclude_step(struct trainer *t, enum trainer_end *end, bool *done,
                                 struct error *err) {
    enum status status = STATUS_OK;
    if (t->state.eval_is_pending && t->hooks.evaluate) status = evaluate(t, err);
    if (status == STATUS_CANCELLED) {
        *end = TRAINER_INTERRUPTED;
        *done = true;
        return save(t, true, err);
    }
    TRY(status);
    TRY(agree(t, end, done, err));
    bool is_best = t->state.best_step == t->state.step;
    if (*done || is_best || is_due(t->state.step, t->options.save_every)) TRY(save(t, *done, err));
    return STATUS_OK;
}

// A step that is left out counts as one, and its images were shown.
static enum status count_drop(struct trainer *t, const struct step_result *result,
                              struct error *err) {
    struct training_state *state = &t->state;
    struct error message;
    state->dropped_in_a_row = result->dropped ? state->dropped_in_a_row + 1 : 0;
    state->dropped += result->dropped;
    if (!result->dropped) return STATUS_OK;
    if (state->dropped_in_a_row > t->options.max_drops)
        return error_set(err, STATUS_DATA, "%s; %lld in a row were left out before it",
                         writes(t) ? result->reason.message : "not finite",
                         (long long)t->options.max_drops);
    error_set(&message, STATUS_DATA, "%s; the step is left out (%lld in a row, %lld in all)",
              result->reason.message, (long long)state->dropped_in_a_row,
              (long long)state->dropped);
    warn(t, &message);
    return STATUS_OK;
}

static void tell_overflow(const struct trainer *t) {
    struct error message;
    error_set(
        &message, STATUS_DATA,
        "step %lld: gradients are too large for float16; the step is left out, and losses are "
        "multiplied with %g from here on, no longer with %g",
        (long long)t->state.step, t->state.loss_scale.factor, t->solver.loss_scale);
    warn(t, &message);
}

static enum status take_step(struct trainer *t, enum trainer_end *end, bool *done,
                             struct error *err) {
    struct step_result result;
    TRY(step_run(&t->stepper, t->state.step, &result, err));
    int64_t step = ++t->state.step;
    bool is_last = step >= config_of(t)->schedule.iterations;
    t->state.eval_is_pending =
        t->hooks.evaluate && (is_last || is_due(step, t->options.eval_every));
    report(t, &(struct trainer_report){.step = step});
    TRY(count_drop(t, &result, err));
    if (result.overflowed) tell_overflow(t);
    if (!result.dropped && !result.overflowed)
        metrics_add(&t->state.sums, &result.losses, result.gradient_norm);
    t->line_steps++;
    t->data_seconds += result.data_seconds;
    if (is_last || is_due(step, t->options.log_every))
        TRY(write_line(t, result.learning_rate, err));
    return conclude_step(t, end, done, err);
}

enum status trainer_run(struct trainer *t, enum trainer_end *end, struct error *err) {
    TRY(open_loader(t, err));
    if (writes(t)) TRY(open_files(t, err));
    t->start = clock_seconds();
    start_line(t);
    bool done = is_over(t, end);
    if (t->state.eval_is_pending && t->hooks.evaluate) TRY(conclude_step(t, end, &done, err));
    while (!done)
        TRY(take_step(t, end, &done, err));
    return STATUS_OK;
}
