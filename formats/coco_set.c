#include "formats/coco_set.h"

#include <string.h>

#include "base/array.h"
#include "base/check.h"

// ---- Writing ----

enum status coco_result_from(struct coco_annotation *record, const struct annotated_image *image,
                             const struct annotated_object *object,
                             const struct class_list *classes, enum segment_kind kind,
                             struct arena *arena, struct error *err) {
    CHECK(object->class_index >= 0 && object->class_index < classes->count);
    *record = (struct coco_annotation){
        .image_id = image->id,
        .category_id = classes->items[object->class_index].id,
        .box = annotated_box(object),
        .score = object->has_score ? object->score : 1,
        .has_box = true,
    };
    return coco_segment_from_rle(&record->segment, &object->mask, kind, arena, err);
}

enum status coco_annotation_from(struct coco_annotation *record,
                                 const struct annotated_image *image,
                                 const struct annotated_object *object,
                                 const struct class_list *classes, enum segment_kind kind,
                                 struct arena *arena, struct error *err) {
    TRY(coco_result_from(record, image, object, classes, kind, arena, err));
    record->box = rle_box(&object->mask);
    record->area = (double)rle_area(&object->mask);
    record->has_area = true;
    record->has_score = object->has_score;
    record->is_crowd = object->is_crowd;
    return STATUS_OK;
}

// ---- Reading ----

static enum status copy_text(const char **copy, const char *text, struct arena *arena,
                             struct error *err) {
    *copy = arena_copy_text(arena, text, (int64_t)strlen(text));
    return *copy ? STATUS_OK : error_memory(err, "a text", (long long)strlen(text));
}

static enum status copy_classes(struct annotated_set *set, const struct coco_set *coco,
                                struct error *err) {
    struct class_list *classes = &set->classes;
    TRY(array_reserve(&classes->items, &classes->capacity, coco->num_categories,
                      sizeof *classes->items, err));
    for (int64_t i = 0; i < coco->num_categories; i++) {
        struct coco_category *class = &classes->items[classes->count++];
        *class = (struct coco_category){.id = coco->categories[i].id};
        TRY(copy_text(&class->name, coco->categories[i].name, &set->arena, err));
        TRY(copy_text(&class->supercategory, coco->categories[i].supercategory, &set->arena, err));
    }
    return STATUS_OK;
}

static enum status copy_images(struct annotated_set *set, const struct coco_set *coco,
                               struct error *err) {
    for (int64_t i = 0; i < coco->num_images; i++) {
        const struct coco_image *from = &coco->images[i];
        struct annotated_image *image = NULL;
        if (!from->file_name || from->width < 1 || from->height < 1 || from->width > RLE_MAX_SIDE ||
            from->height > RLE_MAX_SIDE)
            return error_set(err, STATUS_DATA,
                             "%s: image %lld has no file_name, width or height that could be used",
                             coco->path, (long long)from->id);
        TRY(annotated_set_add_image(set, &image, err));
        image->id = from->id;
        image->width = from->width;
        image->height = from->height;
        image->exif_orientation = from->exif_orientation;
        TRY(copy_text(&image->name, from->file_name, &set->arena, err));
    }
    return STATUS_OK;
}

static enum status read_mask(struct rle *mask, const struct coco_annotation *from,
                             const struct annotated_image *image, struct arena *arena,
                             struct error *err) {
    if (from->segment.kind == SEGMENT_NONE && from->has_box)
        return box_to_rle(mask, &from->box, image->height, image->width, arena, err);
    TRY(coco_segment_to_rle(mask, &from->segment, image->height, image->width, arena, err));
    if (mask->height == image->height && mask->width == image->width) return STATUS_OK;
    return error_set(err, STATUS_DATA, "a mask of %d x %d pixels in an image of %d x %d",
                     (int)mask->width, (int)mask->height, (int)image->width, (int)image->height);
}

// coco holds what truth's images and categories are about; truth may be coco itself.
static enum status copy_objects(struct annotated_set *set, const struct coco_set *coco,
                                const struct coco_set *truth, struct error *err) {
    for (int64_t i = 0; i < coco->num_annotations; i++) {
        const struct coco_annotation *from = &coco->annotations[i];
        int64_t place = id_index_find(&truth->image_index, from->image_id);
        int64_t class = id_index_find(&truth->category_index, from->category_id);
        struct annotated_object *object = NULL;
        if (place < 0 || class < 0)
            return error_set(err, STATUS_DATA, "%s: record %lld: %s %lld is not in %s", coco->path,
                             (long long)i + 1, place < 0 ? "image" : "category",
                             (long long)(place < 0 ? from->image_id : from->category_id),
                             truth->path);
        struct annotated_image *image = &set->images[place];
        TRY(annotated_image_add_object(image, &object, err));
        *object = (struct annotated_object){
            .class_index = class,
            .is_crowd = from->is_crowd,
            .has_score = !(from->defects & DEFECT_SCORE),
            .score = from->score,
            .has_box = coco != truth && from->has_box,
            .box = from->box,
        };
        enum status status = read_mask(&object->mask, from, image, &set->arena, err);
        if (status != STATUS_OK) {
            error_prefix(err, "%s: record %lld: ", coco->path, (long long)i + 1);
            return status;
        }
    }
    return STATUS_OK;
}

static enum status load_truth(struct coco_set *truth, const char *path, struct error *err) {
    const struct coco_load_options options = {0};
    TRY(coco_load_annotations(truth, path, &options, err));
    return coco_require(truth,
                        DEFECT_ID | DEFECT_IMAGE_ID | DEFECT_CATEGORY_ID | DEFECT_CROWD |
                            DEFECT_SEGMENT | DEFECT_SIZE | DEFECT_NAME,
                        err);
}

enum status coco_set_read(struct annotated_set *set, const char *path, struct error *err) {
    struct coco_set coco = {0};
    enum status status = load_truth(&coco, path, err);
    if (status == STATUS_OK) status = copy_classes(set, &coco, err);
    if (status == STATUS_OK) status = copy_images(set, &coco, err);
    if (status == STATUS_OK) status = copy_objects(set, &coco, &coco, err);
    coco_destroy(&coco);
    return status;
}

enum status coco_results_read(struct annotated_set *set, const char *path, const char *annotations,
                              struct error *err) {
    const struct coco_load_options options = {0};
    struct coco_set truth = {0};
    struct coco_set results = {0};
    enum status status = load_truth(&truth, annotations, err);
    if (status == STATUS_OK) status = coco_load_results(&results, path, &options, err);
    if (status == STATUS_OK)
        status = coco_require(
            &results,
            DEFECT_IMAGE_ID | DEFECT_CATEGORY_ID | DEFECT_BOX | DEFECT_SEGMENT | DEFECT_SCORE, err);
    if (status == STATUS_OK) status = copy_classes(set, &truth, err);
    if (status == STATUS_OK) status = copy_images(set, &truth, err);
    if (status == STATUS_OK) status = copy_objects(set, &results, &truth, err);
    coco_destroy(&results);
    coco_destroy(&truth);
    return status;
}
