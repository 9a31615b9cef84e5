#include <stdlib.h>

#include "base/json_writer.h"
#include "formats/instance_png.h"

enum { PNG_COMPRESSION = 6 };

struct layer {
    int64_t object;
    double score;
    int64_t area;
};

// What is painted first, below others, comes first.
static int compare_layers(const void *a, const void *b) {
    const struct layer *x = a;
    const struct layer *y = b;
    if (x->score != y->score) return x->score < y->score ? -1 : 1;
    if (x->area != y->area) return x->area > y->area ? -1 : 1;
    return x->object > y->object ? -1 : 1;
}

static void paint(uint16_t *pixels, const struct rle *mask, uint16_t value) {
    int64_t position = 0;
    int64_t height = mask->height;
    for (int64_t i = 0; i < mask->num_runs; position += mask->runs[i], i++)
        for (int64_t p = position; i % 2 == 1 && p < position + mask->runs[i]; p++)
            pixels[p % height * mask->width + p / height] = value;
}

static enum status paint_all(uint16_t *pixels, const struct annotated_image *image,
                             struct arena *scratch, struct error *err) {
    struct layer *layers = arena_alloc(scratch, image->num_objects, sizeof *layers);
    if (!layers) return error_memory(err, "objects", image->num_objects * 24);
    for (int64_t i = 0; i < image->num_objects; i++) {
        const struct annotated_object *object = &image->objects[i];
        // Without scores, the order is that of sizes.
        double score = object->has_score ? object->score : 0;
        layers[i] = (struct layer){i, score, rle_area(&object->mask)};
    }
    if (image->num_objects > 0)
        qsort(layers, (size_t)image->num_objects, sizeof *layers, compare_layers);
    for (int64_t i = 0; i < image->num_objects; i++)
        paint(pixels, &image->objects[layers[i].object].mask, (uint16_t)(layers[i].object + 1));
    return STATUS_OK;
}

static void measure(const uint16_t *pixels, int64_t num_pixels, const struct annotated_image *image,
                    int64_t *seen, double *ious) {
    for (int64_t i = 0; i < num_pixels; i++)
        seen[pixels[i]]++;
    for (int64_t i = 0; i < image->num_objects; i++) {
        int64_t area = rle_area(&image->objects[i].mask);
        ious[i] = area > 0 ? (double)seen[i + 1] / (double)area : 1;
    }
}

static void write_objects(struct output *out, const struct annotated_image *image,
                          const struct class_list *classes, const int64_t *seen) {
    struct json_writer w;
    json_writer_init(&w, out, 0);
    json_write_begin_object(&w);
    json_write_key_text(&w, "file_name", image->name);
    json_write_key_int64(&w, "width", image->width);
    json_write_key_int64(&w, "height", image->height);
    json_write_key(&w, "objects");
    json_write_begin_array(&w);
    for (int64_t i = 0; i < image->num_objects; i++) {
        const struct annotated_object *object = &image->objects[i];
        const struct coco_category *class = &classes->items[object->class_index];
        if (seen[i + 1] == 0) continue;
        json_write_begin_object(&w);
        json_write_key_int64(&w, "value", i + 1);
        json_write_key_text(&w, "class", class->name);
        json_write_key_int64(&w, "category_id", class->id);
        if (object->is_crowd) json_write_key_int64(&w, "iscrowd", 1);
        if (object->has_score) json_write_key_double(&w, "score", object->score);
        json_write_key_int64(&w, "area", seen[i + 1]);
        json_write_end_object(&w);
    }
    json_write_end_array(&w);
    json_write_end_object(&w);
    output_text(out, "\n");
}

enum status instance_png_write(struct output *png, struct output *json,
                               const struct annotated_image *image,
                               const struct class_list *classes, double *ious,
                               struct arena *scratch, struct error *err) {
    int64_t num_pixels = (int64_t)image->width * image->height;
    if (image->num_objects > UINT16_MAX)
        return error_set(err, STATUS_UNSUPPORTED, "%lld objects, but 16 bits number %d",
                         (long long)image->num_objects, UINT16_MAX);
    uint16_t *pixels = arena_alloc_zero(scratch, num_pixels, sizeof *pixels);
    int64_t *seen = arena_alloc_zero(scratch, image->num_objects + 1, sizeof *seen);
    if (!pixels || !seen) return error_memory(err, "an instance map", 2 * num_pixels);
    TRY(paint_all(pixels, image, scratch, err));
    measure(pixels, num_pixels, image, seen, ious);
    write_objects(json, image, classes, seen);
    return image_write_png(pixels, image->width, image->height, SAMPLES_GREY16, PNG_COMPRESSION,
                           png, err);
}
