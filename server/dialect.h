// Ways to ask for detections and to be answered, one for each endpoint that detects: our own
// interface, the Open Inference Protocol, CVAT, Label Studio. A dialect is two pure functions:
// what comes in between (admission, decoding, detection) is the same for all.
#pragma once

#include "base/arena.h"
#include "data/image.h"
#include "detector/detect.h"
#include "server/detect_request.h"

// The request as it came over the wire. Texts are NUL-terminated; headers are NULL if not there.
struct http_request {
    const char *path;  // raw, without the query
    const char *query; // raw, behind the question mark; NULL
    const char *content_type;
    const char *accept;
    const char *request_id; // X-Request-Id
    const uint8_t *body;
    int64_t body_size;
};

// What dialects may know of the model.
struct model_facts {
    const char *name;
    const char *version;
    const char *sha256;       // hexadecimal, of the file
    int64_t num_classes;      // labels 1 to this
    const char *const *names; // [num_classes], of label 1 first
    const int64_t *category_ids;
    double score; // what the model's file says of these options
    double nms;
    double mask_threshold;
    int64_t max_dets;
};

struct request_limits {
    int64_t max_json_bytes; // of a JSON document without its base64 strings
    int64_t max_json_values;
    int64_t max_json_depth;
    int64_t max_parts; // of a multipart body
    int64_t max_pictures;
    int64_t max_timeout_ms;
    int64_t max_body_bytes;
    const char *image_root; // folder of pictures that Label Studio's tasks name; NULL: none
};

enum phase {
    PHASE_UPLOAD,
    PHASE_QUEUE,
    PHASE_DECODE,
    PHASE_PREPROCESS,
    PHASE_INFER,
    PHASE_POSTPROCESS,
    PHASE_ENCODE,
    PHASE_WRITE,
    NUM_PHASES,
};
const char *phase_name(enum phase phase); // "upload"

// What became of one picture.
struct detect_outcome {
    struct fault fault; // code FAULT_NONE: all of the rest is set
    struct image_info info;
    struct image image;         // upright, or as stored, as the options say
    struct detection_list list; // wanted classes only
    bool truncated;             // there were more than max_dets
    int64_t batch;              // pictures that were computed together
    int64_t device;             // by the device of that number in the settings
    double seconds[NUM_PHASES];
};

struct answer {
    int status;               // 200
    const char *content_type; // a constant
    struct output body;       // OUTPUT_MEMORY, to be discarded by the caller
};

struct dialect {
    const char *path; // "/v1/detect"; "{model}" and "{version}" stand for one segment each
    // Fills request, whose pictures lie in http->body or in arena. Decodes base64, never images.
    bool (*read)(struct detect_request *request, const struct http_request *http,
                 const struct model_facts *model, const struct request_limits *limits,
                 struct arena *arena, struct fault *fault);
    // Writes the answer to what read accepted; outcomes[request->num_pictures]. A fault of the only
    // picture of a request that is no batch is the caller's business, not write's.
    bool (*write)(struct answer *answer, const struct detect_request *request,
                  const struct detect_outcome *outcomes, const struct model_facts *model,
                  struct arena *arena, struct fault *fault);
    bool is_batch; // faults of pictures stand in the answer
};

// NULL at the end.
extern const struct dialect *const DIALECTS[];

enum { PATH_SEGMENT_BYTES = 128 };

// Whether path is what pattern says, segment by segment; names in braces fit any that is not empty
// and are copied to segments.
bool path_fits(const char *pattern, const char *path, char segments[2][PATH_SEGMENT_BYTES]);

// The dialect that answers POST to a raw path, NULL if none does. segments[0] and [1] get what
// stands for {model} and {version}, "" if nothing does.
const struct dialect *dialect_find(const char *path, char segments[2][PATH_SEGMENT_BYTES]);
