// Values from JSON documents.
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/check.h"
#include "base/option_internal.h"

enum { CHOICE_BYTES = 32 };

// How a message shows a value of the document.
static const char *show(char shown[OPTION_SHOWN_BYTES], const cJSON *value) {
    if (cJSON_IsString(value)) {
        char text[OPTION_SHOWN_BYTES];
        option_show_text(text, value->valuestring);
        bool bare = text[0] != '"';
        snprintf(shown, OPTION_SHOWN_BYTES, bare ? "\"%.70s\"" : "%.78s", text);
    } else if (cJSON_IsNumber(value)) {
        snprintf(shown, OPTION_SHOWN_BYTES, "%.15g", value->valuedouble);
    } else {
        const char *name = cJSON_IsObject(value)  ? "an object"
                           : cJSON_IsArray(value) ? "a list"
                           : cJSON_IsNull(value)  ? "null"
                           : cJSON_IsTrue(value)  ? "true"
                                                  : "false";
        snprintf(shown, OPTION_SHOWN_BYTES, "%s", name);
    }
    return shown;
}

static enum status refuse_json(const struct option_target *target, const cJSON *value,
                               const char *expected) {
    char shown[OPTION_SHOWN_BYTES];
    return option_refuse(target, show(shown, value), expected);
}

static enum status read_bool(const struct option_target *target, const cJSON *value) {
    if (!cJSON_IsBool(value)) return refuse_json(target, value, NULL);
    *(bool *)target->field = cJSON_IsTrue(value);
    return STATUS_OK;
}

static enum status read_int64(const struct option_target *target, const cJSON *value,
                              int64_t *result) {
    // The document's numbers are doubles: beyond this they no longer tell neighbours apart.
    const double max_exact = 0x1p53;
    double number = value->valuedouble;
    bool whole = cJSON_IsNumber(value) && fabs(number) <= max_exact && number == trunc(number);
    if (!whole || !option_allows_int64(target->row, (int64_t)number))
        return refuse_json(target, value, NULL);
    *result = (int64_t)number;
    return STATUS_OK;
}

static enum status read_double(const struct option_target *target, const cJSON *value,
                               double *result) {
    bool finite = cJSON_IsNumber(value) && isfinite(value->valuedouble);
    if (!finite || !option_allows_double(target->row, value->valuedouble))
        return refuse_json(target, value, NULL);
    *result = value->valuedouble;
    return STATUS_OK;
}

static enum status read_text(const struct option_target *target, const cJSON *value,
                             const char **result) {
    if (!cJSON_IsString(value) || !option_allows_text(target->row, value->valuestring))
        return refuse_json(target, value, NULL);
    int64_t size = (int64_t)strlen(value->valuestring);
    const char *copy = arena_copy_text(target->arena, value->valuestring, size);
    if (!copy) return option_memory(target, size);
    *result = copy;
    return STATUS_OK;
}

static enum status read_choice(const struct option_target *target, const cJSON *value) {
    char number[CHOICE_BYTES];
    const char *text = number;
    if (cJSON_IsNumber(value))
        snprintf(number, sizeof number, "%.15g", value->valuedouble);
    else if (cJSON_IsString(value))
        text = value->valuestring;
    else
        return refuse_json(target, value, NULL);
    int index = option_choice_index(target->row, text);
    if (index < 0) return refuse_json(target, value, NULL);
    memcpy(target->field, &index, sizeof index);
    return STATUS_OK;
}

// ---- Lists ----

static enum status read_ints(const struct option_target *target, const cJSON *list) {
    int64_t count = cJSON_GetArraySize(list);
    int64_t *items = arena_alloc(target->arena, count, sizeof *items);
    if (!items) return option_memory(target, count * (int64_t)sizeof *items);
    int64_t i = 0;
    for (const cJSON *item = list->child; item; item = item->next)
        TRY(read_int64(target, item, &items[i++]));
    *(struct option_ints *)target->field = (struct option_ints){items, count};
    return STATUS_OK;
}

static enum status read_doubles(const struct option_target *target, const cJSON *list) {
    int64_t count = cJSON_GetArraySize(list);
    double *items = arena_alloc(target->arena, count, sizeof *items);
    if (!items) return option_memory(target, count * (int64_t)sizeof *items);
    int64_t i = 0;
    for (const cJSON *item = list->child; item; item = item->next)
        TRY(read_double(target, item, &items[i++]));
    *(struct option_doubles *)target->field = (struct option_doubles){items, count};
    return STATUS_OK;
}

static enum status read_texts(const struct option_target *target, const cJSON *list) {
    int64_t count = cJSON_GetArraySize(list);
    const char **items = arena_alloc(target->arena, count, sizeof *items);
    if (!items) return option_memory(target, count * (int64_t)sizeof *items);
    int64_t i = 0;
    for (const cJSON *item = list->child; item; item = item->next)
        TRY(read_text(target, item, &items[i++]));
    *(struct option_texts *)target->field = (struct option_texts){items, count};
    return STATUS_OK;
}

enum status option_read_json(const struct option_target *target, const struct cJSON *value) {
    enum option_kind kind = target->row->kind;
    bool list = kind == OPTION_INTS || kind == OPTION_DOUBLES || kind == OPTION_TEXTS;
    if (list && !cJSON_IsArray(value)) return refuse_json(target, value, "a list");
    switch (kind) {
    case OPTION_BOOL:
        return read_bool(target, value);
    case OPTION_INT64:
        return read_int64(target, value, target->field);
    case OPTION_DOUBLE:
        return read_double(target, value, target->field);
    case OPTION_TEXT:
        if (!cJSON_IsNull(value)) return read_text(target, value, target->field);
        *(const char **)target->field = NULL;
        return STATUS_OK;
    case OPTION_CHOICE:
        return read_choice(target, value);
    case OPTION_INTS:
        return read_ints(target, value);
    case OPTION_DOUBLES:
        return read_doubles(target, value);
    case OPTION_TEXTS:
        return read_texts(target, value);
    }
    CHECK(false); // a kind that does not exist
}
