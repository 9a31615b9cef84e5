#include <math.h>

#include "base/json_writer.h"
#include "data/image.h"
#include "data/rle_crop.h"
#include "formats/base64.h"
#include "formats/bridge.h"
#include "formats/labelme.h"

// The oldest version that knows masks and their checks.
static const char *const VERSION = "5.5.0";
enum { PNG_COMPRESSION = 6 };

static void write_point(struct json_writer *w, double x, double y) {
    json_write_begin_array(w);
    json_write_double(w, x);
    json_write_double(w, y);
    json_write_end_array(w);
}

static void begin_shape(struct json_writer *w, const struct annotated_object *object,
                        const struct coco_category *class, const char *type, int64_t group) {
    json_write_begin_object(w);
    json_write_key_text(w, "label", class->name);
    json_write_key_text(w, "shape_type", type);
    json_write_key_text(w, "description", "");
    json_write_key(w, "flags");
    json_write_begin_object(w);
    if (object->is_crowd) json_write_key_bool(w, "iscrowd", true);
    json_write_end_object(w);
    json_write_key(w, "group_id");
    if (group > 0)
        json_write_int64(w, group);
    else
        json_write_null(w);
    if (object->has_score) json_write_key_double(w, "score", object->score);
    json_write_key(w, "points");
    json_write_begin_array(w);
}

// ---- Masks ----

// The pixels of the mask's box as PNG in base64.
static enum status write_png(struct json_writer *w, const struct rle *part, struct arena *scratch,
                             struct error *err) {
    struct output png;
    struct output text;
    int64_t count = (int64_t)part->height * part->width;
    uint8_t *pixels = arena_alloc(scratch, count, 1);
    if (!pixels) return error_memory(err, "a mask", count);
    rle_decode(part, pixels);
    output_open_memory(&png);
    output_open_memory(&text);
    enum status status = image_write_png(pixels, part->width, part->height, SAMPLES_GREY8,
                                         PNG_COMPRESSION, &png, err);
    if (status == STATUS_OK) status = output_finish(&png, err);
    if (status == STATUS_OK) {
        base64_write(&text, png.data, png.size);
        status = output_finish(&text, err);
    }
    if (status == STATUS_OK) {
        json_write_key(w, "mask");
        json_write_bytes(w, text.data, text.size);
    }
    output_discard(&png);
    output_discard(&text);
    return status;
}

static enum status write_mask(struct json_writer *w, const struct annotated_object *object,
                              const struct coco_category *class, struct arena *scratch,
                              struct error *err) {
    const struct coco_box box = rle_box(&object->mask);
    struct rle part;
    TRY(rle_crop(&part, &object->mask, (int32_t)box.x, (int32_t)box.y, (int32_t)box.width,
                 (int32_t)box.height, scratch, err));
    begin_shape(w, object, class, "mask", 0);
    write_point(w, box.x, box.y);
    write_point(w, box.x + box.width - 1, box.y + box.height - 1);
    json_write_end_array(w);
    TRY(write_png(w, &part, scratch, err));
    json_write_end_object(w);
    return STATUS_OK;
}

// ---- Polygons ----

static enum status write_polygons(struct json_writer *w, const struct annotated_object *object,
                                  const struct coco_category *class, int64_t group, double *iou,
                                  struct arena *scratch, struct error *err) {
    struct ring *rings = NULL;
    int64_t num_rings = 0;
    int64_t num_parts = 0;
    TRY(rle_to_rings(&object->mask, &rings, &num_rings, scratch, err));
    struct polygon *parts = arena_alloc(scratch, num_rings, sizeof *parts);
    if (!parts) return error_memory(err, "polygons", num_rings * (long long)sizeof *parts);
    for (int64_t i = 0, size = 0; i < num_rings; i += size) {
        size = bridge_part_size(rings + i, num_rings - i);
        TRY(bridge_rings(&parts[num_parts++], rings + i, size, scratch, err));
    }
    for (int64_t i = 0; i < num_parts; i++) {
        begin_shape(w, object, class, "polygon", num_parts > 1 ? group : 0);
        for (int64_t k = 0; k < parts[i].num_points; k++)
            write_point(w, parts[i].points[2 * k], parts[i].points[2 * k + 1]);
        json_write_end_array(w);
        json_write_end_object(w);
    }
    struct rle read;
    TRY(polygons_to_rle(&read, parts, num_parts, object->mask.height, object->mask.width, scratch,
                        err));
    *iou = annotated_iou(&object->mask, &read);
    return STATUS_OK;
}

static enum status write_shapes(struct json_writer *w, const struct annotated_image *image,
                                const struct class_list *classes, enum labelme_shapes shapes,
                                double *ious, struct arena *scratch, struct error *err) {
    for (int64_t i = 0; i < image->num_objects; i++) {
        const struct annotated_object *object = &image->objects[i];
        const struct coco_category *class = &classes->items[object->class_index];
        struct arena_mark mark = arena_mark(scratch);
        ious[i] = 1;
        if (rle_area(&object->mask) == 0) continue;
        if (shapes == LABELME_MASKS)
            TRY(write_mask(w, object, class, scratch, err));
        else
            TRY(write_polygons(w, object, class, i + 1, &ious[i], scratch, err));
        arena_release(scratch, mark);
    }
    return STATUS_OK;
}

enum status labelme_write(struct output *out, const struct annotated_image *image,
                          const struct class_list *classes, enum labelme_shapes shapes,
                          const char *image_path, double *ious, struct arena *scratch,
                          struct error *err) {
    struct json_writer w;
    json_writer_init(&w, out, 0);
    json_write_begin_object(&w);
    json_write_key_text(&w, "version", VERSION);
    json_write_key(&w, "flags");
    json_write_begin_object(&w);
    json_write_end_object(&w);
    json_write_key(&w, "shapes");
    json_write_begin_array(&w);
    TRY(write_shapes(&w, image, classes, shapes, ious, scratch, err));
    json_write_end_array(&w);
    json_write_key_text(&w, "imagePath", image_path);
    json_write_key(&w, "imageData");
    json_write_null(&w);
    json_write_key_int64(&w, "imageHeight", image->height);
    json_write_key_int64(&w, "imageWidth", image->width);
    json_write_end_object(&w);
    output_text(out, "\n");
    return STATUS_OK;
}
