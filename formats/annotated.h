// Annotated images between formats: what the readers in this folder fill and the writers take.
//
// An object's mask is exact here, run lengths as large as the image. Formats that cannot hold it
// say, for each object, how much of it comes back: the intersection over union of the mask and of
// what a reader makes of the file.
#pragma once

#include "data/coco.h"

struct annotated_object {
    int64_t class_index; // position in the classes
    bool is_crowd;
    bool has_score;
    double score;
    bool has_box; // one of its own, as it was detected; otherwise it is the mask's
    struct coco_box box;
    struct rle mask; // may be empty
};

struct annotated_image {
    int64_t id;
    const char *name; // "2019/IMG_0031.jpg"
    int32_t width;
    int32_t height;
    int exif_orientation; // 2 to 8 if the picture of the file was turned upright
    struct annotated_object *objects;
    int64_t num_objects;
    int64_t object_capacity;
};

struct class_list {
    struct coco_category *items; // in the order of their ids; supercategory may be ""
    int64_t count;
    int64_t capacity;
};

struct annotated_set {
    struct class_list classes;
    struct annotated_image *images;
    int64_t num_images;
    int64_t image_capacity;
    struct arena arena; // all texts and masks
};

void annotated_set_init(struct annotated_set *set);
void annotated_set_destroy(struct annotated_set *set); // a zeroed set is fine

// Appends a zeroed image or object. The pointer holds until the next of its kind.
MUST_CHECK enum status annotated_set_add_image(struct annotated_set *set,
                                               struct annotated_image **image, struct error *err);
MUST_CHECK enum status annotated_image_add_object(struct annotated_image *image,
                                                  struct annotated_object **object,
                                                  struct error *err);

// The position of the class of that name, which is copied and added with the next free id if it is
// new.
MUST_CHECK enum status annotated_set_need_class(struct annotated_set *set, const char *name,
                                                int64_t *class_index, struct error *err);

// Sorts images by their names' bytes and numbers them from 1; sorts classes by name and numbers
// them from 1 too. For formats that keep no numbers.
MUST_CHECK enum status annotated_set_number(struct annotated_set *set, struct error *err);

// The box of an object: its own, or the tightest around its mask.
struct coco_box annotated_box(const struct annotated_object *object);

// Intersection over union of a mask and of what came back of it; 1 if both are empty.
double annotated_iou(const struct rle *mask, const struct rle *read);
