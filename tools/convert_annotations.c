// gctmask convert-annotations: annotations from one format to others.
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/workers.h"
#include "formats/annotated_read.h"
#include "tools/annotate_outputs.h"
#include "tools/command.h"
#include "tools/interrupt.h"
#include "tools/progress.h"
#include "train/folder.h"

struct convert_options {
    int from; // in FROM_NAMES
    const char *annotations;
    const char *image_folder;
    struct annotate_output_options outputs;
};

// FORMAT_NAMES behind "auto".
static const char *const FROM_NAMES[] = {
    "auto",         "coco",   "coco-results", "labelme", "yolo-seg",
    "label-studio", "ndjson", "csv",          "png",     NULL};

static const struct option OPTIONS[] = {
    {.name = "from",
     OPTION_FIELD(struct convert_options, from),
     .choices = FROM_NAMES,
     .default_text = "auto",
     .group = "Inputs",
     .help = "the format of SRC, which otherwise its name and content tell"},
    {.name = "ann",
     OPTION_FIELD(struct convert_options, annotations),
     .metavar = "FILE",
     .help = "COCO's set that results are about; for other formats, one whose ids of images and "
             "classes to keep, by their names"},
    {.name = "image-dir",
     OPTION_FIELD(struct convert_options, image_folder),
     .metavar = "DIR",
     .help = "where the pictures are, for overlays, crops and YOLO's labels"},
    ANNOTATE_OUTPUT_ROWS(struct convert_options, "to", NULL),
    {0},
};

static const struct example EXAMPLES[] = {
    {"gctmask convert-annotations instances.json --to labelme,yolo-seg --out converted",
     "COCO's set for labelme and for YOLO, with a report of what YOLO's outlines lose"},
    {"gctmask convert-annotations labels --from labelme --to coco --out corrected",
     "back, after correction by hand"},
    {"gctmask convert-annotations instances.json --html --image-dir photos --out look",
     "look at annotations, whoever made them"},
    {0},
};

// ---- The work ----

enum { IMAGES_AT_ONCE = 64 };

// Files of pictures are written by all threads, some pictures at a time.
struct conversion {
    struct invocation *invocation;
    struct convert_options *options;
    struct annotated_set set;
    struct annotate_outputs outputs;
    int64_t begin; // the first of the pictures at hand
    struct arena arenas[IMAGES_AT_ONCE];
    struct annotate_losses losses[IMAGES_AT_ONCE];
    struct error errors[IMAGES_AT_ONCE];
};

static enum status load_picture(struct image *pixels, const char *path,
                                const struct annotated_image *image, struct arena *arena,
                                struct error *err) {
    const struct image_limits limits = image_limits_default();
    TRY(image_load(pixels, NULL, path, &limits, true, arena, err));
    if (pixels->width == image->width && pixels->height == image->height) return STATUS_OK;
    return error_set(err, STATUS_DATA, "%s: %d x %d pixels, but the annotations are for %d x %d",
                     path, (int)pixels->width, (int)pixels->height, (int)image->width,
                     (int)image->height);
}

static enum status write_files(struct conversion *c, int64_t slot) {
    const struct convert_options *o = c->options;
    const struct annotated_image *image = &c->set.images[c->begin + slot];
    struct error *err = &c->errors[slot];
    struct arena *arena = &c->arenas[slot];
    struct image pixels = {0};
    char path[PATH_BYTES];
    if (o->image_folder) TRY(path_join(path, o->image_folder, image->name, err));
    if (annotate_files_need_pixels(&o->outputs))
        TRY(load_picture(&pixels, path, image, arena, err));
    return annotate_files_write(&o->outputs, &c->set.classes, image, o->image_folder ? path : NULL,
                                &pixels, &c->losses[slot], arena, err);
}

static void write_slot(void *context, int64_t slot, int worker) {
    enum { BLOCK_BYTES = 1 << 18 };
    struct conversion *c = context;
    (void)worker;
    arena_init(&c->arenas[slot], BLOCK_BYTES, 0);
    c->errors[slot].code = STATUS_OK;
    c->errors[slot].code = write_files(c, slot);
}

static enum status add_slots(struct conversion *c, int64_t count, struct progress *progress,
                             struct error *err) {
    enum status status = STATUS_OK;
    for (int64_t slot = 0; slot < count; slot++) {
        const struct annotated_image *image = &c->set.images[c->begin + slot];
        if (status == STATUS_OK && c->errors[slot].code != STATUS_OK)
            status = error_set(err, c->errors[slot].code, "%s", c->errors[slot].message);
        if (status == STATUS_OK)
            status =
                annotate_outputs_add(&c->outputs, image, &c->losses[slot], &c->arenas[slot], err);
        if (status == STATUS_OK) progress_done(progress, image->num_objects);
        arena_destroy(&c->arenas[slot]);
    }
    return status;
}

static enum status write_all(struct conversion *c, struct workers *workers, struct error *err) {
    struct progress progress;
    enum status status = STATUS_OK;
    progress_start(&progress, &c->invocation->log, c->set.num_images);
    for (c->begin = 0; c->begin < c->set.num_images && status == STATUS_OK;
         c->begin += IMAGES_AT_ONCE) {
        int64_t left = c->set.num_images - c->begin;
        int64_t count = left < IMAGES_AT_ONCE ? left : IMAGES_AT_ONCE;
        if (interrupt_code() != EXIT_CODE_DONE) {
            status = error_set(err, STATUS_CANCELLED, "interrupted");
            break;
        }
        workers_run(workers, count, 1, write_slot, c);
        status = add_slots(c, count, &progress, err);
    }
    progress_clear(&progress);
    return status;
}

// ---- Checks ----

// Names become paths below the folder of outputs.
static enum status check_name(const char *name, struct error *err) {
    bool is_safe = *name && *name != '/';
    for (const char *at = name; is_safe && at; at = strchr(at, '/')) {
        at += *at == '/';
        is_safe = strcmp(at, "..") != 0 && strncmp(at, "../", 3) != 0;
    }
    if (is_safe) return STATUS_OK;
    return error_set(err, STATUS_DATA, "the image name \"%.200s\" leads out of the folder", name);
}

static enum status check(const struct conversion *c, struct error *err) {
    const struct convert_options *o = c->options;
    int64_t count = c->set.num_images;
    const char **names = arena_alloc(c->invocation->arena, count, sizeof *names);
    if (!names) return error_memory(err, "file names", 8 * count);
    for (int64_t i = 0; i < count; i++) {
        names[i] = c->set.images[i].name;
        TRY(check_name(names[i], err));
    }
    if (o->outputs.formats.count == 0 && !annotate_files_need_pixels(&o->outputs))
        return error_set(err, STATUS_USAGE, "--to, --overlay, --crops or --html is required");
    if (annotate_files_need_pixels(&o->outputs) && !o->image_folder)
        return error_set(err, STATUS_USAGE, "--overlay, --crops and --html need --image-dir DIR");
    return annotate_files_check(&o->outputs, names, count, err);
}

static enum status read_source(struct conversion *c, struct error *err) {
    const struct convert_options *o = c->options;
    const char *path = c->invocation->operands[0];
    struct stat info;
    if (stat(path, &info) != 0) return error_set(err, STATUS_NO_INPUT, "%s: no such file", path);
    const struct annotated_source source = {
        .path = path,
        .format = o->from > 0 ? (enum annotation_format)(o->from - 1) : format_guess(path),
        .annotations = o->annotations,
        .image_folder = o->image_folder,
    };
    return annotated_set_read(&c->set, &source, err);
}

static enum status convert(struct conversion *c, struct error *err) {
    struct convert_options *o = c->options;
    const struct log *log = &c->invocation->log;
    struct workers *workers = NULL;
    int64_t num_objects = 0;
    interrupt_catch();
    TRY(read_source(c, err));
    annotate_outputs_complete(&o->outputs);
    TRY(check(c, err));
    TRY(annotate_outputs_open(&c->outputs, &o->outputs, &c->set.classes, "converted by gctmask",
                              err));
    TRY(workers_create(&workers, (int)c->invocation->common.threads, err));
    enum status status = write_all(c, workers, err);
    workers_destroy(workers);
    TRY(status);
    TRY(annotate_outputs_commit(&c->outputs, err));
    for (int64_t i = 0; i < c->set.num_images; i++)
        num_objects += c->set.images[i].num_objects;
    log_message(log, LOG_INFO, "%s: %lld pictures, %lld objects", o->outputs.out,
                (long long)c->set.num_images, (long long)num_objects);
    roundtrip_log(&c->outputs.roundtrip, log);
    return roundtrip_check(&c->outputs.roundtrip, err);
}

static enum status run_convert_annotations(struct invocation *invocation, struct error *err) {
    struct conversion *c = arena_alloc_zero(invocation->arena, 1, sizeof *c);
    if (!c) return error_memory(err, "a conversion", (long long)sizeof *c);
    c->invocation = invocation;
    c->options = invocation->options;
    enum status status = convert(c, err);
    annotate_outputs_discard(&c->outputs);
    annotated_set_destroy(&c->set);
    return status;
}

const struct command convert_annotations_command = {
    .name = "convert-annotations",
    .summary = "turn annotations from one format into others",
    .description =
        "Reads COCO's annotation sets and results, labelme's and YOLO's folders, Label Studio's "
        "tasks, NDJSON, CSV and instance maps, and writes any of them. Where a format cannot hold "
        "a mask exactly, what comes back is measured object by object: a summary is printed, and "
        "roundtrip.jsonl lists the objects that are not exact.",
    .options = OPTIONS,
    .options_bytes = sizeof(struct convert_options),
    .operands = "SRC",
    .min_operands = 1,
    .max_operands = 1,
    .examples = EXAMPLES,
    .run = run_convert_annotations,
};
