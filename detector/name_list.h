// The first few of what may be many names, for a message: "a", "b", "c" and 5 more.
#pragma once

#include <stdint.h>

enum { NAME_LIST_BYTES = 512 };

struct name_list { // zeroed is empty
    char text[NAME_LIST_BYTES];
    int64_t count; // of all names, also those that the text leaves out
};

void name_list_add(struct name_list *list, const char *name);
// "tv" for "television"
void name_list_add_pair(struct name_list *list, const char *name, const char *other);
// To be called once, behind the last name.
void name_list_end(struct name_list *list);
