#include "base/option.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/nearest.h"
#include "base/option_internal.h"

int64_t option_shared_groups(const char *a, const char *b) {
    int64_t shared = 0;
    for (int64_t i = 0; a[i] && a[i] == b[i]; i++)
        if (a[i] == '.') shared = i + 1;
    return shared;
}

static bool is_group_of(const char *name, const char *longer) {
    size_t size = strlen(name);
    return strncmp(name, longer, size) == 0 && longer[size] == '.';
}

// Names are unique, none is also a group of others, and groups stand together, so that the values
// can be written as nested objects in one pass.
static void check_names(const struct option *rows, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        for (int64_t j = 0; j < i; j++) {
            CHECK(strcmp(rows[i].name, rows[j].name) != 0);
            CHECK(!is_group_of(rows[i].name, rows[j].name));
            CHECK(!is_group_of(rows[j].name, rows[i].name));
            CHECK(option_shared_groups(rows[i].name, rows[j].name) <=
                  option_shared_groups(rows[i].name, rows[i - 1].name));
        }
    }
}

static struct option_target target_of(const struct options *options, const struct option *row,
                                      struct option_origin origin, struct error *err) {
    return (struct option_target){
        .row = row,
        .field = (char *)options->target + row->offset,
        .arena = options->arena,
        .failure = origin.source == OPTION_FROM_FILE ? STATUS_DATA : STATUS_USAGE,
        .err = err,
    };
}

static void set_empty(const struct option *row, void *field) {
    switch (row->kind) {
    case OPTION_BOOL:
        *(bool *)field = false;
        break;
    case OPTION_INT64:
        *(int64_t *)field = 0;
        break;
    case OPTION_DOUBLE:
        *(double *)field = 0;
        break;
    case OPTION_TEXT:
        *(const char **)field = NULL;
        break;
    case OPTION_CHOICE:
        *(int *)field = 0;
        break;
    case OPTION_INTS:
        *(struct option_ints *)field = (struct option_ints){0};
        break;
    case OPTION_DOUBLES:
        *(struct option_doubles *)field = (struct option_doubles){0};
        break;
    case OPTION_TEXTS:
        *(struct option_texts *)field = (struct option_texts){0};
        break;
    }
}

enum status options_init(struct options *options, const struct option *rows, void *target,
                         struct arena *arena, struct error *err) {
    int64_t count = 0;
    while (rows[count].name)
        count++;
    check_names(rows, count);
    *options = (struct options){rows, count, target, arena, NULL};
    options->origins = arena_alloc_zero(arena, count, sizeof *options->origins);
    if (!options->origins)
        return error_memory(err, "options", count * (long long)sizeof *options->origins);
    for (int64_t i = 0; i < count; i++) {
        struct option_target field = target_of(options, &rows[i], options->origins[i], err);
        CHECK(rows[i].kind != OPTION_CHOICE || rows[i].choices);
        CHECK(!rows[i].required || !rows[i].default_text);
        set_empty(&rows[i], field.field);
        if (!rows[i].default_text) continue;
        enum status status = option_read_text(&field, rows[i].default_text);
        CHECK(status != STATUS_USAGE); // the table contradicts itself
        TRY(status);
    }
    return STATUS_OK;
}

const struct option *options_find(const struct options *options, const char *name) {
    for (int64_t i = 0; i < options->count; i++)
        if (strcmp(options->rows[i].name, name) == 0) return &options->rows[i];
    return NULL;
}

const char *options_suggest(const struct options *options, const char *name) {
    struct nearest nearest = {.wanted = name};
    for (int64_t i = 0; i < options->count; i++)
        nearest_offer(&nearest, options->rows[i].name);
    return nearest_name(&nearest);
}

static enum status find_row(const struct options *options, const char *name,
                            struct option_origin origin, const struct option **row,
                            struct error *err) {
    *row = options_find(options, name);
    if (*row) return STATUS_OK;
    enum status failure = origin.source == OPTION_FROM_FILE ? STATUS_DATA : STATUS_USAGE;
    const char *suggestion = options_suggest(options, name);
    if (suggestion)
        return error_set(err, failure, "%s: no such option; did you mean %s?", name, suggestion);
    return error_set(err, failure, "%s: no such option", name);
}

enum status options_set_text(struct options *options, const char *name, const char *text,
                             struct option_origin origin, struct error *err) {
    const struct option *row = NULL;
    TRY(find_row(options, name, origin, &row, err));
    struct option_target target = target_of(options, row, origin, err);
    TRY(option_read_text(&target, text));
    options->origins[row - options->rows] = origin;
    return STATUS_OK;
}

enum status options_set_nothing(struct options *options, const char *name,
                                struct option_origin origin, struct error *err) {
    const struct option *row = NULL;
    TRY(find_row(options, name, origin, &row, err));
    struct option_target target = target_of(options, row, origin, err);
    bool is_list =
        row->kind == OPTION_INTS || row->kind == OPTION_DOUBLES || row->kind == OPTION_TEXTS;
    if (!is_list) return options_set_text(options, name, "", origin, err);
    set_empty(row, target.field);
    options->origins[row - options->rows] = origin;
    return STATUS_OK;
}

enum status options_set_json(struct options *options, const char *name, const struct cJSON *value,
                             struct option_origin origin, struct error *err) {
    const struct option *row = NULL;
    TRY(find_row(options, name, origin, &row, err));
    struct option_target target = target_of(options, row, origin, err);
    TRY(option_read_json(&target, value));
    options->origins[row - options->rows] = origin;
    return STATUS_OK;
}

const struct option *options_first_missing(const struct options *options) {
    for (int64_t i = 0; i < options->count; i++) {
        bool unset = options->origins[i].source == OPTION_FROM_DEFAULT;
        if (options->rows[i].required && unset) return &options->rows[i];
    }
    return NULL;
}

struct option_origin options_origin(const struct options *options, const struct option *row) {
    CHECK(row >= options->rows && row < options->rows + options->count);
    return options->origins[row - options->rows];
}
