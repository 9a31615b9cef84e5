#include "server/media_type.h"

#include <string.h>
#include <strings.h>

static const char SPACE[] = " \t";

// The end of an element that ends at one of the characters of ends, which quoted text may hold.
static const char *element_end(const char *text, const char *ends) {
    bool quoted = false;
    for (; *text && (quoted || !strchr(ends, *text)); text++) {
        if (*text == '"') quoted = !quoted;
        if (quoted && *text == '\\' && text[1]) text++;
    }
    return text;
}

static size_t trimmed_size(const char *begin, const char *end) {
    while (end > begin && strchr(SPACE, end[-1]))
        end--;
    return (size_t)(end - begin);
}

bool media_type_is(const char *header, const char *type) {
    header += strspn(header, SPACE);
    size_t size = trimmed_size(header, element_end(header, ";"));
    return size == strlen(type) && strncasecmp(header, type, size) == 0;
}

static bool copy_value(char *value, size_t size, const char *begin, const char *end) {
    bool quoted = *begin == '"';
    size_t used = 0;
    if (quoted && (end - begin < 2 || end[-1] != '"')) return false;
    begin += quoted;
    end -= quoted;
    for (; begin < end; begin++) {
        if (quoted && *begin == '\\' && begin + 1 < end) begin++;
        if (used + 1 >= size) return false;
        value[used++] = *begin;
    }
    value[used] = '\0';
    return used > 0;
}

bool media_type_parameter(char *value, size_t size, const char *header, const char *name) {
    size_t name_size = strlen(name);
    const char *at = element_end(header, ";");
    while (*at == ';') {
        at += 1 + strspn(at + 1, SPACE);
        const char *end = element_end(at, ";");
        if (strncasecmp(at, name, name_size) == 0 && at[name_size] == '=') {
            const char *begin = at + name_size + 1;
            return copy_value(value, size, begin, begin + trimmed_size(begin, end));
        }
        at = end;
    }
    return false;
}

// ---- Accept ----

// The weight in thousandths: "0.5" is 500; nonsense is 0.
static int read_weight(const char *text, size_t size) {
    if (size == 0 || size > 5 || (text[0] != '0' && text[0] != '1')) return 0;
    int weight = (text[0] - '0') * 1000;
    int unit = 100;
    for (size_t i = 1; i<size; i++, unit /= i> 2 ? 10 : 1) {
        if (i == 1 && text[i] == '.') continue;
        if (i == 1 || text[i] < '0' || text[i] > '9') return 0;
        weight += (text[i] - '0') * unit;
    }
    return weight > 1000 ? 0 : weight;
}

// How exactly a range names a type: 3 the type itself, 2 its kind, 1 anything, 0 not at all.
static int range_fit(const char *range, size_t size, const char *type) {
    size_t kind = (size_t)(strchr(type, '/') - type) + 1;
    if (size == strlen(type) && strncasecmp(range, type, size) == 0) return 3;
    if (size == kind + 1 && range[kind] == '*' && strncasecmp(range, type, kind) == 0) return 2;
    return size == 3 && strncmp(range, "*/*", size) == 0;
}

struct preference {
    int weight;
    int fit;
};

// What an Accept header thinks of a type: the weight of the range that fits it best.
static struct preference preference_of(const char *accept, const char *type) {
    struct preference best = {0, 0};
    const char *end = accept;
    for (const char *at = accept; *at; at = *end ? end + 1 : end) {
        at += strspn(at, SPACE);
        end = element_end(at, ",");
        const char *range_end = element_end(at, ",;");
        int fit = range_fit(at, trimmed_size(at, range_end), type);
        if (fit <= best.fit) continue;
        int weight = 1000;
        for (const char *p = range_end; *p == ';'; p = element_end(p + 1, ",;")) {
            const char *name = p + 1 + strspn(p + 1, SPACE);
            if (strncasecmp(name, "q=", 2) == 0)
                weight = read_weight(name + 2, trimmed_size(name + 2, element_end(name, ",;")));
        }
        best = (struct preference){weight, fit};
    }
    return best;
}

int media_type_choose(const char *accept, const char *const *offers) {
    int chosen = -1;
    struct preference best = {0, 0};
    if (!accept || accept[strspn(accept, SPACE)] == '\0') return 0;
    for (int i = 0; offers[i]; i++) {
        struct preference p = preference_of(accept, offers[i]);
        bool better = p.weight > best.weight || (p.weight == best.weight && p.fit > best.fit);
        if (p.weight == 0 || !better) continue;
        best = p;
        chosen = i;
    }
    return chosen;
}
