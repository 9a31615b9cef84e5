// The picture of an image of a set.
#pragma once

#include "data/coco.h"
#include "data/image.h"

enum { COCO_PATH_BYTES = 4096 };

// FOLDER/file_name. Errors: an image without a file name, a path that is too long.
MUST_CHECK enum status coco_image_path(char path[COCO_PATH_BYTES], const struct coco_set *set,
                                       const struct coco_image *image, const char *folder,
                                       struct error *err);

// Loads the picture, turned upright (data/image.h). A size other than the set gives is an error,
// since its annotations would lie elsewhere.
MUST_CHECK enum status coco_image_load(struct image *loaded, const struct coco_set *set,
                                       const struct coco_image *image, const char *folder,
                                       struct arena *arena, struct error *err);
