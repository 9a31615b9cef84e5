// A running service (gctmask serve) in the place of a model: pictures go to it as they are, and
// what comes back is what the model computes, to the last bit.
#pragma once

#include <stdatomic.h>

#include "base/option.h"
#include "base/sha256.h"
#include "detector/detector.h"
#include "formats/annotated.h"

struct remote;

struct remote_options {
    const char *server;     // its address; NULL: there is none
    const char *token_file; // NULL: $GCTMASK_TOKEN, if it is set
    const char *ca_file;    // as in tools/http_client.h
    int64_t jobs;           // requests at the same time
    double seconds;         // for a picture, tries and waiting together
};

// What the service says of its model.
struct remote_model {
    struct class_list classes; // in arena
    char sha256[SHA256_HEX_BYTES];
    int64_t max_detections;        // of a picture, unless a request says otherwise
    struct option_texts overrides; // of the model's options
    enum nn_precision precision;
    const char *device;
    bool tune;
};

// Who waits for an answer.
struct remote_caller {
    const atomic_bool *stop;      // give up
    bool (*is_interrupted)(void); // give up as well
    void (*warn)(void *context, const char *message);
    void *context;
};

enum { REMOTE_MOST_JOBS = 64, REMOTE_MOST_DETECTIONS = 1000 };

// Asks the service for its model, waiting while it loads one. Texts are in arena.
MUST_CHECK enum status remote_open(struct remote **remote, const struct remote_options *options,
                                   const struct remote_caller *caller, struct remote_model *model,
                                   struct arena *arena, struct error *err);
void remote_close(struct remote *remote); // NULL is fine
int64_t remote_jobs(const struct remote *remote);

struct remote_picture {
    const char *path; // for messages
    const char *bytes;
    int64_t size;
    int32_t width, height; // as it lies, or upright with EXIF applied
    bool apply_exif;
    const struct detection_limits *limits;
    const char *model; // SHA-256 of what it must be
};

enum remote_end {
    REMOTE_FOUND,
    REMOTE_FAILED,  // this picture; code is why
    REMOTE_LOST,    // the service, or it has become another one: err's status is the run's
    REMOTE_STOPPED, // by the caller
};

// Has the service look at a picture; list is in arena. While the service is busy (503, 429) it is
// asked again when it says, and while it cannot be reached, for as long as the options allow. Any
// number of threads up to remote_jobs may call this at once.
enum remote_end remote_detect(struct remote *remote, const struct remote_picture *picture,
                              const struct remote_caller *caller, struct arena *arena,
                              struct detection_list *list, const char **code, struct error *err);
