#include "formats/object_json.h"

#include "base/check.h"
#include "data/coco_json.h"

// ---- Writing ----

enum status object_json_write(struct json_writer *w, const struct annotated_object *object,
                              const struct class_list *classes, struct error *err) {
    CHECK(object->class_index >= 0 && object->class_index < classes->count);
    const struct coco_category *class = &classes->items[object->class_index];
    const struct coco_box box = annotated_box(object);
    json_write_begin_object(w);
    json_write_key_text(w, "class", class->name);
    json_write_key_int64(w, "category_id", class->id);
    json_write_key_int64(w, "iscrowd", object->is_crowd);
    if (object->has_score) json_write_key_double(w, "score", object->score);
    json_write_key(w, "bbox");
    coco_json_box(w, &box);
    json_write_key_double(w, "area", (double)rle_area(&object->mask));
    json_write_key(w, "segmentation");
    TRY(coco_json_mask(w, &object->mask, false, err));
    json_write_end_object(w);
    return STATUS_OK;
}

// ---- Reading ----

static struct coco_box read_box(struct json_reader *r) {
    double numbers[4] = {0};
    int count = 0;
    json_begin_array(r);
    while (json_next_element(r)) {
        double number = json_double(r);
        if (count < 4) numbers[count] = number;
        count++;
    }
    if (json_status(r) == STATUS_OK && count != 4)
        json_fail(r, "a box of %d numbers, expected 4", count);
    return (struct coco_box){numbers[0], numbers[1], numbers[2], numbers[3]};
}

struct size {
    int64_t height, width;
};

static struct size read_size(struct json_reader *r) {
    int64_t sides[2] = {0};
    int count = 0;
    json_begin_array(r);
    while (json_next_element(r)) {
        int64_t side = json_int64(r);
        if (count < 2) sides[count] = side;
        count++;
    }
    return (struct size){sides[0], sides[1]};
}

static void take_failure(struct json_reader *r, enum status status, const struct error *failure) {
    if (status != STATUS_OK && json_status(r) == STATUS_OK) json_fail(r, "%s", failure->message);
}

static void read_mask(struct json_reader *r, struct rle *mask, int32_t height, int32_t width,
                      struct arena *arena) {
    struct json_string key;
    struct size size = {height, width};
    const char *counts = NULL;
    struct error failure;
    json_begin_object(r);
    while (json_next_key(r, &key)) {
        if (json_string_is(&key, "size"))
            size = read_size(r);
        else if (json_string_is(&key, "counts"))
            counts = json_text(r, arena);
        else
            json_skip(r);
    }
    if (json_status(r) != STATUS_OK) return;
    if (!counts || size.height != height || size.width != width) {
        json_fail(r, "a mask of size [%lld, %lld] %s counts, expected [%d, %d] and counts",
                  (long long)size.height, (long long)size.width, counts ? "with" : "without",
                  (int)height, (int)width);
        return;
    }
    take_failure(
        r, rle_from_string(mask, counts, (int64_t)strlen(counts), height, width, arena, &failure),
        &failure);
}

void object_json_read(struct json_reader *r, struct object_json *object, int32_t height,
                      int32_t width, struct arena *arena) {
    struct annotated_object *o = &object->object;
    struct json_string key;
    struct error failure;
    bool has_mask = false;
    *object = (struct object_json){0};
    json_begin_object(r);
    while (json_next_key(r, &key)) {
        if (json_string_is(&key, "class")) {
            object->class_name = json_text(r, arena);
        } else if (json_string_is(&key, "category_id")) {
            object->category_id = json_int64(r);
        } else if (json_string_is(&key, "iscrowd")) {
            o->is_crowd = json_int64(r) != 0;
        } else if (json_string_is(&key, "score")) {
            o->score = json_double(r);
            o->has_score = true;
        } else if (json_string_is(&key, "bbox")) {
            o->box = read_box(r);
            o->has_box = true;
        } else if (json_string_is(&key, "segmentation") && json_peek(r) == JSON_OBJECT) {
            read_mask(r, &o->mask, height, width, arena);
            has_mask = true;
        } else {
            json_skip(r);
        }
    }
    if (json_status(r) != STATUS_OK || has_mask) return;
    if (!o->has_box)
        json_fail(r, "an object with neither segmentation nor bbox");
    else
        take_failure(r, box_to_rle(&o->mask, &o->box, height, width, arena, &failure), &failure);
}
