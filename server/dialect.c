#include "server/dialect.h"

#include <string.h>

#include "base/check.h"
#include "server/dialects.h"

const struct dialect *const DIALECTS[] = {
    &DIALECT_NATIVE,
    &DIALECT_BATCH,
    &DIALECT_INFERENCE_PROTOCOL,
    &DIALECT_INFERENCE_PROTOCOL_VERSION,
    &DIALECT_CVAT,
    &DIALECT_LABEL_STUDIO,
    NULL,
};

const char *phase_name(enum phase phase) {
    static const char *const NAMES[] = {
        [PHASE_UPLOAD] = "upload", [PHASE_QUEUE] = "queue",
        [PHASE_DECODE] = "decode", [PHASE_PREPROCESS] = "preprocess",
        [PHASE_INFER] = "infer",   [PHASE_POSTPROCESS] = "postprocess",
        [PHASE_ENCODE] = "encode", [PHASE_WRITE] = "write",
    };
    CHECK(phase < NUM_PHASES);
    return NAMES[phase];
}

bool path_fits(const char *pattern, const char *path, char segments[2][PATH_SEGMENT_BYTES]) {
    int num_segments = 0;
    while (*pattern) {
        if (*pattern != '{') {
            if (*pattern++ != *path++) return false;
            continue;
        }
        size_t size = strcspn(path, "/");
        if (size == 0 || size >= PATH_SEGMENT_BYTES || num_segments == 2) return false;
        memcpy(segments[num_segments], path, size);
        segments[num_segments++][size] = '\0';
        path += size;
        pattern += strcspn(pattern, "}") + 1;
    }
    return *path == '\0';
}

const struct dialect *dialect_find(const char *path, char segments[2][PATH_SEGMENT_BYTES]) {
    for (int i = 0; DIALECTS[i]; i++) {
        segments[0][0] = '\0';
        segments[1][0] = '\0';
        if (path_fits(DIALECTS[i]->path, path, segments)) return DIALECTS[i];
    }
    return NULL;
}
