#include "detector/name_list.h"

#include <stdio.h>
#include <string.h>

enum { MAX_NAMED = 3 };

void name_list_add(struct name_list *list, const char *name) {
    size_t size = strlen(list->text);
    if (list->count++ < MAX_NAMED)
        snprintf(list->text + size, sizeof list->text - size, "%s\"%.40s\"", size ? ", " : "",
                 name);
}

void name_list_add_pair(struct name_list *list, const char *name, const char *other) {
    name_list_add(list, name);
    size_t size = strlen(list->text);
    if (list->count <= MAX_NAMED)
        snprintf(list->text + size, sizeof list->text - size, " for \"%.40s\"", other);
}

void name_list_end(struct name_list *list) {
    size_t size = strlen(list->text);
    if (list->count > MAX_NAMED)
        snprintf(list->text + size, sizeof list->text - size, " and %lld more",
                 (long long)(list->count - MAX_NAMED));
}
