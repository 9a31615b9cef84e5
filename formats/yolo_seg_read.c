#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file_view.h"
#include "base/json_reader.h"
#include "data/image.h"
#include "formats/file_tree.h"
#include "formats/yolo_seg.h"

// ---- data.yaml ----

// A name as YAML may write it: plain, or in quotes of either kind.
static enum status read_name(const char **name, const char *text, int64_t size, const char *path,
                             struct arena *arena, struct error *err) {
    while (size > 0 && strchr(" \t\r", text[size - 1]))
        size--;
    while (size > 0 && strchr(" \t", *text)) {
        text++;
        size--;
    }
    struct json_reader r;
    if (size > 0 && *text == '"') {
        json_reader_init(&r, text, size, path, err);
        *name = json_text(&r, arena);
        json_end(&r);
        return json_status(&r);
    }
    bool quoted = size > 1 && *text == '\'' && text[size - 1] == '\'';
    *name = arena_copy_text(arena, text + quoted, size - 2 * quoted);
    return *name ? STATUS_OK : error_memory(err, "a class", size);
}

static enum status add_class(struct annotated_set *set, const char *text, int64_t size,
                             const char *path, struct error *err) {
    const char *name = NULL;
    int64_t index = 0;
    int64_t count = set->classes.count;
    TRY(read_name(&name, text, size, path, &set->arena, err));
    TRY(annotated_set_need_class(set, name, &index, err));
    if (index == count) return STATUS_OK;
    return error_set(err, STATUS_DATA, "%s: two classes are named \"%s\"", path, name);
}

// names: [a, b, c]
static enum status read_flow_list(struct annotated_set *set, const char *at, const char *end,
                                  const char *path, struct error *err) {
    for (at++; at < end && *at != ']';) {
        const char *stop = at;
        char quote = '\0';
        for (; stop < end && (quote || (*stop != ',' && *stop != ']')); stop++) {
            if (quote && *stop == quote)
                quote = '\0';
            else if (!quote && (*stop == '"' || *stop == '\''))
                quote = *stop;
        }
        TRY(add_class(set, at, stop - at, path, err));
        at = stop < end && *stop == ',' ? stop + 1 : stop;
    }
    return STATUS_OK;
}

// A line below names: "  0: person" or "  - person"; false at the first that is neither.
static bool is_name_line(const char *line, const char *end, const char **value) {
    const char *at = line;
    while (at < end && *at == ' ')
        at++;
    if (at < end && *at == '-') {
        *value = at + 1;
        return true;
    }
    const char *digits = at;
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    *value = at + 1;
    return digits > line && at > digits && at < end && *at == ':';
}

static enum status read_classes(struct annotated_set *set, const struct file_view *file,
                                const char *path, struct error *err) {
    const char *text = file->data ? file->data : "";
    const char *end = text + file->size;
    bool within = false;
    for (const char *line = text; line && line < end;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        const char *line_end = newline ? newline : end;
        const char *value = NULL;
        const char *list = memchr(line, '[', (size_t)(line_end - line));
        bool is_names = line_end - line >= 6 && memcmp(line, "names:", 6) == 0;
        if (within && is_name_line(line, line_end, &value))
            TRY(add_class(set, value, line_end - value, path, err));
        else
            within = is_names;
        if (is_names && list) return read_flow_list(set, list, end, path, err);
        line = newline ? newline + 1 : NULL;
    }
    if (set->classes.count > 0) return STATUS_OK;
    return error_set(err, STATUS_DATA, "%s: no names of classes", path);
}

// ---- Labels ----

enum { MAX_CLASS = 1 << 20 };

struct label_reader {
    struct annotated_set *set;
    struct annotated_image *image;
    const char *path;
    int64_t line;
    struct error *err;
};

static enum status fail(const struct label_reader *r, const char *what) {
    return error_set(r->err, STATUS_DATA, "%s: line %lld: %s", r->path, (long long)r->line, what);
}

// The numbers of a line; text ends with NUL.
static enum status read_numbers(const struct label_reader *r, const char *text, double **numbers,
                                int64_t *count) {
    int64_t capacity = (int64_t)strlen(text) / 2 + 1;
    *numbers = arena_alloc(&r->set->arena, capacity, sizeof **numbers);
    if (!*numbers) return error_memory(r->err, "a line", 8 * capacity);
    for (*count = 0;; ++*count) {
        char *end = NULL;
        double number = strtod(text, &end);
        if (end == text) break;
        if (!isfinite(number) || *count == capacity) return fail(r, "not a number");
        (*numbers)[*count] = number;
        text = end;
    }
    if (text[strspn(text, " \t\r")] != '\0') return fail(r, "text that is not a number");
    return STATUS_OK;
}

static enum status line_mask(const struct label_reader *r, struct rle *mask, double *numbers,
                             int64_t count) {
    const struct annotated_image *image = r->image;
    double width = image->width;
    double height = image->height;
    struct arena *arena = &r->set->arena;
    for (int64_t i = 0; i < count; i++)
        numbers[i] *= i % 2 == 0 ? width : height;
    if (count == 4) {
        const struct coco_box box = {numbers[0] - numbers[2] / 2, numbers[1] - numbers[3] / 2,
                                     numbers[2], numbers[3]};
        return box_to_rle(mask, &box, image->height, image->width, arena, r->err);
    }
    const struct polygon polygon = {numbers, count / 2};
    return polygon_to_rle(mask, &polygon, image->height, image->width, arena, r->err);
}

static enum status read_line(const struct label_reader *r, const char *text) {
    double *numbers = NULL;
    int64_t count = 0;
    struct annotated_object *object = NULL;
    TRY(read_numbers(r, text, &numbers, &count));
    if (count == 0) return STATUS_OK;
    if (count < 5 || count == 6 || count % 2 == 0)
        return fail(r, "a class and an outline of x and y, or a box of four, were expected");
    double class = numbers[0];
    if (!(class >= 0 && class < MAX_CLASS) || class != floor(class) ||
        class >= (double)r->set->classes.count)
        return fail(r, "the class is none of data.yaml");
    TRY(annotated_image_add_object(r->image, &object, r->err));
    object->class_index = (int64_t) class;
    enum status status = line_mask(r, &object->mask, numbers + 1, count - 1);
    if (status != STATUS_OK) error_prefix(r->err, "%s: line %lld: ", r->path, (long long)r->line);
    return status;
}

static enum status read_lines(struct label_reader *r, const struct file_view *file) {
    if (file->size == 0) return STATUS_OK;
    const char *end = file->data + file->size;
    for (const char *line = file->data; line && line < end;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        const char *text = arena_copy_text(&r->set->arena, line, (newline ? newline : end) - line);
        if (!text) return error_memory(r->err, "a line", end - line);
        r->line++;
        TRY(read_line(r, text));
        line = newline ? newline + 1 : NULL;
    }
    return STATUS_OK;
}

// ---- Pictures ----

static enum status probe(const char *path, struct image_info *info, struct error *err) {
    const struct image_limits limits = image_limits_default();
    struct file_view file;
    TRY(file_view_open(&file, path, 0, err));
    enum status status = image_probe(info, file.data, file.size, path, &limits, true, err);
    file_view_close(&file);
    return status;
}

// Finds the picture of a label file.
static enum status find_picture(const struct label_reader *r, const char *folder,
                                const char *label_name) {
    static const char *const EXTENSIONS[] = {".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG"};
    char path[FILE_TREE_PATH_BYTES];
    for (size_t i = 0; i < sizeof EXTENSIONS / sizeof EXTENSIONS[0]; i++) {
        struct image_info info;
        TRY(file_tree_path(path, folder, label_name, ".txt", EXTENSIONS[i], r->err));
        enum status status = probe(path, &info, r->err);
        if (status == STATUS_NO_INPUT) continue;
        TRY(status);
        r->image->width = info.width;
        r->image->height = info.height;
        const char *name = path + strlen(folder) + 1;
        r->image->name = arena_copy_text(&r->set->arena, name, (int64_t)strlen(name));
        return r->image->name ? STATUS_OK : error_memory(r->err, "a file name", 0);
    }
    return error_set(r->err, STATUS_NO_INPUT,
                     "%s/%.*s.jpg, .jpeg or .png: no such picture, whose size the labels need "
                     "(is --image-dir right?)",
                     folder, (int)strlen(label_name) - 4, label_name);
}

static enum status read_label_file(struct annotated_set *set, const char *labels, const char *name,
                                   const char *image_folder, struct error *err) {
    char path[FILE_TREE_PATH_BYTES];
    struct label_reader r = {.set = set, .path = path, .err = err};
    struct file_view file;
    TRY(file_tree_path(path, labels, name, "", "", err));
    TRY(annotated_set_add_image(set, &r.image, err));
    TRY(find_picture(&r, image_folder, name));
    TRY(file_view_open(&file, path, 0, err));
    enum status status = read_lines(&r, &file);
    file_view_close(&file);
    return status;
}

static int compare_images(const void *a, const void *b) {
    return strcmp(((const struct annotated_image *)a)->name,
                  ((const struct annotated_image *)b)->name);
}

enum status yolo_seg_read(struct annotated_set *set, const char *folder, const char *image_folder,
                          struct error *err) {
    char path[FILE_TREE_PATH_BYTES];
    char labels[FILE_TREE_PATH_BYTES];
    struct file_view file;
    struct file_tree tree;
    TRY(file_tree_path(path, folder, "data.yaml", "", "", err));
    TRY(file_tree_path(labels, folder, "labels", "", "", err));
    TRY(file_view_open(&file, path, 0, err));
    enum status status = read_classes(set, &file, path, err);
    file_view_close(&file);
    TRY(status);
    TRY(file_tree_find(&tree, labels, ".txt", &set->arena, err));
    for (int64_t i = 0; i < tree.count; i++)
        TRY(read_label_file(set, labels, tree.names[i], image_folder, err));
    if (set->num_images > 0)
        qsort(set->images, (size_t)set->num_images, sizeof *set->images, compare_images);
    for (int64_t i = 0; i < set->num_images; i++)
        set->images[i].id = i + 1;
    return STATUS_OK;
}
