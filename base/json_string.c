// Strings of the JSON reader: finding their end, checking escapes and UTF-8, and unescaping.
#include <string.h>

#include "base/check.h"
#include "base/json_reader.h"
#include "base/utf8.h"

// A word whose high bits mark the bytes of w that are below ' ', above 127, '"' or '\\'. A borrow
// can mark a byte above a real one too, so a nonzero result only says that a slow look is due.
static uint64_t special_bytes(uint64_t w) {
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t quote = w ^ ones * '"';
    uint64_t backslash = w ^ ones * '\\';
    return (w | (w - ones * ' ') | ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash)) &
           ones * 0x80;
}

// Skips bytes that stand for themselves, eight at a time.
static const char *skip_plain(const char *at, const char *end) {
    for (; end - at >= 8; at += 8) {
        uint64_t word = 0;
        memcpy(&word, at, sizeof word);
        if (special_bytes(word)) break;
    }
    return at;
}

// The value of four hexadecimal digits, or -1.
static int read_hex4(const char *at, const char *end) {
    if (end - at < 4) return -1;
    int value = 0;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) return -1;
        value = value << 4 | digit;
    }
    return value;
}

// Reads one escape at a backslash into *code. Returns its length, 0 if it is malformed. A lone half
// of a surrogate pair is malformed.
static int read_escape(const char *at, const char *end, int *code) {
    static const char names[] = "\"\\/bfnrt";
    static const char values[] = "\"\\/\b\f\n\r\t";
    if (end - at < 2) return 0;
    if (at[1] != 'u') {
        const char *name = at[1] ? strchr(names, at[1]) : NULL;
        if (!name) return 0;
        *code = (unsigned char)values[name - names];
        return 2;
    }
    int unit = read_hex4(at + 2, end);
    if (unit < 0 || (unit >= 0xDC00 && unit <= 0xDFFF)) return 0;
    *code = unit;
    if (unit < 0xD800 || unit > 0xDBFF) return 6;
    if (end - at < 12 || at[6] != '\\' || at[7] != 'u') return 0;
    int low = read_hex4(at + 8, end);
    if (low < 0xDC00 || low > 0xDFFF) return 0;
    *code = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
    return 12;
}

struct json_string json_string(struct json_reader *r) {
    struct json_string string = {.data = ""};
    if (r->status != STATUS_OK) return string;
    if (json_peek(r) != JSON_STRING) {
        json_fail(r, "expected a string");
        return string;
    }
    const char *start = r->at + 1;
    bool escaped = false;
    for (const char *at = start;;) {
        at = skip_plain(at, r->end);
        if (at >= r->end) {
            json_fail(r, "this string has no end");
            return string;
        }
        unsigned char c = (unsigned char)*at;
        int code = 0;
        int length = 1;
        if (c == '"') {
            r->at = at + 1;
            return (struct json_string){start, at - start, escaped};
        }
        if (c == '\\') {
            length = read_escape(at, r->end, &code);
            escaped = true;
        } else if (c >= 0x80) {
            length = utf8_length(at, r->end);
        }
        if (length == 0 || c < ' ') {
            r->at = at;
            json_fail(r, c == '\\'   ? "malformed escape in a string"
                         : c >= 0x80 ? "invalid UTF-8 in a string"
                                     : "control character in a string");
            return string;
        }
        at += length;
    }
}

static int write_utf8(int code, char *out) {
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    int length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const int lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (int i = length - 1; i > 0; i--, code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3F));
    out[0] = (char)(lead[length] | code);
    return length;
}

int64_t json_string_unescape(const struct json_string *string, char *out) {
    const char *at = string->data;
    const char *end = at + string->size;
    char *start = out;
    while (at < end) {
        const char *backslash = memchr(at, '\\', (size_t)(end - at));
        const char *plain_end = backslash ? backslash : end;
        memcpy(out, at, (size_t)(plain_end - at));
        out += plain_end - at;
        at = plain_end;
        if (!backslash) break;
        int code = 0;
        int length = read_escape(at, end, &code);
        CHECK(length > 0); // json_string has accepted it
        out += write_utf8(code, out);
        at += length;
    }
    return out - start;
}

const char *json_text(struct json_reader *r, struct arena *arena) {
    struct json_string string = json_string(r);
    if (r->status != STATUS_OK) return NULL;
    char *text = arena_alloc(arena, string.size + 1, 1);
    if (!text) {
        r->status = error_memory(r->err, "a string", string.size + 1);
        return NULL;
    }
    int64_t size = json_string_unescape(&string, text);
    text[size] = '\0';
    if (memchr(text, '\0', (size_t)size)) {
        json_fail(r, "this string contains \\u0000");
        return NULL;
    }
    return text;
}

bool json_escaped_string_is(const struct json_string *string, const char *text) {
    char unescaped[256];
    if (string->size > (int64_t)sizeof unescaped) return false; // no key of ours is that long
    size_t size = strlen(text);
    return (size_t)json_string_unescape(string, unescaped) == size &&
           memcmp(unescaped, text, size) == 0;
}
