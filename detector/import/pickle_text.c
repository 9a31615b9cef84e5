// Opcodes of protocol 0, whose arguments are lines of text.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "detector/import/pickle_internal.h"

enum { NUMBER_BYTES = 64 };

// The line as a C string; false if it is too long for a number.
static bool copy_line(struct pickle_machine *m, char text[NUMBER_BYTES]) {
    struct pickle_text line = pickle_take_line(m);
    if (m->status != STATUS_OK) return false;
    if (line.size >= NUMBER_BYTES) {
        pickle_fail(m, STATUS_DATA, "a number of %lld characters, expected less than %d",
                    (long long)line.size, NUMBER_BYTES);
        return false;
    }
    memcpy(text, line.data, (size_t)line.size);
    text[line.size] = '\0';
    return true;
}

static void push_integer(struct pickle_machine *m, int op) {
    char text[NUMBER_BYTES];
    if (!copy_line(m, text)) return;
    bool is_bool = op == 'I' && (strcmp(text, "00") == 0 || strcmp(text, "01") == 0);
    char *end = NULL;
    errno = 0;
    long long integer = strtoll(text, &end, 10);
    if (*end == 'L' && op == 'L') end++;
    if (end == text || *end || errno) {
        pickle_fail(m, STATUS_DATA, "\"%s\", expected a whole number of 64 bits", text);
        return;
    }
    struct pickle_value *value = pickle_new(m, is_bool ? PICKLE_BOOL : PICKLE_INT);
    if (value) value->integer = integer;
    pickle_push(m, value);
}

static void push_float(struct pickle_machine *m) {
    char text[NUMBER_BYTES];
    if (!copy_line(m, text)) return;
    char *end = NULL;
    double number = strtod(text, &end);
    if (end == text || *end) {
        pickle_fail(m, STATUS_DATA, "\"%s\", expected a number", text);
        return;
    }
    struct pickle_value *value = pickle_new(m, PICKLE_FLOAT);
    if (value) value->number = number;
    pickle_push(m, value);
}

static int digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return 16;
}

// At most max digits of base; returns how many there were.
static int64_t read_digits(struct pickle_text text, int64_t at, int64_t max, int base,
                           uint32_t *value) {
    int64_t count = 0;
    *value = 0;
    while (count < max && at + count < text.size && digit(text.data[at + count]) < base)
        *value = *value * (uint32_t)base + (uint32_t)digit(text.data[at + count++]);
    return count;
}

// The byte that an escape stands for, *at behind its backslash; -1 for an escape of no byte.
static int unescape(struct pickle_text text, int64_t *at) {
    static const char letters[] = "abfnrtv\\'\"";
    static const char meanings[] = "\a\b\f\n\r\t\v\\'\"";
    uint32_t value = 0;
    if (*at == text.size) return -1;
    const char *letter = memchr(letters, text.data[*at], sizeof letters - 1);
    if (letter) {
        ++*at;
        return (unsigned char)meanings[letter - letters];
    }
    if (text.data[*at] == 'x') {
        int64_t count = read_digits(text, *at + 1, 2, 16, &value);
        *at += 1 + count;
        return count == 2 ? (int)value : -1;
    }
    int64_t count = read_digits(text, *at, 3, 8, &value);
    *at += count;
    return count && value < 256 ? (int)value : -1;
}

// Python 2's repr of a string: 'it\'s'.
static void push_string(struct pickle_machine *m) {
    struct pickle_text line = pickle_take_line(m);
    if (m->status != STATUS_OK) return;
    char quote = line.size ? line.data[0] : '\0';
    if (line.size < 2 || (quote != '\'' && quote != '"') || line.data[line.size - 1] != quote) {
        pickle_fail(m, STATUS_DATA, "a string without quotes");
        return;
    }
    struct pickle_text text = {line.data + 1, line.size - 2};
    char *bytes = arena_alloc(m->arena, text.size, 1);
    struct pickle_value *value = pickle_new(m, PICKLE_BYTES);
    if (!bytes) pickle_fail_memory(m);
    if (!bytes || !value) return;
    int64_t size = 0;
    for (int64_t i = 0; i < text.size;) {
        int byte = (unsigned char)text.data[i++];
        if (byte == '\\') byte = unescape(text, &i);
        if (byte < 0) {
            pickle_fail(m, STATUS_DATA, "a string with an unknown escape");
            return;
        }
        bytes[size++] = (char)byte;
    }
    value->text = (struct pickle_text){bytes, size};
    pickle_push(m, value);
}

static int64_t write_utf8(char *to, uint32_t code) {
    if (code < 0x80) {
        to[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        to[0] = (char)(0xC0 | code >> 6);
        to[1] = (char)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        to[0] = (char)(0xE0 | code >> 12);
        to[1] = (char)(0x80 | (code >> 6 & 0x3F));
        to[2] = (char)(0x80 | (code & 0x3F));
        return 3;
    }
    to[0] = (char)(0xF0 | code >> 18);
    to[1] = (char)(0x80 | (code >> 12 & 0x3F));
    to[2] = (char)(0x80 | (code >> 6 & 0x3F));
    to[3] = (char)(0x80 | (code & 0x3F));
    return 4;
}

// Latin-1 with escapes \uXXXX and \UXXXXXXXX. (A backslash is escaped as well.)
static void push_unicode(struct pickle_machine *m) {
    struct pickle_text line = pickle_take_line(m);
    if (m->status != STATUS_OK) return;
    // A byte becomes two at most, and an escape fewer than it has.
    char *bytes = arena_alloc(m->arena, 2 * line.size, 1);
    struct pickle_value *value = pickle_new(m, PICKLE_TEXT);
    if (!bytes) pickle_fail_memory(m);
    if (!bytes || !value) return;
    int64_t size = 0;
    for (int64_t i = 0; i < line.size;) {
        uint32_t code = (unsigned char)line.data[i++];
        char kind = code == '\\' && i < line.size ? line.data[i] : '\0';
        if (kind == 'u' || kind == 'U') {
            int64_t expected = kind == 'u' ? 4 : 8;
            int64_t count = read_digits(line, i + 1, expected, 16, &code);
            i += 1 + count;
            if (count != expected || code > 0x10FFFF) {
                pickle_fail(m, STATUS_DATA, "a text with an unknown escape");
                return;
            }
        }
        size += write_utf8(bytes + size, code);
    }
    value->text = (struct pickle_text){bytes, size};
    pickle_push(m, value);
}

bool pickle_run_line(struct pickle_machine *m, int op) {
    switch (op) {
    case 'I': // INT
    case 'L': // LONG
        push_integer(m, op);
        return true;
    case 'F': // FLOAT
        push_float(m);
        return true;
    case 'S': // STRING
        push_string(m);
        return true;
    case 'V': // UNICODE
        push_unicode(m);
        return true;
    default:
        return false;
    }
}
