#include "formats/base64.h"

#include <string.h>

static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_write(struct output *out, const void *bytes, int64_t size) {
    const uint8_t *b = bytes;
    for (int64_t i = 0; i < size; i += 3) {
        int64_t left = size - i;
        uint32_t three = (uint32_t)b[i] << 16;
        if (left > 1) three |= (uint32_t)b[i + 1] << 8;
        if (left > 2) three |= b[i + 2];
        const char four[4] = {DIGITS[three >> 18], DIGITS[three >> 12 & 63],
                              left > 1 ? DIGITS[three >> 6 & 63] : '=',
                              left > 2 ? DIGITS[three & 63] : '='};
        output_write(out, four, 4);
    }
}

// What a character means: its digit, or one of these.
enum { PADDING = 64, SPACE, NO_DIGIT };

static void make_values(uint8_t values[256]) {
    memset(values, NO_DIGIT, 256);
    for (int i = 0; i < 64; i++)
        values[(unsigned char)DIGITS[i]] = (uint8_t)i;
    for (const char *space = " \t\r\n"; *space; space++)
        values[(unsigned char)*space] = SPACE;
    values['='] = PADDING;
}

enum status base64_decode(uint8_t **bytes, int64_t *num_bytes, const char *text, int64_t size,
                          struct arena *arena, struct error *err) {
    uint8_t *out = arena_alloc(arena, size / 4 * 3 + 3, 1);
    uint8_t values[256];
    uint32_t bits = 0;
    int64_t num_digits = 0;
    int num_pads = 0;
    if (!out) return error_memory(err, "base64", size);
    make_values(values);
    *num_bytes = 0;
    for (int64_t i = 0; i < size; i++) {
        uint32_t value = values[(unsigned char)text[i]];
        if (value == SPACE) continue;
        num_pads += value == PADDING;
        if (value == NO_DIGIT || (value != PADDING && num_pads > 0) || num_pads > 2)
            return error_set(err, STATUS_DATA, "base64: character %lld is out of place",
                             (long long)i);
        num_digits++;
        bits = bits << 6 | value % PADDING;
        if (num_digits % 4 != 0) continue;
        for (int k = 2; k >= num_pads; k--)
            out[(*num_bytes)++] = (uint8_t)(bits >> 8 * k);
        bits = 0;
    }
    if (num_digits % 4 != 0) return error_set(err, STATUS_DATA, "base64: the text is cut off");
    *bytes = out;
    return STATUS_OK;
}
