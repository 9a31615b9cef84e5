#include <string.h>

#include "base/array.h"
#include "base/file_view.h"
#include "base/json_reader.h"
#include "formats/brush_rle.h"
#include "formats/label_studio.h"

// What a value says, of whatever type it is.
struct stroke {
    const char *label;
    uint8_t *bytes; // of a brush, from the heap
    int64_t num_bytes, byte_capacity;
    double *points; // of a polygon, in percent, from the heap
    int64_t num_numbers, number_capacity;
    bool has_box; // in percent
    struct coco_box box;
    double rotation;
};

struct region {
    struct stroke stroke;
    int64_t width, height; // of the image
    bool has_score;
    double score;
    bool is_crowd;
};

struct task_reader {
    struct json_reader json;
    struct annotated_set *set;
    struct annotated_image *image;
};

static void take_failure(struct json_reader *r, enum status status, const struct error *failure) {
    if (status != STATUS_OK && json_status(r) == STATUS_OK) json_fail(r, "%s", failure->message);
}

// ---- Values ----

static void read_bytes(struct json_reader *r, struct stroke *stroke) {
    struct error failure;
    json_begin_array(r);
    while (json_next_element(r)) {
        int64_t value = json_int64(r);
        take_failure(r,
                     array_reserve(&stroke->bytes, &stroke->byte_capacity, stroke->num_bytes + 1, 1,
                                   &failure),
                     &failure);
        if (json_status(r) != STATUS_OK) return;
        if (value < 0 || value > UINT8_MAX) {
            json_fail(r, "%lld is not a byte", (long long)value);
            return;
        }
        stroke->bytes[stroke->num_bytes++] = (uint8_t)value;
    }
}

static void read_points(struct json_reader *r, struct stroke *stroke) {
    struct error failure;
    json_begin_array(r);
    while (json_next_element(r)) {
        int64_t begin = stroke->num_numbers;
        json_begin_array(r);
        while (json_next_element(r)) {
            double value = json_double(r);
            take_failure(r,
                         array_reserve(&stroke->points, &stroke->number_capacity,
                                       stroke->num_numbers + 1, sizeof value, &failure),
                         &failure);
            if (json_status(r) != STATUS_OK) return;
            stroke->points[stroke->num_numbers++] = value;
        }
        if (json_status(r) == STATUS_OK && stroke->num_numbers != begin + 2)
            json_fail(r, "a point of other than two numbers");
    }
}

static const char *first_text(struct json_reader *r, struct arena *arena) {
    const char *text = NULL;
    json_begin_array(r);
    while (json_next_element(r)) {
        if (text)
            json_skip(r);
        else
            text = json_text(r, arena);
    }
    return text;
}

static void read_value(struct json_reader *r, struct stroke *stroke, struct arena *arena) {
    struct json_string key;
    json_begin_object(r);
    while (json_next_key(r, &key)) {
        if (json_string_is(&key, "rle"))
            read_bytes(r, stroke);
        else if (json_string_is(&key, "points"))
            read_points(r, stroke);
        else if (json_string_is(&key, "x"))
            stroke->box.x = json_double(r);
        else if (json_string_is(&key, "y"))
            stroke->box.y = json_double(r);
        else if (json_string_is(&key, "width"))
            stroke->box.width = json_double(r), stroke->has_box = true;
        else if (json_string_is(&key, "height"))
            stroke->box.height = json_double(r);
        else if (json_string_is(&key, "rotation"))
            stroke->rotation = json_double(r);
        else if (json_string_is(&key, "brushlabels") || json_string_is(&key, "polygonlabels") ||
                 json_string_is(&key, "rectanglelabels"))
            stroke->label = first_text(r, arena);
        else
            json_skip(r);
    }
}

// ---- Regions ----

static enum status region_mask(struct rle *mask, struct region *region, struct arena *arena,
                               struct error *err) {
    struct stroke *s = &region->stroke;
    double width = (double)region->width;
    double height = (double)region->height;
    int32_t w = (int32_t)region->width;
    int32_t h = (int32_t)region->height;
    if (s->num_bytes > 0) return brush_rle_read(mask, s->bytes, s->num_bytes, h, w, arena, err);
    if (s->num_numbers > 0) {
        for (int64_t i = 0; i < s->num_numbers; i++)
            s->points[i] *= (i % 2 == 0 ? width : height) / 100;
        const struct polygon polygon = {s->points, s->num_numbers / 2};
        return polygon_to_rle(mask, &polygon, h, w, arena, err);
    }
    if (s->rotation != 0)
        return error_set(err, STATUS_UNSUPPORTED, "a rectangle turned by %g degrees", s->rotation);
    const struct coco_box box = {s->box.x * width / 100, s->box.y * height / 100,
                                 s->box.width * width / 100, s->box.height * height / 100};
    return box_to_rle(mask, &box, h, w, arena, err);
}

static enum status add_region(struct task_reader *t, struct region *region, struct error *err) {
    struct annotated_image *image = t->image;
    struct annotated_object *object = NULL;
    if (region->width < 1 || region->height < 1 || region->width > RLE_MAX_SIDE ||
        region->height > RLE_MAX_SIDE)
        return error_set(err, STATUS_DATA, "a region without original_width and original_height");
    if (image->width > 0 && (image->width != region->width || image->height != region->height))
        return error_set(err, STATUS_DATA, "regions of one image with different sizes");
    image->width = (int32_t)region->width;
    image->height = (int32_t)region->height;
    // Others (labels of a whole image, relations) are no objects.
    bool is_object =
        region->stroke.label &&
        (region->stroke.num_bytes > 0 || region->stroke.num_numbers > 0 || region->stroke.has_box);
    if (!is_object) return STATUS_OK;
    TRY(annotated_image_add_object(image, &object, err));
    object->has_score = region->has_score;
    object->score = region->score;
    object->is_crowd = region->is_crowd;
    TRY(annotated_set_need_class(t->set, region->stroke.label, &object->class_index, err));
    return region_mask(&object->mask, region, &t->set->arena, err);
}

// {"text": ["iscrowd"]}
static void read_notes(struct json_reader *r, struct region *region) {
    struct json_string key;
    json_begin_object(r);
    while (json_next_key(r, &key)) {
        if (!json_string_is(&key, "text") || json_peek(r) != JSON_ARRAY) {
            json_skip(r);
            continue;
        }
        json_begin_array(r);
        while (json_next_element(r)) {
            bool is_text = json_peek(r) == JSON_STRING;
            const struct json_string note = is_text ? json_string(r) : (struct json_string){0};
            if (is_text)
                region->is_crowd |= json_string_is(&note, "iscrowd");
            else
                json_skip(r);
        }
    }
}

static void read_region(struct task_reader *t) {
    struct json_reader *r = &t->json;
    struct json_string key;
    struct region region = {0};
    struct error failure;
    bool has_value = false;
    json_begin_object(r);
    while (json_next_key(r, &key)) {
        if (json_string_is(&key, "original_width")) {
            region.width = json_int64(r);
        } else if (json_string_is(&key, "original_height")) {
            region.height = json_int64(r);
        } else if (json_string_is(&key, "score") && json_peek(r) == JSON_NUMBER) {
            region.score = json_double(r);
            region.has_score = true;
        } else if (json_string_is(&key, "meta") && json_peek(r) == JSON_OBJECT) {
            read_notes(r, &region);
        } else if (json_string_is(&key, "value") && json_peek(r) == JSON_OBJECT) {
            read_value(r, &region.stroke, &t->set->arena);
            has_value = true;
        } else {
            json_skip(r);
        }
    }
    if (json_status(r) == STATUS_OK && has_value)
        take_failure(r, add_region(t, &region, &failure), &failure);
    array_free(&region.stroke.bytes);
    array_free(&region.stroke.points);
}

// ---- Tasks ----

// The first of the annotations or predictions.
static void read_results(struct task_reader *t, bool *any) {
    struct json_reader *r = &t->json;
    struct json_string key;
    json_begin_array(r);
    for (bool first = true; json_next_element(r); first = false) {
        if (!first) {
            json_skip(r);
            continue;
        }
        *any = true;
        json_begin_object(r);
        while (json_next_key(r, &key)) {
            if (!json_string_is(&key, "result")) {
                json_skip(r);
                continue;
            }
            json_begin_array(r);
            while (json_next_element(r))
                read_region(t);
        }
    }
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// The file's name in a URL: behind "?d=" of local files, or behind the host.
static const char *name_of_url(const char *url, struct arena *arena) {
    const char *query = strstr(url, "?d=");
    const char *host = strstr(url, "://");
    if (query) {
        url = query + 3;
    } else if (host) {
        const char *slash = strchr(host + 3, '/');
        url = slash ? slash + 1 : host + 3;
    }
    while (*url == '/')
        url++;
    char *name = arena_copy_text(arena, url, (int64_t)strlen(url));
    char *to = name;
    for (const char *from = name; name && *from; from++) {
        bool escaped = *from == '%' && hex_digit(from[1]) >= 0 && hex_digit(from[2]) >= 0;
        *to++ = escaped ? (char)(hex_digit(from[1]) * 16 + hex_digit(from[2])) : *from;
        if (escaped) from += 2;
    }
    if (name) *to = '\0';
    return name;
}

static void read_data(struct task_reader *t) {
    struct json_reader *r = &t->json;
    struct json_string key;
    int64_t width = 0;
    int64_t height = 0;
    json_begin_object(r);
    while (json_next_key(r, &key)) {
        if (json_string_is(&key, "image")) {
            const char *url = json_text(r, &t->set->arena);
            if (url) t->image->name = name_of_url(url, &t->set->arena);
        } else if (json_string_is(&key, "width") && json_peek(r) == JSON_NUMBER) {
            width = json_int64(r);
        } else if (json_string_is(&key, "height") && json_peek(r) == JSON_NUMBER) {
            height = json_int64(r);
        } else {
            json_skip(r);
        }
    }
    if (width < 1 || height < 1 || width > RLE_MAX_SIDE || height > RLE_MAX_SIDE) return;
    t->image->width = (int32_t)width;
    t->image->height = (int32_t)height;
}

static void read_task(struct task_reader *t) {
    struct json_reader *r = &t->json;
    struct json_string key;
    struct json_reader annotations = {0};
    struct json_reader predictions = {0};
    bool any = false;
    json_begin_object(r);
    while (json_next_key(r, &key)) {
        bool is_list = json_peek(r) == JSON_ARRAY;
        if (json_string_is(&key, "data")) {
            read_data(t);
            continue;
        }
        // Either may come first, so their places are kept.
        if (is_list && json_string_is(&key, "annotations")) annotations = *r;
        if (is_list && json_string_is(&key, "predictions")) predictions = *r;
        json_skip(r);
    }
    struct json_reader behind = *r;
    if (json_status(r) == STATUS_OK && annotations.begin) {
        *r = annotations;
        read_results(t, &any);
    }
    if (json_status(r) == STATUS_OK && predictions.begin && !any) {
        *r = predictions;
        read_results(t, &any);
    }
    if (json_status(r) == STATUS_OK) *r = behind;
    if (json_status(r) == STATUS_OK && !t->image->name) json_fail(r, "a task without data.image");
    if (json_status(r) == STATUS_OK && t->image->width < 1)
        json_fail(r, "%s: a task without regions, which tell the image's size", t->image->name);
}

enum status label_studio_read(struct annotated_set *set, const char *path, struct error *err) {
    struct file_view file;
    struct task_reader t = {.set = set};
    struct error failure;
    TRY(file_view_open(&file, path, 0, err));
    json_reader_init(&t.json, file.data, file.size, path, err);
    json_begin_array(&t.json);
    while (json_next_element(&t.json)) {
        take_failure(&t.json, annotated_set_add_image(set, &t.image, &failure), &failure);
        if (json_status(&t.json) == STATUS_OK) read_task(&t);
    }
    json_end(&t.json);
    file_view_close(&file);
    TRY(json_status(&t.json));
    return annotated_set_number(set, err);
}
