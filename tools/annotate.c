// gctmask annotate: detects in pictures and writes annotations and overlays.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "base/utf8.h"
#include "tools/annotate_inputs.h"
#include "tools/annotate_outputs.h"
#include "tools/command.h"
#include "tools/interrupt.h"
#include "tools/progress.h"

struct annotate_options {
    const char *weights;
    const char *out;
    struct option_texts overrides;
    bool recursive;
    double score;
    int64_t max_dets;
    struct option_texts classes;
    struct option_texts formats;
    enum overlay_format overlay;
};

static const char *const FORMATS[] = {"coco", "coco-results", NULL};
static const char *const OVERLAYS[] = {"none", "jpg", "png", NULL};

static const struct option OPTIONS[] = {
    {.name = "weights",
     OPTION_FIELD(struct annotate_options, weights),
     .group = "Inputs",
     .metavar = "FILE",
     .required = true,
     .help = "the model file"},
    {.name = "set",
     OPTION_FIELD(struct annotate_options, overrides),
     .metavar = "NAME=VALUE,...",
     .help = "options of the model to change"},
    {.name = "recursive",
     OPTION_FIELD(struct annotate_options, recursive),
     .help = "take the pictures of folders in folders too"},

    {.name = "score",
     OPTION_FIELD(struct annotate_options, score),
     OPTION_BETWEEN(0, 1),
     .default_text = "0.5",
     .group = "Detections",
     .help = "keep those with a score above this"},
    {.name = "max-dets",
     OPTION_FIELD(struct annotate_options, max_dets),
     OPTION_BETWEEN(0, 100000),
     .default_text = "0",
     .help = "keep at most so many of a picture, the best ones; 0 is the model's own number"},
    {.name = "classes",
     OPTION_FIELD(struct annotate_options, classes),
     .help = "of what was kept, write these only: names or category ids"},

    {.name = "out",
     OPTION_FIELD(struct annotate_options, out),
     .group = "Outputs",
     .metavar = "DIR",
     .required = true,
     .help = "folder to write to; files of the same names are replaced"},
    {.name = "format",
     OPTION_FIELD(struct annotate_options, formats),
     .choices = FORMATS,
     .default_text = "coco,coco-results",
     .help = "what to write: instances.json, results.json"},
    {.name = "overlay",
     OPTION_FIELD(struct annotate_options, overlay),
     .choices = OVERLAYS,
     .default_text = "none",
     .help = "also write the pictures with what was found, to overlays/"},
    {0},
};

static const struct example EXAMPLES[] = {
    {"gctmask annotate street.jpg --weights gct.safetensors --out found --overlay jpg",
     "look at what a model sees in a picture"},
    {"gctmask annotate photos --recursive --weights gct.safetensors --out found --score 0.7 "
     "--classes person,dog",
     "annotate a tree of folders with two classes, for correction by hand"},
    {0},
};

// ---- What to keep ----

static enum status find_label(int32_t *label, const char *text, const struct detector *detector,
                              struct error *err) {
    struct nearest nearest = {.wanted = text};
    char *end = NULL;
    long long id = strtoll(text, &end, 10);
    bool is_id = end != text && *end == '\0';
    for (*label = 1; *label <= detector_num_classes(detector); ++*label) {
        const char *name = detector_class_name(detector, *label);
        if (strcmp(name, text) == 0) return STATUS_OK;
        nearest_offer(&nearest, name);
    }
    for (*label = 1; is_id && *label <= detector_num_classes(detector); ++*label)
        if (detector_category_id(detector, *label) == id) return STATUS_OK;
    const char *suggestion = nearest_name(&nearest);
    return error_set(err, STATUS_USAGE, "--classes: the model has no class \"%s\"%s%s%s", text,
                     suggestion ? "; did you mean \"" : "", suggestion ? suggestion : "",
                     suggestion ? "\"?" : "");
}

// wanted[label]
static enum status choose_classes(bool **wanted, const struct option_texts *classes,
                                  const struct detector *detector, struct arena *arena,
                                  struct error *err) {
    int64_t count = detector_num_classes(detector) + 1;
    *wanted = arena_alloc_zero(arena, count, sizeof **wanted);
    if (!*wanted) return error_memory(err, "classes", count);
    for (int64_t i = 0; i < count && classes->count == 0; i++)
        (*wanted)[i] = true;
    for (int64_t i = 0; i < classes->count; i++) {
        int32_t label = 0;
        TRY(find_label(&label, classes->items[i], detector, err));
        (*wanted)[label] = true;
    }
    return STATUS_OK;
}

static void drop_unwanted(struct detection_list *list, const bool *wanted) {
    int64_t count = 0;
    for (int64_t i = 0; i < list->count; i++)
        if (wanted[list->items[i].label]) list->items[count++] = list->items[i];
    list->count = count;
}

// ---- The work ----

struct annotation_run {
    struct invocation *invocation;
    const struct annotate_options *options;
    struct input_files files;
    struct detector detector;
    bool *wanted;
    struct annotate_outputs outputs;
    struct progress progress;
    struct arena scratch; // of one picture
};

static bool is_utf8(const char *text) {
    const char *end = text + strlen(text);
    while (text < end) {
        int length = utf8_length(text, end);
        if (length == 0) return false;
        text += length;
    }
    return true;
}

// The word for what went wrong with a picture.
static const char *failure_code(enum status status, const struct image_info *info) {
    const char *fault = image_fault_name(info->fault);
    if (*fault) return fault;
    if (status == STATUS_NO_INPUT) return "unreadable";
    if (status == STATUS_DATA) return "non_finite_output";
    return status == STATUS_MEMORY ? "out_of_memory" : "detection_failed";
}

static enum status detect(struct annotation_run *run, const struct input_file *file,
                          struct image *image, struct image_info *info, struct detection_list *list,
                          struct error *err) {
    const struct image_limits limits = image_limits_default();
    const struct detection_limits kept = {run->options->score, run->options->max_dets};
    TRY(image_load(image, info, file->path, &limits, true, &run->scratch, err));
    enum status status = detector_detect(&run->detector, image, 1, &kept, &run->scratch, list, err);
    if (status != STATUS_OK) error_prefix(err, "%s: ", file->path);
    return status;
}

static void record_failure(struct annotation_run *run, const struct input_file *file,
                           const char *code, const char *message) {
    annotate_outputs_write_failure(&run->outputs, file->path, code, message);
    progress_clear(&run->progress);
    log_message(&run->invocation->log, LOG_WARNING, "%s [%s], skipped", message, code);
    progress_failed(&run->progress);
}

// A picture that cannot be used is recorded; only an output that cannot be written ends the run.
static enum status annotate_one(struct annotation_run *run, int64_t index, struct error *err) {
    const struct input_file *file = &run->files.items[index];
    struct image image;
    struct image_info info = {0};
    struct detection_list list;
    struct error failure;
    if (!is_utf8(file->name)) {
        error_set(&failure, STATUS_DATA, "%s: the name is not UTF-8, which JSON cannot hold",
                  file->path);
        record_failure(run, file, "name_not_utf8", failure.message);
        return STATUS_OK;
    }
    enum status status = detect(run, file, &image, &info, &list, &failure);
    if (status != STATUS_OK) {
        record_failure(run, file, failure_code(status, &info), failure.message);
        return STATUS_OK;
    }
    drop_unwanted(&list, run->wanted);
    const struct coco_image record = {.id = index + 1,
                                      .width = image.width,
                                      .height = image.height,
                                      .file_name = file->name,
                                      .exif_orientation = info.exif_orientation};
    TRY(annotate_outputs_write(&run->outputs, &record, &image, &list, &run->scratch, err));
    progress_done(&run->progress, list.count);
    return STATUS_OK;
}

static enum status annotate_all(struct annotation_run *run, struct error *err) {
    enum { SCRATCH_BLOCK_BYTES = 1 << 20 };
    enum status status = STATUS_OK;
    progress_start(&run->progress, &run->invocation->log, run->files.count);
    for (int64_t i = 0; i < run->files.count && status == STATUS_OK; i++) {
        if (interrupt_code() != EXIT_CODE_DONE) break;
        arena_init(&run->scratch, SCRATCH_BLOCK_BYTES, 0);
        status = annotate_one(run, i, err);
        arena_destroy(&run->scratch);
    }
    progress_clear(&run->progress);
    return status;
}

static void summarise(struct annotation_run *run) {
    const struct progress *p = &run->progress;
    const struct log *log = &run->invocation->log;
    enum exit_code *outcome = &run->invocation->outcome;
    const char *folder = run->options->out;
    if (p->num_failed > 0) *outcome = EXIT_CODE_SOME_FAILED;
    if (interrupt_code() != EXIT_CODE_DONE) *outcome = interrupt_code();
    if (p->num_done < p->total)
        log_message(log, LOG_WARNING, "interrupted: %lld of %lld pictures were left out",
                    (long long)(p->total - p->num_done), (long long)p->total);
    log_message(log, LOG_INFO, "%s: %lld pictures, %lld objects, %.1f s", folder,
                (long long)(p->num_done - p->num_failed), (long long)p->num_objects,
                seconds_now() - p->start);
    if (p->num_failed > 0)
        log_message(log, LOG_WARNING, "%lld pictures failed, see %s/failures.jsonl",
                    (long long)p->num_failed, folder);
}

static int compare_texts(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

// Overlays get another type's extension, and may then meet.
static enum status refuse_equal_overlays(const struct annotation_run *run, struct error *err) {
    struct arena *arena = run->invocation->arena;
    int64_t count = run->files.count;
    if (run->options->overlay == OVERLAY_NONE) return STATUS_OK;
    const char **names = arena_alloc(arena, count, sizeof *names);
    if (!names) return error_memory(err, "file names", count);
    for (int64_t i = 0; i < count; i++)
        TRY(overlay_name(&names[i], run->files.items[i].name, run->options->overlay, arena, err));
    qsort(names, (size_t)count, sizeof *names, compare_texts);
    for (int64_t i = 1; i < count; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            return error_set(err, STATUS_USAGE,
                             "two pictures would have the overlay %s: annotate them one at a time",
                             names[i]);
    return STATUS_OK;
}

static enum status work(struct annotation_run *run, struct error *err) {
    const struct annotate_options *options = run->options;
    struct invocation *invocation = run->invocation;
    struct arena *arena = invocation->arena;
    interrupt_catch();
    TRY(input_files_find(&run->files, invocation->operands, invocation->num_operands,
                         options->recursive, options->out, arena, err));
    if (run->files.count == 0) {
        log_message(&invocation->log, LOG_WARNING, "%s: no .jpg, .jpeg or .png files%s",
                    invocation->operands[0],
                    options->recursive ? "" : " (folders in it are searched with --recursive)");
        invocation->outcome = EXIT_CODE_NOTHING_TO_DO;
        return STATUS_OK;
    }
    TRY(refuse_equal_overlays(run, err));
    TRY(detector_open(&run->detector, options->weights, &options->overrides,
                      (int)invocation->common.threads, err));
    TRY(choose_classes(&run->wanted, &options->classes, &run->detector, arena, err));
    run->outputs.detector = &run->detector;
    TRY(annotate_outputs_open(&run->outputs, err));
    TRY(annotate_all(run, err));
    TRY(annotate_outputs_commit(&run->outputs, err));
    summarise(run);
    return STATUS_OK;
}

static enum status run_annotate(struct invocation *invocation, struct error *err) {
    struct annotation_run run = {.invocation = invocation, .options = invocation->options};
    const struct annotate_options *options = run.options;
    run.outputs = (struct annotate_outputs){.folder = options->out, .overlay = options->overlay};
    for (int64_t i = 0; i < options->formats.count; i++) {
        run.outputs.has_instances |= strcmp(options->formats.items[i], "coco") == 0;
        run.outputs.has_results |= strcmp(options->formats.items[i], "coco-results") == 0;
    }
    enum status status = work(&run, err);
    annotate_outputs_discard(&run.outputs);
    detector_close(&run.detector);
    input_files_destroy(&run.files);
    return status;
}

const struct command annotate_command = {
    .name = "annotate",
    .summary = "detect in pictures and write annotations and overlays",
    .description =
        "Runs a model over JPEG and PNG files and folders of them, in the order of their names' "
        "bytes, and writes what it finds in COCO's formats: masks as run lengths without loss, "
        "boxes tight around them, areas exact. Pictures are turned upright as EXIF says; the "
        "record "
        "of one that was turned has its exif_orientation. One that cannot be used is recorded in "
        "failures.jsonl and skipped; the exit code is then 2. Ctrl-C finishes the picture at hand "
        "and saves.",
    .options = OPTIONS,
    .options_bytes = sizeof(struct annotate_options),
    .operands = "INPUT...",
    .min_operands = 1,
    .max_operands = -1,
    .examples = EXAMPLES,
    .run = run_annotate,
};
