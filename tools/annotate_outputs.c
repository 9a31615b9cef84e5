#include "tools/annotate_outputs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/array.h"
#include "detector/coco_result.h"
#include "detector/overlay.h"

enum { JPEG_QUALITY = 90, PNG_COMPRESSION = 6, PATH_BYTES = 4096 };

// ---- Names ----

static enum status join(char path[PATH_BYTES], const char *folder, const char *name,
                        struct error *err) {
    if (snprintf(path, PATH_BYTES, "%s/%s", folder, name) < PATH_BYTES) return STATUS_OK;
    return error_set(err, STATUS_CANNOT_WRITE, "%.64s...: the path is too long", folder);
}

// Makes a folder and those above it.
static enum status make_folders(const char *folder, struct error *err) {
    char path[PATH_BYTES];
    if (snprintf(path, sizeof path, "%s", folder) >= PATH_BYTES)
        return error_set(err, STATUS_CANNOT_WRITE, "%.64s...: the path is too long", folder);
    for (char *end = path; end;) {
        end = strchr(end + 1, '/');
        if (end) *end = '\0';
        if (mkdir(path, 0777) != 0 && errno != EEXIST)
            return error_set(err, STATUS_CANNOT_WRITE, "%s: cannot make the folder: %s", path,
                             strerror(errno));
        if (end) *end = '/';
    }
    return STATUS_OK;
}

static bool has_extension(const char *name, enum overlay_format format) {
    const char *dot = strrchr(name, '.');
    if (!dot) return false;
    if (format == OVERLAY_PNG) return strcasecmp(dot, ".png") == 0;
    return strcasecmp(dot, ".jpg") == 0 || strcasecmp(dot, ".jpeg") == 0;
}

enum status overlay_name(const char **overlay, const char *name, enum overlay_format format,
                         struct arena *arena, struct error *err) {
    size_t size = sizeof "overlays/.jpg" + strlen(name);
    char *text = arena_alloc(arena, (int64_t)size, 1);
    if (!text) return error_memory(err, "a file name", (long long)size);
    const char *extension = format == OVERLAY_PNG ? ".png" : ".jpg";
    snprintf(text, size, "overlays/%s%s", name, has_extension(name, format) ? "" : extension);
    *overlay = text;
    return STATUS_OK;
}

// ---- Writing ----

enum status annotate_outputs_open(struct annotate_outputs *outputs, struct error *err) {
    char path[PATH_BYTES];
    TRY(make_folders(outputs->folder, err));
    TRY(join(path, outputs->folder, "failures.jsonl", err));
    TRY(output_open_file(&outputs->failures, path, err));
    if (outputs->has_instances) {
        TRY(join(path, outputs->folder, "instances.json", err));
        TRY(coco_writer_open_set(&outputs->instances, path, "detections of gctmask", err));
    }
    if (outputs->has_results) {
        TRY(join(path, outputs->folder, "results.json", err));
        TRY(coco_writer_open_results(&outputs->results, path, err));
    }
    return STATUS_OK;
}

static enum status write_detection(struct annotate_outputs *outputs, int64_t image_id,
                                   const struct detection *detection, struct arena *scratch,
                                   struct error *err) {
    int64_t category_id = detector_category_id(outputs->detector, detection->label);
    struct coco_annotation record;
    if (outputs->has_results) {
        TRY(coco_result_of(&record, detection, image_id, category_id, scratch, err));
        coco_write_result(&outputs->results, &record);
    }
    // An object without a pixel is a result, but nothing that could be annotated.
    if (!outputs->has_instances || rle_area(&detection->mask) == 0) return STATUS_OK;
    TRY(coco_annotation_of(&record, detection, image_id, category_id, scratch, err));
    record.id = ++outputs->num_annotations;
    coco_write_annotation(&outputs->instances, &record);
    return STATUS_OK;
}

static enum status keep_image(struct annotate_outputs *outputs, const struct coco_image *record,
                              struct error *err) {
    TRY(array_reserve(&outputs->images, &outputs->image_capacity, outputs->num_images + 1,
                      sizeof *outputs->images, err));
    outputs->images[outputs->num_images++] = *record;
    return STATUS_OK;
}

static enum status save_overlay(const struct annotate_outputs *outputs, const char *name,
                                const struct image *image, struct arena *scratch,
                                struct error *err) {
    const char *overlay = "";
    char path[PATH_BYTES];
    TRY(overlay_name(&overlay, name, outputs->overlay, scratch, err));
    TRY(join(path, outputs->folder, overlay, err));
    char *slash = strrchr(path, '/');
    *slash = '\0';
    TRY(make_folders(path, err));
    *slash = '/';
    struct output file;
    TRY(output_open_file(&file, path, err));
    enum status status = outputs->overlay == OVERLAY_PNG
                             ? image_write_png(image->pixels, image->width, image->height,
                                               SAMPLES_RGB8, PNG_COMPRESSION, &file, err)
                             : image_write_jpeg(image, JPEG_QUALITY, &file, err);
    if (status == STATUS_OK) status = output_commit(&file, err);
    output_discard(&file);
    return status;
}

enum status annotate_outputs_write(struct annotate_outputs *outputs,
                                   const struct coco_image *record, struct image *image,
                                   const struct detection_list *list, struct arena *scratch,
                                   struct error *err) {
    for (int64_t i = 0; i < list->count; i++)
        TRY(write_detection(outputs, record->id, &list->items[i], scratch, err));
    TRY(keep_image(outputs, record, err));
    if (outputs->overlay == OVERLAY_NONE) return STATUS_OK;
    const struct option_texts *names = &outputs->detector->model.config.classes.names;
    TRY(overlay_draw(image, list, names, scratch, err));
    return save_overlay(outputs, record->file_name, image, scratch, err);
}

void annotate_outputs_write_failure(struct annotate_outputs *outputs, const char *path,
                                    const char *code, const char *message) {
    struct json_writer w;
    json_writer_init(&w, &outputs->failures, 0);
    json_write_begin_object(&w);
    json_write_key_text(&w, "path", path);
    json_write_key_text(&w, "code", code);
    json_write_key_text(&w, "message", message);
    json_write_end_object(&w);
    output_text(&outputs->failures, "\n");
}

enum status annotate_outputs_commit(struct annotate_outputs *outputs, struct error *err) {
    const struct detector *detector = outputs->detector;
    if (outputs->has_instances) {
        for (int64_t i = 0; i < outputs->num_images; i++)
            coco_write_image(&outputs->instances, &outputs->images[i]);
        for (int32_t label = 1; label <= detector_num_classes(detector); label++) {
            const struct coco_category category = {.id = detector_category_id(detector, label),
                                                   .name = detector_class_name(detector, label),
                                                   .supercategory = ""};
            coco_write_category(&outputs->instances, &category);
        }
        TRY(coco_writer_commit(&outputs->instances, err));
    }
    if (outputs->has_results) TRY(coco_writer_commit(&outputs->results, err));
    return output_commit(&outputs->failures, err);
}

void annotate_outputs_discard(struct annotate_outputs *outputs) {
    if (outputs->has_instances) coco_writer_discard(&outputs->instances);
    if (outputs->has_results) coco_writer_discard(&outputs->results);
    output_discard(&outputs->failures);
    array_free(&outputs->images);
}
