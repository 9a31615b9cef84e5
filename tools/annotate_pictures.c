#include "tools/annotate_pictures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/overlay.h"
#include "data/resize.h"
#include "data/rle_crop.h"

enum { JPEG_QUALITY = 90, PNG_COMPRESSION = 6, THUMBNAIL_SIDE = 320, LABEL_BYTES = 128 };

enum status picture_draw(struct image *pixels, const struct annotated_image *image,
                         const struct class_list *classes, struct arena *scratch,
                         struct error *err) {
    struct overlay_object *objects = arena_alloc(scratch, image->num_objects, sizeof *objects);
    char(*texts)[LABEL_BYTES] = arena_alloc(scratch, image->num_objects, sizeof *texts);
    if (!objects || !texts)
        return error_memory(err, "an overlay", image->num_objects * LABEL_BYTES);
    for (int64_t i = 0; i < image->num_objects; i++) {
        const struct annotated_object *o = &image->objects[i];
        const char *name = classes->items[o->class_index].name;
        const struct coco_box box = annotated_box(o);
        if (o->has_score)
            snprintf(texts[i], LABEL_BYTES, "%.100s %.2f", name, o->score);
        else
            snprintf(texts[i], LABEL_BYTES, "%.100s", name);
        objects[i] = (struct overlay_object){
            .mask = &o->mask,
            .box = {(float)box.x, (float)box.y, (float)(box.x + box.width),
                    (float)(box.y + box.height)},
            .label = (int32_t)o->class_index + 1,
            .text = texts[i],
        };
    }
    return overlay_draw_objects(pixels, objects, image->num_objects, scratch, err);
}

enum status picture_save(struct output *out, const struct image *pixels, bool as_png,
                         struct error *err) {
    enum status status = as_png ? image_write_png(pixels->pixels, pixels->width, pixels->height,
                                                  SAMPLES_RGB8, PNG_COMPRESSION, out, err)
                                : image_write_jpeg(pixels, JPEG_QUALITY, out, err);
    if (status == STATUS_OK) status = output_publish(out, err);
    output_discard(out);
    return status;
}

enum status picture_save_thumbnail(struct output *out, const struct image *pixels,
                                   struct arena *scratch, struct error *err) {
    struct image small = *pixels;
    enum status status = STATUS_OK;
    if (pixels->width > THUMBNAIL_SIDE || pixels->height > THUMBNAIL_SIDE) {
        struct image_size size = size_rule_apply(SIZE_RULE_DETECTRON2, pixels->width,
                                                 pixels->height, THUMBNAIL_SIDE, THUMBNAIL_SIDE);
        status = image_resize(&small, pixels, size.width, size.height, scratch, err);
    }
    if (status == STATUS_OK) return picture_save(out, &small, false, err);
    output_discard(out);
    return status;
}

// ---- Crops ----

// Names of classes may hold anything; those of files may not.
static void write_plain(char *text, size_t size, const char *name) {
    size_t i = 0;
    for (; name[i] && i + 1 < size; i++) {
        bool plain =
            (unsigned char)name[i] >= 0x80 || (name[i] > ' ' && !strchr("/\\:*?\"<>|", name[i]));
        text[i] = plain ? name[i] : '_';
    }
    text[i] = '\0';
}

static enum status cut(uint8_t **rgba, const struct rle *mask, const struct coco_box *box,
                       const struct image *pixels, struct arena *scratch, struct error *err) {
    int32_t width = (int32_t)box->width;
    int32_t height = (int32_t)box->height;
    int64_t count = (int64_t)width * height;
    struct rle part;
    uint8_t *set = arena_alloc(scratch, count, 1);
    *rgba = arena_alloc(scratch, count, 4);
    if (!set || !*rgba) return error_memory(err, "a crop", 5 * count);
    TRY(rle_crop(&part, mask, (int32_t)box->x, (int32_t)box->y, width, height, scratch, err));
    rle_decode(&part, set);
    for (int64_t i = 0; i < count; i++) {
        int64_t x = (int64_t)box->x + i % width;
        int64_t y = (int64_t)box->y + i / width;
        memcpy(*rgba + 4 * i, pixels->pixels + 3 * (y * pixels->width + x), 3);
        (*rgba)[4 * i + 3] = set[i] ? 255 : 0;
    }
    return STATUS_OK;
}

enum status picture_save_crop(const char *folder, int64_t number,
                              const struct annotated_object *object,
                              const struct class_list *classes, const struct image *pixels,
                              struct arena *scratch, struct error *err) {
    struct arena_mark mark = arena_mark(scratch);
    char class[64];
    char name[96];
    char path[PATH_BYTES];
    struct output out;
    uint8_t *rgba = NULL;
    if (rle_area(&object->mask) == 0) return STATUS_OK;
    const struct coco_box box = rle_box(&object->mask);
    write_plain(class, sizeof class, classes->items[object->class_index].name);
    snprintf(name, sizeof name, "%03lld-%s.png", (long long)number, class);
    TRY(path_join(path, folder, name, err));
    TRY(cut(&rgba, &object->mask, &box, pixels, scratch, err));
    TRY(output_open_file(&out, path, err));
    enum status status = image_write_png(rgba, (int32_t)box.width, (int32_t)box.height,
                                         SAMPLES_RGBA8, PNG_COMPRESSION, &out, err);
    if (status == STATUS_OK) status = output_publish(&out, err);
    output_discard(&out);
    arena_release(scratch, mark);
    return status;
}

// ---- Paths ----

// The real path of the folder of a file, and a slash.
static bool real_folder(char real[PATH_BYTES], const char *file) {
    char folder[PATH_BYTES];
    const char *slash = strrchr(file, '/');
    int size = slash ? (int)(slash - file) : 0;
    snprintf(folder, sizeof folder, "%.*s", size, file);
    char *found = realpath(!slash ? "." : size == 0 ? "/" : folder, NULL);
    if (!found) return false;
    bool fits = snprintf(real, PATH_BYTES, "%s%s", found, found[1] ? "/" : "") < PATH_BYTES;
    free(found);
    return fits;
}

bool picture_relative_path(char relative[PATH_BYTES], const char *file, const char *picture) {
    char from[PATH_BYTES];
    char to[PATH_BYTES];
    if (!real_folder(from, file) || !real_folder(to, picture)) return false;
    size_t same = 0; // bytes up to the last slash that both share
    for (size_t i = 0; from[i] && from[i] == to[i]; i++)
        if (from[i] == '/') same = i + 1;
    size_t size = 0;
    relative[0] = '\0';
    for (const char *c = from + same; *c; c++)
        if (*c == '/' && size + sizeof "../" < PATH_BYTES)
            size += (size_t)snprintf(relative + size, PATH_BYTES - size, "../");
    const char *slash = strrchr(picture, '/');
    return snprintf(relative + size, PATH_BYTES - size, "%s%s", to + same,
                    slash ? slash + 1 : picture) < (int)(PATH_BYTES - size);
}
