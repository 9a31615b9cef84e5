// Shared by the files of the option engine.
#pragma once

#include "base/option.h"

// One value on its way into its field.
struct option_target {
    const struct option *row;
    void *field;
    struct arena *arena;
    enum status failure; // what a wrong value is
    struct error *err;
};

enum { OPTION_SHOWN_BYTES = 80 };

// Store a value of the user's text or of a JSON document in the field.
enum status option_read_text(const struct option_target *target, const char *text);
enum status option_read_json(const struct option_target *target, const struct cJSON *value);

// Fails with "NAME: FOUND is not EXPECTED"; expected NULL stands for what the row says.
enum status option_refuse(const struct option_target *target, const char *found,
                          const char *expected);

// A user's text as it is shown in messages: bare if it is a number, else in quotes; cut if long,
// without control characters.
void option_show_text(char shown[OPTION_SHOWN_BYTES], const char *text);

// Whether a value of the right type is within the bounds and among the choices.
bool option_allows_int64(const struct option *row, int64_t value);
bool option_allows_double(const struct option *row, double value);

// Index of text among the row's choices, or -1.
int option_choice_index(const struct option *row, const char *text);
bool option_allows_text(const struct option *row, const char *text);

// Strict decimal numbers: all of text, nothing before it.
bool option_parse_int64(const char *text, int64_t *value);
bool option_parse_double(const char *text, double *value);

// Length of the leading groups that two dotted names share, dots included: 6 for "model.depth" and
// "model.width".
int64_t option_shared_groups(const char *a, const char *b);

enum status option_memory(const struct option_target *target, int64_t bytes);
