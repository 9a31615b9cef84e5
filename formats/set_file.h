// Formats that hold all images in one file, written image by image in constant memory. A file
// appears under its name only when it is complete.
//
//     TRY(set_file_open(&file, FORMAT_COCO, &options, "out", err));
//     for (..) TRY(set_file_add(&file, &image, ious, scratch, err));
//     status = set_file_commit(&file, err);
//     set_file_discard(&file);
#pragma once

#include "data/coco_write.h"
#include "formats/annotated.h"
#include "formats/format.h"

struct set_file_options {
    const struct class_list *classes;
    enum segment_kind masks;         // of COCO's files: SEGMENT_STRING or SEGMENT_COUNTS
    const char *description;         // of COCO's set
    const char *label_studio_prefix; // formats/label_studio.h
};

struct set_file {
    enum annotation_format format;
    struct set_file_options options;
    const char *folder;
    struct coco_writer coco;
    struct output out; // of the others
    struct json_writer json;
    struct coco_image *images; // of COCO's set, behind its annotations; names are borrowed
    int64_t num_images;
    int64_t image_capacity;
    int64_t num_annotations;
};

// The file's name, such as "instances.json"; NULL for formats with a file for each image.
const char *set_file_name(enum annotation_format format);

// Begins the file in a folder, which is there. options' pointers are borrowed.
MUST_CHECK enum status set_file_open(struct set_file *file, enum annotation_format format,
                                     const struct set_file_options *options, const char *folder,
                                     struct error *err);

// Objects without a pixel go only to formats in which they mean something: results and NDJSON.
// ious is filled for the image's objects: 1 but where the format is CSV. The image's name is
// borrowed until the end.
MUST_CHECK enum status set_file_add(struct set_file *file, const struct annotated_image *image,
                                    double *ious, struct arena *scratch, struct error *err);

MUST_CHECK enum status set_file_commit(struct set_file *file, struct error *err);
void set_file_discard(struct set_file *file); // safe after commit and on a zeroed struct
