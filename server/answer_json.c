#include "server/answer_json.h"

#include <math.h>

#include "base/clock.h"
#include "data/coco_json.h"
#include "server/answer_polygon.h"
#include "server/detect_options.h"
#include "server/objects.h"

void answer_begin(struct answer *answer, const char *content_type) {
    *answer = (struct answer){.status = 200, .content_type = content_type};
    output_open_memory(&answer->body);
}

bool answer_end(struct answer *answer, bool written, struct fault *fault) {
    struct error err;
    if (written && output_finish(&answer->body, &err) == STATUS_OK) return true;
    if (written) fault_of_error(fault, FAULT_INTERNAL, &err);
    output_discard(&answer->body);
    *answer = (struct answer){0};
    return false;
}

// ---- Masks ----

bool answer_mask_write(struct json_writer *w, const struct detect_options *options,
                       const struct rle *mask, struct arena *arena, struct fault *fault) {
    double iou = 0;
    struct error err;
    switch (options->mask) {
    case MASK_BOX:
    case MASK_NONE:
        return true;
    case MASK_POLYGON:
        json_write_key(w, "segmentation");
        if (!answer_polygon_write(w, &iou, mask, options->polygon_tolerance, arena, fault))
            return false;
        json_write_key_double(w, "polygon_iou", rint(iou * 1e5) / 1e5);
        return true;
    case MASK_RLE:
    case MASK_RLE_LIST:
        break;
    }
    json_write_key(w, "segmentation");
    if (coco_json_mask(w, mask, options->mask == MASK_RLE_LIST, &err) == STATUS_OK) return true;
    return fault_of_error(fault, FAULT_INTERNAL, &err);
}

// ---- Objects ----

static void write_box(struct json_writer *w, const struct shown_object *object) {
    json_write_key(w, "bbox");
    json_write_begin_array(w);
    for (int i = 0; i < 4; i++)
        json_write_double(w, object->box[i]);
    json_write_end_array(w);
}

static void write_area(struct json_writer *w, const struct detect_options *options,
                       const struct rle *mask) {
    json_write_key(w, "area");
    if (options->mask == MASK_NONE)
        json_write_null(w);
    else
        json_write_int64(w, rle_area(mask));
}

static bool write_native(struct json_writer *w, const struct detect_options *options,
                         const struct shown_object *object, struct arena *arena,
                         struct fault *fault) {
    json_write_begin_object(w);
    json_write_key_int64(w, "category_id", object->category_id);
    json_write_key_text(w, "category", object->category);
    json_write_key_double(w, "score", object->score);
    write_box(w, object);
    write_area(w, options, object->mask);
    if (!answer_mask_write(w, options, object->mask, arena, fault)) return false;
    json_write_end_object(w);
    return true;
}

static bool write_coco(struct json_writer *w, const struct detect_options *options,
                       const struct shown_object *object, int64_t image_id, struct arena *arena,
                       struct fault *fault) {
    json_write_begin_object(w);
    json_write_key_int64(w, "image_id", image_id);
    json_write_key_int64(w, "category_id", object->category_id);
    write_box(w, object);
    json_write_key_double(w, "score", object->score);
    if (!answer_mask_write(w, options, object->mask, arena, fault)) return false;
    json_write_end_object(w);
    return true;
}

static bool write_objects(struct json_writer *w, const struct detect_request *request,
                          const struct detect_outcome *outcome, int64_t index,
                          const struct model_facts *model, struct arena *arena,
                          struct fault *fault) {
    const struct detect_options *options = &request->options;
    struct shown_objects objects;
    if (!shown_objects_of(&objects, &outcome->list, options->round, model, arena, fault))
        return false;
    json_write_begin_array(w);
    for (int64_t i = 0; i < objects.count; i++) {
        const struct shown_object *object = &objects.items[i];
        bool written = options->format == ANSWER_COCO
                           ? write_coco(w, options, object, options->image_id + index, arena, fault)
                           : write_native(w, options, object, arena, fault);
        if (!written) return false;
    }
    json_write_end_array(w);
    return true;
}

// ---- What stands around them ----

static void write_model(struct json_writer *w, const struct model_facts *model) {
    json_write_key(w, "model");
    json_write_begin_object(w);
    json_write_key_text(w, "name", model->name);
    json_write_key_text(w, "version", model->version);
    json_write_key_text(w, "sha256", model->sha256);
    json_write_end_object(w);
}

static void write_image(struct json_writer *w, const struct detect_options *options,
                        const struct image_info *info) {
    bool applied = options->exif == EXIF_APPLY && info->exif_orientation > 1;
    json_write_key(w, "image");
    json_write_begin_object(w);
    json_write_key_int64(w, "width", info->width);
    json_write_key_int64(w, "height", info->height);
    json_write_key_text(w, "format", info->format == IMAGE_PNG ? "png" : "jpeg");
    json_write_key_int64(w, "exif_orientation", info->exif_orientation);
    json_write_key_bool(w, "orientation_applied", applied);
    json_write_end_object(w);
}

static double milliseconds(double seconds) {
    return rint(seconds * 1e5) / 1e2;
}

// encode is measured here, since it ends with these lines; the time to write the answer to the
// client comes behind all of it.
static void write_timing(struct json_writer *w, const struct detect_outcome *outcome,
                         double begin) {
    double total = 0;
    json_write_key_int64(w, "batch", outcome->batch);
    json_write_key(w, "timing_ms");
    json_write_begin_object(w);
    for (int i = 0; i < PHASE_WRITE; i++) {
        double seconds = outcome->seconds[i];
        if (i == PHASE_ENCODE) seconds = clock_seconds() - begin;
        total += seconds;
        json_write_key_double(w, phase_name((enum phase)i), milliseconds(seconds));
    }
    json_write_key_double(w, "total", milliseconds(total));
    json_write_end_object(w);
}

bool answer_json_write(struct json_writer *w, const struct detect_request *request,
                       const struct detect_outcome *outcome, int64_t index,
                       const struct model_facts *model, struct arena *arena, struct fault *fault) {
    double begin = clock_seconds();
    if (request->options.format == ANSWER_COCO)
        return write_objects(w, request, outcome, index, model, arena, fault);
    json_write_begin_object(w);
    json_write_key_text(w, "request_id", request->id);
    write_model(w, model);
    write_image(w, &request->options, &outcome->info);
    json_write_key(w, "detections");
    if (!write_objects(w, request, outcome, index, model, arena, fault)) return false;
    json_write_key_bool(w, "truncated", outcome->truncated);
    json_write_key(w, "options");
    detect_options_write(&request->options, w);
    if (request->options.timing) write_timing(w, outcome, begin);
    json_write_end_object(w);
    return true;
}
