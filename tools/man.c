// gctmask man: prints manual pages in roff's man macros, from the same tables as the help.
#include <string.h>

#include "tools/command.h"
#include "tools/usage.h"

// Text in which roff sees no requests and no escapes, and hyphens can be copied as what they are.
static void write_roff(struct output *out, const char *text) {
    if (*text == '.' || *text == '\'') output_text(out, "\\&");
    for (; *text; text++) {
        if (*text == '\\')
            output_text(out, "\\e");
        else if (*text == '-')
            output_text(out, "\\-");
        else
            output_write(out, text, 1);
    }
}

static void write_upper(struct output *out, const char *text) {
    for (; *text; text++) {
        char upper = *text >= 'a' && *text <= 'z' ? (char)(*text - 'a' + 'A') : *text;
        output_write(out, &upper, 1);
    }
}

static void write_title(struct output *out, const char *name) {
    output_text(out, ".TH ");
    write_upper(out, name);
    output_text(out,
                " 1 \"\" \"gctmask " GCTMASK_VERSION "\" \"User Commands\"\n.ad l\n.SH NAME\n");
    write_roff(out, name);
    output_text(out, " \\- ");
}

// What a struct output in memory collected, as roff; frees it.
static void write_collected(struct output *out, struct output *collected) {
    if (collected->size) write_roff(out, collected->data);
    output_discard(collected);
}

static void write_option(struct output *out, const struct option *row) {
    struct output text;
    output_text(out, ".TP\n.B ");
    output_open_memory(&text);
    usage_write_option(row, &text);
    write_collected(out, &text);
    output_text(out, "\n");
    output_open_memory(&text);
    output_text(&text, row->help);
    bool has_bounds = row->minimum != 0 || row->maximum != 0;
    if (has_bounds) {
        output_text(&text, ": ");
        option_describe_expected(row, &text);
    }
    write_collected(out, &text);
    output_open_memory(&text);
    usage_write_remark(row, &text);
    if (text.size) {
        output_text(out, " (");
        write_collected(out, &text);
        output_text(out, ")");
    }
    output_text(out, ".\n");
}

static void write_options(struct output *out, const struct option *rows) {
    for (const struct option *row = rows; row && row->name; row++) {
        if (row->group) output_printf(out, ".SS %s\n", row->group);
        write_option(out, row);
    }
}

static void write_exit_status(struct output *out) {
    output_text(out, ".SH EXIT STATUS\n");
    for (const struct exit_meaning *m = EXIT_MEANINGS; m->meaning; m++)
        output_printf(out, ".TP\n.B %d\n%s\n", (int)m->code, m->meaning);
}

static void write_examples(struct output *out, const struct example *examples) {
    if (examples) output_text(out, ".SH EXAMPLES\n");
    for (const struct example *e = examples; e && e->line; e++) {
        output_text(out, ".TP\n.B ");
        write_roff(out, e->line);
        output_text(out, "\n");
        write_roff(out, e->meaning);
        output_text(out, "\n");
    }
}

static void write_command_page(struct output *out, const struct command *command) {
    struct output synopsis;
    struct output name;
    output_open_memory(&name);
    output_printf(&name, "gctmask-%s", command->name);
    write_title(out, name.size ? name.data : command->name);
    output_discard(&name);
    write_roff(out, command->summary);
    output_text(out, "\n.SH SYNOPSIS\n.B ");
    output_open_memory(&synopsis);
    usage_write_synopsis(command, &synopsis);
    write_collected(out, &synopsis);
    if (command->description) {
        output_text(out, "\n.SH DESCRIPTION\n");
        write_roff(out, command->description);
    }
    output_text(out, "\n.SH OPTIONS\n");
    write_options(out, command->options);
    write_options(out, COMMON_OPTIONS);
    output_text(out, ".TP\n.BR \\-h \", \" \\-\\-help\nprint a summary of these options.\n");
    write_exit_status(out);
    write_examples(out, command->examples);
    output_text(out, ".SH SEE ALSO\n.BR gctmask (1)\n");
}

static void write_program_page(struct output *out) {
    write_title(out, "gctmask");
    output_text(out, "instance segmentation, from training to serving\n"
                     ".SH SYNOPSIS\n"
                     ".B gctmask\n"
                     ".I COMMAND\n"
                     "[\\fIOPTION\\fR...] [\\fIOPERAND\\fR...]\n"
                     ".SH COMMANDS\n");
    for (const struct command *const *c = COMMANDS; *c; c++) {
        output_printf(out, ".TP\n.B %s\n", (*c)->name);
        write_roff(out, (*c)->summary);
        output_text(out, "\n");
    }
    output_text(out, ".SH OPTIONS\n"
                     ".TP\n.BR \\-h \", \" \\-\\-help\nprint a list of the commands.\n"
                     ".TP\n.B \\-\\-version\nprint the version.\n");
    write_exit_status(out);
    output_text(out, ".SH SEE ALSO\n");
    for (const struct command *const *c = COMMANDS; *c; c++)
        output_printf(out, ".BR gctmask\\-%s (1)%s\n", (*c)->name, c[1] ? "," : "");
}

static enum status run_man(struct invocation *invocation, struct error *err) {
    if (invocation->num_operands == 0) {
        write_program_page(invocation->out);
        return STATUS_OK;
    }
    const struct command *command = NULL;
    TRY(command_find(invocation->operands[0], &command, err));
    write_command_page(invocation->out, command);
    return STATUS_OK;
}

static const struct example EXAMPLES[] = {
    {"gctmask man eval | man -l -", "read the page of a command"},
    {0},
};

const struct command man_command = {
    .name = "man",
    .summary = "print a manual page",
    .description = "Prints the page of the program, or of a command, for man(1).",
    .operands = "[COMMAND]",
    .max_operands = 1,
    .examples = EXAMPLES,
    .run = run_man,
};
