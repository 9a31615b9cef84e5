// The web page and the interface's description: files that are part of the program.
#pragma once

#include <stdint.h>

struct page_file {
    const char *path; // "/", "/static/page.js", "/openapi.json"
    const char *content_type;
    const uint8_t *bytes;
    int64_t size;
};

// All of them; a row without a path ends the table, which embed.cmake writes.
extern const struct page_file PAGE_FILES[];

// NULL if there is no such file.
const struct page_file *page_find(const char *path);
