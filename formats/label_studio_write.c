#include <stdio.h>
#include <string.h>

#include "formats/brush_rle.h"
#include "formats/label_studio.h"

static enum status write_brush(struct json_writer *w, const struct rle *mask, struct arena *scratch,
                               struct error *err) {
    struct output bytes;
    output_open_memory(&bytes);
    enum status status = brush_rle_write(&bytes, mask, scratch, err);
    if (status == STATUS_OK) status = output_finish(&bytes, err);
    if (status == STATUS_OK) {
        json_write_key_text(w, "format", "rle");
        json_write_key(w, "rle");
        json_write_begin_array(w);
        for (int64_t i = 0; i < bytes.size; i++)
            json_write_int64(w, (uint8_t)bytes.data[i]);
        json_write_end_array(w);
    }
    output_discard(&bytes);
    return status;
}

// A note on a region, which people see beside it.
static void write_note(struct json_writer *w, const char *note) {
    json_write_key(w, "meta");
    json_write_begin_object(w);
    json_write_key(w, "text");
    json_write_begin_array(w);
    json_write_text(w, note);
    json_write_end_array(w);
    json_write_end_object(w);
}

static enum status write_object(struct json_writer *w, const struct annotated_image *image,
                                int64_t index, const struct coco_category *class,
                                struct arena *scratch, struct error *err) {
    const struct annotated_object *object = &image->objects[index];
    char id[64];
    snprintf(id, sizeof id, "%lld-%lld", (long long)image->id, (long long)index + 1);
    json_write_begin_object(w);
    json_write_key_text(w, "id", id);
    json_write_key_text(w, "type", "brushlabels");
    json_write_key_text(w, "from_name", "label");
    json_write_key_text(w, "to_name", "image");
    json_write_key_int64(w, "original_width", image->width);
    json_write_key_int64(w, "original_height", image->height);
    json_write_key_int64(w, "image_rotation", 0);
    if (object->has_score) json_write_key_double(w, "score", object->score);
    if (object->is_crowd) write_note(w, "iscrowd");
    json_write_key(w, "value");
    json_write_begin_object(w);
    TRY(write_brush(w, &object->mask, scratch, err));
    json_write_key(w, "brushlabels");
    json_write_begin_array(w);
    json_write_text(w, class->name);
    json_write_end_array(w);
    json_write_end_object(w);
    json_write_end_object(w);
    return STATUS_OK;
}

// The task's score by which Label Studio sorts: the mean of its objects'.
static double mean_score(const struct annotated_image *image) {
    double sum = 0;
    int64_t count = 0;
    for (int64_t i = 0; i < image->num_objects; i++) {
        if (!image->objects[i].has_score) continue;
        sum += image->objects[i].score;
        count++;
    }
    return count > 0 ? sum / (double)count : 0;
}

// All but RFC 3986's unreserved characters and "/" as %XX.
static enum status write_url(struct json_writer *w, const char *prefix, const char *name,
                             struct error *err) {
    static const char PLAIN[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
    struct output url;
    output_open_memory(&url);
    output_text(&url, prefix);
    for (const char *c = name; *c; c++) {
        if (strchr(PLAIN, *c))
            output_write(&url, c, 1);
        else
            output_printf(&url, "%%%02X", (unsigned)(unsigned char)*c);
    }
    enum status status = output_finish(&url, err);
    if (status == STATUS_OK) json_write_key_text(w, "image", url.data ? url.data : "");
    output_discard(&url);
    return status;
}

enum status label_studio_write(struct json_writer *w, const struct annotated_image *image,
                               const struct class_list *classes, const char *prefix,
                               struct arena *scratch, struct error *err) {
    json_write_begin_object(w);
    json_write_key(w, "data");
    json_write_begin_object(w);
    TRY(write_url(w, prefix, image->name, err));
    // Regions tell the size, too, but an image may have none.
    json_write_key_int64(w, "width", image->width);
    json_write_key_int64(w, "height", image->height);
    json_write_end_object(w);
    json_write_key(w, "predictions");
    json_write_begin_array(w);
    json_write_begin_object(w);
    json_write_key_text(w, "model_version", "gctmask");
    json_write_key_double(w, "score", mean_score(image));
    json_write_key(w, "result");
    json_write_begin_array(w);
    for (int64_t i = 0; i < image->num_objects; i++) {
        const struct annotated_object *object = &image->objects[i];
        if (rle_area(&object->mask) == 0) continue;
        TRY(write_object(w, image, i, &classes->items[object->class_index], scratch, err));
    }
    json_write_end_array(w);
    json_write_end_object(w);
    json_write_end_array(w);
    json_write_end_object(w);
    output_text(w->out, "\n");
    return STATUS_OK;
}

static void write_attribute(struct output *out, const char *text) {
    for (const char *c = text; *c; c++) {
        if (strchr("<>&\"", *c))
            output_printf(out, "&#%d;", *c);
        else
            output_write(out, c, 1);
    }
}

void label_studio_write_interface(struct output *out, const struct class_list *classes) {
    output_text(out, "<View>\n  <Image name=\"image\" value=\"$image\" zoom=\"true\"/>\n"
                     "  <BrushLabels name=\"label\" toName=\"image\">\n");
    for (int64_t i = 0; i < classes->count; i++) {
        output_text(out, "    <Label value=\"");
        write_attribute(out, classes->items[i].name);
        output_text(out, "\"/>\n");
    }
    output_text(out, "  </BrushLabels>\n</View>\n");
}
