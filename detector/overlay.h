// Detections drawn on their image: masks in the colours of their classes, outlines, boxes and
// labels with class and score.
#pragma once

#include "base/option.h"
#include "data/image.h"
#include "detector/detect.h"

// Lines and letters grow with the image, so that they can be read on small and large ones. names
// are those of the classes. Allocates scratch in arena and gives it back.
MUST_CHECK enum status overlay_draw(struct image *image, const struct detection_list *list,
                                    const struct option_texts *names, struct arena *arena,
                                    struct error *err);
