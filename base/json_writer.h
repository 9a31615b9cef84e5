// Writes JSON to a struct output: escapes, commas and nesting are the writer's business, and a
// number that JSON cannot express (NaN, infinity) is a programmer error. Doubles are written with
// the fewest digits that read back as the same double.
//
//     struct json_writer w;
//     json_writer_init(&w, &out, 2);
//     json_write_begin_object(&w);
//     json_write_key(&w, "score");
//     json_write_double(&w, 0.25);
//     json_write_end_object(&w);
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/output.h"

enum { JSON_WRITER_MAX_DEPTH = 32 };

struct json_writer {
    struct output *out;
    int indent; // spaces for each level; 0 writes everything on one line
    int depth;
    bool has_elements[JSON_WRITER_MAX_DEPTH];
    bool after_key;
};

void json_writer_init(struct json_writer *w, struct output *out, int indent);

void json_write_begin_object(struct json_writer *w);
void json_write_end_object(struct json_writer *w);
void json_write_begin_array(struct json_writer *w);
void json_write_end_array(struct json_writer *w);
void json_write_key(struct json_writer *w, const char *key);

void json_write_text(struct json_writer *w, const char *text); // invalid UTF-8 becomes U+FFFD
void json_write_bytes(struct json_writer *w, const char *text, int64_t size);
void json_write_double(struct json_writer *w, double value);
void json_write_int64(struct json_writer *w, int64_t value);
void json_write_bool(struct json_writer *w, bool value);
void json_write_null(struct json_writer *w);

// key and value in one line, for the common cases.
void json_write_key_text(struct json_writer *w, const char *key, const char *text);
void json_write_key_double(struct json_writer *w, const char *key, double value);
void json_write_key_int64(struct json_writer *w, const char *key, int64_t value);
void json_write_key_bool(struct json_writer *w, const char *key, bool value);
