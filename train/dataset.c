#include "train/dataset.h"

#include <math.h>

#include "base/check.h"

// A box side, in pixels, that is too small to learn.
static const double SMALL_SIDE = 1;

const char *left_out_text(enum left_out kind) {
    static const char *const TEXTS[] = {
        [LEFT_OUT_CROWD] = "crowd regions",
        [LEFT_OUT_SMALL] = "objects of at most one pixel in width or height",
        [LEFT_OUT_WITHOUT_MASK] = "objects without a mask",
        [LEFT_OUT_WITHOUT_IMAGE] = "annotations of unknown images",
    };
    CHECK(kind < NUM_LEFT_OUT);
    return TEXTS[kind];
}

// ---- Single objects ----

static bool clip_box(const struct coco_box *box, const struct coco_image *image,
                     struct dataset_object *object) {
    double left = fmax(box->x, 0);
    double top = fmax(box->y, 0);
    double right = fmin(box->x + box->width, image->width);
    double bottom = fmin(box->y + box->height, image->height);
    object->box[0] = (float)left;
    object->box[1] = (float)top;
    object->box[2] = (float)right;
    object->box[3] = (float)bottom;
    return right - left > SMALL_SIDE && bottom - top > SMALL_SIDE;
}

// parity: detectron2 takes any polygon of three corners or more for a mask.
static bool has_polygon(const struct coco_segment *segment) {
    for (int64_t i = 0; i < segment->count; i++)
        if (segment->polygons[i].num_points >= 3) return true;
    return false;
}

static enum status look_for_mask(const struct coco_segment *segment, const struct coco_image *image,
                                 struct arena *arena, bool *found, struct error *err) {
    struct rle rle;
    *found = false;
    if (segment->kind == SEGMENT_POLYGONS) *found = has_polygon(segment);
    if (segment->kind == SEGMENT_POLYGONS || segment->kind == SEGMENT_NONE) return STATUS_OK;
    if (segment->height != image->height || segment->width != image->width)
        return error_set(err, STATUS_DATA, "the mask has %d x %d pixels, but image %lld %d x %d",
                         (int)segment->width, (int)segment->height, (long long)image->id,
                         (int)image->width, (int)image->height);
    struct arena_mark mark = arena_mark(arena);
    enum status status =
        coco_segment_to_rle(&rle, segment, image->height, image->width, arena, err);
    if (status == STATUS_OK) *found = rle_area(&rle) > 0;
    arena_release(arena, mark);
    return status;
}

// What an annotation means: *kind is NUM_LEFT_OUT if *object is usable.
static enum status judge(const struct dataset *dataset, const struct coco_annotation *annotation,
                         struct dataset_object *object, struct arena *arena, enum left_out *kind,
                         struct error *err) {
    const struct coco_set *set = dataset->set;
    const struct coco_image *image = coco_find_image(set, annotation->image_id);
    int64_t category = id_index_find(&set->category_index, annotation->category_id);
    bool has_mask = false;
    *kind = NUM_LEFT_OUT;
    *object = (struct dataset_object){.segment = &annotation->segment};
    if (!image) *kind = LEFT_OUT_WITHOUT_IMAGE;
    if (image && annotation->is_crowd) *kind = LEFT_OUT_CROWD;
    if (*kind != NUM_LEFT_OUT) return STATUS_OK;
    if (category < 0)
        return error_set(err, STATUS_DATA, "there is no category with id %lld",
                         (long long)annotation->category_id);
    TRY(look_for_mask(&annotation->segment, image, arena, &has_mask, err));
    object->label = dataset->classes.labels[category];
    if (!has_mask)
        *kind = LEFT_OUT_WITHOUT_MASK;
    else if (!annotation->has_box || !clip_box(&annotation->box, image, object))
        *kind = LEFT_OUT_SMALL;
    return STATUS_OK;
}

// ---- All objects ----

static enum status refuse_unknown(const struct dataset *dataset, const bool *unknown,
                                  struct error *err) {
    struct name_list list = {0};
    for (int64_t i = 0; i < dataset->set->num_categories; i++)
        if (unknown[i]) name_list_add(&list, dataset->set->categories[i].name);
    name_list_end(&list);
    if (list.count == 0) return STATUS_OK;
    return error_set(err, STATUS_DATA,
                     "%s has objects of classes that the model lacks (classes.names): %s",
                     dataset->set->path, list.text);
}

// Judges all annotations: objects[i] of annotation i has the label 0 unless it is usable.
static enum status judge_all(struct dataset *dataset, struct dataset_object *objects,
                             struct arena *arena, struct error *err) {
    const struct coco_set *set = dataset->set;
    bool *unknown = arena_alloc_zero(arena, set->num_categories, sizeof *unknown);
    if (!unknown) return error_memory(err, "categories", set->num_categories);
    for (int64_t i = 0; i < set->num_annotations; i++) {
        const struct coco_annotation *annotation = &set->annotations[i];
        enum left_out kind = NUM_LEFT_OUT;
        enum status status = judge(dataset, annotation, &objects[i], arena, &kind, err);
        if (status != STATUS_OK)
            error_prefix(err, "%s: annotations[%lld] (id %lld): ", set->path, (long long)i,
                         (long long)annotation->id);
        TRY(status);
        if (kind != NUM_LEFT_OUT) {
            dataset->objects_left_out[kind]++;
            objects[i].label = 0;
            continue;
        }
        if (objects[i].label == 0)
            unknown[id_index_find(&set->category_index, annotation->category_id)] = true;
        dataset->class_counts[objects[i].label]++;
        dataset->num_objects++;
    }
    return refuse_unknown(dataset, unknown, err);
}

// Sorts the usable objects by image, within an image in the order of the file, and lists the images
// that have some.
static enum status sort_objects(struct dataset *dataset, const struct dataset_object *objects,
                                struct arena *arena, struct error *err) {
    const struct coco_set *set = dataset->set;
    struct dataset_object *sorted = arena_alloc(arena, dataset->num_objects, sizeof *sorted);
    int64_t *ends = arena_alloc_zero(arena, set->num_images + 1, sizeof *ends);
    dataset->images = arena_alloc(arena, set->num_images, sizeof *dataset->images);
    if (!sorted || !ends || !dataset->images)
        return error_memory(err, "objects", dataset->num_objects * (int64_t)sizeof *sorted);
    for (int64_t i = 0; i < set->num_annotations; i++)
        if (objects[i].label > 0)
            ends[id_index_find(&set->image_index, set->annotations[i].image_id) + 1]++;
    for (int64_t i = 0; i < set->num_images; i++)
        ends[i + 1] += ends[i];
    // So far ends[i] is where image i begins; placing its objects moves it to where it ends.
    for (int64_t i = 0; i < set->num_annotations; i++)
        if (objects[i].label > 0)
            sorted[ends[id_index_find(&set->image_index, set->annotations[i].image_id)]++] =
                objects[i];
    for (int64_t i = 0; i < set->num_images; i++) {
        int64_t begin = i ? ends[i - 1] : 0;
        if (ends[i] > begin)
            dataset->images[dataset->num_images++] =
                (struct dataset_image){&set->images[i], sorted + begin, ends[i] - begin};
    }
    dataset->images_left_out = set->num_images - dataset->num_images;
    return STATUS_OK;
}

static enum status check_images(const struct coco_set *set, struct error *err) {
    for (int64_t i = 0; i < set->num_images; i++) {
        const struct coco_image *image = &set->images[i];
        const char *lacking = !image->file_name                       ? "file name"
                              : image->width < 1 || image->height < 1 ? "width and height"
                                                                      : NULL;
        if (lacking)
            return error_set(err, STATUS_DATA, "%s: images[%lld] (id %lld) has no %s", set->path,
                             (long long)i, (long long)image->id, lacking);
    }
    return STATUS_OK;
}

static enum status find_objects(struct dataset *dataset, struct arena *arena, struct arena *scratch,
                                struct error *err) {
    int64_t count = dataset->set->num_annotations;
    int64_t num_classes = dataset->classes.num_classes;
    struct dataset_object *objects = arena_alloc(scratch, count, sizeof *objects);
    dataset->class_counts = arena_alloc_zero(arena, num_classes + 1, sizeof(int64_t));
    if (!objects || !dataset->class_counts)
        return error_memory(err, "annotations", count * (int64_t)sizeof *objects);
    TRY(judge_all(dataset, objects, scratch, err));
    return sort_objects(dataset, objects, arena, err);
}

enum status dataset_make(struct dataset *dataset, const struct coco_set *set,
                         const struct model_config *config, struct arena *arena,
                         struct error *err) {
    const unsigned serious = DEFECT_IMAGE_ID | DEFECT_CATEGORY_ID | DEFECT_BOX | DEFECT_CROWD |
                             DEFECT_SEGMENT | DEFECT_SIZE | DEFECT_NAME;
    enum { BLOCK_BYTES = 1 << 20 };
    struct arena scratch;
    *dataset = (struct dataset){.set = set};
    TRY(coco_require(set, serious, err));
    TRY(check_images(set, err));
    TRY(class_map_make(&dataset->classes, config, set, arena, err));
    arena_init(&scratch, BLOCK_BYTES, 0);
    enum status status = find_objects(dataset, arena, &scratch, err);
    arena_destroy(&scratch);
    TRY(status);
    if (dataset->num_images > 0) return STATUS_OK;
    return error_set(err, STATUS_DATA, "%s: no image has an object that can be learnt", set->path);
}
