// What a value may be, and how a wrong one is refused.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/option_internal.h"
#include "base/output.h"

// ---- Numbers ----

// Whether text starts like a decimal number: strtod and strtoll also take spaces, "inf", "nan" and
// hexadecimal, which nobody means.
static bool looks_decimal(const char *text, const char *allowed) {
    return *text && text[strspn(text, allowed)] == '\0';
}

bool option_parse_int64(const char *text, int64_t *value) {
    if (!looks_decimal(text, "+-0123456789")) return false;
    char *end = NULL;
    errno = 0;
    *value = strtoll(text, &end, 10);
    return errno == 0 && *end == '\0' && end != text;
}

bool option_parse_double(const char *text, double *value) {
    if (!looks_decimal(text, "+-.0123456789eE")) return false;
    char *end = NULL;
    *value = strtod(text, &end);
    return *end == '\0' && end != text && isfinite(*value);
}

// ---- Bounds and choices ----

static bool has_bounds(const struct option *row) {
    return row->minimum != 0 || row->maximum != 0;
}

bool option_allows_double(const struct option *row, double value) {
    return !has_bounds(row) || (value >= row->minimum && value <= row->maximum);
}

bool option_allows_int64(const struct option *row, int64_t value) {
    if (!option_allows_double(row, (double)value)) return false;
    if (!row->choices) return true;
    for (const char *const *choice = row->choices; *choice; choice++) {
        int64_t allowed = 0;
        if (option_parse_int64(*choice, &allowed) && allowed == value) return true;
    }
    return false;
}

int option_choice_index(const struct option *row, const char *text) {
    for (int i = 0; row->choices[i]; i++)
        if (strcmp(row->choices[i], text) == 0) return i;
    return -1;
}

bool option_allows_text(const struct option *row, const char *text) {
    return !row->choices || option_choice_index(row, text) >= 0;
}

// ---- Refusing ----

void option_show_text(char shown[OPTION_SHOWN_BYTES], const char *text) {
    enum { MAX_BYTES = 60 };
    double number = 0;
    bool bare = option_parse_double(text, &number);
    bool cut = strlen(text) > MAX_BYTES;
    const char *quote = bare && !cut ? "" : "\"";
    snprintf(shown, OPTION_SHOWN_BYTES, "%s%.*s%s%s", quote, MAX_BYTES, text, cut ? "..." : "",
             quote);
    for (char *c = shown; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127) *c = '?';
}

void option_describe_expected(const struct option *row, struct output *out) {
    if (row->choices) {
        output_text(out, "one of ");
        for (const char *const *choice = row->choices; *choice; choice++)
            output_printf(out, "%s%s", choice == row->choices ? "" : ", ", *choice);
        return;
    }
    switch (row->kind) {
    case OPTION_BOOL:
        output_text(out, "true or false");
        return;
    case OPTION_TEXT:
    case OPTION_TEXTS:
    case OPTION_CHOICE:
        output_text(out, "text");
        return;
    case OPTION_INT64:
    case OPTION_INTS:
        output_text(out, "a whole number");
        break;
    case OPTION_DOUBLE:
    case OPTION_DOUBLES:
        output_text(out, "a number");
        break;
    }
    if (!has_bounds(row)) return;
    if (isinf(row->maximum))
        output_printf(out, " of at least %.15g", row->minimum);
    else
        output_printf(out, " from %.15g to %.15g", row->minimum, row->maximum);
}

enum status option_refuse(const struct option_target *target, const char *found,
                          const char *expected) {
    struct output described;
    output_open_memory(&described);
    if (expected)
        output_text(&described, expected);
    else
        option_describe_expected(target->row, &described);
    enum status status =
        error_set(target->err, target->failure, "%s: %s is not %s", target->row->name, found,
                  described.size ? described.data : "allowed");
    output_discard(&described);
    return status;
}

enum status option_memory(const struct option_target *target, int64_t bytes) {
    return error_memory(target->err, target->row->name, bytes);
}
