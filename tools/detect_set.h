// A detector at work on the images of a set, shared by all processes of a run: what it finds are
// results like those of a file.
#pragma once

#include "base/log.h"
#include "data/coco.h"
#include "detector/class_map.h"
#include "detector/detector.h"
#include "tools/progress.h"
#include "train/communicator.h"

struct detect_set {
    struct detector *detector;
    struct communicator *communicator;
    const struct coco_set *truth;
    const struct class_map *classes; // of the detector in truth
    const char *image_folder;
    const bool *wanted;        // of truth's images; NULL: all
    const char *name;          // of the results, for messages
    const char *save;          // the file that the results also go to; NULL: none
    const struct log *log;     // told if that cannot be written; NULL: it is an error
    struct progress *progress; // NULL: none
};

// Images of truth that are wanted, and how many of them are this process's.
int64_t detect_set_num_images(const struct detect_set *run);
int64_t detect_set_share(const struct detect_set *run);

// Each process detects in every size-th image. The results are in the order of the images, as those
// of one process are. On rank 0 *results is to be destroyed, elsewhere it is empty. An image that
// is missing, damaged or of another size than the set says is an error: leaving it out would change
// the score. An interruption is STATUS_CANCELLED, on all processes. The file is tried before the
// first image and written behind the last: whoever is killed in between leaves nothing.
MUST_CHECK enum status detect_set_run(const struct detect_set *run, struct coco_set *results,
                                      struct error *err);
