#include "tools/usage.h"

#include <string.h>

enum { LINE_WIDTH = 80, MAX_LEFT_WIDTH = 28 };

// Text broken into lines of LINE_WIDTH columns, all but the first indented; the cursor stands at
// column indent. Ends with a new line.
static void write_wrapped(struct output *out, const char *text, int indent) {
    int column = indent;
    while (*text) {
        int size = (int)strcspn(text, " ");
        if (column > indent && column + 1 + size > LINE_WIDTH) {
            output_printf(out, "\n%*s", indent, "");
            column = indent;
        }
        bool spaced = column > indent;
        output_printf(out, "%s%.*s", spaced ? " " : "", size, text);
        column += size + spaced;
        text += size;
        text += strspn(text, " ");
    }
    output_text(out, "\n");
}

void usage_write_option(const struct option *row, struct output *out) {
    bool on =
        row->kind == OPTION_BOOL && row->default_text && strcmp(row->default_text, "true") == 0;
    output_printf(out, "--%s%s", on ? "[no-]" : "", row->name);
    if (option_metavar(row)) output_printf(out, " %s", option_metavar(row));
}

void usage_write_remark(const struct option *row, struct output *out) {
    const char *separator = "";
    if (row->choices) {
        output_text(out, row->kind == OPTION_TEXTS ? "any of " : "one of ");
        for (const char *const *choice = row->choices; *choice; choice++)
            output_printf(out, "%s%s", choice == row->choices ? "" : ", ", *choice);
        separator = "; ";
    }
    if (row->required)
        output_printf(out, "%srequired", separator);
    else if (row->default_text && row->kind != OPTION_BOOL)
        output_printf(out, "%sdefault: %s", separator, row->default_text);
}

void usage_write_synopsis(const struct command *command, struct output *out) {
    output_printf(out, "gctmask %s", command->name);
    for (const struct option *row = command->options; row && row->name; row++) {
        if (!row->required) continue;
        output_text(out, " ");
        usage_write_option(row, out);
    }
    output_text(out, " [OPTION...]");
    if (command->operands) output_printf(out, " %s", command->operands);
}

// One line of a list: "  left   right", right wrapped in its column, or below if left is wide.
static void write_entry(struct output *out, const char *left, const char *right, int left_width) {
    const int indent = 2;
    const int gap = 2;
    int size = (int)strlen(left);
    output_printf(out, "%*s%-*s%*s", indent, "", left_width, left, gap, "");
    int column = indent + left_width + gap;
    if (size > left_width) output_printf(out, "\n%*s", column, "");
    write_wrapped(out, right, column);
}

static void write_option_entry(struct output *out, const struct option *row, int left_width) {
    struct output left;
    struct output right;
    struct output remark;
    output_open_memory(&left);
    output_open_memory(&right);
    output_open_memory(&remark);
    usage_write_option(row, &left);
    usage_write_remark(row, &remark);
    output_text(&right, row->help);
    if (remark.size) output_printf(&right, " (%s)", remark.data);
    if (left.data && right.data) write_entry(out, left.data, right.data, left_width);
    output_discard(&left);
    output_discard(&right);
    output_discard(&remark);
}

static int option_width(const struct option *row) {
    struct output left;
    output_open_memory(&left);
    usage_write_option(row, &left);
    int width = (int)left.size;
    output_discard(&left);
    return width;
}

// The widest option that still fits the left column.
static int left_width_of(const struct option *rows) {
    int widest = 0;
    for (const struct option *row = rows; row && row->name; row++) {
        int width = option_width(row);
        if (width > widest && width <= MAX_LEFT_WIDTH) widest = width;
    }
    return widest;
}

static void write_options(struct output *out, const struct option *rows, int left_width) {
    for (const struct option *row = rows; row && row->name; row++) {
        if (row->group || row == rows)
            output_printf(out, "\n%s:\n", row->group ? row->group : "Options");
        write_option_entry(out, row, left_width);
    }
}

void usage_write_command(const struct command *command, struct output *out) {
    output_text(out, "Usage: ");
    usage_write_synopsis(command, out);
    output_printf(out, "\n\ngctmask %s: %s.\n", command->name, command->summary);
    if (command->description) {
        output_text(out, "\n");
        write_wrapped(out, command->description, 0);
    }
    int own = left_width_of(command->options);
    int common = left_width_of(COMMON_OPTIONS);
    int left_width = own > common ? own : common;
    write_options(out, command->options, left_width);
    write_options(out, COMMON_OPTIONS, left_width);
    write_entry(out, "-h, --help", "print this text", left_width);
    if (command->examples) output_text(out, "\nExamples:\n");
    for (const struct example *e = command->examples; e && e->line; e++) {
        output_printf(out, "  %s\n      ", e->line);
        write_wrapped(out, e->meaning, 6);
    }
}

void usage_write_program(struct output *out) {
    output_text(out, "Usage: gctmask COMMAND [OPTION...] [OPERAND...]\n\n"
                     "gctmask: instance segmentation, from training to serving.\n\n"
                     "Commands:\n");
    int left_width = 0;
    for (const struct command *const *c = COMMANDS; *c; c++)
        if ((int)strlen((*c)->name) > left_width) left_width = (int)strlen((*c)->name);
    for (const struct command *const *c = COMMANDS; *c; c++)
        write_entry(out, (*c)->name, (*c)->summary, left_width);
    output_text(out, "\n"
                     "  -h, --help  print this text\n"
                     "  --version   print the version\n"
                     "\n"
                     "\"gctmask COMMAND --help\" says more about a command.\n");
}
