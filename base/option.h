// Options: one table row holds all that is known about one, and everything else follows from the
// table: defaults, parsing, checks, the effective values as JSON or as a table for people, the help
// text, the manual page and the shell's completion. The fields live in a plain struct of the owner:
//
//     struct model_options {
//         int64_t depth;
//         double dropout;
//     };
//     static const struct option MODEL_OPTIONS[] = {
//         {.name = "model.depth", OPTION_FIELD(struct model_options, depth),
//          .default_text = "50", .choices = (const char *const[]){"50", "101", NULL},
//          .help = "layers of the backbone"},
//         {.name = "model.dropout", OPTION_FIELD(struct model_options, dropout),
//          .default_text = "0.1", OPTION_BETWEEN(0, 1), .help = "share of zeros"},
//         {0},
//     };
//     struct options options;
//     TRY(options_init(&options, MODEL_OPTIONS, &model, &arena, err));
//     TRY(options_set_text(&options, "model.depth", "101", origin, err));
//
// A wrong value is a world error that names the option, the value and what was expected. It is
// STATUS_DATA if the value comes from a file and STATUS_USAGE otherwise. A wrong table is a
// programmer error.
#pragma once

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

struct cJSON;
struct json_writer;
struct output;

enum option_kind {
    OPTION_BOOL,    // bool
    OPTION_INT64,   // int64_t
    OPTION_DOUBLE,  // double, always finite
    OPTION_TEXT,    // const char *; NULL if there is neither a value nor a default
    OPTION_CHOICE,  // int or an enum: the index in choices
    OPTION_INTS,    // struct option_ints
    OPTION_DOUBLES, // struct option_doubles
    OPTION_TEXTS,   // struct option_texts
};

// Lists belong to the arena of their struct options.
struct option_ints {
    const int64_t *items;
    int64_t count;
};

struct option_doubles {
    const double *items;
    int64_t count;
};

struct option_texts {
    const char *const *items;
    int64_t count;
};

enum { OPTION_MAX_ITEMS = 1 << 20 }; // of a list

struct option {
    const char *name; // "max-dets", or dotted: "model.depth"; NULL ends the table
    enum option_kind kind;
    bool required;  // has no default and must be set
    size_t offset;  // of the field in the owner's struct
    double minimum; // bounds of numbers, in lists too; both 0 means none
    double maximum;
    const char *default_text;   // as a user would write it; NULL: false, 0, NULL or an empty list
    const char *metavar;        // stands for the value in help ("FILE"); NULL: by the kind
    const char *help;           // one sentence without a capital and a full stop
    const char *const *choices; // all allowed values, NULL at the end; not for bool and double
    const char *group;          // heading of the rows from here on; NULL: as the row before
};

// Sets offset and kind from the type of the field, so that the two cannot disagree.
#define OPTION_FIELD(type, member)                                                                 \
    .offset = offsetof(type, member), .kind = _Generic(((type *)0)->member,                        \
        bool: OPTION_BOOL,                                                                         \
        int64_t: OPTION_INT64,                                                                     \
        double: OPTION_DOUBLE,                                                                     \
        const char *: OPTION_TEXT,                                                                 \
        int: OPTION_CHOICE,                                                                        \
        unsigned: OPTION_CHOICE,                                                                   \
        struct option_ints: OPTION_INTS,                                                           \
        struct option_doubles: OPTION_DOUBLES,                                                     \
        struct option_texts: OPTION_TEXTS)
#define OPTION_BETWEEN(low, high) .minimum = (low), .maximum = (high)
#define OPTION_AT_LEAST(low)      .minimum = (low), .maximum = HUGE_VAL

enum option_source { OPTION_FROM_DEFAULT, OPTION_FROM_FILE, OPTION_FROM_COMMAND_LINE };

struct option_origin {
    enum option_source source;
    const char *file; // OPTION_FROM_FILE: its name, which must live as long as the options
};

// A table, the struct that it describes and where each value came from.
struct options {
    const struct option *rows;
    int64_t count;
    void *target;
    struct arena *arena;           // of texts and lists
    struct option_origin *origins; // one for each row
};

// Binds rows to target and sets every field to its default. All but the struct itself is borrowed.
MUST_CHECK enum status options_init(struct options *options, const struct option *rows,
                                    void *target, struct arena *arena, struct error *err);

// NULL if there is no such option.
const struct option *options_find(const struct options *options, const char *name);

// The name closest to a mistyped one, or NULL if none is close.
const char *options_suggest(const struct options *options, const char *name);

// Sets one option from a word of the command line. Numbers are decimal; lists are separated by
// commas, and in a list of numbers LOW:HIGH:STEP stands for LOW, LOW + STEP, ... HIGH, computed as
// numpy.linspace does. An unknown name is an error with a suggestion.
MUST_CHECK enum status options_set_text(struct options *options, const char *name, const char *text,
                                        struct option_origin origin, struct error *err);

// Leaves a list without items. Any other option has a value: it takes this as an empty word.
MUST_CHECK enum status options_set_nothing(struct options *options, const char *name,
                                           struct option_origin origin, struct error *err);

// Sets one option from a JSON value of the matching type: a list from an array, the others from one
// value. A choice is a string, or a number if it looks like one. null unsets a text.
MUST_CHECK enum status options_set_json(struct options *options, const char *name,
                                        const struct cJSON *value, struct option_origin origin,
                                        struct error *err);

// The first required option that nobody set, or NULL.
const struct option *options_first_missing(const struct options *options);

struct option_origin options_origin(const struct options *options, const struct option *row);

// The effective values as one JSON object, a dotted name as nested objects: a configuration file
// that gives exactly these values.
void options_write_json(const struct options *options, struct json_writer *w);

// The value of one option as a user would write it; different values are written differently.
void options_write_value(const struct options *options, const struct option *row,
                         struct output *out);

// A line for each option: name, value, where the value came from.
void options_write_table(const struct options *options, struct output *out);

// What goes after the name in help: the metavar, or the kind's usual one. NULL for bool.
const char *option_metavar(const struct option *row);

// Writes what a value must be, as in "a whole number from 1 to 64". For a list: each item.
void option_describe_expected(const struct option *row, struct output *out);
