// COCO's files: annotation sets ("instances" format) and results of detectors.
//
// The loader keeps what the file says, ids and numbers exact, and forgives what is merely wrong in
// content (a box of three numbers, a missing id): such a record carries a defect bit, which
// `gctmask check-data` explains and coco_require turns into an error. Malformed JSON is always an
// error. Large files are read by several threads in one pass, pages dropped behind the readers.
//
// A loaded set is immutable; any number of threads may read it.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/workers.h"
#include "data/id_index.h"
#include "data/polygon.h"
#include "data/rle.h"

// What is missing or of the wrong type in one record.
enum coco_defect {
    DEFECT_ID = 1 << 0,
    DEFECT_IMAGE_ID = 1 << 1,
    DEFECT_CATEGORY_ID = 1 << 2,
    DEFECT_BOX = 1 << 3,     // there, but not four numbers
    DEFECT_AREA = 1 << 4,    // there, but not a number
    DEFECT_CROWD = 1 << 5,   // iscrowd is there, but neither 0 nor 1
    DEFECT_SEGMENT = 1 << 6, // there, but neither polygons nor an RLE
    DEFECT_SCORE = 1 << 7,
    DEFECT_SIZE = 1 << 8, // width or height of an image, not a positive integer
    DEFECT_NAME = 1 << 9, // file name of an image or name of a category, not a text

    // Together with DEFECT_SEGMENT, saying more:
    DEFECT_ODD_POLYGON = 1 << 10, // a polygon of an odd number of numbers
    DEFECT_RLE = 1 << 11,         // an RLE without proper size and counts
};

enum segment_kind {
    SEGMENT_NONE,
    SEGMENT_POLYGONS,
    SEGMENT_STRING, // compressed RLE
    SEGMENT_COUNTS, // uncompressed RLE
};

// A segmentation as it stands in the file; coco_segment_to_rle makes the mask.
struct coco_segment {
    enum segment_kind kind;
    int32_t height; // RLE only
    int32_t width;
    int64_t count; // of polygons, characters or counts
    union {
        const struct polygon *polygons;
        const char *string; // unescaped, not NUL-terminated
        const int64_t *counts;
    };
};

// An annotation of a ground truth, or one result.
struct coco_annotation {
    int64_t id; // 0 in results
    int64_t image_id;
    int64_t category_id;
    struct coco_box box;
    double area;
    double score; // of results
    struct coco_segment segment;
    uint16_t defects; // enum coco_defect
    bool has_box;
    bool has_area;
    bool is_crowd;
    bool has_score; // an annotation to be written with its score; results have one anyway
};

struct coco_image {
    int64_t id;
    int32_t width; // 0: not given
    int32_t height;
    const char *file_name; // NULL: not given
    int exif_orientation;  // 2..8: the file's, to be written with an image that was turned upright
    uint16_t defects;
};

struct coco_category {
    int64_t id;
    const char *name;          // "" if not given
    const char *supercategory; // "" if not given
    uint16_t defects;
};

struct coco_set {
    const char *path; // for messages
    struct coco_image *images;
    int64_t num_images;
    struct coco_category *categories;
    int64_t num_categories;
    struct coco_annotation *annotations;
    int64_t num_annotations;
    struct id_index image_index; // image id to position in images; the first of duplicates
    struct id_index category_index;
    struct arena arena; // all texts, polygons and counts

    int64_t image_capacity; // of the arrays above
    int64_t category_capacity;
    int64_t annotation_capacity;
};

struct coco_load_options {
    bool skip_segments;      // leave segmentations out: box scores need none
    struct workers *workers; // NULL: one thread
};

// An annotation file: an object with images, annotations and categories, in any order, others
// ignored.
MUST_CHECK enum status coco_load_annotations(struct coco_set *set, const char *path,
                                             const struct coco_load_options *options,
                                             struct error *err);

// A results file: an array of {image_id, category_id, score, bbox and/or segmentation}. Fills
// annotations only; ids are 1, 2, ... in file order, as pycocotools numbers them.
MUST_CHECK enum status coco_load_results(struct coco_set *set, const char *path,
                                         const struct coco_load_options *options,
                                         struct error *err);

// The same from text in memory (size bytes), under the name path in messages.
MUST_CHECK enum status coco_parse_annotations(struct coco_set *set, const char *text, int64_t size,
                                              const char *path,
                                              const struct coco_load_options *options,
                                              struct error *err);
MUST_CHECK enum status coco_parse_results(struct coco_set *set, const char *text, int64_t size,
                                          const char *path, const struct coco_load_options *options,
                                          struct error *err);

void coco_destroy(struct coco_set *set); // a zeroed set is fine

const struct coco_image *coco_find_image(const struct coco_set *set, int64_t id);       // or NULL
const struct coco_category *coco_find_category(const struct coco_set *set, int64_t id); // or NULL

// An error that names the first image, category or annotation with one of the defects in mask, or
// the first id that occurs twice among images or categories.
MUST_CHECK enum status coco_require(const struct coco_set *set, unsigned mask, struct error *err);

// "bbox is not four numbers" and the like, for one bit.
const char *coco_defect_text(enum coco_defect defect);

// The mask of a segmentation in an image of height x width, as pycocotools' annToRLE makes it: an
// object's polygons united, a first "polygon" of four numbers taken as a box (and then all of
// them), an RLE by its own size. SEGMENT_NONE gives an empty mask.
MUST_CHECK enum status coco_segment_to_rle(struct rle *rle, const struct coco_segment *segment,
                                           int32_t height, int32_t width, struct arena *arena,
                                           struct error *err);
