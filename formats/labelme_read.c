#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file_view.h"
#include "base/json_reader.h"
#include "data/image.h"
#include "data/rle_crop.h"
#include "formats/base64.h"
#include "formats/file_tree.h"
#include "formats/labelme.h"

enum { CIRCLE_POINTS = 64 };

// A shape as it stands in the file.
struct labelme_shape {
    const char *label;
    const char *type;
    struct polygon points;
    bool has_group;
    int64_t group;
    const char *mask; // base64
    bool has_score;
    double score;
    bool is_crowd;
};

struct labelme_file {
    int32_t width;
    int32_t height;
    const char *image_path;
    struct labelme_shape *shapes;
    int64_t num_shapes;
    int64_t capacity;
};

// ---- JSON ----

static void read_points(struct json_reader *r, struct polygon *polygon, struct arena *arena) {
    struct json_reader ahead = *r; // counts first; its errors are found again below
    int64_t capacity = 0;
    int64_t count = 0;
    ahead.err = NULL;
    json_begin_array(&ahead);
    while (json_next_element(&ahead)) {
        json_skip(&ahead);
        capacity++;
    }
    double *points = arena_alloc(arena, 2 * capacity, sizeof *points);
    if (!points) {
        json_fail(r, "not enough memory for points");
        return;
    }
    json_begin_array(r);
    while (json_next_element(r)) {
        int num_numbers = 0;
        json_begin_array(r);
        for (; json_next_element(r); num_numbers++) {
            double number = json_double(r);
            if (num_numbers < 2 && count < capacity) points[2 * count + num_numbers] = number;
        }
        if (json_status(r) == STATUS_OK && num_numbers != 2)
            json_fail(r, "a point of %d numbers, expected 2", num_numbers);
        count++;
    }
    *polygon = (struct polygon){points, count};
}

static void read_flags(struct json_reader *r, struct labelme_shape *shape) {
    struct json_string key;
    if (json_peek(r) != JSON_OBJECT) {
        json_skip(r);
        return;
    }
    json_begin_object(r);
    while (json_next_key(r, &key)) {
        if (json_string_is(&key, "iscrowd") && json_peek(r) == JSON_BOOL)
            shape->is_crowd = json_bool(r);
        else
            json_skip(r);
    }
}

static void read_shape(struct json_reader *r, struct labelme_shape *shape, struct arena *arena) {
    struct json_string key;
    *shape = (struct labelme_shape){.type = "polygon"};
    json_begin_object(r);
    while (json_next_key(r, &key)) {
        if (json_string_is(&key, "label")) {
            shape->label = json_text(r, arena);
        } else if (json_string_is(&key, "shape_type") && json_peek(r) == JSON_STRING) {
            shape->type = json_text(r, arena);
        } else if (json_string_is(&key, "points")) {
            read_points(r, &shape->points, arena);
        } else if (json_string_is(&key, "group_id") && json_peek(r) == JSON_NUMBER) {
            shape->group = json_int64(r);
            shape->has_group = true;
        } else if (json_string_is(&key, "mask") && json_peek(r) == JSON_STRING) {
            shape->mask = json_text(r, arena);
        } else if (json_string_is(&key, "score") && json_peek(r) == JSON_NUMBER) {
            shape->score = json_double(r);
            shape->has_score = true;
        } else if (json_string_is(&key, "flags")) {
            read_flags(r, shape);
        } else {
            json_skip(r);
        }
    }
    if (json_status(r) == STATUS_OK && !shape->label) json_fail(r, "a shape without a label");
}

static void read_shapes(struct json_reader *r, struct labelme_file *file, struct arena *arena) {
    struct json_reader ahead = *r;
    ahead.err = NULL;
    file->capacity = file->num_shapes = 0; // of a key that comes twice the last one counts
    json_begin_array(&ahead);
    while (json_next_element(&ahead)) {
        json_skip(&ahead);
        file->capacity++;
    }
    file->shapes = arena_alloc(arena, file->capacity, sizeof *file->shapes);
    if (!file->shapes) {
        json_fail(r, "not enough memory for shapes");
        return;
    }
    json_begin_array(r);
    while (json_next_element(r) && file->num_shapes < file->capacity)
        read_shape(r, &file->shapes[file->num_shapes++], arena);
}

static int32_t read_side(struct json_reader *r) {
    int64_t side = json_int64(r);
    if (json_status(r) == STATUS_OK && (side < 1 || side > RLE_MAX_SIDE))
        json_fail(r, "a side of %lld pixels, expected 1 to %d", (long long)side, RLE_MAX_SIDE);
    return json_status(r) == STATUS_OK ? (int32_t)side : 0;
}

static enum status parse(struct labelme_file *file, const struct file_view *view, const char *path,
                         struct arena *arena, struct error *err) {
    struct json_reader r;
    struct json_string key;
    bool has_shapes = false;
    *file = (struct labelme_file){0};
    json_reader_init(&r, view->data, view->size, path, err);
    json_begin_object(&r);
    while (json_next_key(&r, &key)) {
        if (json_string_is(&key, "imageWidth")) {
            file->width = read_side(&r);
        } else if (json_string_is(&key, "imageHeight")) {
            file->height = read_side(&r);
        } else if (json_string_is(&key, "imagePath")) {
            file->image_path = json_text(&r, arena);
        } else if (json_string_is(&key, "shapes")) {
            read_shapes(&r, file, arena);
            has_shapes = true;
        } else {
            json_skip(&r);
        }
    }
    json_end(&r);
    TRY(json_status(&r));
    if (has_shapes && file->image_path && file->width > 0 && file->height > 0) return STATUS_OK;
    return error_set(err, STATUS_DATA,
                     "%s: not labelme's: shapes, imagePath, imageWidth or imageHeight is missing",
                     path);
}

// ---- Shapes to masks ----

static enum status mask_shape(struct rle *mask, const struct labelme_shape *shape, int32_t height,
                              int32_t width, struct arena *arena, struct error *err) {
    const double *p = shape->points.points;
    const struct image_limits limits = image_limits_default();
    struct image image;
    uint8_t *png = NULL;
    int64_t size = 0;
    if (!shape->mask || shape->points.num_points != 2)
        return error_set(err, STATUS_DATA, "a mask without two points and its pixels");
    TRY(base64_decode(&png, &size, shape->mask, (int64_t)strlen(shape->mask), arena, err));
    TRY(image_decode(&image, NULL, png, size, "mask", &limits, false, arena, err));
    // parity: labelme truncates the corners and counts both in.
    bool fits = p[0] >= 0 && p[1] >= 0 && p[2] < width && p[3] < height && p[0] <= p[2] &&
                p[1] <= p[3] && (int)p[2] - (int)p[0] + 1 == image.width &&
                (int)p[3] - (int)p[1] + 1 == image.height;
    if (!fits)
        return error_set(err, STATUS_DATA,
                         "a mask of %d x %d pixels does not fit its points or the image",
                         (int)image.width, (int)image.height);
    int64_t count = (int64_t)image.width * image.height;
    uint8_t *pixels = image.pixels; // of three equal samples, the first is kept
    for (int64_t i = 0; i < count; i++)
        pixels[i] = image.pixels[3 * i];
    struct rle part;
    TRY(rle_encode(&part, pixels, image.height, image.width, arena, err));
    return rle_place(mask, &part, (int32_t)p[0], (int32_t)p[1], height, width, arena, err);
}

static enum status circle_shape(struct polygon *polygon, const struct labelme_shape *shape,
                                struct arena *arena, struct error *err) {
    const double *p = shape->points.points;
    double *points = arena_alloc(arena, CIRCLE_POINTS, 2 * sizeof *points);
    if (!points) return error_memory(err, "a circle", 16 * CIRCLE_POINTS);
    double radius = hypot(p[2] - p[0], p[3] - p[1]);
    for (int i = 0; i < CIRCLE_POINTS; i++) {
        double angle = 2 * 3.14159265358979323846 * i / CIRCLE_POINTS;
        points[2 * i] = p[0] + radius * cos(angle);
        points[2 * i + 1] = p[1] + radius * sin(angle);
    }
    *polygon = (struct polygon){points, CIRCLE_POINTS};
    return STATUS_OK;
}

static enum status shape_mask(struct rle *mask, const struct labelme_shape *shape, int32_t height,
                              int32_t width, struct arena *arena, struct error *err) {
    const double *p = shape->points.points;
    bool is_polygon = strcmp(shape->type, "polygon") == 0;
    bool is_rectangle = strcmp(shape->type, "rectangle") == 0;
    bool is_circle = strcmp(shape->type, "circle") == 0;
    if (strcmp(shape->type, "mask") == 0) return mask_shape(mask, shape, height, width, arena, err);
    if (!is_polygon && !is_rectangle && !is_circle)
        return error_set(err, STATUS_UNSUPPORTED, "a shape of type \"%.32s\" has no area",
                         shape->type);
    if (!is_polygon && shape->points.num_points != 2)
        return error_set(err, STATUS_DATA, "a %s of %lld points, expected 2", shape->type,
                         (long long)shape->points.num_points);
    if (is_rectangle) {
        const struct coco_box box = {fmin(p[0], p[2]), fmin(p[1], p[3]), fabs(p[2] - p[0]),
                                     fabs(p[3] - p[1])};
        return box_to_rle(mask, &box, height, width, arena, err);
    }
    struct polygon polygon = shape->points;
    if (is_circle) TRY(circle_shape(&polygon, shape, arena, err));
    return polygon_to_rle(mask, &polygon, height, width, arena, err);
}

// ---- Objects ----

// Takes shape i and those behind it that are of its group.
static enum status add_object(struct annotated_set *set, struct annotated_image *image,
                              const struct labelme_file *file, int64_t i, struct error *err) {
    const struct labelme_shape *first = &file->shapes[i];
    struct annotated_object *object = NULL;
    TRY(annotated_image_add_object(image, &object, err));
    TRY(annotated_set_need_class(set, first->label, &object->class_index, err));
    object->has_score = first->has_score;
    object->score = first->score;
    object->is_crowd = first->is_crowd;
    for (; i < file->num_shapes; i++) {
        struct labelme_shape *shape = &file->shapes[i];
        bool same = shape == first ||
                    (shape->label && first->has_group && shape->has_group &&
                     shape->group == first->group && strcmp(shape->label, first->label) == 0);
        if (!same) continue;
        struct rle masks[2] = {object->mask};
        TRY(shape_mask(&masks[1], shape, image->height, image->width, &set->arena, err));
        if (shape == first)
            object->mask = masks[1];
        else
            TRY(rle_merge(&object->mask, masks, 2, false, &set->arena, err));
        if (shape != first) shape->label = NULL; // taken
    }
    return STATUS_OK;
}

static enum status add_image(struct annotated_set *set, const struct labelme_file *file,
                             const char *json_name, struct error *err) {
    struct annotated_image *image = NULL;
    char name[FILE_TREE_PATH_BYTES];
    CHECK(file->image_path);
    const char *slash = strrchr(file->image_path, '/');
    const char *dot = strrchr(slash ? slash : file->image_path, '.');
    int stem = (int)strlen(json_name) - (int)strlen(".json");
    snprintf(name, sizeof name, "%.*s%s", stem, json_name, dot ? dot : "");
    TRY(annotated_set_add_image(set, &image, err));
    image->name = arena_copy_text(&set->arena, name, (int64_t)strlen(name));
    if (!image->name) return error_memory(err, "a file name", (long long)strlen(name));
    image->width = file->width;
    image->height = file->height;
    for (int64_t i = 0; i < file->num_shapes; i++)
        if (file->shapes[i].label) TRY(add_object(set, image, file, i, err));
    return STATUS_OK;
}

static enum status read_file(struct annotated_set *set, const char *folder, const char *name,
                             struct error *err) {
    char path[FILE_TREE_PATH_BYTES];
    struct file_view view;
    struct labelme_file file;
    TRY(file_tree_path(path, folder, name, "", "", err));
    TRY(file_view_open(&view, path, 0, err));
    enum status status = parse(&file, &view, path, &set->arena, err);
    if (status == STATUS_OK) {
        status = add_image(set, &file, name, err);
        if (status != STATUS_OK) error_prefix(err, "%s: ", path);
    }
    file_view_close(&view);
    return status;
}

enum status labelme_read(struct annotated_set *set, const char *folder, struct error *err) {
    struct file_tree tree;
    TRY(file_tree_find(&tree, folder, ".json", &set->arena, err));
    for (int64_t i = 0; i < tree.count; i++)
        TRY(read_file(set, folder, tree.names[i], err));
    return annotated_set_number(set, err);
}
