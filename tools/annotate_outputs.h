// What `gctmask annotate` writes to its folder:
//
//     instances.json    an annotation set in COCO's format, with scores
//     results.json      the same as COCO results, with the boxes as they were detected
//     overlays/         the pictures with what was found in them
//     failures.jsonl    a line for each picture that could not be used
//
// Files are written picture by picture and appear when all are done; both JSON files use the same
// image ids.
#pragma once

#include "base/json_writer.h"
#include "data/coco_write.h"
#include "detector/detector.h"

enum overlay_format { OVERLAY_NONE, OVERLAY_JPG, OVERLAY_PNG };

struct annotate_outputs {
    const char *folder;
    const struct detector *detector;
    bool has_instances;
    bool has_results;
    enum overlay_format overlay;
    struct coco_writer instances;
    struct coco_writer results;
    struct output failures;
    struct coco_image *images; // for instances.json, behind the annotations; names are borrowed
    int64_t num_images;
    int64_t image_capacity;
    int64_t num_annotations;
};

// The path of a picture's overlay below the folder: its own name, or with another type's extension
// behind it.
MUST_CHECK enum status overlay_name(const char **overlay, const char *name,
                                    enum overlay_format format, struct arena *arena,
                                    struct error *err);

// Makes the folder and begins the files. All but what is to be written is set already.
MUST_CHECK enum status annotate_outputs_open(struct annotate_outputs *outputs, struct error *err);

// One picture, upright, its record, whose name is borrowed, and what was found in it. The overlay
// is drawn on the picture. scratch is left with more in it.
MUST_CHECK enum status annotate_outputs_write(struct annotate_outputs *outputs,
                                              const struct coco_image *record, struct image *image,
                                              const struct detection_list *list,
                                              struct arena *scratch, struct error *err);

void annotate_outputs_write_failure(struct annotate_outputs *outputs, const char *path,
                                    const char *code, const char *message);

MUST_CHECK enum status annotate_outputs_commit(struct annotate_outputs *outputs, struct error *err);
void annotate_outputs_discard(struct annotate_outputs *outputs); // safe after commit
