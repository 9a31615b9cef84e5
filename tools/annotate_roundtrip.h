// What formats lose: for each that cannot hold masks exactly, how many objects come back exact, the
// mean and the worst intersection over union, and a line in roundtrip.jsonl for each object that
// does not come back exact:
//
//     {"format": "yolo-seg", "file_name": "a.jpg", "object": 3, "class": "person", "iou": 0.97}
#pragma once

#include "base/log.h"
#include "formats/annotated.h"
#include "tools/annotate_options.h"

struct format_losses {
    bool is_used;
    int64_t num_objects;
    int64_t num_exact;
    int64_t num_below; // the minimum
    double sum;
    double worst;
    char worst_object[256]; // "object 3 (person) of a.jpg"
};

struct annotate_roundtrip {
    struct output out;
    double min_iou;
    struct format_losses formats[NUM_FORMATS];
};

// Begins the report in the folder of outputs.
MUST_CHECK enum status roundtrip_open(struct annotate_roundtrip *report,
                                      const struct annotate_output_options *options,
                                      struct error *err);

// What a format made of an image's objects.
void roundtrip_add(struct annotate_roundtrip *report, enum annotation_format format,
                   const struct annotated_image *image, const struct class_list *classes,
                   const double *ious);

// Ends the report; without a format that loses something, there is none, and an old one goes.
MUST_CHECK enum status roundtrip_commit(struct annotate_roundtrip *report,
                                        const struct annotate_output_options *options,
                                        struct error *err);

// A line for each format that loses something.
void roundtrip_log(const struct annotate_roundtrip *report, const struct log *log);

// STATUS_DATA if an object came back with less than the minimum; names the worst.
MUST_CHECK enum status roundtrip_check(const struct annotate_roundtrip *report, struct error *err);

void roundtrip_discard(struct annotate_roundtrip *report);
