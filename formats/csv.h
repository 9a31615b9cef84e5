// A table of boxes, a row for each object (RFC 4180), for spreadsheets:
//
//     image_id,file_name,width,height,class,category_id,score,x,y,box_width,box_height,area
//
// Masks are not in it, only their tightest boxes and areas.
#pragma once

#include "formats/annotated.h"

void csv_begin(struct output *out);

// ious is filled for the image's objects: of masks and their boxes.
void csv_write(struct output *out, const struct annotated_image *image,
               const struct class_list *classes, double *ious);

// Reads such a table into an initialised set: each object's mask is its box. Columns may stand in
// any order, and image_id, category_id, score and area may be missing.
MUST_CHECK enum status csv_read(struct annotated_set *set, const char *path, struct error *err);
