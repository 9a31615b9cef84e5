// What is written for each picture in files of its own: labelme's, YOLO's and PNG annotations,
// overlays, crops and thumbnails. The tree of the pictures is mirrored in each folder.
//
//     labelme/2019/a.json  yolo-seg/labels/2019/a.txt  png/2019/a.png and a.json
//     overlays/2019/a.jpg  crops/2019/a.jpg/001-person.png  thumbs/2019/a.jpg.jpg
//
// All functions may be called by several threads at once.
#pragma once

#include "data/image.h"
#include "formats/annotated.h"
#include "tools/annotate_options.h"

// How much of each object a format brings back; NULL for formats that lose nothing.
struct annotate_losses {
    double *ious[NUM_FORMATS]; // [number of objects]
};

// Whether the pictures themselves are needed.
bool annotate_files_need_pixels(const struct annotate_output_options *options);

// Fails if two pictures would share a file. names is [count] and is sorted by nobody.
MUST_CHECK enum status annotate_files_check(const struct annotate_output_options *options,
                                            const char *const *names, int64_t count,
                                            struct error *err);

// Writes all files of a picture. picture is where it lies, NULL if nobody knows; pixels, upright,
// may be NULL if they are not needed, and are drawn on. losses lie in scratch.
MUST_CHECK enum status annotate_files_write(const struct annotate_output_options *options,
                                            const struct class_list *classes,
                                            const struct annotated_image *image,
                                            const char *picture, struct image *pixels,
                                            struct annotate_losses *losses, struct arena *scratch,
                                            struct error *err);

// Removes what was written for a picture in an earlier run. Errors are left for others to find.
void annotate_files_remove(const struct annotate_output_options *options, const char *name);

// Whether all that write would make is there, but for crops.
bool annotate_files_exist(const struct annotate_output_options *options, const char *name);

// The path of the overlay or thumbnail below the folder.
MUST_CHECK enum status annotate_overlay_name(char *text, size_t size, const char *name,
                                             enum overlay_format format, struct error *err);
MUST_CHECK enum status annotate_thumbnail_name(char *text, size_t size, const char *name,
                                               struct error *err);
