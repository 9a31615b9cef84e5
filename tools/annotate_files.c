#include "tools/annotate_files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/instance_png.h"
#include "formats/yolo_seg.h"
#include "tools/annotate_pictures.h"
#include "train/folder.h"

// ---- Names ----

enum file_kind {
    FILE_LABELME,
    FILE_YOLO,
    FILE_PNG,
    FILE_PNG_JSON,
    FILE_OVERLAY,
    FILE_THUMBNAIL,
    NUM_FILE_KINDS
};

// Below the folder of outputs. Annotations take the place of the picture's extension.
static const struct {
    const char *folder;
    const char *extension;
} PLACES[] = {
    [FILE_LABELME] = {"labelme", ".json"},
    [FILE_YOLO] = {"yolo-seg/labels", ".txt"},
    [FILE_PNG] = {"png", ".png"},
    [FILE_PNG_JSON] = {"png", ".json"},
};

static bool is_wanted(const struct annotate_output_options *o, enum file_kind kind) {
    switch (kind) {
    case FILE_LABELME:
        return annotate_wants(o, FORMAT_LABELME);
    case FILE_YOLO:
        return annotate_wants(o, FORMAT_YOLO_SEG);
    case FILE_PNG:
    case FILE_PNG_JSON:
        return annotate_wants(o, FORMAT_PNG);
    case FILE_OVERLAY:
        return o->overlay != OVERLAY_NONE;
    case FILE_THUMBNAIL:
        return o->html;
    case NUM_FILE_KINDS:
        break;
    }
    return false;
}

static int stem_size(const char *name) {
    const char *slash = strrchr(name, '/');
    const char *dot = strrchr(slash ? slash : name, '.');
    bool hidden = dot && (dot == name || dot[-1] == '/');
    return dot && !hidden ? (int)(dot - name) : (int)strlen(name);
}

static bool has_extension(const char *name, enum overlay_format format) {
    const char *dot = strrchr(name, '.');
    if (!dot) return false;
    if (format == OVERLAY_PNG) return strcasecmp(dot, ".png") == 0;
    return strcasecmp(dot, ".jpg") == 0 || strcasecmp(dot, ".jpeg") == 0;
}

static enum status check_size(int needed, size_t size, const char *name, struct error *err) {
    if (needed >= 0 && (size_t)needed < size) return STATUS_OK;
    return error_set(err, STATUS_CANNOT_WRITE, "%.64s...: the path is too long", name);
}

enum status annotate_overlay_name(char *text, size_t size, const char *name,
                                  enum overlay_format format, struct error *err) {
    const char *extension = format == OVERLAY_PNG ? ".png" : ".jpg";
    return check_size(
        snprintf(text, size, "overlays/%s%s", name, has_extension(name, format) ? "" : extension),
        size, name, err);
}

enum status annotate_thumbnail_name(char *text, size_t size, const char *name, struct error *err) {
    return check_size(snprintf(text, size, "thumbs/%s.jpg", name), size, name, err);
}

static enum status file_name(char text[PATH_BYTES], const struct annotate_output_options *o,
                             enum file_kind kind, const char *name, struct error *err) {
    if (kind == FILE_OVERLAY) return annotate_overlay_name(text, PATH_BYTES, name, o->overlay, err);
    if (kind == FILE_THUMBNAIL) return annotate_thumbnail_name(text, PATH_BYTES, name, err);
    return check_size(snprintf(text, PATH_BYTES, "%s/%.*s%s", PLACES[kind].folder, stem_size(name),
                               name, PLACES[kind].extension),
                      PATH_BYTES, name, err);
}

static enum status file_path(char path[PATH_BYTES], const struct annotate_output_options *o,
                             enum file_kind kind, const char *name, struct error *err) {
    char below[PATH_BYTES];
    TRY(file_name(below, o, kind, name, err));
    return path_join(path, o->out, below, err);
}

static int compare_texts(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static enum status check_kind(const struct annotate_output_options *o, enum file_kind kind,
                              const char *const *names, int64_t count, struct arena *arena,
                              struct error *err) {
    const char **files = arena_alloc(arena, count, sizeof *files);
    if (!files) return error_memory(err, "file names", 8 * count);
    for (int64_t i = 0; i < count; i++) {
        char text[PATH_BYTES];
        TRY(file_name(text, o, kind, names[i], err));
        files[i] = arena_copy_text(arena, text, (int64_t)strlen(text));
        if (!files[i]) return error_memory(err, "file names", 8 * count);
    }
    if (count > 0) qsort(files, (size_t)count, sizeof *files, compare_texts);
    for (int64_t i = 1; i < count; i++)
        if (strcmp(files[i - 1], files[i]) == 0)
            return error_set(err, STATUS_USAGE,
                             "two pictures would have the same %s: rename one of them, or write "
                             "them to different folders",
                             files[i]);
    return STATUS_OK;
}

enum status annotate_files_check(const struct annotate_output_options *options,
                                 const char *const *names, int64_t count, struct error *err) {
    struct arena arena;
    enum status status = STATUS_OK;
    arena_init(&arena, 1 << 16, 0);
    for (enum file_kind kind = 0; kind < NUM_FILE_KINDS && status == STATUS_OK; kind++)
        if (is_wanted(options, kind)) status = check_kind(options, kind, names, count, &arena, err);
    arena_destroy(&arena);
    return status;
}

bool annotate_files_need_pixels(const struct annotate_output_options *options) {
    return options->overlay != OVERLAY_NONE || options->html || options->crops;
}

// ---- Writing ----

static enum status open_file(struct output *out, const struct annotate_output_options *o,
                             enum file_kind kind, const char *name, struct error *err) {
    char path[PATH_BYTES];
    TRY(file_path(path, o, kind, name, err));
    char *slash = strrchr(path, '/');
    *slash = '\0';
    TRY(folder_make(path, err));
    *slash = '/';
    return output_open_file(out, path, err);
}

static enum status need_ious(double **ious, int64_t count, struct arena *arena, struct error *err) {
    *ious = arena_alloc(arena, count, sizeof **ious);
    return *ious ? STATUS_OK : error_memory(err, "overlaps", 8 * count);
}

// From the folder of labelme's file to the picture; its name alone if nobody knows where it lies.
static enum status picture_from_labelme(char relative[PATH_BYTES],
                                        const struct annotate_output_options *o, const char *name,
                                        const char *picture, struct error *err) {
    char path[PATH_BYTES];
    TRY(file_path(path, o, FILE_LABELME, name, err));
    if (picture && picture_relative_path(relative, path, picture)) return STATUS_OK;
    const char *slash = strrchr(name, '/');
    return check_size(snprintf(relative, PATH_BYTES, "%s", slash ? slash + 1 : name), PATH_BYTES,
                      name, err);
}

static enum status write_labelme(const struct annotate_output_options *o,
                                 const struct class_list *classes,
                                 const struct annotated_image *image, const char *picture,
                                 struct annotate_losses *losses, struct arena *scratch,
                                 struct error *err) {
    struct output out;
    char relative[PATH_BYTES];
    double *ious = NULL;
    TRY(need_ious(&ious, image->num_objects, scratch, err));
    if (o->labelme_shapes == LABELME_POLYGONS) losses->ious[FORMAT_LABELME] = ious;
    TRY(open_file(&out, o, FILE_LABELME, image->name, err));
    enum status status = picture_from_labelme(relative, o, image->name, picture, err);
    if (status == STATUS_OK)
        status =
            labelme_write(&out, image, classes, o->labelme_shapes, relative, ious, scratch, err);
    if (status == STATUS_OK) status = output_publish(&out, err);
    output_discard(&out);
    return status;
}

static enum status write_yolo(const struct annotate_output_options *o,
                              const struct class_list *classes, const struct annotated_image *image,
                              struct annotate_losses *losses, struct arena *scratch,
                              struct error *err) {
    struct output out;
    TRY(need_ious(&losses->ious[FORMAT_YOLO_SEG], image->num_objects, scratch, err));
    TRY(open_file(&out, o, FILE_YOLO, image->name, err));
    enum status status =
        yolo_seg_write(&out, image, classes, losses->ious[FORMAT_YOLO_SEG], scratch, err);
    if (status == STATUS_OK) status = output_publish(&out, err);
    output_discard(&out);
    return status;
}

static enum status write_png(const struct annotate_output_options *o,
                             const struct class_list *classes, const struct annotated_image *image,
                             struct annotate_losses *losses, struct arena *scratch,
                             struct error *err) {
    struct output png = {0};
    struct output json = {0};
    TRY(need_ious(&losses->ious[FORMAT_PNG], image->num_objects, scratch, err));
    enum status status = open_file(&png, o, FILE_PNG, image->name, err);
    if (status == STATUS_OK) status = open_file(&json, o, FILE_PNG_JSON, image->name, err);
    if (status == STATUS_OK)
        status =
            instance_png_write(&png, &json, image, classes, losses->ious[FORMAT_PNG], scratch, err);
    if (status == STATUS_OK) status = output_publish(&png, err);
    if (status == STATUS_OK) status = output_publish(&json, err);
    output_discard(&png);
    output_discard(&json);
    return status;
}

static enum status write_crops(const struct annotate_output_options *o,
                               const struct class_list *classes,
                               const struct annotated_image *image, const struct image *pixels,
                               struct arena *scratch, struct error *err) {
    char below[PATH_BYTES];
    char folder[PATH_BYTES];
    TRY(check_size(snprintf(below, sizeof below, "crops/%s", image->name), sizeof below,
                   image->name, err));
    TRY(path_join(folder, o->out, below, err));
    TRY(folder_remove(folder, err)); // an earlier run may have found more
    TRY(folder_make(folder, err));
    for (int64_t i = 0; i < image->num_objects; i++)
        TRY(picture_save_crop(folder, i + 1, &image->objects[i], classes, pixels, scratch, err));
    return STATUS_OK;
}

static enum status write_pictures(const struct annotate_output_options *o,
                                  const struct class_list *classes,
                                  const struct annotated_image *image, struct image *pixels,
                                  struct arena *scratch, struct error *err) {
    if (o->crops) TRY(write_crops(o, classes, image, pixels, scratch, err));
    if (o->overlay == OVERLAY_NONE && !o->html) return STATUS_OK;
    struct output out;
    TRY(picture_draw(pixels, image, classes, scratch, err));
    if (o->overlay != OVERLAY_NONE) {
        TRY(open_file(&out, o, FILE_OVERLAY, image->name, err));
        TRY(picture_save(&out, pixels, o->overlay == OVERLAY_PNG, err));
    }
    if (o->html) {
        TRY(open_file(&out, o, FILE_THUMBNAIL, image->name, err));
        TRY(picture_save_thumbnail(&out, pixels, scratch, err));
    }
    return STATUS_OK;
}

enum status annotate_files_write(const struct annotate_output_options *options,
                                 const struct class_list *classes,
                                 const struct annotated_image *image, const char *picture,
                                 struct image *pixels, struct annotate_losses *losses,
                                 struct arena *scratch, struct error *err) {
    *losses = (struct annotate_losses){0};
    if (is_wanted(options, FILE_LABELME))
        TRY(write_labelme(options, classes, image, picture, losses, scratch, err));
    if (is_wanted(options, FILE_YOLO))
        TRY(write_yolo(options, classes, image, losses, scratch, err));
    if (is_wanted(options, FILE_PNG)) TRY(write_png(options, classes, image, losses, scratch, err));
    if (!annotate_files_need_pixels(options)) return STATUS_OK;
    return write_pictures(options, classes, image, pixels, scratch, err);
}

// ---- Earlier runs ----

void annotate_files_remove(const struct annotate_output_options *options, const char *name) {
    char path[PATH_BYTES];
    char below[PATH_BYTES];
    for (enum file_kind kind = 0; kind < NUM_FILE_KINDS; kind++)
        if (is_wanted(options, kind) && file_path(path, options, kind, name, NULL) == STATUS_OK)
            (void)unlink(path);
    if (!options->crops) return;
    int size = snprintf(below, sizeof below, "crops/%s", name);
    if (size < PATH_BYTES && path_join(path, options->out, below, NULL) == STATUS_OK) {
        enum status ignored = folder_remove(path, NULL);
        (void)ignored;
    }
}

bool annotate_files_exist(const struct annotate_output_options *options, const char *name) {
    char path[PATH_BYTES];
    for (enum file_kind kind = 0; kind < NUM_FILE_KINDS; kind++) {
        if (!is_wanted(options, kind)) continue;
        if (file_path(path, options, kind, name, NULL) != STATUS_OK) return false;
        struct stat info;
        // Only YOLO's may be empty; others are that after a crash of the system.
        if (stat(path, &info) != 0 || (info.st_size == 0 && kind != FILE_YOLO)) return false;
    }
    return true;
}
