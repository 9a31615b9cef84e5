// What can be wrong with an annotation set: the stable words of `gctmask check-data`, and lists of
// what was found.
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

enum problem_severity {
    SEVERITY_NOTE,    // unusual, harmless here
    SEVERITY_WARNING, // training works, perhaps worse than it could
    SEVERITY_ERROR,   // training would fail, or silently learn something wrong
};

// X(name, word, severity), in the order of reports. Words are a promise: scripts match them.
#define COCO_PROBLEMS(X)                                                                           \
    X(MALFORMED_DOCUMENT, malformed_document, ERROR)                                               \
    X(NO_IMAGES, no_images, ERROR)                                                                 \
    X(NO_CATEGORIES, no_categories, ERROR)                                                         \
    X(NO_ANNOTATIONS, no_annotations, ERROR)                                                       \
    X(IMAGE_ID_MISSING, image_id_missing, ERROR)                                                   \
    X(DUPLICATE_IMAGE_ID, duplicate_image_id, ERROR)                                               \
    X(FILE_NAME_MISSING, file_name_missing, ERROR)                                                 \
    X(FILE_NAME_LEAVES_FOLDER, file_name_leaves_folder, WARNING)                                   \
    X(DUPLICATE_FILE_NAME, duplicate_file_name, WARNING)                                           \
    X(IMAGE_SIZE_MISSING, image_size_missing, ERROR)                                               \
    X(MISSING_IMAGE_FILE, missing_image_file, ERROR)                                               \
    X(UNREADABLE_IMAGE, unreadable_image, ERROR)                                                   \
    X(IMAGE_SIZE_DIFFERS, image_size_differs, ERROR)                                               \
    X(EXIF_ROTATED, exif_rotated, WARNING)                                                         \
    X(CATEGORY_ID_MISSING, category_id_missing, ERROR)                                             \
    X(DUPLICATE_CATEGORY_ID, duplicate_category_id, ERROR)                                         \
    X(NAME_MISSING, name_missing, WARNING)                                                         \
    X(NAME_NOT_TEXT, name_not_text, ERROR)                                                         \
    X(NAME_UNPRINTABLE, name_unprintable, WARNING)                                                 \
    X(NAME_TOO_LONG, name_too_long, WARNING)                                                       \
    X(DUPLICATE_CATEGORY_NAME, duplicate_category_name, WARNING)                                   \
    X(ANNOTATION_ID_MISSING, annotation_id_missing, ERROR)                                         \
    X(DUPLICATE_ANNOTATION_ID, duplicate_annotation_id, ERROR)                                     \
    X(ZERO_ANNOTATION_ID, zero_annotation_id, WARNING)                                             \
    X(LARGE_ID, large_id, NOTE)                                                                    \
    X(UNKNOWN_IMAGE, unknown_image, ERROR)                                                         \
    X(UNKNOWN_CATEGORY, unknown_category, ERROR)                                                   \
    X(CROWD_MALFORMED, crowd_malformed, ERROR)                                                     \
    X(CROWD_WITH_POLYGONS, crowd_with_polygons, WARNING)                                           \
    X(BOX_MISSING, box_missing, ERROR)                                                             \
    X(BOX_MALFORMED, box_malformed, ERROR)                                                         \
    X(BOX_NEGATIVE, box_negative, ERROR)                                                           \
    X(BOX_WITHOUT_AREA, box_without_area, WARNING)                                                 \
    X(BOX_OUTSIDE_IMAGE, box_outside_image, ERROR)                                                 \
    X(BOX_OVER_BORDER, box_over_border, WARNING)                                                   \
    X(BOX_HOLDS_CORNERS, box_holds_corners, ERROR)                                                 \
    X(BOX_DIFFERS, box_differs, WARNING)                                                           \
    X(SEGMENT_MISSING, segment_missing, ERROR)                                                     \
    X(SEGMENT_MALFORMED, segment_malformed, ERROR)                                                 \
    X(POLYGON_ODD_NUMBERS, polygon_odd_numbers, ERROR)                                             \
    X(POLYGON_TOO_SHORT, polygon_too_short, ERROR)                                                 \
    X(POLYGON_OUTSIDE_IMAGE, polygon_outside_image, ERROR)                                         \
    X(POLYGON_OVER_BORDER, polygon_over_border, WARNING)                                           \
    X(RLE_MALFORMED, rle_malformed, ERROR)                                                         \
    X(RLE_SIZE_DIFFERS, rle_size_differs, ERROR)                                                   \
    X(RLE_SUM_DIFFERS, rle_sum_differs, ERROR)                                                     \
    X(MASK_EMPTY, mask_empty, WARNING)                                                             \
    X(AREA_MISSING, area_missing, WARNING)                                                         \
    X(AREA_MALFORMED, area_malformed, ERROR)                                                       \
    X(AREA_DIFFERS, area_differs, WARNING)                                                         \
    X(DUPLICATE_ANNOTATION, duplicate_annotation, WARNING)

enum coco_problem_kind {
#define X(name, word, severity) PROBLEM_##name,
    COCO_PROBLEMS(X)
#undef X
        NUM_PROBLEM_KINDS
};

// "box_outside_image" and the like.
const char *coco_problem_word(enum coco_problem_kind kind);
enum problem_severity coco_problem_severity(enum coco_problem_kind kind);
const char *problem_severity_word(enum problem_severity severity); // "error", "warning", "note"

// Which of the document's arrays a record stands in.
enum coco_array { COCO_DOCUMENT, COCO_IMAGES, COCO_CATEGORIES, COCO_ANNOTATIONS };
const char *coco_array_name(enum coco_array array); // "images" and so on; "" for the document

struct coco_problem {
    enum coco_problem_kind kind;
    enum coco_array array;
    int64_t index;    // of the record in its array; -1 for the document
    int64_t id;       // as far as the record has one, else 0
    const char *text; // what was found, without file and place; belongs to the list
};

struct problem_list {
    struct coco_problem *items; // at most limit of each kind, the first ones
    int64_t count;
    int64_t capacity;
    int64_t limit;
    int64_t totals[NUM_PROBLEM_KINDS]; // of all that were added
    struct arena arena;                // the texts
    enum status status;                // sticky: the first failure
    struct error err;
};

void problem_list_init(struct problem_list *list, int64_t limit);
void problem_list_destroy(struct problem_list *list); // a zeroed list is fine

// The record that the problems found next belong to.
struct problem_place {
    enum coco_array array;
    int64_t index;
    int64_t id;
};

void problem_add(struct problem_list *list, enum coco_problem_kind kind, struct problem_place place,
                 const char *format, ...) PRINTF_LIKE(4, 5);

// Notes that a check could not be made, for lack of memory; problem_list_sort returns the first
// such failure instead of a list that would blame the set.
void problem_list_fail(struct problem_list *list, const struct error *failure);

// Adds what source holds behind what target holds and empties source.
void problem_list_move(struct problem_list *target, struct problem_list *source);

// Orders by kind and, within a kind, by the order of adding.
MUST_CHECK enum status problem_list_sort(struct problem_list *list, struct error *err);

// How many problems of this severity were added.
int64_t problem_list_total(const struct problem_list *list, enum problem_severity severity);
