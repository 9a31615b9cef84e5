// The model of `gctmask eval --weights`: run over the images of a set, its detections are results
// like those of a file.
#pragma once

#include "data/coco.h"
#include "tools/command.h"
#include "tools/eval_options.h"

// Detects in the images of truth, or in those of --images, with progress on standard error. A file
// that is missing or damaged, or whose size is not what the annotations say, is an error: leaving
// it out would change the score. Writes --save-results too. results is to be destroyed.
MUST_CHECK enum status eval_detect(struct coco_set *results, const struct eval_options *options,
                                   const struct coco_set *truth,
                                   const struct invocation *invocation, struct error *err);
