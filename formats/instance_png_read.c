#include <string.h>

#include "base/file_view.h"
#include "base/json_reader.h"
#include "data/png_grey.h"
#include "formats/file_tree.h"
#include "formats/instance_png.h"

// What the JSON says of an object, until its pixels are known.
struct entry {
    int64_t value;
    const char *class_name;
    bool is_crowd;
    bool has_score;
    double score;
};

static struct entry read_entry(struct json_reader *r, struct arena *arena) {
    struct entry entry = {0};
    struct json_string key;
    json_begin_object(r);
    while (json_next_key(r, &key)) {
        if (json_string_is(&key, "value")) {
            entry.value = json_int64(r);
        } else if (json_string_is(&key, "class")) {
            entry.class_name = json_text(r, arena);
        } else if (json_string_is(&key, "iscrowd")) {
            entry.is_crowd = json_int64(r) != 0;
        } else if (json_string_is(&key, "score")) {
            entry.score = json_double(r);
            entry.has_score = true;
        } else {
            json_skip(r);
        }
    }
    if (json_status(r) == STATUS_OK &&
        (!entry.class_name || entry.value < 1 || entry.value > UINT16_MAX))
        json_fail(r, "an object without class or with a value outside 1 to %d", UINT16_MAX);
    return entry;
}

// The mask of the pixels of one value.
static enum status mask_of(struct rle *mask, const struct grey16_image *map, int64_t value,
                           uint8_t *pixels, struct arena *arena, struct error *err) {
    int64_t count = (int64_t)map->width * map->height;
    for (int64_t i = 0; i < count; i++)
        pixels[i] = map->samples[i] == value;
    return rle_encode(mask, pixels, map->height, map->width, arena, err);
}

static enum status add_object(struct annotated_set *set, struct annotated_image *image,
                              const struct entry *entry, const struct grey16_image *map,
                              uint8_t *pixels, struct error *err) {
    struct annotated_object *object = NULL;
    TRY(annotated_image_add_object(image, &object, err));
    TRY(annotated_set_need_class(set, entry->class_name, &object->class_index, err));
    object->is_crowd = entry->is_crowd;
    object->has_score = entry->has_score;
    object->score = entry->score;
    return mask_of(&object->mask, map, entry->value, pixels, &set->arena, err);
}

static void read_objects(struct json_reader *r, struct annotated_set *set,
                         struct annotated_image *image, const struct grey16_image *map,
                         uint8_t *pixels) {
    struct error failure;
    json_begin_array(r);
    while (json_next_element(r)) {
        const struct entry entry = read_entry(r, &set->arena);
        if (json_status(r) != STATUS_OK) return;
        if (add_object(set, image, &entry, map, pixels, &failure) != STATUS_OK)
            json_fail(r, "%s", failure.message);
    }
}

static enum status read_json(struct annotated_set *set, struct annotated_image *image,
                             const struct file_view *file, const char *path,
                             const struct grey16_image *map, uint8_t *pixels, struct error *err) {
    struct json_reader r;
    struct json_string key;
    json_reader_init(&r, file->data, file->size, path, err);
    json_begin_object(&r);
    while (json_next_key(&r, &key)) {
        if (json_string_is(&key, "file_name"))
            image->name = json_text(&r, &set->arena);
        else if (json_string_is(&key, "objects"))
            read_objects(&r, set, image, map, pixels);
        else
            json_skip(&r);
    }
    json_end(&r);
    if (json_status(&r) == STATUS_OK && !image->name) json_fail(&r, "file_name is missing");
    return json_status(&r);
}

static enum status read_pair(struct annotated_set *set, const char *folder, const char *name,
                             struct arena *scratch, struct error *err) {
    const struct image_limits limits = image_limits_default();
    char path[FILE_TREE_PATH_BYTES];
    struct grey16_image map;
    struct annotated_image *image = NULL;
    struct file_view file;
    TRY(file_tree_path(path, folder, name, "", "", err));
    TRY(grey16_load(&map, path, &limits, scratch, err));
    uint8_t *pixels = arena_alloc(scratch, (int64_t)map.width * map.height, 1);
    if (!pixels) return error_memory(err, "an instance map", (int64_t)map.width * map.height);
    TRY(annotated_set_add_image(set, &image, err));
    image->width = map.width;
    image->height = map.height;
    TRY(file_tree_path(path, folder, name, ".png", ".json", err));
    TRY(file_view_open(&file, path, 0, err));
    enum status status = read_json(set, image, &file, path, &map, pixels, err);
    file_view_close(&file);
    return status;
}

enum status instance_png_read(struct annotated_set *set, const char *folder, struct error *err) {
    enum { BLOCK_BYTES = 1 << 20 };
    struct file_tree tree;
    enum status status = STATUS_OK;
    TRY(file_tree_find(&tree, folder, ".png", &set->arena, err));
    for (int64_t i = 0; i < tree.count && status == STATUS_OK; i++) {
        struct arena scratch;
        arena_init(&scratch, BLOCK_BYTES, 0);
        status = read_pair(set, folder, tree.names[i], &scratch, err);
        arena_destroy(&scratch);
    }
    if (status == STATUS_OK) status = annotated_set_number(set, err);
    return status;
}
