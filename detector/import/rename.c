#include "detector/import/rename.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

enum { MAX_NUMBERS = 4, MAX_DIGITS = 4 };

// What the signs of a pattern stood for.
struct match {
    long numbers[MAX_NUMBERS];
    int num_numbers;
    const char *rest;
};

// A number as programs write them: without leading zeros.
static bool match_number(const char **text, struct match *match) {
    const char *begin = *text;
    size_t size = strspn(begin, "0123456789");
    if (size == 0 || size > MAX_DIGITS || (begin[0] == '0' && size > 1)) return false;
    CHECK(match->num_numbers < MAX_NUMBERS);
    match->numbers[match->num_numbers++] = strtol(begin, NULL, 10);
    *text = begin + size;
    return true;
}

static bool match_pattern(const char *pattern, const char *text, struct match *match) {
    *match = (struct match){0};
    for (; *pattern; pattern++) {
        if (*pattern == '*') {
            match->rest = text;
            return true;
        }
        if (*pattern == '#') {
            if (!match_number(&text, match)) return false;
        } else if (*pattern != *text++) {
            return false;
        }
    }
    return *text == '\0';
}

bool rename_matches(const char *pattern, const char *text) {
    struct match match;
    return match_pattern(pattern, text, &match);
}

// The number that {1-2} means, *at behind the brace.
static long take_number(const char **at, const struct match *match) {
    char *end = NULL;
    long index = strtol(*at, &end, 10);
    CHECK(index >= 1 && index <= match->num_numbers);
    long offset = *end == '}' ? 0 : strtol(end, &end, 10);
    CHECK(*end == '}');
    *at = end + 1;
    return match->numbers[index - 1] + offset;
}

static bool expand(const char *pattern, const struct match *match, char to[RENAME_BYTES]) {
    size_t size = 0;
    while (*pattern) {
        int added = 1;
        size_t room = RENAME_BYTES - size;
        if (*pattern == '{') {
            pattern++;
            long number = take_number(&pattern, match);
            if (number < 0) return false;
            added = snprintf(to + size, room, "%ld", number);
        } else if (*pattern == '*') {
            pattern++;
            added = snprintf(to + size, room, "%s", match->rest);
        } else {
            to[size] = *pattern++;
        }
        size += (size_t)added;
        if (size >= RENAME_BYTES) return false;
    }
    to[size] = '\0';
    return true;
}

bool rename_module(const struct rename_rule *rules, const char *from, char to[RENAME_BYTES]) {
    for (; rules->from; rules++) {
        struct match match;
        if (match_pattern(rules->from, from, &match)) return expand(rules->to, &match, to);
    }
    return false;
}
