#include "tools/annotate_job.h"

#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file_view.h"
#include "base/utf8.h"

enum { ARENA_BLOCK_BYTES = 1 << 20 };

struct image_limits pipeline_image_limits(const struct tiling *tiling) {
    struct image_limits limits = image_limits_default();
    if (tiling->side == 0) return limits;
    limits.max_pixels = INT64_C(1) << 30;
    limits.max_side = RLE_MAX_SIDE;
    limits.max_decode_bytes = INT64_C(1) << 33;
    return limits;
}

// ---- Failures ----

static void fail(struct annotate_job *job, const char *code) {
    job->record.failed = true;
    job->record.code = code;
    job->record.message = job->failure.message;
}

// The word for what went wrong with a picture.
static const char *code_of(enum status status, const struct image_info *info) {
    const char *fault = image_fault_name(info->fault);
    if (*fault) return fault;
    if (status == STATUS_NO_INPUT) return "unreadable";
    if (status == STATUS_DATA) return "non_finite_output";
    return status == STATUS_MEMORY ? "out_of_memory" : "detection_failed";
}

static bool is_utf8(const char *text) {
    const char *end = text + strlen(text);
    while (text < end) {
        int length = utf8_length(text, end);
        if (length == 0) return false;
        text += length;
    }
    return true;
}

// ---- Loading ----

static int64_t modified_at(const struct stat *info) {
    return (int64_t)info->st_mtim.tv_sec * 1000000000 + info->st_mtim.tv_nsec;
}

static void identify(struct annotate_record *record, const struct file_view *view,
                     const char *path) {
    struct stat info;
    uint8_t digest[SHA256_BYTES];
    struct sha256 hash = sha256_start();
    sha256_add(&hash, view->data, view->size);
    sha256_finish(&hash, digest);
    sha256_hex(digest, record->sha256);
    record->size = view->size;
    if (stat(path, &info) == 0) record->mtime_ns = modified_at(&info);
}

// Has the service look at the file. What comes of it is kept in the job.
static void ask(struct annotate_job *job, const struct input_file *file,
                const struct file_view *view, const struct pipeline_options *o,
                const struct remote_caller *caller) {
    const struct remote_picture picture = {
        .path = file->path,
        .bytes = view->data,
        .size = view->size,
        .width = job->image.width,
        .height = job->image.height,
        .apply_exif = o->apply_exif,
        .limits = &o->filter->limits,
        .model = o->origin->model,
    };
    const char *code = "";
    double start = clock_seconds();
    enum remote_end end =
        remote_detect(o->remote, &picture, caller, &job->arena, &job->list, &code, &job->failure);
    job->detect_seconds = clock_seconds() - start;
    job->is_detected = true;
    job->dropped = end == REMOTE_STOPPED || end == REMOTE_LOST;
    if (end == REMOTE_LOST) job->status = job->failure.code;
    if (end == REMOTE_FAILED) fail(job, code);
}

// A picture that a service looks at is decoded, too: its pixels may be needed, and a damaged one is
// found without sending it. caller is NULL where nobody is to look at it.
static enum status load_picture(struct annotate_job *job, const struct input_file *file,
                                const struct pipeline_options *o,
                                const struct remote_caller *caller) {
    const struct image_limits limits = pipeline_image_limits(&o->tiling);
    struct file_view view;
    enum status status = file_view_open(&view, file->path, 0, &job->failure);
    if (status != STATUS_OK) return status;
    identify(&job->record, &view, file->path);
    struct arena_mark mark = arena_mark(&job->arena);
    if (is_utf8(file->name))
        status = image_decode(&job->image, &job->info, view.data, view.size, file->path, &limits,
                              o->apply_exif, &job->arena, &job->failure);
    if (!o->apply_exif) job->info.exif_orientation = 1;
    if (status == STATUS_OK && is_utf8(file->name) && o->remote && caller) {
        // Many pictures may wait for the service.
        if (!annotate_files_need_pixels(o->outputs)) {
            job->image.pixels = NULL;
            arena_release(&job->arena, mark);
        }
        ask(job, file, &view, o, caller);
    }
    file_view_close(&view);
    return status;
}

static enum status load_record(struct annotate_job *job, const struct pipeline_options *o) {
    const struct journal_line *line = &o->lines[job->index];
    const struct input_file *file = &o->files->items[job->index];
    TRY(record_read(&job->record, line->text, line->size, "manifest.jsonl", false, o->classes,
                    &job->arena, &job->failure));
    return annotate_files_need_pixels(o->outputs) ? load_picture(job, file, o, NULL) : STATUS_OK;
}

void job_load(struct annotate_job *job, const struct pipeline_options *options,
              const struct remote_caller *caller) {
    const struct input_file *file = &options->files->items[job->index];
    struct annotate_record *record = &job->record;
    arena_init(&job->arena, ARENA_BLOCK_BYTES, 0);
    job->has_arena = true;
    job->info = (struct image_info){.exif_orientation = 1};
    *record = (struct annotate_record){0};
    enum status status = STATUS_OK;
    if (options->plan[job->index] == PLAN_FILES)
        status = load_record(job, options);
    else
        status = load_picture(job, file, options, caller);
    if (status != STATUS_OK) fail(job, code_of(status, &job->info));
    if (!record->failed && !is_utf8(file->name)) {
        error_set(&job->failure, STATUS_DATA, "%s: the name is not UTF-8, which JSON cannot hold",
                  file->path);
        fail(job, "name_not_utf8");
    }
    record->origin = *options->origin;
    record->file = file->path;
    if (journal_path(&record->path, file->name, &job->arena, &job->failure) != STATUS_OK) {
        record->path = "";
        fail(job, "out_of_memory");
    }
}

// ---- Detecting ----

void job_detect(struct annotate_job *job, const struct pipeline_options *options) {
    if (job->record.failed || job->is_detected || options->plan[job->index] == PLAN_FILES) return;
    double start = clock_seconds();
    enum status status = detect_tiled(options->detector, &job->image, &options->filter->limits,
                                      &options->tiling, &job->arena, &job->list, &job->failure);
    job->detect_seconds = clock_seconds() - start;
    if (status == STATUS_OK) return;
    error_prefix(&job->failure, "%s: ", options->files->items[job->index].path);
    fail(job, code_of(status, &job->info));
}

// ---- Writing ----

enum status detections_to_objects(struct annotated_image *image, const struct detection_list *list,
                                  struct arena *arena, struct error *err) {
    image->num_objects = list->count;
    image->objects = arena_alloc(arena, list->count, sizeof *image->objects);
    if (!image->objects) return error_memory(err, "objects", list->count * 96);
    for (int64_t i = 0; i < list->count; i++) {
        const struct detection *d = &list->items[i];
        const double left = (double)d->box[0];
        const double top = (double)d->box[1];
        image->objects[i] = (struct annotated_object){
            .class_index = d->label - 1,
            .has_score = true,
            .score = (double)d->score,
            .has_box = true,
            .box = {left, top, (double)d->box[2] - left, (double)d->box[3] - top},
            .mask = d->mask,
        };
    }
    return STATUS_OK;
}

static enum status make_objects(struct annotate_job *job, const struct pipeline_options *o,
                                struct error *err) {
    struct annotated_image *image = &job->record.image;
    detection_filter_apply(o->filter, &job->list);
    image->width = job->image.width;
    image->height = job->image.height;
    image->exif_orientation = job->info.exif_orientation;
    return detections_to_objects(image, &job->list, &job->arena, err);
}

// What a format cannot hold is this picture's failure, not the run's.
static enum status write_files(struct annotate_job *job, const struct pipeline_options *o,
                               struct error *err) {
    const char *file = job->record.file;
    struct annotated_image *image = &job->record.image;
    image->name = o->files->items[job->index].name;
    enum status status = annotate_files_write(o->outputs, o->classes, image, file, &job->image,
                                              &job->record.losses, &job->arena, &job->failure);
    if (status == STATUS_DATA || status == STATUS_UNSUPPORTED) {
        error_prefix(&job->failure, "%s: ", file);
        fail(job, "format_cannot_hold_it");
        return STATUS_OK;
    }
    return status == STATUS_OK ? STATUS_OK : error_set(err, status, "%s", job->failure.message);
}

enum status job_write(struct annotate_job *job, const struct pipeline_options *options,
                      struct output *line, struct error *err) {
    if (!job->record.failed && options->plan[job->index] == PLAN_DETECT)
        TRY(make_objects(job, options, err));
    if (!job->record.failed) TRY(write_files(job, options, err));
    if (job->record.failed)
        annotate_files_remove(options->outputs, options->files->items[job->index].name);
    TRY(record_write(line, &job->record, options->classes, err));
    return output_finish(line, err);
}

void job_empty(struct annotate_job *job) {
    if (job->has_arena) arena_destroy(&job->arena);
    *job = (struct annotate_job){0};
}
