// The model of `gctmask eval --weights`: run over the images of a set, its detections are results
// like those of a file.
#pragma once

#include "data/coco.h"
#include "tools/command.h"
#include "tools/eval_options.h"
#include "train/communicator.h"

// Detects in the images of truth, or in those of --images, on all processes together, with progress
// on standard error. A file that is missing or damaged, or whose size is not what the annotations
// say, is an error: leaving it out would change the score. Writes --save-results too. On rank 0
// results is to be destroyed, elsewhere it is empty. STATUS_CANCELLED after an interruption, on all
// processes.
MUST_CHECK enum status eval_detect(struct coco_set *results, const struct eval_options *options,
                                   const struct coco_set *truth, struct communicator *communicator,
                                   const struct invocation *invocation, struct error *err);
