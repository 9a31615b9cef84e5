#include "base/utf8.h"

#include <stdint.h>

int utf8_length(const char *text, const char *end) {
    const unsigned char *s = (const unsigned char *)text;
    int64_t left = end - text;
    unsigned char second_low = 0x80;
    unsigned char second_high = 0xBF;
    int length = s[0] < 0x80                    ? 1
                 : s[0] >= 0xC2 && s[0] <= 0xDF ? 2
                 : s[0] >= 0xE0 && s[0] <= 0xEF ? 3
                 : s[0] >= 0xF0 && s[0] <= 0xF4 ? 4
                                                : 0;
    if (length == 0 || length > left) return 0;
    if (s[0] == 0xE0) second_low = 0xA0;
    if (s[0] == 0xED) second_high = 0x9F; // no surrogates
    if (s[0] == 0xF0) second_low = 0x90;
    if (s[0] == 0xF4) second_high = 0x8F;
    if (length > 1 && (s[1] < second_low || s[1] > second_high)) return 0;
    for (int i = 2; i < length; i++)
        if ((s[i] & 0xC0) != 0x80) return 0;
    return length;
}
