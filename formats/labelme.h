// labelme's files, one for each image (github.com/wkentaro/labelme, labelme/_label_file.py).
//
// A shape of type "mask" has two points, the corners of a box whose pixels are all counted in, and
// a PNG of that size in base64: it holds any mask. A shape of type "polygon" has a ring of points;
// the parts of one object have one group_id, and holes are cut by bridges of no width.
#pragma once

#include "formats/annotated.h"

enum labelme_shapes { LABELME_MASKS, LABELME_POLYGONS };

// image_path leads from the file's folder to the picture. Scores are kept under "score", crowds as
// the flag "iscrowd". ious is filled for the image's objects.
MUST_CHECK enum status labelme_write(struct output *out, const struct annotated_image *image,
                                     const struct class_list *classes, enum labelme_shapes shapes,
                                     const char *image_path, double *ious, struct arena *scratch,
                                     struct error *err);

// Reads all .json files below a folder into an initialised set. An image's name is that of its file
// with the extension of imagePath. Shapes of one label and group_id are one object; polygons,
// rectangles, circles and masks are understood, other shapes have no area and are errors.
MUST_CHECK enum status labelme_read(struct annotated_set *set, const char *folder,
                                    struct error *err);
