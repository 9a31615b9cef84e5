#include "formats/ndjson.h"

#include <stdlib.h>
#include <string.h>

#include "base/file_view.h"
#include "formats/object_json.h"

enum status ndjson_write(struct output *out, const struct annotated_image *image,
                         const struct class_list *classes, struct error *err) {
    struct json_writer w;
    json_writer_init(&w, out, 0);
    json_write_begin_object(&w);
    json_write_key_int64(&w, "id", image->id);
    json_write_key_text(&w, "file_name", image->name);
    json_write_key_int64(&w, "width", image->width);
    json_write_key_int64(&w, "height", image->height);
    if (image->exif_orientation > 1)
        json_write_key_int64(&w, "exif_orientation", image->exif_orientation);
    json_write_key(&w, "objects");
    json_write_begin_array(&w);
    for (int64_t i = 0; i < image->num_objects; i++)
        TRY(object_json_write(&w, &image->objects[i], classes, err));
    json_write_end_array(&w);
    json_write_end_object(&w);
    output_text(out, "\n");
    return STATUS_OK;
}

// ---- Reading ----

// The class of an object: its name decides, its id is the file's.
static enum status find_class(struct annotated_set *set, const struct object_json *read,
                              int64_t *class_index, struct error *err) {
    int64_t count = set->classes.count;
    TRY(annotated_set_need_class(set, read->class_name ? read->class_name : "", class_index, err));
    if (set->classes.count > count && read->category_id > 0)
        set->classes.items[*class_index].id = read->category_id;
    return STATUS_OK;
}

static void read_objects(struct json_reader *r, struct annotated_set *set,
                         struct annotated_image *image) {
    struct error failure;
    if (image->width < 1 || image->height < 1) {
        json_fail(r, "objects before the image's width and height");
        return;
    }
    json_begin_array(r);
    while (json_next_element(r)) {
        struct object_json read;
        struct annotated_object *object = NULL;
        object_json_read(r, &read, image->height, image->width, &set->arena);
        if (json_status(r) != STATUS_OK) return;
        enum status status = annotated_image_add_object(image, &object, &failure);
        if (status == STATUS_OK)
            status = find_class(set, &read, &read.object.class_index, &failure);
        if (status == STATUS_OK)
            *object = read.object;
        else
            json_fail(r, "%s", failure.message);
    }
}

// A side of an image; what is no side is an error, and so is one that comes behind objects, whose
// masks are as large as the image.
static int32_t read_side(struct json_reader *r, const struct annotated_image *image) {
    int64_t side = json_int64(r);
    if (json_status(r) == STATUS_OK && image->num_objects > 0)
        json_fail(r, "width or height behind the objects");
    if (json_status(r) == STATUS_OK && (side < 1 || side > RLE_MAX_SIDE))
        json_fail(r, "a side of %lld pixels, expected 1 to %d", (long long)side, RLE_MAX_SIDE);
    return json_status(r) == STATUS_OK ? (int32_t)side : 0;
}

static void read_image(struct json_reader *r, struct annotated_set *set,
                       struct annotated_image *image) {
    struct json_string key;
    json_begin_object(r);
    while (json_next_key(r, &key)) {
        if (json_string_is(&key, "id"))
            image->id = json_int64(r);
        else if (json_string_is(&key, "file_name"))
            image->name = json_text(r, &set->arena);
        else if (json_string_is(&key, "width"))
            image->width = read_side(r, image);
        else if (json_string_is(&key, "height"))
            image->height = read_side(r, image);
        else if (json_string_is(&key, "exif_orientation"))
            image->exif_orientation = (int)json_int64(r);
        else if (json_string_is(&key, "objects"))
            read_objects(r, set, image);
        else
            json_skip(r);
    }
    if (json_status(r) == STATUS_OK && (!image->name || image->width < 1 || image->height < 1))
        json_fail(r, "an image without file_name, width or height");
}

static enum status read_lines(struct annotated_set *set, const struct file_view *file,
                              const char *path, struct error *err) {
    const char *text = file->data ? file->data : "";
    const char *end = text + file->size;
    int64_t number = 0;
    for (const char *line = text; line < end;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        const char *line_end = newline ? newline : end;
        number++;
        struct annotated_image *image = NULL;
        struct json_reader r;
        if (line_end > line) {
            TRY(annotated_set_add_image(set, &image, err));
            json_reader_init(&r, line, line_end - line, path, err);
            read_image(&r, set, image);
            json_end(&r);
            if (json_status(&r) != STATUS_OK) {
                error_prefix(err, "record %lld: ", (long long)number);
                return json_status(&r);
            }
        }
        line = line_end + 1;
    }
    return STATUS_OK;
}

static int compare_ids(const void *a, const void *b) {
    int64_t x = ((const struct coco_category *)a)->id;
    int64_t y = ((const struct coco_category *)b)->id;
    return (x > y) - (x < y);
}

// Classes in the order of their ids, objects following them.
static enum status sort_classes(struct annotated_set *set, struct error *err) {
    struct class_list *classes = &set->classes;
    const char **names = arena_alloc(&set->arena, classes->count, sizeof *names);
    int64_t *places = arena_alloc(&set->arena, classes->count, sizeof *places);
    if (!names || !places) return error_memory(err, "classes", classes->count * 16);
    for (int64_t i = 0; i < classes->count; i++)
        names[i] = classes->items[i].name;
    if (classes->count > 0)
        qsort(classes->items, (size_t)classes->count, sizeof *classes->items, compare_ids);
    for (int64_t i = 0; i < classes->count; i++) {
        TRY(annotated_set_need_class(set, names[i], &places[i], err));
        if (i > 0 && classes->items[i].id == classes->items[i - 1].id)
            return error_set(err, STATUS_DATA, "classes \"%s\" and \"%s\" have one category_id",
                             classes->items[i - 1].name, classes->items[i].name);
    }
    for (int64_t i = 0; i < set->num_images; i++)
        for (int64_t k = 0; k < set->images[i].num_objects; k++)
            set->images[i].objects[k].class_index = places[set->images[i].objects[k].class_index];
    return STATUS_OK;
}

enum status ndjson_read(struct annotated_set *set, const char *path, struct error *err) {
    struct file_view file;
    TRY(file_view_open(&file, path, 0, err));
    enum status status = read_lines(set, &file, path, err);
    file_view_close(&file);
    if (status == STATUS_OK) status = sort_classes(set, err);
    return status;
}
