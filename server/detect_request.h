// What a client asks for, whichever way it was said: pictures, options, the form of the answer.
#pragma once

#include "base/option.h"
#include "server/fault.h"

enum mask_form { MASK_RLE, MASK_RLE_LIST, MASK_POLYGON, MASK_BOX, MASK_NONE };
enum exif_use { EXIF_APPLY, EXIF_IGNORE };
enum answer_format { ANSWER_NATIVE, ANSWER_COCO };

// Those of the table in the interface's description (openapi.json), by the same names.
struct detect_options {
    double score;                // keep those with at least this
    int64_t max_dets;            // at most so many of an image
    struct option_texts classes; // names or category ids; empty: all
    double nms;                  // overlap over which the lesser of two of a class goes
    enum mask_form mask;
    double mask_threshold;
    double polygon_tolerance; // pixels
    enum exif_use exif;
    enum answer_format format;
    int64_t image_id; // of results in COCO's format; pictures of a batch count on from it
    int64_t timeout_ms;
    bool round;  // scores to 5 decimals and boxes to 2
    bool timing; // phases and size of the batch are part of the answer
};

enum answer_type { ANSWER_JSON, ANSWER_PNG, ANSWER_JPEG };

// One picture of a request; its bytes are the client's, still encoded. A batch goes on without one
// that has a fault.
struct picture {
    const uint8_t *bytes;
    int64_t size;
    const char *media_type; // that the client gave it: "image/jpeg"; NULL: none
    struct fault fault;
};

enum { MAX_PICTURES = 8, REQUEST_ID_BYTES = 65 };

struct detect_request {
    char id[REQUEST_ID_BYTES]; // 1 to 64 of [A-Za-z0-9._-]; made up before, unless the client gives
                               // one
    struct picture pictures[MAX_PICTURES];
    int64_t num_pictures;
    struct detect_options options;
    bool *wanted; // [labels + 1] by options.classes; NULL: all
    enum answer_type answer;
    const void *notes; // what a dialect keeps from reading to writing
};
