// The effective values, for programs and for people.
#include <string.h>

#include "base/check.h"
#include "base/json_writer.h"
#include "base/option_internal.h"
#include "base/output.h"

static const void *field_of(const struct options *options, const struct option *row) {
    return (const char *)options->target + row->offset;
}

static void write_text(struct json_writer *w, const char *text) {
    if (text)
        json_write_text(w, text);
    else
        json_write_null(w);
}

static const char *choice_of(const struct option *row, const void *field) {
    int index = 0;
    memcpy(&index, field, sizeof index);
    return row->choices[index];
}

static void write_list(struct json_writer *w, const struct option *row, const void *field) {
    const struct option_ints *ints = field;
    const struct option_doubles *doubles = field;
    const struct option_texts *texts = field;
    // All on one line: lists of options are short.
    int indent = w->indent;
    w->indent = 0;
    json_write_begin_array(w);
    for (int64_t i = 0; row->kind == OPTION_INTS && i < ints->count; i++)
        json_write_int64(w, ints->items[i]);
    for (int64_t i = 0; row->kind == OPTION_DOUBLES && i < doubles->count; i++)
        json_write_double(w, doubles->items[i]);
    for (int64_t i = 0; row->kind == OPTION_TEXTS && i < texts->count; i++)
        json_write_text(w, texts->items[i]);
    json_write_end_array(w);
    w->indent = indent;
}

static void write_value(struct json_writer *w, const struct option *row, const void *field) {
    switch (row->kind) {
    case OPTION_BOOL:
        json_write_bool(w, *(const bool *)field);
        break;
    case OPTION_INT64:
        json_write_int64(w, *(const int64_t *)field);
        break;
    case OPTION_DOUBLE:
        json_write_double(w, *(const double *)field);
        break;
    case OPTION_TEXT:
        write_text(w, *(const char *const *)field);
        break;
    case OPTION_CHOICE:
        json_write_text(w, choice_of(row, field));
        break;
    case OPTION_INTS:
    case OPTION_DOUBLES:
    case OPTION_TEXTS:
        write_list(w, row, field);
        break;
    }
}

// ---- JSON ----

// How many bytes of name, dots included, name the groups that it is in.
static int64_t group_size(const char *name) {
    const char *dot = strrchr(name, '.');
    return dot ? dot - name + 1 : 0;
}

static int count_dots(const char *text, int64_t size) {
    int count = 0;
    for (int64_t i = 0; i < size; i++)
        count += text[i] == '.';
    return count;
}

// Closes the groups of the row before that this one is not in, and opens those that are new.
static void change_group(struct json_writer *w, const char *before, const char *name) {
    int64_t before_size = group_size(before);
    int64_t size = group_size(name);
    int64_t shared = option_shared_groups(before, name);
    for (int open = count_dots(before + shared, before_size - shared); open > 0; open--)
        json_write_end_object(w);
    while (shared < size) {
        char key[64];
        int64_t length = strchr(name + shared, '.') - (name + shared);
        CHECK(length < (int64_t)sizeof key);
        memcpy(key, name + shared, (size_t)length);
        key[length] = '\0';
        json_write_key(w, key);
        json_write_begin_object(w);
        shared += length + 1;
    }
}

void options_write_json(const struct options *options, struct json_writer *w) {
    json_write_begin_object(w);
    const char *before = "";
    for (int64_t i = 0; i < options->count; i++) {
        const struct option *row = &options->rows[i];
        change_group(w, before, row->name);
        json_write_key(w, row->name + group_size(row->name));
        write_value(w, row, field_of(options, row));
        before = row->name;
    }
    change_group(w, before, "");
    json_write_end_object(w);
}

// ---- A table ----

void options_write_value(const struct options *options, const struct option *row,
                         struct output *out) {
    struct json_writer w;
    json_writer_init(&w, out, 0);
    const void *field = field_of(options, row);
    if (row->kind == OPTION_CHOICE)
        output_text(out, choice_of(row, field));
    else
        write_value(&w, row, field);
}

static const char *origin_text(struct option_origin origin) {
    switch (origin.source) {
    case OPTION_FROM_DEFAULT:
        return "default";
    case OPTION_FROM_FILE:
        return origin.file;
    case OPTION_FROM_COMMAND_LINE:
        return "command line";
    }
    CHECK(false); // a source that does not exist
}

void options_write_table(const struct options *options, struct output *out) {
    // A value that is wider than this pushes its origin to the right; the others stay aligned.
    const int max_width = 32;
    int name_width = 0;
    int value_width = 0;
    struct output shown;
    for (int64_t i = 0; i < options->count; i++) {
        int name = (int)strlen(options->rows[i].name);
        if (name > name_width) name_width = name;
        output_open_memory(&shown);
        options_write_value(options, &options->rows[i], &shown);
        if (shown.size > value_width && shown.size <= max_width) value_width = (int)shown.size;
        output_discard(&shown);
    }
    for (int64_t i = 0; i < options->count; i++) {
        output_open_memory(&shown);
        options_write_value(options, &options->rows[i], &shown);
        output_printf(out, "%-*s  %-*s  %s\n", name_width, options->rows[i].name, value_width,
                      shown.size ? shown.data : "", origin_text(options->origins[i]));
        output_discard(&shown);
    }
}

const char *option_metavar(const struct option *row) {
    if (row->metavar) return row->metavar;
    switch (row->kind) {
    case OPTION_BOOL:
        return NULL;
    case OPTION_INT64:
        return "N";
    case OPTION_DOUBLE:
        return "X";
    case OPTION_TEXT:
        return "TEXT";
    case OPTION_CHOICE:
        return "WORD";
    case OPTION_INTS:
    case OPTION_DOUBLES:
    case OPTION_TEXTS:
        return "LIST";
    }
    CHECK(false); // a kind that does not exist
}
