// Forms: the first line is the Content-Type, the rest the body. Parts lie within the body, one
// behind the other, and hold no boundary.
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "server/multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *line_end = memchr(data, '\n', size);
    if (!line_end) return 0;
    size_t type_size = (size_t)(line_end - data);
    char *type = malloc(type_size + 1);
    memcpy(type, data, type_size);
    type[type_size] = '\0';
    const uint8_t *body = line_end + 1;
    int64_t body_size = (int64_t)(size - type_size) - 1;
    const uint8_t *behind = body;
    struct multipart form;
    struct form_part part;
    struct fault fault;
    int count = 0;
    if (multipart_init(&form, type, body, body_size, 16, &fault)) {
        while (multipart_next(&form, &part)) {
            CHECK(++count <= 16);
            CHECK(part.name[0] != '\0' && strlen(part.name) < FORM_NAME_BYTES);
            CHECK(part.size >= 0 && part.bytes >= behind &&
                  part.bytes + part.size <= body + body_size);
            CHECK(!memmem(part.bytes, (size_t)part.size, form.delimiter,
                          (size_t)form.delimiter_size));
            behind = part.bytes + part.size;
        }
        CHECK(form.finished || fault.code == FAULT_BAD_MULTIPART);
    } else {
        CHECK(fault.code == FAULT_BAD_MULTIPART);
    }
    free(type);
    return 0;
}
