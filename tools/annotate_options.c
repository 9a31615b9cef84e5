#include "tools/annotate_options.h"

#include <string.h>

const char *const OVERLAY_NAMES[] = {"none", "jpg", "png", NULL};
const char *const LABELME_SHAPE_NAMES[] = {"mask", "polygon", NULL};
const char *const MASK_NAMES[] = {"string", "list", NULL};

bool annotate_wants(const struct annotate_output_options *options, enum annotation_format format) {
    for (int64_t i = 0; i < options->formats.count; i++)
        if (strcmp(options->formats.items[i], FORMAT_NAMES[format]) == 0) return true;
    return false;
}
