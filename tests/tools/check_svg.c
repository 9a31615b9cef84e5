#include "tests/tools/check_svg.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/harness.h"

char *load_text(const char *name) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", scratch_folder(), name);
    FILE *file = fopen(path, "rb");
    REQUIRE(file);
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    char *text = malloc((size_t)size + 1);
    REQUIRE(text);
    text[fread(text, 1, (size_t)size, file)] = '\0';
    fclose(file);
    return text;
}

// ---- Is it well-formed? ----

enum { MAX_DEPTH = 64, MAX_NAME = 32, MAX_ATTRIBUTES = 16 };

static const char *skip_entity(const char *at) {
    static const char *const entities[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
    for (size_t i = 0; i < sizeof entities / sizeof *entities; i++)
        if (strncmp(at, entities[i], strlen(entities[i])) == 0) return at + strlen(entities[i]);
    return NULL;
}

static const char *read_name(const char *at, char name[MAX_NAME]) {
    int length = 0;
    while ((isalnum((unsigned char)*at) || *at == '-' || *at == ':') && length + 1 < MAX_NAME)
        name[length++] = *at++;
    name[length] = '\0';
    return length ? at : NULL;
}

// Reads name="value" pairs; returns what follows them, or NULL.
static const char *read_attributes(const char *at) {
    char names[MAX_ATTRIBUTES][MAX_NAME];
    int count = 0;
    while (*at == ' ') {
        if (count == MAX_ATTRIBUTES) return NULL;
        at = read_name(at + 1, names[count]);
        if (!at || at[0] != '=' || at[1] != '"') return NULL;
        for (int i = 0; i < count; i++)
            if (strcmp(names[i], names[count]) == 0) return NULL;
        count++;
        for (at += 2; *at && *at != '"';) {
            if (*at == '<') return NULL;
            at = *at == '&' ? skip_entity(at) : at + 1;
            if (!at) return NULL;
        }
        if (!*at++) return NULL;
    }
    return at;
}

const char *find_malformed(const char *text) {
    char open[MAX_DEPTH][MAX_NAME];
    int depth = 0;
    int num_roots = 0;
    for (const char *at = text; *at;) {
        const char *begin = at;
        char name[MAX_NAME];
        if (*at == '&') {
            at = skip_entity(at);
            if (!at) return begin;
        } else if (*at != '<') {
            if (depth == 0 && !isspace((unsigned char)*at)) return begin;
            at++;
        } else if (at[1] == '/') {
            at = read_name(at + 2, name);
            if (!at || *at++ != '>' || depth == 0 || strcmp(open[--depth], name) != 0) return begin;
        } else {
            if (depth == MAX_DEPTH || (depth == 0 && num_roots++ > 0)) return begin;
            at = read_name(at + 1, open[depth]);
            if (at) at = read_attributes(at);
            if (!at) return begin;
            bool is_empty = *at == '/';
            at += is_empty;
            if (*at++ != '>') return begin;
            if (!is_empty) depth++;
        }
    }
    return depth == 0 && num_roots == 1 ? NULL : text + strlen(text);
}

// ---- What is where ----

static double attribute(const char *tag, const char *name) {
    char pattern[32];
    snprintf(pattern, sizeof pattern, " %s=\"", name);
    const char *found = strstr(tag, pattern);
    REQUIRE(found && found < strchr(tag, '>'));
    return strtod(found + strlen(pattern), NULL);
}

int find_texts(const char *svg, const char *class, struct placed_text *texts, int max) {
    char pattern[64];
    int count = 0;
    snprintf(pattern, sizeof pattern, "<text class=\"%s\"", class);
    for (const char *at = svg; count < max && (at = strstr(at, pattern)); at++) {
        const char *begin = strchr(at, '>') + 1;
        texts[count] = (struct placed_text){attribute(at, "x"), attribute(at, "y"), ""};
        snprintf(texts[count++].text, PLACED_TEXT_BYTES, "%.*s", (int)strcspn(begin, "<"), begin);
    }
    return count;
}

int find_path(const char *svg, const char *class, int number, struct path_point *points, int max) {
    char pattern[64];
    snprintf(pattern, sizeof pattern, "<path class=\"%s", class);
    const char *at = strstr(svg, pattern);
    while (at && number-- > 0)
        at = strstr(at + 1, pattern);
    if (!at) return -1;
    char *d = strstr(at, " d=\"") + 4;
    int count = 0;
    while (*d != '"') {
        REQUIRE(count < max && strchr("MLVh", *d));
        struct path_point *point = &points[count++];
        point->command = *d++;
        double first = strtod(d, &d);
        bool is_pair = point->command == 'M' || point->command == 'L';
        if (!is_pair) REQUIRE(count > 1);
        point->x = is_pair ? first : point[-1].x;
        point->y = is_pair ? strtod(d, &d) : point->command == 'V' ? first : point[-1].y;
    }
    return count;
}

// ---- Axes ----

static int digit_of(const char **at) {
    static const char *const digits[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
    for (int i = 0; i < 10; i++) {
        if (strncmp(*at, digits[i], strlen(digits[i])) != 0) continue;
        *at += strlen(digits[i]);
        return i;
    }
    return -1;
}

static bool is_power(const char *text) {
    const char *behind = text + 2;
    return strncmp(text, "10⁻", strlen("10⁻")) == 0 ||
           (strncmp(text, "10", 2) == 0 && digit_of(&behind) >= 0);
}

// "×10⁻⁵" or "10²".
static double read_power(const char *text) {
    const char *at = strstr(text, "10") + 2;
    bool is_negative = strncmp(at, "⁻", strlen("⁻")) == 0;
    if (is_negative) at += strlen("⁻");
    int exponent = 0;
    for (int digit; (digit = digit_of(&at)) >= 0;)
        exponent = 10 * exponent + digit;
    REQUIRE(*at == '\0');
    return pow(10, is_negative ? -exponent : exponent);
}

// "20k", "0.5", "2×10⁻⁵", "10⁻²".
static double read_number(const char *text) {
    if (is_power(text)) return read_power(text);
    char *end = NULL;
    double value = strtod(text, &end);
    REQUIRE(end != text);
    if (strncmp(end, "×", strlen("×")) == 0) return value * read_power(end);
    double unit = *end == 'k' ? 1e3 : *end == 'M' ? 1e6 : *end == 'G' ? 1e9 : 1;
    REQUIRE(end[unit > 1] == '\0');
    return value * unit;
}

enum { MAX_NUMBERS = 64 };

struct read_axis read_x_axis(const char *svg) {
    struct placed_text texts[MAX_NUMBERS];
    int count = find_texts(svg, "number mid", texts, MAX_NUMBERS);
    REQUIRE(count > 2 && strcmp(texts[count - 1].text, "step") == 0);
    return (struct read_axis){read_number(texts[0].text), read_number(texts[count - 2].text),
                              texts[0].x, texts[count - 2].x, false};
}

struct read_axis read_y_axis(const char *svg, bool logarithmic) {
    const double base_line = 4; // numbers stand so much below their line
    struct placed_text texts[MAX_NUMBERS];
    int count = find_texts(svg, "number end", texts, MAX_NUMBERS);
    REQUIRE(count > 1);
    return (struct read_axis){read_number(texts[0].text), read_number(texts[count - 1].text),
                              texts[0].y - base_line, texts[count - 1].y - base_line, logarithmic};
}

double place_on(const struct read_axis *axis, double value) {
    double share = axis->logarithmic ? log(value / axis->low) / log(axis->high / axis->low)
                                     : (value - axis->low) / (axis->high - axis->low);
    return axis->low_place + share * (axis->high_place - axis->low_place);
}
