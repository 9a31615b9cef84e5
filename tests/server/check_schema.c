#include "tests/server/check_schema.h"

#include <math.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/check.h"
#include "base/file_view.h"

const struct cJSON *openapi(void) {
    static cJSON *document;
    struct file_view view;
    struct error err;
    if (document) return document;
    CHECK(file_view_open(&view, TESTS_DIR "/../server/openapi.json", 1 << 20, &err) == STATUS_OK);
    document = cJSON_ParseWithLength(view.data, (size_t)view.size);
    CHECK(document);
    file_view_close(&view);
    return document;
}

const struct cJSON *openapi_at(const char *reference) {
    char key[128];
    const cJSON *at = openapi();
    CHECK(reference[0] == '#');
    for (const char *part = reference + 1; at && *part == '/'; part += strcspn(part, "/")) {
        size_t size = strcspn(++part, "/");
        size_t used = 0;
        CHECK(size < sizeof key);
        for (size_t i = 0; i < size; i++) { // "~1" is a slash (RFC 6901)
            bool slash = part[i] == '~' && part[i + 1] == '1';
            key[used++] = slash ? '/' : part[i];
            i += slash;
        }
        key[used] = '\0';
        at = cJSON_GetObjectItemCaseSensitive(at, key);
    }
    return at;
}

// ---- Keywords ----

// A value that is checked: where it is, and whether to say what is wrong.
struct place {
    const char *where;
    bool quiet;
};

static bool refuse(const struct place *place, const char *what, const cJSON *schema) {
    if (place->quiet) return false;
    char *text = cJSON_PrintUnformatted(schema);
    printf("         %s: %s %.200s\n", place->where, what, text);
    cJSON_free(text);
    return false;
}

static bool is_type(const cJSON *value, const char *type) {
    if (strcmp(type, "object") == 0) return cJSON_IsObject(value);
    if (strcmp(type, "array") == 0) return cJSON_IsArray(value);
    if (strcmp(type, "string") == 0) return cJSON_IsString(value);
    if (strcmp(type, "boolean") == 0) return cJSON_IsBool(value);
    if (strcmp(type, "null") == 0) return cJSON_IsNull(value);
    if (strcmp(type, "number") == 0) return cJSON_IsNumber(value);
    CHECK(strcmp(type, "integer") == 0);
    return cJSON_IsNumber(value) && value->valuedouble == trunc(value->valuedouble);
}

static bool check_type(const cJSON *types, const cJSON *value) {
    if (cJSON_IsString(types)) return is_type(value, types->valuestring);
    for (const cJSON *type = types->child; type; type = type->next)
        if (is_type(value, type->valuestring)) return true;
    return false;
}

static bool check_enum(const cJSON *list, const cJSON *value) {
    for (const cJSON *item = list->child; item; item = item->next)
        if (cJSON_Compare(item, value, true)) return true;
    return false;
}

static bool check_pattern(const cJSON *pattern, const cJSON *value) {
    regex_t regex;
    if (!cJSON_IsString(value)) return true;
    CHECK(regcomp(&regex, pattern->valuestring, REG_EXTENDED | REG_NOSUB) == 0);
    bool matches = regexec(&regex, value->valuestring, 0, NULL, 0) == 0;
    regfree(&regex);
    return matches;
}

static bool check_required(const cJSON *names, const cJSON *value) {
    if (!cJSON_IsObject(value)) return true;
    for (const cJSON *name = names->child; name; name = name->next)
        if (!cJSON_GetObjectItemCaseSensitive(value, name->valuestring)) return false;
    return true;
}

static bool check_sizes(const char *keyword, double bound, const cJSON *value) {
    if (cJSON_IsNumber(value)) {
        if (strcmp(keyword, "minimum") == 0) return value->valuedouble >= bound;
        if (strcmp(keyword, "maximum") == 0) return value->valuedouble <= bound;
    }
    if (cJSON_IsArray(value)) {
        if (strcmp(keyword, "minItems") == 0) return cJSON_GetArraySize(value) >= bound;
        if (strcmp(keyword, "maxItems") == 0) return cJSON_GetArraySize(value) <= bound;
    }
    if (cJSON_IsString(value)) {
        if (strcmp(keyword, "minLength") == 0) return (double)strlen(value->valuestring) >= bound;
        if (strcmp(keyword, "maxLength") == 0) return (double)strlen(value->valuestring) <= bound;
    }
    if (cJSON_IsObject(value) && strcmp(keyword, "maxProperties") == 0)
        return cJSON_GetArraySize(value) <= bound;
    return true;
}

// Keywords without schemas inside. -1: another one.
static int check_plain(const cJSON *keyword, const cJSON *value) {
    static const char *const SIZES[] = {"minimum",   "maximum",   "minItems",     "maxItems",
                                        "minLength", "maxLength", "maxProperties"};
    static const char *const NOTES[] = {"description", "default", "contentEncoding",
                                        "contentMediaType", "additionalProperties"};
    const char *name = keyword->string;
    if (strcmp(name, "type") == 0) return check_type(keyword, value);
    if (strcmp(name, "enum") == 0) return check_enum(keyword, value);
    if (strcmp(name, "const") == 0) return cJSON_Compare(keyword, value, true);
    if (strcmp(name, "pattern") == 0) return check_pattern(keyword, value);
    if (strcmp(name, "required") == 0) return check_required(keyword, value);
    for (size_t i = 0; i < sizeof SIZES / sizeof *SIZES; i++)
        if (strcmp(name, SIZES[i]) == 0) return check_sizes(name, keyword->valuedouble, value);
    for (size_t i = 0; i < sizeof NOTES / sizeof *NOTES; i++)
        if (strcmp(name, NOTES[i]) == 0) return true;
    return -1;
}

// Schemas lie within schemas as deeply as our description goes, which is no stranger's.
// NOLINTBEGIN(misc-no-recursion)

// What we write is described to the last field, even where clients are to bear more.
static bool check_properties(const cJSON *schema, const cJSON *value, const struct place *place) {
    const cJSON *properties = cJSON_GetObjectItemCaseSensitive(schema, "properties");
    bool fits = true;
    for (const cJSON *member = value->child; member; member = member->next) {
        const cJSON *inner = cJSON_GetObjectItemCaseSensitive(properties, member->string);
        char where[256];
        snprintf(where, sizeof where, "%s.%s", place->where, member->string);
        const struct place inside = {where, place->quiet};
        if (inner)
            fits = schema_fits(inner, member, where, place->quiet) && fits;
        else
            fits = refuse(&inside, "is not among the properties of", properties);
    }
    return fits;
}

static bool check_items(const cJSON *items, const cJSON *value, const struct place *place) {
    bool fits = true;
    int i = 0;
    for (const cJSON *item = value->child; item; item = item->next) {
        char where[256];
        snprintf(where, sizeof where, "%s[%d]", place->where, i++);
        fits = schema_fits(items, item, where, place->quiet) && fits;
    }
    return fits;
}

static bool check_choices(const cJSON *keyword, const cJSON *value, const struct place *place) {
    int count = 0;
    for (const cJSON *choice = keyword->child; choice; choice = choice->next)
        count += schema_fits(choice, value, place->where, true);
    if (strcmp(keyword->string, "allOf") == 0) return count == cJSON_GetArraySize(keyword);
    return count == 1;
}

bool schema_fits(const struct cJSON *schema, const struct cJSON *value, const char *where,
                 bool quiet) {
    const struct place place = {where, quiet};
    bool fits = true;
    for (const cJSON *keyword = schema->child; keyword; keyword = keyword->next) {
        const char *name = keyword->string;
        int plain = check_plain(keyword, value);
        if (plain == 0) fits = refuse(&place, name, keyword);
        if (plain >= 0) continue;
        if (strcmp(name, "$ref") == 0) {
            const cJSON *target = openapi_at(keyword->valuestring);
            CHECK(target);
            fits = schema_fits(target, value, where, quiet) && fits;
        } else if (strcmp(name, "properties") == 0) {
            if (cJSON_IsObject(value)) fits = check_properties(schema, value, &place) && fits;
        } else if (strcmp(name, "items") == 0) {
            if (cJSON_IsArray(value)) fits = check_items(keyword, value, &place) && fits;
        } else if (strcmp(name, "oneOf") == 0 || strcmp(name, "allOf") == 0) {
            if (!check_choices(keyword, value, &place)) fits = refuse(&place, name, keyword);
        } else {
            fits = refuse(&place, "an unknown keyword:", keyword);
        }
    }
    return fits;
}

// NOLINTEND(misc-no-recursion)

bool schema_accepts(const char *reference, const char *text) {
    cJSON *value = cJSON_Parse(text);
    const cJSON *schema = openapi_at(reference);
    CHECK(schema);
    if (!value) printf("         not JSON: %.200s\n", text);
    bool fits = value && schema_fits(schema, value, "$", false);
    cJSON_Delete(value);
    return fits;
}
