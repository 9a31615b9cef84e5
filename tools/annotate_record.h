// What became of one picture: a line of the manifest of an annotation run. It tells whether the
// picture has to be done again, and holds what was found, so that outputs can be put together from
// the lines alone:
//
//     {"v": 1, "path": "2019/a.jpg", "size": 812331, "mtime_ns": 1577836800000000000,
//      "sha256": "..", "options": "a91f..", "model": "9f2c..", "outputs": "77ab..",
//      "status": "done", "width": 640, "height": 480, "objects": [..],
//      "inexact": {"yolo-seg": [[3, 0.97]]}}
//
// and for one that failed, "status": "failed", "file", "code" and "message". options and outputs
// are hashes of what detections and files depend on, model is the SHA-256 of the model file.
// Objects are as in formats/object_json.h; inexact holds pairs of an object's position and its IoU.
#pragma once

#include "base/sha256.h"
#include "formats/annotated.h"
#include "tools/annotate_files.h"

enum { OPTIONS_HASH_BYTES = 17 };

// What results depend on besides the picture.
struct record_origin {
    char options[OPTIONS_HASH_BYTES];
    char model[SHA256_HEX_BYTES];
    char outputs[OPTIONS_HASH_BYTES];
};

struct annotate_record {
    const char *path; // the picture's name in the outputs
    int64_t size;
    int64_t mtime_ns;
    char sha256[SHA256_HEX_BYTES]; // "" if the file could not be read
    struct record_origin origin;
    bool failed;
    const char *file; // of failures, where the picture was looked for
    const char *code;
    const char *message;
    struct annotated_image image; // of what was done; its id is not recorded
    struct annotate_losses losses;
};

// Appends the line and its newline.
MUST_CHECK enum status record_write(struct output *out, const struct annotate_record *record,
                                    const struct class_list *classes, struct error *err);

// Reads a line without its newline; all is in arena. name stands in messages. heads_only: without
// objects and losses. classes are those that objects were written with.
MUST_CHECK enum status record_read(struct annotate_record *record, const char *line, int64_t size,
                                   const char *name, bool heads_only,
                                   const struct class_list *classes, struct arena *arena,
                                   struct error *err);
