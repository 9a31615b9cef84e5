// All that a service can be told, as one table of options: the command line, its help, the manual
// and the limits that /v1/info shows follow from it.
#pragma once

#include "base/option.h"
#include "nn/nn.h"

enum { SERVICE_MAX_DEVICES = 64 }; // sets of them are bits of a word

struct service_settings {
    // The model.
    const char *weights;
    struct option_texts overrides;
    enum nn_precision precision;
    bool tune;
    struct option_texts devices; // those of graphics processors, or the processor alone
    const char *name;            // NULL: of the file
    int64_t stub_ms;         // test builds: a model that takes so long for each picture; -1: none
    const char *stub_folder; // test builds: of files that tell that model what to do; NULL: none

    // Where it listens and who may ask.
    const char *listen;
    const char *admin; // NULL: no metrics
    const char *tls_cert, *tls_key;
    const char *token_file;
    bool insecure;
    struct option_texts allow_origins;
    bool sandbox;
    const char *image_root; // of pictures that Label Studio's tasks name; NULL: none

    // Limits of one request.
    int64_t max_body_bytes;
    int64_t max_json_bytes, max_json_values, max_json_depth;
    int64_t max_parts, max_pictures;
    int64_t max_pixels, max_side, max_aspect, max_scans;
    int64_t max_timeout_ms;

    // Limits of all together.
    int64_t max_connections, max_connections_per_address;
    int64_t queue_length, queue_bytes;
    int64_t upload_bytes, decode_bytes;
    int64_t decoders, batch_max;

    // Times, in seconds.
    double header_seconds, upload_seconds, idle_seconds, write_seconds;
    double drain_delay_seconds, drain_seconds;
    double stall_seconds;

    const char *access_log; // a file, "-" for standard output; NULL: none
};

extern const struct option SERVICE_OPTIONS[];

struct json_writer;

// The limits and times in force, as members of an object that is begun.
void settings_write_limits(const struct service_settings *settings, struct json_writer *w);
