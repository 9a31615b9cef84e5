#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_writer.h"
#include "formats/bridge.h"
#include "formats/yolo_seg.h"

// Writes the outline and rounds its points as the text did: six digits are a thousandth of a pixel
// of an image of 2000, and a hundredth of the largest.
static void write_outline(struct output *out, const struct polygon *outline, double *points,
                          int32_t width, int32_t height) {
    for (int64_t i = 0; i < 2 * outline->num_points; i++) {
        char text[32];
        double side = i % 2 == 0 ? width : height;
        snprintf(text, sizeof text, " %.6f", outline->points[i] / side);
        output_text(out, text);
        points[i] = strtod(text, NULL) * side;
    }
}

static enum status write_object(struct output *out, const struct annotated_image *image,
                                const struct annotated_object *object, double *iou,
                                struct arena *scratch, struct error *err) {
    struct ring *rings = NULL;
    int64_t count = 0;
    struct polygon outline;
    struct rle read;
    TRY(rle_to_rings(&object->mask, &rings, &count, scratch, err));
    TRY(bridge_rings(&outline, rings, count, scratch, err));
    double *points = arena_alloc(scratch, 2 * outline.num_points, sizeof *points);
    if (!points) return error_memory(err, "an outline", 16 * outline.num_points);
    output_printf(out, "%lld", (long long)object->class_index);
    write_outline(out, &outline, points, image->width, image->height);
    output_text(out, "\n");
    outline.points = points;
    TRY(polygon_to_rle(&read, &outline, image->height, image->width, scratch, err));
    *iou = annotated_iou(&object->mask, &read);
    return STATUS_OK;
}

enum status yolo_seg_write(struct output *out, const struct annotated_image *image,
                           const struct class_list *classes, double *ious, struct arena *scratch,
                           struct error *err) {
    (void)classes;
    for (int64_t i = 0; i < image->num_objects; i++) {
        const struct annotated_object *object = &image->objects[i];
        struct arena_mark mark = arena_mark(scratch);
        ious[i] = object->is_crowd ? 0 : 1;
        if (object->is_crowd || rle_area(&object->mask) == 0) continue;
        TRY(write_object(out, image, object, &ious[i], scratch, err));
        arena_release(scratch, mark);
    }
    return STATUS_OK;
}

void yolo_seg_write_classes(struct output *out, const struct class_list *classes) {
    output_text(out, "# Put the pictures, or a link to their folder, beside this file as images/.\n"
                     "path: .\ntrain: images\nval: images\nnames:\n");
    for (int64_t i = 0; i < classes->count; i++) {
        struct json_writer w; // JSON's strings are YAML's, too
        output_printf(out, "  %lld: ", (long long)i);
        json_writer_init(&w, out, 0);
        json_write_text(&w, classes->items[i].name);
        output_text(out, "\n");
    }
}
