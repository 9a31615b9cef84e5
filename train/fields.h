// Numbers of a struct as members of a JSON object, from one table for both ways:
//
//     static const struct field FIELDS[] = {
//         {"step", FIELD(struct point, step)}, {"loss", FIELD(struct point, loss)}, {0},
//     };
//
// A double reads back as the same double; null stands for one that is not finite and reads as NaN.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/json_reader.h"
#include "base/json_writer.h"

enum field_kind { FIELD_INT64, FIELD_DOUBLE };

enum { FIELDS_MAX = 32 };

struct field {
    const char *name; // NULL ends the table, of at most FIELDS_MAX
    size_t offset;
    enum field_kind kind;
};

#define FIELD(type, member)                                                                        \
    offsetof(type, member), _Generic(((type *)0)->member, int64_t                                  \
                                     : FIELD_INT64, double                                         \
                                     : FIELD_DOUBLE)

// Members of the object that the writer is in.
void fields_write(struct json_writer *w, const struct field *fields, const void *object);

// Reads the value of key if a field has that name, else skips it. Bit i of *seen is set when
// fields[i] was read.
void fields_read(struct json_reader *r, const struct json_string *key, const struct field *fields,
                 void *object, uint32_t *seen);

// Fails unless every field was seen.
void fields_require(struct json_reader *r, const struct field *fields, uint32_t seen);
