#include "base/json_writer.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/utf8.h"

void json_writer_init(struct json_writer *w, struct output *out, int indent) {
    *w = (struct json_writer){.out = out, .indent = indent};
}

static void new_line(struct json_writer *w) {
    if (!w->indent) return;
    static const char spaces[] = "                                                                ";
    int count = w->indent * w->depth;
    output_write(w->out, "\n", 1);
    output_write(w->out, spaces, count < (int)sizeof spaces - 1 ? count : (int)sizeof spaces - 1);
}

// What goes before a value: nothing after a key, else a comma and a new line as needed.
static void begin_value(struct json_writer *w) {
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    if (w->depth == 0) return;
    if (w->has_elements[w->depth]) output_write(w->out, ",", 1);
    w->has_elements[w->depth] = true;
    new_line(w);
}

static void begin_container(struct json_writer *w, const char *opening) {
    begin_value(w);
    output_write(w->out, opening, 1);
    w->depth++;
    CHECK(w->depth < JSON_WRITER_MAX_DEPTH);
    w->has_elements[w->depth] = false;
}

static void end_container(struct json_writer *w, const char *closing) {
    CHECK(w->depth > 0 && !w->after_key);
    bool had_elements = w->has_elements[w->depth];
    w->depth--;
    if (had_elements) new_line(w);
    output_write(w->out, closing, 1);
}

void json_write_begin_object(struct json_writer *w) {
    begin_container(w, "{");
}

void json_write_end_object(struct json_writer *w) {
    end_container(w, "}");
}

void json_write_begin_array(struct json_writer *w) {
    begin_container(w, "[");
}

void json_write_end_array(struct json_writer *w) {
    end_container(w, "]");
}

static void write_escaped(struct output *out, unsigned char c) {
    switch (c) {
    case '"':
        output_write(out, "\\\"", 2);
        break;
    case '\\':
        output_write(out, "\\\\", 2);
        break;
    case '\n':
        output_write(out, "\\n", 2);
        break;
    case '\t':
        output_write(out, "\\t", 2);
        break;
    default:
        output_printf(out, "\\u%04x", c);
    }
}

void json_write_bytes(struct json_writer *w, const char *text, int64_t size) {
    begin_value(w);
    output_write(w->out, "\"", 1);
    int64_t plain = 0; // start of the bytes that are copied as they are
    for (int64_t i = 0; i < size;) {
        int length = utf8_length(text + i, text + size);
        unsigned char c = (unsigned char)text[i];
        bool copied = length > 1 || (length == 1 && c >= ' ' && c != '"' && c != '\\');
        if (copied) {
            i += length;
            continue;
        }
        output_write(w->out, text + plain, i - plain);
        if (length == 0)
            output_text(w->out, "\xEF\xBF\xBD"); // U+FFFD
        else
            write_escaped(w->out, c);
        plain = ++i;
    }
    output_write(w->out, text + plain, size - plain);
    output_write(w->out, "\"", 1);
}

void json_write_text(struct json_writer *w, const char *text) {
    json_write_bytes(w, text, (int64_t)strlen(text));
}

void json_write_key(struct json_writer *w, const char *key) {
    CHECK(!w->after_key);
    json_write_text(w, key);
    output_text(w->out, w->indent ? ": " : ":");
    w->after_key = true;
}

// Most numbers in files have few decimals: value = units / 10^decimals, which is exact to check
// because both are exact doubles and the division rounds correctly. False for all others.
static bool format_short_decimal(char *text, size_t size, double value) {
    enum { MAX_DECIMALS = 4 };
    const double max_units = 1e15; // 15 digits always survive the way there and back
    int64_t scale = 1;
    for (int decimals = 0; decimals <= MAX_DECIMALS; decimals++, scale *= 10) {
        double units = rint(value * (double)scale);
        if (!(fabs(units) < max_units)) return false;
        if (units / (double)scale != value) continue;
        int64_t whole = (int64_t)fabs(units) / scale;
        int64_t fraction = (int64_t)fabs(units) % scale;
        const char *sign = signbit(value) ? "-" : "";
        if (decimals == 0)
            snprintf(text, size, "%s%" PRId64, sign, whole);
        else
            snprintf(text, size, "%s%" PRId64 ".%0*" PRId64, sign, whole, decimals, fraction);
        return true;
    }
    return false;
}

void json_write_double(struct json_writer *w, double value) {
    CHECK(isfinite(value));
    char text[48]; // more than any number takes, as much as the compiler can prove
    if (!format_short_decimal(text, sizeof text, value)) {
        for (int digits = 15; digits <= 17; digits++) {
            snprintf(text, sizeof text, "%.*g", digits, value);
            if (strtod(text, NULL) == value) break;
        }
    }
    begin_value(w);
    output_text(w->out, text);
}

void json_write_int64(struct json_writer *w, int64_t value) {
    begin_value(w);
    output_printf(w->out, "%" PRId64, value);
}

void json_write_bool(struct json_writer *w, bool value) {
    begin_value(w);
    output_text(w->out, value ? "true" : "false");
}

void json_write_null(struct json_writer *w) {
    begin_value(w);
    output_text(w->out, "null");
}

void json_write_key_text(struct json_writer *w, const char *key, const char *text) {
    json_write_key(w, key);
    json_write_text(w, text);
}

void json_write_key_double(struct json_writer *w, const char *key, double value) {
    json_write_key(w, key);
    json_write_double(w, value);
}

void json_write_key_int64(struct json_writer *w, const char *key, int64_t value) {
    json_write_key(w, key);
    json_write_int64(w, value);
}

void json_write_key_bool(struct json_writer *w, const char *key, bool value) {
    json_write_key(w, key);
    json_write_bool(w, value);
}
