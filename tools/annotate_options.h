// What annotated images are written as: options that annotate and convert-annotations share.
#pragma once

#include "base/option.h"
#include "formats/format.h"
#include "formats/labelme.h"

enum overlay_format { OVERLAY_NONE, OVERLAY_JPG, OVERLAY_PNG };

struct annotate_output_options {
    const char *out;
    struct option_texts formats;
    enum overlay_format overlay;
    bool crops;
    bool html;
    double min_iou;
    enum labelme_shapes labelme_shapes;
    int masks; // 0: strings, 1: counts
    const char *label_studio_prefix;
};

extern const char *const OVERLAY_NAMES[];
extern const char *const LABELME_SHAPE_NAMES[];
extern const char *const MASK_NAMES[];

// Rows of a table of options whose struct holds these as its member outputs.
#define ANNOTATE_OUTPUT_ROWS(type, format_name, format_default)                                    \
    {.name = "out",                                                                                \
     OPTION_FIELD(type, outputs.out),                                                              \
     .group = "Outputs",                                                                           \
     .metavar = "DIR",                                                                             \
     .required = true,                                                                             \
     .help = "folder to write to; files of the same names are replaced"},                          \
        {.name = (format_name),                                                                    \
         OPTION_FIELD(type, outputs.formats),                                                      \
         .choices = FORMAT_NAMES,                                                                  \
         .default_text = (format_default),                                                         \
         .help = "formats to write, several at once: instances.json, results.json, labelme/, "     \
                 "yolo-seg/, label-studio.json, annotations.ndjson, annotations.csv, png/"},       \
        {.name = "overlay",                                                                        \
         OPTION_FIELD(type, outputs.overlay),                                                      \
         .choices = OVERLAY_NAMES,                                                                 \
         .default_text = "none",                                                                   \
         .help = "also write the pictures with the objects drawn on them, to overlays/"},          \
        {.name = "crops",                                                                          \
         OPTION_FIELD(type, outputs.crops),                                                        \
         .help = "also write each object cut out, transparent around its mask, to crops/"},        \
        {.name = "html",                                                                           \
         OPTION_FIELD(type, outputs.html),                                                         \
         .help = "also write index.html, a gallery of the overlays, the least certain first"},     \
        {.name = "labelme-shapes",                                                                 \
         OPTION_FIELD(type, outputs.labelme_shapes),                                               \
         .group = "How formats are written",                                                       \
         .choices = LABELME_SHAPE_NAMES,                                                           \
         .default_text = "mask",                                                                   \
         .help = "masks hold objects exactly; polygons can be edited corner by corner"},           \
        {.name = "rle",                                                                            \
         OPTION_FIELD(type, outputs.masks),                                                        \
         .choices = MASK_NAMES,                                                                    \
         .default_text = "string",                                                                 \
         .help = "COCO's masks as compressed strings, or as lists of counts, which CVAT wants"},   \
        {.name = "label-studio-prefix",                                                            \
         OPTION_FIELD(type, outputs.label_studio_prefix),                                          \
         .default_text = "/data/local-files/?d=",                                                  \
         .metavar = "URL",                                                                         \
         .help = "what goes before the pictures' names for Label Studio to find them"},            \
    {                                                                                              \
        .name = "min-roundtrip-iou", OPTION_FIELD(type, outputs.min_iou), OPTION_BETWEEN(0, 1),    \
        .default_text = "0", .metavar = "IOU",                                                     \
        .help = "fail if a format brings an object back with less of its mask than this"           \
    }

// Whether a format was asked for.
bool annotate_wants(const struct annotate_output_options *options, enum annotation_format format);
