// The formats of annotations that this program knows.
#pragma once

enum annotation_format {
    FORMAT_COCO,         // an annotation set, one file
    FORMAT_COCO_RESULTS, // one file
    FORMAT_LABELME,      // a file for each image
    FORMAT_YOLO_SEG,     // a file for each image and one of classes
    FORMAT_LABEL_STUDIO, // one file of tasks and one of the interface
    FORMAT_NDJSON,       // one file
    FORMAT_CSV,          // one file
    FORMAT_PNG,          // two files for each image
    NUM_FORMATS
};

// "coco" and so on, NULL at the end.
extern const char *const FORMAT_NAMES[NUM_FORMATS + 1];

// The format of a file or folder, judged by its name and, of JSON, its first values; NUM_FORMATS if
// it is none.
enum annotation_format format_guess(const char *path);
