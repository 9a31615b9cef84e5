#include "train/fields.h"

#include <math.h>
#include <string.h>

#include "base/check.h"

void fields_write(struct json_writer *w, const struct field *fields, const void *object) {
    for (const struct field *field = fields; field->name; field++) {
        const void *place = (const char *)object + field->offset;
        json_write_key(w, field->name);
        if (field->kind == FIELD_INT64) {
            json_write_int64(w, *(const int64_t *)place);
        } else {
            double value = *(const double *)place;
            if (isfinite(value))
                json_write_double(w, value);
            else
                json_write_null(w);
        }
    }
}

static double read_double(struct json_reader *r) {
    if (json_peek(r) != JSON_NULL) return json_double(r);
    json_null(r);
    return (double)NAN;
}

void fields_read(struct json_reader *r, const struct json_string *key, const struct field *fields,
                 void *object, uint32_t *seen) {
    int i = 0;
    while (fields[i].name && !json_string_is(key, fields[i].name))
        i++;
    if (!fields[i].name) {
        json_skip(r);
        return;
    }
    CHECK(i < FIELDS_MAX);
    void *place = (char *)object + fields[i].offset;
    if (fields[i].kind == FIELD_INT64)
        *(int64_t *)place = json_int64(r);
    else
        *(double *)place = read_double(r);
    *seen |= UINT32_C(1) << i;
}

void fields_require(struct json_reader *r, const struct field *fields, uint32_t seen) {
    for (int i = 0; fields[i].name; i++)
        if (!(seen >> i & 1)) json_fail(r, "the object has no \"%s\"", fields[i].name);
}
