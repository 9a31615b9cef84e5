// A pull parser for JSON text that lies in memory (RFC 8259, strict: no comments, no NaN, no
// trailing commas, valid UTF-8). It builds no tree: the caller asks for what it expects, in order,
// and skips the rest, so a 450 MB annotation file costs only what is kept of it.
//
// Errors are sticky: after the first one every call returns false, zero or nothing, so loops end by
// themselves and the status is looked at once. The message names file, line, column, what was found
// and what was expected.
//
//     struct json_reader r;
//     json_reader_init(&r, text, size, "ann.json", err);
//     struct json_string key;
//     json_begin_object(&r);
//     while (json_next_key(&r, &key)) {
//         if (json_string_is(&key, "id")) id = json_int64(&r);
//         else json_skip(&r);
//     }
//     json_end(&r);
//     return json_status(&r);
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/error.h"

enum { JSON_MAX_DEPTH = 200 }; // containers inside one another, skipped ones included

enum json_kind {
    JSON_NOTHING, // the end of the text, or an error before
    JSON_NULL,
    JSON_BOOL,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
};

// The bytes between the quotes as they stand in the text: still escaped if escaped is true.
struct json_string {
    const char *data;
    int64_t size;
    bool escaped;
};

struct json_reader {
    const char *begin;
    const char *at; // next unread byte
    const char *end;
    const char *name; // of the file, for messages
    bool at_first;    // the innermost container has not given an element yet
    int depth;
    enum status status;
    struct error *err;
};

// text must stay in place while the reader and its strings are in use. name is borrowed.
void json_reader_init(struct json_reader *r, const char *text, int64_t size, const char *name,
                      struct error *err);

enum status json_status(const struct json_reader *r);

// Nothing but white space may follow.
void json_end(struct json_reader *r);

// What kind of value comes next; consumes white space only.
enum json_kind json_peek(struct json_reader *r);

void json_begin_object(struct json_reader *r);
// True with the next key, its value to be read next; false at the closing brace (consumed).
bool json_next_key(struct json_reader *r, struct json_string *key);

void json_begin_array(struct json_reader *r);
// True if an element is to be read next; false at the closing bracket (consumed).
bool json_next_element(struct json_reader *r);

// The double nearest to the decimal number in the text, always. Numbers beyond its range are
// errors.
double json_double(struct json_reader *r);

// A number without fraction (1.0 and 1e3 are such numbers) of at most 2^53 in magnitude, or any
// that is written in plain digits and fits int64_t.
int64_t json_int64(struct json_reader *r);

bool json_bool(struct json_reader *r);
void json_null(struct json_reader *r);
struct json_string json_string(struct json_reader *r);
void json_skip(struct json_reader *r); // any one value

// The unescaped text, NUL-terminated, in arena; NULL (an error) if it contains NUL or memory ends.
const char *json_text(struct json_reader *r, struct arena *arena);

// Whether the unescaped string equals text. Inline, because readers of large files ask it for every
// key and the compiler then knows the text's length.
bool json_escaped_string_is(const struct json_string *string, const char *text);
static inline bool json_string_is(const struct json_string *string, const char *text) {
    if (string->escaped) return json_escaped_string_is(string, text);
    size_t size = strlen(text);
    return (size_t)string->size == size && memcmp(string->data, text, size) == 0;
}

// Unescapes into out, which has room for string->size bytes; returns the unescaped size.
int64_t json_string_unescape(const struct json_string *string, char *out);

// Reports an error at the reader's place: "NAME: line L, column C: " and the message.
void json_fail(struct json_reader *r, const char *format, ...) PRINTF_LIKE(2, 3);
