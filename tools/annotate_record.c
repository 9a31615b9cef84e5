#include "tools/annotate_record.h"

#include <stdio.h>
#include <string.h>

#include "formats/object_json.h"

enum { VERSION = 1 };

// ---- Writing ----

static void write_inexact(struct json_writer *w, const struct annotate_record *record) {
    json_write_key(w, "inexact");
    json_write_begin_object(w);
    for (enum annotation_format f = 0; f < NUM_FORMATS; f++) {
        const double *ious = record->losses.ious[f];
        if (!ious) continue;
        json_write_key(w, FORMAT_NAMES[f]);
        json_write_begin_array(w);
        for (int64_t i = 0; i < record->image.num_objects; i++) {
            if (ious[i] >= 1) continue;
            json_write_begin_array(w);
            json_write_int64(w, i);
            json_write_double(w, ious[i]);
            json_write_end_array(w);
        }
        json_write_end_array(w);
    }
    json_write_end_object(w);
}

static enum status write_done(struct json_writer *w, const struct annotate_record *record,
                              const struct class_list *classes, struct error *err) {
    const struct annotated_image *image = &record->image;
    json_write_key_text(w, "status", "done");
    json_write_key_int64(w, "width", image->width);
    json_write_key_int64(w, "height", image->height);
    if (image->exif_orientation > 1)
        json_write_key_int64(w, "exif_orientation", image->exif_orientation);
    json_write_key(w, "objects");
    json_write_begin_array(w);
    for (int64_t i = 0; i < image->num_objects; i++)
        TRY(object_json_write(w, &image->objects[i], classes, err));
    json_write_end_array(w);
    write_inexact(w, record);
    return STATUS_OK;
}

enum status record_write(struct output *out, const struct annotate_record *record,
                         const struct class_list *classes, struct error *err) {
    struct json_writer w;
    json_writer_init(&w, out, 0);
    json_write_begin_object(&w);
    json_write_key_int64(&w, "v", VERSION);
    json_write_key_text(&w, "path", record->path);
    json_write_key_int64(&w, "size", record->size);
    json_write_key_int64(&w, "mtime_ns", record->mtime_ns);
    json_write_key_text(&w, "sha256", record->sha256);
    json_write_key_text(&w, "options", record->origin.options);
    json_write_key_text(&w, "model", record->origin.model);
    json_write_key_text(&w, "outputs", record->origin.outputs);
    if (record->failed) {
        json_write_key_text(&w, "status", "failed");
        json_write_key_text(&w, "file", record->file);
        json_write_key_text(&w, "code", record->code);
        json_write_key_text(&w, "message", record->message);
    } else {
        TRY(write_done(&w, record, classes, err));
    }
    json_write_end_object(&w);
    output_text(out, "\n");
    return STATUS_OK;
}

// ---- Reading ----

struct record_reader {
    struct json_reader json;
    struct annotate_record *record;
    const struct class_list *classes;
    bool heads_only;
    struct arena *arena;
};

static void copy_text(struct record_reader *r, char *to, size_t size) {
    const char *text = json_text(&r->json, r->arena);
    if (text && snprintf(to, size, "%s", text) >= (int)size)
        json_fail(&r->json, "a text of more than %d bytes", (int)size - 1);
}

static void read_objects(struct record_reader *r) {
    struct annotated_image *image = &r->record->image;
    struct json_reader *json = &r->json;
    struct json_reader ahead = *json;
    int64_t capacity = 0;
    ahead.err = NULL;
    json_begin_array(&ahead);
    for (; json_next_element(&ahead); capacity++)
        json_skip(&ahead);
    image->objects = arena_alloc(r->arena, capacity, sizeof *image->objects);
    if (!image->objects || image->width < 1 || image->height < 1) {
        json_fail(json, "objects without memory or a size");
        return;
    }
    json_begin_array(json);
    while (json_next_element(json)) {
        struct object_json read;
        object_json_read(json, &read, image->height, image->width, r->arena);
        if (json_status(json) != STATUS_OK) return;
        int64_t class = 0;
        while (class < r->classes->count && r->classes->items[class].id != read.category_id)
            class ++;
        if (class == r->classes->count) {
            json_fail(json, "the model has no category %lld", (long long)read.category_id);
            return;
        }
        read.object.class_index = class;
        image->objects[image->num_objects++] = read.object;
    }
}

static void read_pairs(struct record_reader *r, double *ious) {
    struct json_reader *json = &r->json;
    json_begin_array(json);
    while (json_next_element(json)) {
        json_begin_array(json);
        int64_t object = json_next_element(json) ? json_int64(json) : -1;
        double iou = json_next_element(json) ? json_double(json) : -1;
        if (json_next_element(json) || iou < 0 || object < 0 ||
            object >= r->record->image.num_objects) {
            json_fail(json, "pairs of an object and its IoU were expected");
            return;
        }
        ious[object] = iou;
    }
}

static void read_inexact(struct record_reader *r) {
    struct json_string key;
    int64_t count = r->record->image.num_objects;
    json_begin_object(&r->json);
    while (json_next_key(&r->json, &key)) {
        enum annotation_format format = 0;
        while (format < NUM_FORMATS && !json_string_is(&key, FORMAT_NAMES[format]))
            format++;
        double *ious = arena_alloc(r->arena, count, sizeof *ious);
        if (format == NUM_FORMATS || !ious) {
            json_skip(&r->json);
            continue;
        }
        for (int64_t i = 0; i < count; i++)
            ious[i] = 1;
        r->record->losses.ious[format] = ious;
        read_pairs(r, ious);
    }
}

static int32_t read_side(struct json_reader *r) {
    int64_t side = json_int64(r);
    return side >= 1 && side <= RLE_MAX_SIDE ? (int32_t)side : 0;
}

static void read_status(struct record_reader *r) {
    const struct json_string status = json_string(&r->json);
    r->record->failed = json_string_is(&status, "failed");
    if (!r->record->failed && !json_string_is(&status, "done"))
        json_fail(&r->json, "a status that is neither done nor failed");
}

static void read_value(struct record_reader *r, const struct json_string *key) {
    struct annotate_record *record = r->record;
    struct json_reader *json = &r->json;
    if (json_string_is(key, "path"))
        record->path = json_text(json, r->arena);
    else if (json_string_is(key, "size"))
        record->size = json_int64(json);
    else if (json_string_is(key, "mtime_ns"))
        record->mtime_ns = json_int64(json);
    else if (json_string_is(key, "sha256"))
        copy_text(r, record->sha256, sizeof record->sha256);
    else if (json_string_is(key, "options"))
        copy_text(r, record->origin.options, sizeof record->origin.options);
    else if (json_string_is(key, "model"))
        copy_text(r, record->origin.model, sizeof record->origin.model);
    else if (json_string_is(key, "outputs"))
        copy_text(r, record->origin.outputs, sizeof record->origin.outputs);
    else if (json_string_is(key, "status"))
        read_status(r);
    else if (json_string_is(key, "file"))
        record->file = json_text(json, r->arena);
    else if (json_string_is(key, "code"))
        record->code = json_text(json, r->arena);
    else if (json_string_is(key, "message"))
        record->message = json_text(json, r->arena);
    else if (json_string_is(key, "width"))
        record->image.width = read_side(json);
    else if (json_string_is(key, "height"))
        record->image.height = read_side(json);
    else if (json_string_is(key, "exif_orientation"))
        record->image.exif_orientation = (int)json_int64(json);
    else if (json_string_is(key, "objects") && !r->heads_only)
        read_objects(r);
    else if (json_string_is(key, "inexact") && !r->heads_only)
        read_inexact(r);
    else
        json_skip(json);
}

enum status record_read(struct annotate_record *record, const char *line, int64_t size,
                        const char *name, bool heads_only, const struct class_list *classes,
                        struct arena *arena, struct error *err) {
    struct record_reader r = {.record = record, .classes = classes, .arena = arena};
    struct json_string key;
    r.heads_only = heads_only;
    *record = (struct annotate_record){0};
    json_reader_init(&r.json, line, size, name, err);
    json_begin_object(&r.json);
    while (json_next_key(&r.json, &key))
        read_value(&r, &key);
    json_end(&r.json);
    if (json_status(&r.json) == STATUS_OK && !record->path)
        json_fail(&r.json, "a record without a path");
    if (json_status(&r.json) == STATUS_OK && record->failed &&
        !(record->file && record->code && record->message))
        json_fail(&r.json, "a failure without file, code or message");
    return json_status(&r.json);
}
