#include "server/page.h"

#include <stddef.h>
#include <string.h>

const struct page_file *page_find(const char *path) {
    for (const struct page_file *file = PAGE_FILES; file->path; file++)
        if (strcmp(file->path, path) == 0) return file;
    return NULL;
}
