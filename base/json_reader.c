#include "base/json_reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/decimal.h"

void json_reader_init(struct json_reader *r, const char *text, int64_t size, const char *name,
                      struct error *err) {
    const char *begin = size ? text : "";
    *r = (struct json_reader){.begin = begin,
                              .at = begin,
                              .end = begin + size,
                              .name = name,
                              .at_first = true,
                              .err = err};
}

enum status json_status(const struct json_reader *r) {
    return r->status;
}

// ---- Errors ----

void json_fail(struct json_reader *r, const char *format, ...) {
    if (r->status != STATUS_OK) return;
    char message[ERROR_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    int64_t line = 1;
    const char *line_begin = r->begin;
    for (const char *c = r->begin; c < r->at; c++) {
        if (*c != '\n') continue;
        line++;
        line_begin = c + 1;
    }
    int64_t column = r->at - line_begin + 1;
    r->status = error_set(r->err, STATUS_DATA, "%s: line %lld, column %lld: %s", r->name,
                          (long long)line, (long long)column, message);
    r->at = r->end;
}

// "found 'x'", "found the end of the file" and so on, for messages.
static const char *describe_found(const struct json_reader *r, char *buffer, size_t size) {
    if (r->at >= r->end) return "the end of the file";
    unsigned char c = (unsigned char)*r->at;
    if (c == '"') return "a string";
    if (c == '{') return "an object";
    if (c == '[') return "an array";
    if (c == '-' || (c >= '0' && c <= '9')) return "a number";
    if (c > ' ' && c < 127)
        snprintf(buffer, size, "'%c'", c);
    else
        snprintf(buffer, size, "byte 0x%02x", c);
    return buffer;
}

static void fail_expected(struct json_reader *r, const char *expected) {
    char buffer[16];
    json_fail(r, "expected %s, found %s", expected, describe_found(r, buffer, sizeof buffer));
}

// ---- Structure ----

static void skip_space(struct json_reader *r) {
    const char *at = r->at;
    while (at < r->end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    r->at = at;
}

// Whether c comes next, white space skipped; consumes it if so.
static bool accept(struct json_reader *r, char c) {
    skip_space(r);
    if (r->at >= r->end || *r->at != c) return false;
    r->at++;
    return true;
}

void json_end(struct json_reader *r) {
    skip_space(r);
    if (r->at < r->end) fail_expected(r, "the end of the file");
}

enum json_kind json_peek(struct json_reader *r) {
    skip_space(r);
    if (r->at >= r->end) return JSON_NOTHING;
    switch (*r->at) {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 't':
    case 'f':
        return JSON_BOOL;
    case 'n':
        return JSON_NULL;
    default:
        return JSON_NUMBER;
    }
}

static void begin_container(struct json_reader *r, char opening, const char *expected) {
    if (r->status != STATUS_OK) return;
    if (!accept(r, opening)) {
        fail_expected(r, expected);
        return;
    }
    r->at_first = true;
    if (++r->depth > JSON_MAX_DEPTH) json_fail(r, "more than %d levels deep", JSON_MAX_DEPTH);
}

// True if an element follows: after a comma, or as the first. False at the closing character.
static bool next_in_container(struct json_reader *r, char closing, const char *expected) {
    if (r->status != STATUS_OK) return false;
    if (accept(r, closing)) {
        r->depth--;
        r->at_first = false;
        return false;
    }
    if (!r->at_first && !accept(r, ',')) {
        fail_expected(r, expected);
        return false;
    }
    r->at_first = false;
    skip_space(r);
    return true;
}

void json_begin_object(struct json_reader *r) {
    begin_container(r, '{', "an object");
}

bool json_next_key(struct json_reader *r, struct json_string *key) {
    *key = (struct json_string){.data = ""};
    if (!next_in_container(r, '}', "',' or '}'")) return false;
    if (r->at >= r->end || *r->at != '"') {
        fail_expected(r, "a key in quotes");
        return false;
    }
    *key = json_string(r);
    if (r->status == STATUS_OK && !accept(r, ':')) fail_expected(r, "':'");
    return r->status == STATUS_OK;
}

void json_begin_array(struct json_reader *r) {
    begin_container(r, '[', "an array");
}

bool json_next_element(struct json_reader *r) {
    return next_in_container(r, ']', "',' or ']'");
}

// ---- Numbers and words ----

// False, with the error set, unless a number comes next; consumes it.
static bool read_number(struct json_reader *r, const char *expected, struct decimal *number) {
    if (r->status != STATUS_OK) return false;
    skip_space(r);
    enum decimal_result result = decimal_read(number, r->at, r->end);
    if (result == DECIMAL_OK) {
        r->at = number->end;
        return true;
    }
    if (result == DECIMAL_MALFORMED)
        fail_expected(r, expected);
    else if (result == DECIMAL_OVERFLOW)
        json_fail(r, "expected %s, found a number beyond the range of double", expected);
    else
        json_fail(r, "expected %s, found a number of more than %d characters", expected,
                  DECIMAL_MAX_BYTES);
    return false;
}

double json_double(struct json_reader *r) {
    struct decimal number;
    return read_number(r, "a number", &number) ? number.value : 0;
}

int64_t json_int64(struct json_reader *r) {
    const double max_exact = 0x1p53;
    skip_space(r);
    const char *start = r->at;
    struct decimal number;
    if (!read_number(r, "an integer", &number)) return 0;
    if (number.integral && number.magnitude <= INT64_MAX)
        return number.negative ? -(int64_t)number.magnitude : (int64_t)number.magnitude;
    double value = number.value;
    if (value >= -max_exact && value <= max_exact && value == (double)(int64_t)value)
        return (int64_t)value;
    r->at = start;
    json_fail(r, "expected an integer, found %.17g", value);
    return 0;
}

static bool accept_word(struct json_reader *r, const char *word) {
    int64_t size = (int64_t)strlen(word);
    if (r->end - r->at < size || memcmp(r->at, word, (size_t)size) != 0) return false;
    r->at += size;
    return true;
}

bool json_bool(struct json_reader *r) {
    if (r->status != STATUS_OK) return false;
    skip_space(r);
    if (accept_word(r, "true")) return true;
    if (!accept_word(r, "false")) fail_expected(r, "true or false");
    return false;
}

void json_null(struct json_reader *r) {
    if (r->status != STATUS_OK) return;
    skip_space(r);
    if (!accept_word(r, "null")) fail_expected(r, "null");
}

static void skip_number(struct json_reader *r) {
    if (r->status != STATUS_OK) return;
    const char *end = decimal_skip(r->at, r->end);
    if (end)
        r->at = end;
    else
        fail_expected(r, "a value");
}

void json_skip(struct json_reader *r) {
    // The kinds of the containers that are open inside the skipped value, innermost last.
    bool is_object[JSON_MAX_DEPTH];
    int depth = 0;
    struct json_string key;
    do {
        // One value, or the start of one.
        switch (json_peek(r)) {
        case JSON_OBJECT:
        case JSON_ARRAY: {
            bool object = *r->at == '{';
            begin_container(r, *r->at, "a value");
            if (r->status == STATUS_OK) is_object[depth++] = object;
            break;
        }
        case JSON_STRING:
            (void)json_string(r);
            break;
        case JSON_BOOL:
            (void)json_bool(r);
            break;
        case JSON_NULL:
            json_null(r);
            break;
        case JSON_NUMBER:
            skip_number(r);
            break;
        case JSON_NOTHING:
            fail_expected(r, "a value");
            break;
        }
        // Close what ends here, up to the container that has another element.
        while (depth > 0 && !(is_object[depth - 1] ? json_next_key(r, &key) : json_next_element(r)))
            depth--;
    } while (depth > 0 && r->status == STATUS_OK);
}
