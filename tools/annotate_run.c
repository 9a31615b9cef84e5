#include "tools/annotate_run.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "tools/device.h"
#include "tools/interrupt.h"
#include "train/folder_lock.h"

// So long pictures may take to be found, and outputs to be put together.
static const double PREPARE_SECONDS = 3600;

bool annotate_leads(const struct annotate_run *run) {
    return communicator_rank(run->communicator) == 0;
}

// ---- Inputs ----

static enum status pack_files(const struct input_files *files, struct output *packed,
                              struct error *err) {
    output_open_memory(packed);
    for (int64_t i = 0; i < files->count; i++) {
        const struct input_file *file = &files->items[i];
        output_write(packed, file->path, (int64_t)strlen(file->path) + 1);
        output_write(packed, file->name, (int64_t)strlen(file->name) + 1);
    }
    return output_finish(packed, err);
}

static enum status unpack_files(struct input_files *files, const char *text, int64_t size,
                                struct error *err) {
    for (const char *at = text; at < text + size;) {
        TRY(array_reserve(&files->items, &files->capacity, files->count + 1, sizeof *files->items,
                          err));
        struct input_file *file = &files->items[files->count++];
        file->path = at;
        file->name = at + strlen(at) + 1;
        at = file->name + strlen(file->name) + 1;
    }
    return STATUS_OK;
}

// Rank 0 looks for pictures; the others learn which there are, so that all have the same.
static enum status share_files(struct annotate_run *run, struct error *err) {
    struct output packed = {0};
    if (communicator_size(run->communicator) == 1) return STATUS_OK;
    if (annotate_leads(run)) TRY(pack_files(&run->files, &packed, err));
    int64_t size = packed.size;
    TRY(communicator_broadcast(run->communicator, &size, sizeof size, err));
    char *text = arena_alloc(run->invocation->arena, size, 1);
    if (!text) return error_memory(err, "file names", size);
    if (packed.data) memcpy(text, packed.data, (size_t)size);
    output_discard(&packed);
    TRY(communicator_broadcast(run->communicator, text, size, err));
    return annotate_leads(run) ? STATUS_OK : unpack_files(&run->files, text, size, err);
}

static enum status find_files(struct annotate_run *run, struct error *err) {
    struct invocation *invocation = run->invocation;
    const struct annotate_options *o = run->options;
    const struct input_search search = {
        .recursive = o->recursive, .extensions = &o->extensions, .out = o->outputs.out};
    if (annotate_leads(run)) {
        TRY(input_files_find(&run->files, invocation->operands, invocation->num_operands, &search,
                             invocation->arena, err));
        const char **names = arena_alloc(invocation->arena, run->files.count, sizeof *names);
        if (!names) return error_memory(err, "file names", 8 * run->files.count);
        for (int64_t i = 0; i < run->files.count; i++)
            names[i] = run->files.items[i].name;
        TRY(annotate_files_check(&o->outputs, names, run->files.count, err));
    }
    return share_files(run, err);
}

// ---- The model ----

static enum status list_classes(struct annotate_run *run, struct error *err) {
    int64_t count = detector_num_classes(&run->detector);
    struct coco_category *classes = arena_alloc(run->invocation->arena, count, sizeof *classes);
    if (!classes) return error_memory(err, "classes", 32 * count);
    for (int32_t label = 1; label <= count; label++)
        classes[label - 1] =
            (struct coco_category){.id = detector_category_id(&run->detector, label),
                                   .name = detector_class_name(&run->detector, label),
                                   .supercategory = ""};
    run->classes = (struct class_list){.items = classes, .count = count};
    return STATUS_OK;
}

static enum status open_weights(struct annotate_run *run, struct error *err) {
    const struct annotate_options *o = run->options;
    struct nn_options nn = {.num_threads = (int)run->invocation->common.threads,
                            .precision = o->precision,
                            .tune = o->tune};
    TRY(device_choose(&nn, o->device, run->communicator, err));
    TRY(detector_open(&run->detector, o->weights, &o->overrides, &nn, err));
    return list_classes(run, err);
}

static void warn_of_service(void *context, const char *message) {
    const struct annotate_run *run = context;
    log_message(&run->invocation->log, LOG_WARNING, "%s", message);
}

// What the service computes with stands in the options as if it had been given here, since records
// tell by them which results are alike.
static enum status open_service(struct annotate_run *run, struct error *err) {
    struct annotate_options *o = run->options;
    struct remote_model *model = &run->remote_model;
    atomic_bool never = false;
    const struct remote_caller caller = {&never, interrupt_asked, warn_of_service, run};
    signal(SIGPIPE, SIG_IGN); // of a connection that the service closes
    TRY(remote_open(&run->remote, &o->remote, &caller, model, run->invocation->arena, err));
    run->classes = model->classes;
    o->overrides = model->overrides;
    o->precision = model->precision;
    o->device = model->device;
    o->tune = model->tune;
    return STATUS_OK;
}

static enum status open_model(struct annotate_run *run, struct error *err) {
    const struct annotate_options *o = run->options;
    TRY(o->remote.server ? open_service(run, err) : open_weights(run, err));
    int64_t own = o->remote.server ? run->remote_model.max_detections
                                   : run->detector.model.config.box.detections;
    return detection_filter_make(&run->filter, &o->filter, &run->classes, own,
                                 run->invocation->arena, err);
}

// ---- Events ----

static struct output *events_of(const struct annotate_run *run) {
    return run->options->progress == PROGRESS_JSON ? run->invocation->out : NULL;
}

static void end_event(struct json_writer *w) {
    json_write_end_object(w);
    output_text(w->out, "\n");
    enum status ignored = output_finish(w->out, NULL); // found at the end
    (void)ignored;
}

static void begin_event(struct json_writer *w, struct output *out, const char *name) {
    json_writer_init(w, out, 0);
    json_write_begin_object(w);
    json_write_key_int64(w, "v", 1);
    json_write_key_text(w, "event", name);
}

static void report_start(struct annotate_run *run) {
    struct json_writer w;
    const struct log *log = &run->invocation->log;
    int64_t num_done = run->files.count - run->num_to_do;
    if (!annotate_leads(run)) return;
    if (run->options->resume)
        log_message(log, LOG_INFO, "resume: %lld of %lld already done", (long long)num_done,
                    (long long)run->files.count);
    if (!events_of(run)) return;
    begin_event(&w, events_of(run), "run_started");
    json_write_key_int64(&w, "total", run->files.count);
    json_write_key_int64(&w, "already_done", num_done);
    json_write_key_text(&w, "model", run->origin.model);
    json_write_key_text(&w, "out", run->options->outputs.out);
    end_event(&w);
}

static void report_end(struct annotate_run *run, double seconds) {
    struct json_writer w;
    if (!annotate_leads(run) || !events_of(run)) return;
    begin_event(&w, events_of(run), "run_finished");
    json_write_key_int64(&w, "done", run->result.num_done);
    json_write_key_int64(&w, "failed", run->result.num_failed);
    json_write_key_int64(&w, "objects", run->result.num_objects);
    json_write_key_bool(&w, "interrupted", run->result.interrupted);
    json_write_key_double(&w, "seconds", seconds);
    json_write_key_double(&w, "detect_seconds", run->result.detect_seconds);
    end_event(&w);
}

// ---- The work ----

// Rank 0 counts what the other processes have done.
static void count_elsewhere(struct annotate_run *run) {
    int size = communicator_size(run->communicator);
    if (!annotate_leads(run) || size == 1) return;
    if (!run->counted)
        run->counted = arena_alloc_zero(run->invocation->arena, size, sizeof *run->counted);
    for (int rank = 1; rank < size && run->counted; rank++)
        run->progress.num_elsewhere +=
            journal_count(run->options->outputs.out, rank, &run->counted[rank]);
}

static void tick(void *context) {
    struct annotate_run *run = context;
    communicator_tick(run->communicator);
    count_elsewhere(run);
}

struct pipeline_options annotate_pipeline(struct annotate_run *run) {
    const struct annotate_options *o = run->options;
    return (struct pipeline_options){
        .files = &run->files,
        .plan = run->plan,
        .lines = run->lines,
        .rank = communicator_rank(run->communicator),
        .size = communicator_size(run->communicator),
        .detector = &run->detector,
        .remote = run->remote,
        .filter = &run->filter,
        .tiling = o->tiling,
        .apply_exif = o->exif == EXIF_APPLY,
        .origin = &run->origin,
        .classes = &run->classes,
        .outputs = &o->outputs,
        .max_failures = o->max_failures,
        .journal = &run->writer,
        .progress = &run->progress,
        .log = &run->invocation->log,
        .is_interrupted = interrupt_asked,
        .tick = tick,
        .tick_context = run,
    };
}

static enum status work(struct annotate_run *run, struct error *err) {
    const struct annotate_options *o = run->options;
    const struct pipeline_options pipeline = annotate_pipeline(run);
    TRY(journal_open(&run->writer, o->outputs.out, pipeline.rank, err));
    progress_start(&run->progress, &run->invocation->log, run->num_to_do);
    if (!annotate_leads(run) || o->progress == PROGRESS_NONE) run->progress.enabled = false;
    if (annotate_leads(run)) progress_use_events(&run->progress, events_of(run));
    enum status status = pipeline_run(&pipeline, &run->result, err);
    progress_clear(&run->progress);
    enum status ended = journal_end(&run->writer, status == STATUS_OK ? err : NULL);
    return status != STATUS_OK ? status : ended;
}

// The result of all processes.
static enum status sum_results(struct annotate_run *run, struct error *err) {
    struct pipeline_result *r = &run->result;
    double sums[] = {(double)r->num_done,    (double)r->num_failed,        (double)r->num_objects,
                     (double)r->interrupted, (double)r->too_many_failures, r->detect_seconds};
    TRY(communicator_sum_doubles(run->communicator, sums, sizeof sums / sizeof sums[0], err));
    *r = (struct pipeline_result){.num_done = (int64_t)sums[0],
                                  .num_failed = (int64_t)sums[1],
                                  .num_objects = (int64_t)sums[2],
                                  .interrupted = sums[3] > 0,
                                  .too_many_failures = sums[4] > 0,
                                  .detect_seconds = sums[5]};
    return STATUS_OK;
}

static void summarise(struct annotate_run *run, double seconds) {
    const struct pipeline_result *r = &run->result;
    const struct log *log = &run->invocation->log;
    const char *folder = run->options->outputs.out;
    if (r->num_failed > 0) run->invocation->outcome = EXIT_CODE_SOME_FAILED;
    if (r->interrupted && interrupt_code() != EXIT_CODE_DONE)
        run->invocation->outcome = interrupt_code();
    if (r->num_done < run->num_to_do)
        log_message(log, LOG_WARNING,
                    "%s: %lld of %lld pictures were left out; the same command with --resume "
                    "goes on",
                    r->too_many_failures ? "too many failures" : "interrupted",
                    (long long)(run->num_to_do - r->num_done), (long long)run->num_to_do);
    log_message(log, LOG_INFO, "%s: %lld pictures, %lld objects, %.1f s", folder,
                (long long)run->num_pictures, (long long)run->num_objects, seconds);
    if (r->num_failed > 0)
        log_message(log, LOG_WARNING, "%lld pictures failed, see %s/failures.jsonl",
                    (long long)r->num_failed, folder);
}

static enum status finish(struct annotate_run *run, double start, struct error *err) {
    struct annotate_outputs outputs = {0};
    const struct log *log = &run->invocation->log;
    if (!annotate_leads(run)) return STATUS_OK;
    enum status status = annotate_finish(run, &outputs, err);
    if (status == STATUS_OK) {
        summarise(run, seconds_now() - start);
        report_end(run, seconds_now() - start);
        roundtrip_log(&outputs.roundtrip, log);
        status = roundtrip_check(&outputs.roundtrip, err);
    }
    annotate_outputs_discard(&outputs);
    return status;
}

// "no .jpg, .jpeg or .png files"
static enum status report_nothing(struct annotate_run *run, struct error *err) {
    struct invocation *invocation = run->invocation;
    const struct option_texts *extensions = &run->options->extensions;
    struct output text;
    output_open_memory(&text);
    for (int64_t i = 0; i < extensions->count; i++)
        output_printf(&text, "%s.%s",
                      i == 0                      ? ""
                      : i + 1 < extensions->count ? ", "
                                                  : " or ",
                      extensions->items[i] + (extensions->items[i][0] == '.'));
    enum status status = output_finish(&text, err);
    if (status == STATUS_OK)
        log_message(&invocation->log, LOG_WARNING, "%s: no %s files%s", invocation->operands[0],
                    text.data ? text.data : "",
                    run->options->recursive ? ""
                                            : " (folders in it are searched with --recursive)");
    output_discard(&text);
    invocation->outcome = EXIT_CODE_NOTHING_TO_DO;
    return status;
}

enum status annotate_run(struct annotate_run *run, struct error *err) {
    struct invocation *invocation = run->invocation;
    const struct communicator_options communicator = {.log = &invocation->log,
                                                      .stuck_seconds = PREPARE_SECONDS};
    double start = seconds_now();
    if (communicator_is_launched())
        interrupt_catch_with_requests();
    else
        interrupt_catch();
    TRY(communicator_open(&run->communicator, &communicator, err));
    annotate_outputs_complete(&run->options->outputs);
    TRY(find_files(run, err));
    if (run->files.count == 0) {
        return report_nothing(run, err);
    }
    TRY(open_model(run, err));
    TRY(annotate_identify(run, err));
    TRY(annotate_plan(run, err));
    if (run->options->dry_run) return annotate_leads(run) ? annotate_estimate(run, err) : STATUS_OK;
    report_start(run);
    TRY(work(run, err));
    TRY(sum_results(run, err));
    return finish(run, start, err);
}

void annotate_run_close(struct annotate_run *run) {
    folder_unlock(&run->lock, run->options->outputs.out);
    journal_close(&run->journal);
    detector_close(&run->detector);
    remote_close(run->remote);
    input_files_destroy(&run->files);
}
