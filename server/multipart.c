#include "server/multipart.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "server/media_type.h"

static bool refuse(struct multipart *form, const char *what) {
    return fault_set(form->fault, FAULT_BAD_MULTIPART, "the form %s", what);
}

static bool starts_with(const struct multipart *form, const char *text, int64_t size) {
    return form->end - form->at >= size && memcmp(form->at, text, (size_t)size) == 0;
}

static const uint8_t *find(const struct multipart *form, const char *text, int64_t size) {
    return memmem(form->at, (size_t)(form->end - form->at), text, (size_t)size);
}

bool multipart_init(struct multipart *form, const char *content_type, const uint8_t *body,
                    int64_t size, int64_t max_parts, struct fault *fault) {
    char boundary[FORM_BOUNDARY_BYTES];
    *form = (struct multipart){
        .at = size ? body : (const uint8_t *)"",
        .parts_left = max_parts,
        .max_parts = max_parts,
        .fault = fault,
    };
    form->end = form->at + size;
    *fault = (struct fault){0};
    if (!media_type_parameter(boundary, sizeof boundary, content_type, "boundary"))
        return refuse(form, "has no boundary of 1 to 70 characters in its Content-Type");
    snprintf(form->delimiter, sizeof form->delimiter, "\r\n--%s", boundary);
    form->delimiter_size = (int64_t)strlen(form->delimiter);
    // The first delimiter begins the body, or stands behind text that nobody reads.
    if (starts_with(form, form->delimiter + 2, form->delimiter_size - 2)) {
        form->at += form->delimiter_size - 2;
        return true;
    }
    const uint8_t *first = find(form, form->delimiter, form->delimiter_size);
    if (!first) return refuse(form, "does not contain the boundary that its Content-Type names");
    form->at = first + form->delimiter_size;
    return true;
}

// ---- Headers of a part ----

// One header line as text; false at the empty line behind the last one and after a fault.
static bool next_header(struct multipart *form, char *line, size_t line_size) {
    const uint8_t *end = find(form, "\r\n", 2);
    if (!end) return refuse(form, "ends within the headers of a part");
    size_t size = (size_t)(end - form->at);
    if (size >= line_size) return refuse(form, "has a part with a header of more than 1023 bytes");
    if (memchr(form->at, '\0', size)) return refuse(form, "has a part with a NUL in a header");
    memcpy(line, form->at, size);
    line[size] = '\0';
    form->at = end + 2;
    return size > 0;
}

// The value behind a header's name, or NULL if it is another header.
static const char *value_of(const char *line, const char *name) {
    size_t size = strlen(name);
    if (strncasecmp(line, name, size) != 0 || line[size] != ':') return NULL;
    return line + size + 1 + strspn(line + size + 1, " \t");
}

static bool read_header(struct multipart *form, const char *line, struct form_part *part) {
    const char *disposition = value_of(line, "Content-Disposition");
    const char *type = value_of(line, "Content-Type");
    const char *encoding = value_of(line, "Content-Transfer-Encoding");
    if (disposition && (!media_type_is(disposition, "form-data") || part->name[0] ||
                        !media_type_parameter(part->name, sizeof part->name, disposition, "name")))
        return refuse(form, "has a part without one name of at most 63 bytes");
    if (type) snprintf(part->media_type, sizeof part->media_type, "%s", type);
    if (encoding && strcasecmp(encoding, "binary") != 0 && strcasecmp(encoding, "8bit") != 0 &&
        strcasecmp(encoding, "7bit") != 0)
        return refuse(form, "has a part with a Content-Transfer-Encoding; send bytes as they are");
    return true;
}

static bool read_headers(struct multipart *form, struct form_part *part) {
    enum { LINE_BYTES = 1024, MAX_HEADERS = 16 };
    char line[LINE_BYTES] = "";
    int count = 0;
    while (next_header(form, line, sizeof line)) {
        if (++count > MAX_HEADERS) return refuse(form, "has a part of more than 16 headers");
        if (!read_header(form, line, part)) return false;
    }
    if (form->fault->code) return false;
    return part->name[0] ? true : refuse(form, "has a part without a name");
}

bool multipart_next(struct multipart *form, struct form_part *part) {
    if (form->fault->code || form->finished) return false;
    *part = (struct form_part){0};
    form->finished = starts_with(form, "--", 2);
    if (form->finished) return false;
    while (form->at < form->end && (*form->at == ' ' || *form->at == '\t'))
        form->at++;
    if (!starts_with(form, "\r\n", 2))
        return refuse(form, "has a boundary that no line end follows");
    form->at += 2;
    if (form->parts_left-- == 0)
        return fault_set_limit(form->fault, FAULT_BAD_MULTIPART, form->max_parts,
                               form->max_parts + 1, "the form has more than %lld parts",
                               (long long)form->max_parts);
    if (!read_headers(form, part)) return false;
    // The delimiter's line end may be the one that ended the headers: an empty part.
    form->at -= 2;
    const uint8_t *end = find(form, form->delimiter, form->delimiter_size);
    if (!end) return refuse(form, "ends within a part: its closing boundary is missing");
    part->bytes = form->at + 2;
    part->size = end > form->at ? end - part->bytes : 0;
    form->at = end + form->delimiter_size;
    return true;
}
