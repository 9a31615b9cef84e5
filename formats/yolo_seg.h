// The label files that YOLO trains segmentation with: a text file for each image, a line for each
// object, "CLASS x1 y1 x2 y2 ...", the class a number from 0 and one closed outline in shares of
// the image's width and height; and data.yaml, which names the classes.
//
// An object has one outline there, so parts are joined and holes cut by bridges of no width. What
// comes back is measured with COCO's rule for polygons. Crowd regions are left out: a line cannot
// say that it is one.
#pragma once

#include "formats/annotated.h"

// ious is filled for the image's objects; 0 for those that were left out.
MUST_CHECK enum status yolo_seg_write(struct output *out, const struct annotated_image *image,
                                      const struct class_list *classes, double *ious,
                                      struct arena *scratch, struct error *err);

// data.yaml, for labels in labels/ and pictures in images/ beside it.
void yolo_seg_write_classes(struct output *out, const struct class_list *classes);

// Reads DIR/data.yaml and all files below DIR/labels into an initialised set. Their sizes are those
// of the pictures of the same names in image_folder. Lines of five numbers are boxes.
MUST_CHECK enum status yolo_seg_read(struct annotated_set *set, const char *folder,
                                     const char *image_folder, struct error *err);
