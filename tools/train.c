// gctmask train: a model that learns from annotated images.
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "data/coco_image.h"
#include "tools/command.h"
#include "tools/device.h"
#include "tools/interrupt.h"
#include "tools/machine.h"
#include "tools/readable.h"
#include "tools/train_banner.h"
#include "tools/train_evaluate.h"
#include "train/initialise.h"
#include "train/launch.h"
#include "train/schedule.h"

static const struct example EXAMPLES[] = {
    {"gctmask train --config configs/r50_bn_gct_2fc_90k.json --init r50_gct.safetensors --ann "
     "instances_train2017.json --image-dir train2017 --val-ann instances_val2017.json "
     "--val-image-dir val2017 --out runs/gct",
     "a row of the paper's table"},
    {"gctmask train ... --out runs/gct --resume", "the same, going on from its last checkpoint"},
    {"gctmask train ... --batch 4", "with 4 images in a step; the schedule is scaled to that"},
    {"mpirun -n 8 gctmask train ... --out runs/gct", "8 processes that share each batch"},
    {0},
};

// So long annotations and checkpoints may take to be read from a slow disk.
static const double PREPARE_SECONDS = 1800;

struct session {
    const struct invocation *invocation;
    const struct train_options *options;
    struct communicator *communicator;
    struct detector detector;
    struct coco_set train_set, val_set;
    struct dataset train, val;
    struct run_folder run;
    bool has_run; // rank 0, once the folder is ours
    struct train_report report;
    struct train_evaluate evaluation;
    struct trainer trainer;
    int64_t configured_batch;
    struct error why_by_mpi; // gradients are summed, not on the devices
    enum trainer_end end;
};

static bool leads(const struct session *s) {
    return communicator_rank(s->communicator) == 0;
}

// ---- The model ----

static enum status check_processes(const struct session *s, struct error *err) {
    const struct model_config *config = &s->detector.model.config;
    int64_t groups = step_num_groups(config);
    int size = communicator_size(s->communicator);
    if (size <= groups) return STATUS_OK;
    if (size > config->schedule.batch)
        return error_set(err, STATUS_USAGE, "%d processes for a batch of %lld images", size,
                         (long long)config->schedule.batch);
    return error_set(
        err, STATUS_USAGE,
        "%d processes, but a batch of %lld images in groups of %lld has work for %lld; "
        "set schedule.group to %lld or less",
        size, (long long)config->schedule.batch, (long long)config->schedule.group,
        (long long)groups, (long long)(config->schedule.batch / size));
}

// A frozen batch norm that nobody trained keeps a backbone from learning well.
static void warn_about_norms(const struct session *s) {
    const struct model_config *config = &s->detector.model.config;
    if (leads(s) && !s->options->resume && config->backbone.norm == NORM_FROZEN_BN)
        log_message(
            &s->invocation->log, LOG_WARNING,
            "the backbone's batch norms are frozen and not initialised: --init with trained "
            "weights, or set backbone.norm to gn");
}

static void report_initialised(const struct session *s, const struct initialised *result) {
    const struct log *log = &s->invocation->log;
    const char *path = s->options->init;
    log_message(log, LOG_INFO, "%s: %lld parameters taken", path, (long long)result->taken);
    if (result->predictors.count > 0)
        log_message(log, LOG_WARNING, "%s has other classes; these start afresh: %s", path,
                    result->predictors.text);
    if (result->gates.count > 0)
        log_message(log, LOG_INFO, "%s has no gates; these start as the identity: %s", path,
                    result->gates.text);
    if (result->fresh[0]) log_message(log, LOG_INFO, "these start afresh: %s", result->fresh);
    if (result->untrained[0])
        log_message(log, LOG_INFO, "%s has these as they are drawn, untrained: %s", path,
                    result->untrained);
    if (result->other_conventions)
        log_message(log, LOG_WARNING,
                    "%s was trained with other conventions: boxes start a little off", path);
}

static enum status initialise(struct session *s, struct error *err) {
    const struct init_options options = {s->options->init, s->options->init_classes,
                                         s->options->init_parts};
    struct initialised result;
    if (!s->options->init) {
        warn_about_norms(s);
        return STATUS_OK;
    }
    TRY(initialise_from_file(&result, &s->detector.model, &options, err));
    if (leads(s)) report_initialised(s, &result);
    return STATUS_OK;
}

static enum status make_model(struct session *s, struct error *err) {
    const struct train_options *o = s->options;
    struct detector_model *model = &s->detector.model;
    struct nn_options nn = {.num_threads = (int)s->invocation->common.threads,
                            .precision = o->precision,
                            .tune = o->tune};
    TRY(device_choose(&nn, o->device, s->communicator, err));
    TRY(detector_model_create(model, o->config, &o->overrides, true, (uint64_t)o->seed, err));
    s->configured_batch = model->config.schedule.batch;
    if (o->batch > 0 && o->batch != s->configured_batch)
        TRY(schedule_rescale(&model->config, o->batch, &model->arena, err));
    TRY(nn_create(&s->detector.nn, &nn, err));
    TRY(check_processes(s, err));
    TRY(communicator_use_device(s->communicator, s->detector.nn, &s->why_by_mpi, err));
    communicator_allow(s->communicator, PREPARE_SECONDS);
    return initialise(s, err);
}

// ---- The data ----

// Looks for all files before the first step.
static enum status look_for_images(const struct dataset *dataset, const char *folder,
                                   struct error *err) {
    char path[COCO_PATH_BYTES];
    char first[COCO_PATH_BYTES] = "";
    int64_t num_missing = 0;
    for (int64_t i = 0; i < dataset->num_images; i++) {
        TRY(coco_image_path(path, dataset->set, dataset->images[i].record, folder, err));
        if (access(path, R_OK) != 0 && num_missing++ == 0) memcpy(first, path, sizeof first);
    }
    if (num_missing == 0) return STATUS_OK;
    return error_set(err, STATUS_NO_INPUT,
                     "%s cannot be read (of %lld images, %lld cannot); is --image-dir right?",
                     first, (long long)dataset->num_images, (long long)num_missing);
}

static enum status load_set(struct session *s, struct coco_set *set, struct dataset *dataset,
                            const char *path, const char *folder, struct workers *workers,
                            struct error *err) {
    const struct coco_load_options load = {.workers = workers};
    TRY(coco_load_annotations(set, path, &load, err));
    TRY(dataset_make(dataset, set, &s->detector.model.config, s->invocation->arena, err));
    return look_for_images(dataset, folder, err);
}

static const char *val_image_folder(const struct train_options *o) {
    return o->val_image_folder ? o->val_image_folder : o->image_folder;
}

static enum status load_sets(struct session *s, struct error *err) {
    const struct train_options *o = s->options;
    struct workers *workers = NULL;
    TRY(workers_create(&workers, (int)s->invocation->common.threads, err));
    enum status status =
        load_set(s, &s->train_set, &s->train, o->annotations, o->image_folder, workers, err);
    if (status == STATUS_OK && o->val_annotations)
        status = load_set(s, &s->val_set, &s->val, o->val_annotations, val_image_folder(o), workers,
                          err);
    workers_destroy(workers);
    return status;
}

// ---- The run ----

static struct option_texts words_of(const struct invocation *invocation) {
    struct option_texts words = {(const char *const *)invocation->argv, 0};
    while (words.items[words.count])
        words.count++;
    return words;
}

static enum status open_run(struct session *s, struct error *err) {
    const struct train_options *o = s->options;
    const struct detector_model *model = &s->detector.model;
    const struct run_start start = {
        .path = o->out,
        .resume = o->resume,
        .version = GCTMASK_VERSION,
        .command = words_of(s->invocation),
        .steps = model->config.schedule.iterations,
    };
    if (!leads(s)) return STATUS_OK;
    TRY(run_folder_open(&s->run, &start, err));
    s->has_run = true;
    return train_report_open(&s->report, s->invocation->out, &s->invocation->log, o->out,
                             model->config.schedule.iterations, err);
}

static enum status count_memory(struct session *s, struct training_memory *memory,
                                struct error *err) {
    struct detector_model *model = &s->detector.model;
    struct machine machine;
    char texts[2][READABLE_BYTES];
    const struct loader_options loader = {
        .dataset = &s->train,
        .model = &model->network,
        .augments = true,
        .as_bytes = s->detector.nn->device == NN_CUDA,
        .num_threads = (int)s->options->loader_threads,
        .num_groups = (int)s->options->loader_threads + LOADER_SPARE_GROUPS,
    };
    TRY(training_memory_count(memory, model, &loader, s->options->precision, err));
    machine_look(&machine);
    int64_t needed = memory->total - memory->held;
    if (machine.available_bytes > 0 && needed > machine.available_bytes)
        log_message(&s->invocation->log, LOG_WARNING,
                    "training takes about %s more in each process, and %s of memory are free",
                    readable_bytes(needed, texts[0]),
                    readable_bytes(machine.available_bytes, texts[1]));
    return STATUS_OK;
}

static enum status show_plan(struct session *s, struct error *err) {
    struct train_plan plan = {
        .options = s->options,
        .model = &s->detector.model,
        .train = &s->train,
        .val = s->options->val_annotations ? &s->val : NULL,
        .procs = communicator_size(s->communicator),
        .threads = s->detector.nn->num_threads,
        .configured_batch = s->configured_batch,
        .device_library = communicator_device_library(s->communicator),
        .why_by_mpi = s->why_by_mpi,
    };
    if (!leads(s)) return STATUS_OK;
    TRY(count_memory(s, &plan.memory, err));
    train_banner(&s->report, &plan);
    return STATUS_OK;
}

static void report_to_person(void *context, const struct trainer_report *what) {
    struct session *s = context;
    train_report_trainer(&s->report, what);
}

static enum status evaluate(void *context, struct metrics_eval *scores, struct error *err) {
    struct session *s = context;
    return train_evaluate(&s->evaluation, scores, err);
}

static bool is_interrupted(void *context) {
    (void)context;
    return interrupt_asked();
}

static enum status open_trainer(struct session *s, char results[PATH_BYTES], struct error *err) {
    const struct train_options *o = s->options;
    struct trainer_options options = {
        .detector = &s->detector,
        .communicator = s->communicator,
        .run = leads(s) ? &s->run : NULL,
        .folder = o->out,
        .dataset = &s->train,
        .image_folder = o->image_folder,
        .val = o->val_annotations ? &s->val : NULL,
        .val_image_folder = val_image_folder(o),
        .seed = (uint64_t)o->seed,
        .num_loader_threads = (int)o->loader_threads,
        .log_every = o->log_every,
        .save_every = o->save_every,
        .eval_every = o->eval_every,
        .keep = {o->keep, o->keep_every},
        .patience = o->patience,
        .max_seconds = 3600 * o->max_hours,
    };
    const struct trainer_hooks hooks = {
        .context = s,
        .report = report_to_person,
        .is_interrupted = is_interrupted,
        .evaluate = o->val_annotations ? evaluate : NULL,
    };
    TRY(train_options_max_drops(o, &options.max_drops, err));
    TRY(path_join(results, o->out, RUN_RESULTS, err));
    s->evaluation = (struct train_evaluate){
        .detection = {.detector = &s->detector,
                      .communicator = s->communicator,
                      .truth = &s->val_set,
                      .classes = &s->val.classes,
                      .image_folder = val_image_folder(o),
                      .name = "results",
                      .save = results,
                      .log = &s->invocation->log},
        .num_threads = (int)s->invocation->common.threads,
        .log = &s->invocation->log,
    };
    return trainer_open(&s->trainer, &options, &hooks, err);
}

// Rank 0 chooses the checkpoint, for all.
static enum status go_on(struct session *s, struct error *err) {
    int64_t step = -1;
    struct error skipped = {0};
    if (leads(s)) TRY(checkpoint_find_latest(s->trainer.checkpoints, &step, &skipped, err));
    TRY(communicator_broadcast(s->communicator, &step, (int64_t)sizeof step, err));
    communicator_allow(s->communicator, PREPARE_SECONDS);
    if (leads(s) && skipped.code != STATUS_OK)
        log_message(&s->invocation->log, LOG_WARNING, "passed over: %s", skipped.message);
    if (step >= 0) TRY(trainer_load(&s->trainer, step, err));
    if (leads(s) && step >= 0)
        train_report_line(&s->report, "going on from step %lld", (long long)step);
    if (leads(s) && step < 0)
        train_report_line(&s->report, "there is no checkpoint yet: starting anew");
    return STATUS_OK;
}

static enum status prepare(struct session *s, struct error *err) {
    const struct communicator_options options = {.log = &s->invocation->log};
    interrupt_catch_with_requests();
    TRY(communicator_open(&s->communicator, &options, err));
    communicator_allow(s->communicator, PREPARE_SECONDS);
    TRY(make_model(s, err));
    return load_sets(s, err);
}

static enum status train(struct session *s, struct error *err) {
    char results[PATH_BYTES];
    TRY(prepare(s, err));
    if (s->options->dry_run) {
        s->report = (struct train_report){.out = s->invocation->out, .log = &s->invocation->log};
        return show_plan(s, err);
    }
    TRY(open_run(s, err));
    TRY(show_plan(s, err));
    TRY(open_trainer(s, results, err));
    if (s->options->resume) TRY(go_on(s, err));
    // Not before it is known that they are those of the run that goes on.
    if (leads(s)) TRY(run_folder_save_config(&s->run, &s->detector.model.options, err));
    return trainer_run(&s->trainer, &s->end, err);
}

// ---- The end ----

static enum run_state state_at_end(const struct session *s) {
    bool waits = s->end == TRAINER_INTERRUPTED || s->end == TRAINER_OUT_OF_TIME;
    return waits ? RUN_INTERRUPTED : RUN_FINISHED;
}

static void say_end(struct session *s) {
    const struct training_state *state = &s->trainer.state;
    if (!leads(s) || s->options->dry_run) return;
    if (state_at_end(s) == RUN_INTERRUPTED) {
        train_report_line(&s->report, "%s at step %lld; the same command with --resume goes on",
                          s->end == TRAINER_INTERRUPTED ? "interrupted" : "out of time",
                          (long long)state->step);
        return;
    }
    if (s->end == TRAINER_STOPPED)
        train_report_line(&s->report, "no better score in %lld evaluations: stopped",
                          (long long)state->evals_since_best);
    if (state->dropped > 0)
        train_report_line(&s->report, "%lld steps were left out, as they were not finite",
                          (long long)state->dropped);
    if (!isnan(state->best_score))
        train_report_line(&s->report, "best %.3f at step %lld", state->best_score,
                          (long long)state->best_step);
    train_report_scores(&s->report);
}

static enum status end_run(struct session *s, enum status status, struct error *err) {
    if (status == STATUS_OK) say_end(s);
    if (!s->has_run) return status;
    if (status != STATUS_OK) {
        // The first error is the one that counts.
        enum status ignored = run_folder_end(&s->run, RUN_FAILED, err->message, NULL);
        (void)ignored;
        return status;
    }
    return run_folder_end(&s->run, state_at_end(s), NULL, err);
}

static enum status leave(struct session *s, enum status status, struct error *err) {
    if (status != STATUS_OK && s->communicator) communicator_fail(s->communicator, err);
    status = end_run(s, status, err);
    trainer_close(&s->trainer);
    train_report_close(&s->report);
    enum status closed = communicator_close(s->communicator, status == STATUS_OK ? err : NULL);
    detector_close(&s->detector);
    coco_destroy(&s->val_set);
    coco_destroy(&s->train_set);
    return status != STATUS_OK ? status : closed;
}

static enum status run_train(struct invocation *invocation, struct error *err) {
    const struct train_options *options = invocation->options;
    int64_t max_drops = 0;
    TRY(train_options_max_drops(options, &max_drops, err));
    TRY(device_check(options->device, err));
    bool is_bf16 = options->precision == NN_BF16 || options->precision == NN_BF16_ALIAS;
    if (is_bf16 && strcmp(options->device, "cpu") == 0)
        return error_set(err, STATUS_UNSUPPORTED,
                         "--precision bfloat16 is not for training on the CPU; use float32, or "
                         "--device cuda");
    if (options->procs > 1 && !communicator_is_launched()) {
        int code = 0;
        TRY(launch((int)options->procs, invocation->argv, &code, err));
        invocation->outcome = (enum exit_code)code;
        return STATUS_OK;
    }
    struct session session = {.invocation = invocation, .options = options};
    enum status status = leave(&session, train(&session, err), err);
    if (status == STATUS_OK && session.end == TRAINER_INTERRUPTED)
        invocation->outcome = interrupt_code();
    if (status == STATUS_OK && session.end == TRAINER_OUT_OF_TIME)
        invocation->outcome = EXIT_CODE_RETRY_LATER;
    return status;
}

const struct command train_command = {
    .name = "train",
    .summary = "teach a model with annotated images",
    .description =
        "Trains a detector on annotations in COCO's format by the schedule of its configuration, "
        "evaluates it on the way and leaves a folder with checkpoints, metrics and a log. A "
        "checkpoint's model.safetensors is all that eval, annotate and serve need. Ctrl-C saves "
        "and ends; --resume goes on to the same weights, bit for bit, as if nothing had happened.",
    .options = TRAIN_OPTIONS,
    .options_bytes = sizeof(struct train_options),
    .examples = EXAMPLES,
    .run = run_train,
};
