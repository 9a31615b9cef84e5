#include "formats/annotated_read.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "formats/coco_set.h"
#include "formats/csv.h"
#include "formats/instance_png.h"
#include "formats/label_studio.h"
#include "formats/labelme.h"
#include "formats/ndjson.h"
#include "formats/yolo_seg.h"

static enum status read_format(struct annotated_set *set, const struct annotated_source *source,
                               struct error *err) {
    switch (source->format) {
    case FORMAT_COCO:
        return coco_set_read(set, source->path, err);
    case FORMAT_COCO_RESULTS:
        if (!source->annotations)
            return error_set(err, STATUS_USAGE,
                             "%s: results name neither images nor classes; --ann FILE gives the "
                             "annotation set that they are about",
                             source->path);
        return coco_results_read(set, source->path, source->annotations, err);
    case FORMAT_LABELME:
        return labelme_read(set, source->path, err);
    case FORMAT_YOLO_SEG:
        if (!source->image_folder)
            return error_set(err, STATUS_USAGE,
                             "%s: YOLO's labels do not say how large images are; --image-dir DIR "
                             "says where they are",
                             source->path);
        return yolo_seg_read(set, source->path, source->image_folder, err);
    case FORMAT_LABEL_STUDIO:
        return label_studio_read(set, source->path, err);
    case FORMAT_NDJSON:
        return ndjson_read(set, source->path, err);
    case FORMAT_CSV:
        return csv_read(set, source->path, err);
    case FORMAT_PNG:
        return instance_png_read(set, source->path, err);
    case NUM_FORMATS:
        break;
    }
    return error_set(err, STATUS_UNSUPPORTED,
                     "%s: cannot tell what format this is; --from FORMAT says so", source->path);
}

// ---- Ids of another set ----

// All classes of the other set, with its ids; classes that only this one has are errors.
static enum status adopt_classes(struct annotated_set *set, const struct coco_set *other,
                                 struct error *err) {
    int64_t count = set->classes.count;
    int64_t *places = arena_alloc(&set->arena, count, sizeof *places);
    struct class_list adopted = {0};
    if (!places) return error_memory(err, "classes", 8 * count);
    for (int64_t i = 0; i < count; i++) {
        places[i] = 0;
        while (places[i] < other->num_categories &&
               strcmp(other->categories[places[i]].name, set->classes.items[i].name) != 0)
            places[i]++;
        if (places[i] == other->num_categories)
            return error_set(err, STATUS_DATA, "class \"%s\" is not in %s",
                             set->classes.items[i].name, other->path);
    }
    TRY(array_reserve(&adopted.items, &adopted.capacity, other->num_categories,
                      sizeof *adopted.items, err));
    for (; adopted.count < other->num_categories; adopted.count++) {
        const struct coco_category *from = &other->categories[adopted.count];
        const char *name = arena_copy_text(&set->arena, from->name, (int64_t)strlen(from->name));
        const char *above =
            arena_copy_text(&set->arena, from->supercategory, (int64_t)strlen(from->supercategory));
        adopted.items[adopted.count] = (struct coco_category){from->id, name, above, 0};
        if (name && above) continue;
        array_free(&adopted.items);
        return error_memory(err, "classes", 8 * count);
    }
    array_free(&set->classes.items);
    set->classes = adopted;
    for (int64_t i = 0; i < set->num_images; i++)
        for (int64_t k = 0; k < set->images[i].num_objects; k++)
            set->images[i].objects[k].class_index = places[set->images[i].objects[k].class_index];
    return STATUS_OK;
}

struct named_id {
    const char *name;
    int64_t id;
};

static int compare_names(const void *a, const void *b) {
    return strcmp(((const struct named_id *)a)->name, ((const struct named_id *)b)->name);
}

static enum status adopt_image_ids(struct annotated_set *set, const struct coco_set *other,
                                   struct error *err) {
    int64_t count = 0;
    struct named_id *sorted = arena_alloc(&set->arena, other->num_images, sizeof *sorted);
    if (!sorted) return error_memory(err, "images", 16 * other->num_images);
    for (int64_t i = 0; i < other->num_images; i++)
        if (other->images[i].file_name)
            sorted[count++] = (struct named_id){other->images[i].file_name, other->images[i].id};
    if (count > 0) qsort(sorted, (size_t)count, sizeof *sorted, compare_names);
    for (int64_t i = 0; i < set->num_images; i++) {
        struct annotated_image *image = &set->images[i];
        const struct named_id wanted = {image->name, 0};
        const struct named_id *found = NULL;
        if (count > 0)
            found = bsearch(&wanted, sorted, (size_t)count, sizeof *sorted, compare_names);
        if (!found)
            return error_set(err, STATUS_DATA, "image %s is not in %s", image->name, other->path);
        image->id = found->id;
    }
    return STATUS_OK;
}

static enum status adopt_ids(struct annotated_set *set, const char *path, struct error *err) {
    const struct coco_load_options options = {.skip_segments = true};
    struct coco_set other = {0};
    enum status status = coco_load_annotations(&other, path, &options, err);
    if (status == STATUS_OK) status = coco_require(&other, DEFECT_ID | DEFECT_NAME, err);
    if (status == STATUS_OK) status = adopt_classes(set, &other, err);
    if (status == STATUS_OK) status = adopt_image_ids(set, &other, err);
    coco_destroy(&other);
    return status;
}

enum status annotated_set_read(struct annotated_set *set, const struct annotated_source *source,
                               struct error *err) {
    annotated_set_init(set);
    TRY(read_format(set, source, err));
    bool has_ids = source->format == FORMAT_COCO || source->format == FORMAT_COCO_RESULTS;
    return source->annotations && !has_ids ? adopt_ids(set, source->annotations, err) : STATUS_OK;
}
