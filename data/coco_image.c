#include "data/coco_image.h"

#include <stdio.h>

enum status coco_image_path(char path[COCO_PATH_BYTES], const struct coco_set *set,
                            const struct coco_image *image, const char *folder, struct error *err) {
    if (!image->file_name)
        return error_set(err, STATUS_DATA, "%s: image %lld has no file_name", set->path,
                         (long long)image->id);
    int size = snprintf(path, COCO_PATH_BYTES, "%s/%s", folder, image->file_name);
    if (size < COCO_PATH_BYTES) return STATUS_OK;
    return error_set(err, STATUS_NO_INPUT, "%.64s...: the path is too long", path);
}

enum status coco_image_load(struct image *loaded, const struct coco_set *set,
                            const struct coco_image *image, const char *folder, struct arena *arena,
                            struct error *err) {
    char path[COCO_PATH_BYTES];
    const struct image_limits limits = image_limits_default();
    TRY(coco_image_path(path, set, image, folder, err));
    TRY(image_load(loaded, NULL, path, &limits, true, arena, err));
    bool known = image->width > 0 && image->height > 0;
    if (!known || (loaded->width == image->width && loaded->height == image->height))
        return STATUS_OK;
    return error_set(err, STATUS_DATA, "%s: %d x %d pixels, but %d x %d in %s", path,
                     (int)loaded->width, (int)loaded->height, (int)image->width, (int)image->height,
                     set->path);
}
