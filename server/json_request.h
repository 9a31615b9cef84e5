// A JSON request while it is read: a pull reader with the server's limits and one fault for all.
//
// The whole text is checked first: its grammar, its depth, its number of values. Then the dialect
// pulls what it knows out of it. Pictures are decoded straight from the text; only objects of
// options, without pictures and bounded, are given to cJSON. Faults are sticky, as in the reader.
//
//     static const char *const KEYS[] = {"id", "image", NULL};
//     struct json_request json;
//     json_request_begin(&json, http, limits, arena, fault);
//     uint32_t seen = 0;
//     for (int key; (key = json_request_key(&json, "", KEYS, &seen)) >= 0;) ...
//     return json_request_end(&json);
#pragma once

#include "base/json_reader.h"
#include "server/detect_options.h"

struct json_request {
    struct json_reader reader;
    struct error err;
    int64_t picture_bytes; // of the text so far
    const struct request_limits *limits;
    struct arena *arena;
    struct fault *fault;
    bool skips_unknown; // of keys; other programs' requests hold more than we read
};

// Checks the text alone. False with a fault: bad_json, json_too_deep, json_too_many_values.
bool json_scan(const char *text, int64_t size, const struct request_limits *limits,
               struct fault *fault);

// Scans the body and opens its object. fault is reset. A Content-Type other than JSON's is refused.
bool json_request_begin(struct json_request *json, const struct http_request *http,
                        const struct request_limits *limits, struct arena *arena,
                        struct fault *fault);

// The index in keys (NULL at the end, at most 32) of the next key of the object that is open; its
// value is to be read next. -1 at the object's end and after a fault: a key that is not among them,
// or that *seen says was there before. where, "" or "image.", goes before the key in the fault.
int json_request_key(struct json_request *json, const char *where, const char *const *keys,
                     uint32_t *seen);

// A picture as base64 text. What is wrong with it is the picture's fault, not the request's.
void json_request_picture(struct json_request *json, struct picture *picture);

// The request's id. Options as an object; prefix as in detect_options.h.
void json_request_id(struct json_request *json, char id[REQUEST_ID_BYTES]);
void json_request_options(struct json_request *json, struct options *options, const char *prefix);

// Refuses what is next, or was just read.
void json_request_refuse(struct json_request *json, const char *field, const char *expected);

// Whether all went well up to the text's end, and the text without its pictures is not too large.
bool json_request_end(struct json_request *json);
