#include "tools/network_size.h"

#include <stdlib.h>

enum { MIN_SIDE = 32, MAX_SIDE = 16384, SIDE_MULTIPLE = 32 };

static bool parse_side(const char **text, int32_t *side) {
    char *end = NULL;
    if (**text < '0' || **text > '9') return false;
    long value = strtol(*text, &end, 10);
    *text = end;
    if (value < MIN_SIDE || value > MAX_SIDE) return false;
    *side = (int32_t)((value + SIDE_MULTIPLE - 1) / SIDE_MULTIPLE * SIDE_MULTIPLE);
    return true;
}

enum status network_size_parse(const char *text, struct extent *size, struct error *err) {
    const char *at = text;
    if (parse_side(&at, &size->width) && *at++ == 'x' && parse_side(&at, &size->height) &&
        *at == '\0')
        return STATUS_OK;
    return error_set(err, STATUS_USAGE,
                     "--size: expected WIDTHxHEIGHT, each %d to %d, found \"%.32s\"", MIN_SIDE,
                     MAX_SIDE, text);
}
