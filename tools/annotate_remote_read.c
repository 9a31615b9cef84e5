#include "tools/annotate_remote_read.h"

#include <stdio.h>
#include <string.h>

#include "formats/object_json.h"

static void begin(struct json_reader *r, const struct output *body, const char *name,
                  struct error *err) {
    json_reader_init(r, body->data ? body->data : "", body->size, name, err);
}

// How many elements the array has that comes next.
static int64_t count_ahead(const struct json_reader *r) {
    struct json_reader ahead = *r;
    int64_t count = 0;
    ahead.err = NULL;
    json_begin_array(&ahead);
    for (; json_next_element(&ahead); count++)
        json_skip(&ahead);
    return count;
}

static void read_sha256(struct json_reader *r, char sha256[SHA256_HEX_BYTES], struct arena *arena) {
    const char *text = json_text(r, arena);
    if (text && snprintf(sha256, SHA256_HEX_BYTES, "%s", text) >= SHA256_HEX_BYTES)
        json_fail(r, "a hash of %d digits was expected", SHA256_HEX_BYTES - 1);
}

// ---- The model ----

static void read_class(struct json_reader *r, struct coco_category *class, struct arena *arena) {
    struct json_string key;
    *class = (struct coco_category){.name = "", .supercategory = ""};
    json_begin_object(r);
    while (json_next_key(r, &key)) {
        if (json_string_is(&key, "id")) {
            class->id = json_int64(r);
        } else if (json_string_is(&key, "name")) {
            const char *name = json_text(r, arena);
            if (name) class->name = name;
        } else {
            json_skip(r);
        }
    }
}

static void read_classes(struct json_reader *r, struct class_list *classes, struct arena *arena) {
    int64_t count = count_ahead(r);
    *classes = (struct class_list){.items = arena_alloc(arena, count, sizeof *classes->items)};
    if (!classes->items) {
        json_fail(r, "no memory for %lld classes", (long long)count);
        return;
    }
    json_begin_array(r);
    while (json_next_element(r))
        read_class(r, &classes->items[classes->count++], arena);
}

static void read_overrides(struct json_reader *r, struct option_texts *overrides,
                           struct arena *arena) {
    int64_t count = count_ahead(r);
    const char **items = arena_alloc(arena, count, sizeof *items);
    if (!items) {
        json_fail(r, "no memory for %lld options", (long long)count);
        return;
    }
    *overrides = (struct option_texts){.items = items};
    json_begin_array(r);
    while (json_next_element(r))
        items[overrides->count++] = json_text(r, arena);
}

static void read_defaults(struct json_reader *r, struct remote_model *model) {
    struct json_string key;
    json_begin_object(r);
    while (json_next_key(r, &key)) {
        if (json_string_is(&key, "max_dets"))
            model->max_detections = json_int64(r);
        else
            json_skip(r);
    }
}

static void read_model(struct json_reader *r, struct remote_model *model, struct arena *arena) {
    struct json_string key;
    json_begin_object(r);
    while (json_next_key(r, &key)) {
        if (json_string_is(&key, "sha256"))
            read_sha256(r, model->sha256, arena);
        else if (json_string_is(&key, "classes"))
            read_classes(r, &model->classes, arena);
        else if (json_string_is(&key, "set"))
            read_overrides(r, &model->overrides, arena);
        else if (json_string_is(&key, "defaults"))
            read_defaults(r, model);
        else
            json_skip(r);
    }
}

enum status remote_read_models(struct remote_model *model, const struct output *body,
                               const char *name, struct arena *arena, struct error *err) {
    struct json_reader r;
    struct json_string key;
    int64_t count = 0;
    begin(&r, body, name, err);
    json_begin_object(&r);
    while (json_next_key(&r, &key)) {
        if (!json_string_is(&key, "models")) {
            json_skip(&r);
            continue;
        }
        json_begin_array(&r);
        for (; json_next_element(&r); count++)
            read_model(&r, model, arena);
    }
    json_end(&r);
    if (json_status(&r) == STATUS_OK &&
        (count != 1 || model->classes.count == 0 || !model->sha256[0] || model->max_detections < 1))
        json_fail(&r, "one model was expected, with classes, sha256 and defaults");
    return json_status(&r);
}

// ---- The service ----

static void read_precision(struct json_reader *r, enum nn_precision *precision,
                           struct arena *arena) {
    const char *text = json_text(r, arena);
    if (!text || !nn_precision_named(text, precision))
        json_fail(r, "a precision that this program does not know");
}

static void read_limits(struct json_reader *r, int64_t *max_timeout_ms) {
    struct json_string key;
    json_begin_object(r);
    while (json_next_key(r, &key)) {
        if (json_string_is(&key, "max-timeout-ms"))
            *max_timeout_ms = json_int64(r);
        else
            json_skip(r);
    }
}

enum status remote_read_info(struct remote_model *model, int64_t *max_timeout_ms,
                             const struct output *body, const char *name, struct arena *arena,
                             struct error *err) {
    struct json_reader r;
    struct json_string key;
    *max_timeout_ms = 0;
    begin(&r, body, name, err);
    json_begin_object(&r);
    while (json_next_key(&r, &key)) {
        if (json_string_is(&key, "precision"))
            read_precision(&r, &model->precision, arena);
        else if (json_string_is(&key, "device"))
            model->device = json_text(&r, arena);
        else if (json_string_is(&key, "tune"))
            model->tune = json_bool(&r);
        else if (json_string_is(&key, "limits"))
            read_limits(&r, max_timeout_ms);
        else
            json_skip(&r);
    }
    json_end(&r);
    if (json_status(&r) == STATUS_OK && (!model->device || *max_timeout_ms < 1))
        json_fail(&r, "device and limits were expected");
    return json_status(&r);
}

// ---- Detections ----

// The corners are floats, and sums of doubles come back to them.
static bool to_detection(struct detection *d, const struct object_json *read,
                         const struct class_list *classes) {
    const struct annotated_object *o = &read->object;
    int64_t class = 0;
    while (class < classes->count && classes->items[class].id != read->category_id)
        class ++;
    *d = (struct detection){
        .box = {(float)o->box.x, (float)o->box.y, (float)(o->box.x + o->box.width),
                (float)(o->box.y + o->box.height)},
        .score = (float)o->score,
        .label = (int32_t) class + 1,
        .mask = o->mask,
    };
    return class < classes->count && o->has_box && o->has_score;
}

static void read_list(struct json_reader *r, struct detection_list *list,
                      const struct class_list *classes, int32_t height, int32_t width,
                      struct arena *arena) {
    int64_t count = count_ahead(r);
    *list = (struct detection_list){.items = arena_alloc(arena, count, sizeof *list->items)};
    if (!list->items) {
        json_fail(r, "no memory for %lld detections", (long long)count);
        return;
    }
    json_begin_array(r);
    while (json_next_element(r)) {
        struct object_json read;
        object_json_read(r, &read, height, width, arena);
        if (json_status(r) != STATUS_OK) return;
        if (!to_detection(&list->items[list->count++], &read, classes))
            json_fail(r, "a detection of one of the model's classes with score and bbox was "
                         "expected");
    }
}

static void read_answering_model(struct json_reader *r, char sha256[SHA256_HEX_BYTES],
                                 struct arena *arena) {
    struct json_string key;
    json_begin_object(r);
    while (json_next_key(r, &key)) {
        if (json_string_is(&key, "sha256"))
            read_sha256(r, sha256, arena);
        else
            json_skip(r);
    }
}

enum status remote_read_detections(struct detection_list *list, char sha256[SHA256_HEX_BYTES],
                                   const struct output *body, const char *name,
                                   const struct class_list *classes, int32_t height, int32_t width,
                                   struct arena *arena, struct error *err) {
    struct json_reader r;
    struct json_string key;
    *list = (struct detection_list){0};
    sha256[0] = '\0';
    begin(&r, body, name, err);
    json_begin_object(&r);
    while (json_next_key(&r, &key)) {
        if (json_string_is(&key, "model"))
            read_answering_model(&r, sha256, arena);
        else if (json_string_is(&key, "detections"))
            read_list(&r, list, classes, height, width, arena);
        else
            json_skip(&r);
    }
    json_end(&r);
    if (json_status(&r) == STATUS_OK && !list->items) json_fail(&r, "detections were expected");
    return json_status(&r);
}

// ---- Errors ----

void remote_read_fault(const char **code, const char **message, const struct output *body,
                       struct arena *arena) {
    struct json_reader r;
    struct json_string key;
    *code = *message = "";
    begin(&r, body, "", NULL);
    json_begin_object(&r);
    while (json_next_key(&r, &key)) {
        if (json_string_is(&key, "code"))
            *code = json_text(&r, arena);
        else if (json_string_is(&key, "error"))
            *message = json_text(&r, arena);
        else
            json_skip(&r);
    }
    json_end(&r);
    if (json_status(&r) != STATUS_OK || !*code || !*message) *code = *message = "";
}
