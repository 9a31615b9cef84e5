#include "server/query.h"

#include <string.h>

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

// Decodes size bytes into out, which has room for them and a NUL.
static bool decode(char *out, const char *text, size_t size) {
    for (size_t i = 0; i < size; i++) {
        int c = (unsigned char)text[i];
        if (c == '+') c = ' ';
        if (c == '%') {
            int high = i + 2 < size ? hex_digit(text[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
            c = low < 0 ? 0 : high * 16 + low;
            i += 2;
        }
        if (c == 0) return false;
        *out++ = (char)c;
    }
    *out = '\0';
    return true;
}

static const char *decoded(struct query *query, const char *text, size_t size) {
    char *out = arena_alloc(query->arena, (int64_t)size + 1, 1);
    if (!out)
        fault_set(query->fault, FAULT_MEMORY_BUDGET,
                  "the query is too long for what memory is left");
    else if (!decode(out, text, size))
        fault_set(query->fault, FAULT_BAD_OPTION,
                  "the query has a %% that no two hexadecimal digits of a character follow");
    return query->fault->code ? NULL : out;
}

void query_init(struct query *query, const char *text, struct arena *arena, struct fault *fault) {
    *query = (struct query){text ? text : "", arena, fault};
    *fault = (struct fault){0};
}

bool query_next(struct query *query, const char **name, const char **value) {
    query->at += strspn(query->at, "&");
    if (query->fault->code || !*query->at) return false;
    size_t size = strcspn(query->at, "&");
    size_t name_size = strcspn(query->at, "=&");
    const char *behind = query->at + name_size;
    size_t equals = name_size < size; // 1 if there is one
    *name = decoded(query, query->at, name_size);
    if (*name) *value = decoded(query, behind + equals, size - name_size - equals);
    query->at += size;
    return !query->fault->code;
}
