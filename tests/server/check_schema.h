// The interface's description, server/openapi.json, and whether documents are as it says: the
// keywords of JSON Schema 2020-12 that it uses. An unknown keyword is a failed check.
#pragma once

#include <stdbool.h>

struct cJSON;

const struct cJSON *openapi(void); // read once

// What "#/components/..." names, NULL if nothing.
const struct cJSON *openapi_at(const char *reference);

// Whether text is a JSON document that fits the schema at the reference. Prints what does not fit.
bool schema_accepts(const char *reference, const char *text);

// The same, for a value; where is its place, for messages. quiet prints nothing.
bool schema_fits(const struct cJSON *schema, const struct cJSON *value, const char *where,
                 bool quiet);
