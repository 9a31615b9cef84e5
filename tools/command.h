// The commands of the program: "gctmask COMMAND [OPTION...] [OPERAND...]".
//
// A command is one file, tools/NAME.c, that defines NAME_command, and one line in commands.def.
// From its struct come the parsing of the command line, the help text, the manual page and the
// shell's completion, so that they cannot disagree.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/log.h"
#include "base/option.h"
#include "base/output.h"
#include "tools/exit_code.h"

struct invocation;

struct example {
    const char *line; // what to type; NULL ends a list
    const char *meaning;
};

struct command {
    const char *name;
    const char *summary;          // one sentence without a capital and a full stop
    const char *description;      // a paragraph; may be NULL
    const struct option *options; // NULL for none
    size_t options_bytes;         // size of the struct whose fields options describes
    const char *operands;         // as in the usage line, "[FILE...]"; NULL for none
    int min_operands;
    int max_operands; // -1: any number
    const struct example *examples;
    enum status (*run)(struct invocation *invocation, struct error *err);
};

// The options that every command has.
struct common_options {
    int64_t threads; // 0: one for each processor
    enum log_level log_level;
    bool quiet;
};

extern const struct option COMMON_OPTIONS[];

// One use of a command.
struct invocation {
    char *const *argv; // the whole command line, NULL at its end
    const struct command *command;
    void *options;         // the command's own struct, filled
    struct options values; // the same with its table and where each value came from
    struct common_options common;
    const char **operands;
    int num_operands;
    bool help_wanted; // --help was given, the rest was not looked at
    struct log log;
    struct output *out;     // standard output
    struct arena *arena;    // lives until the program ends
    enum exit_code outcome; // how to exit when run succeeds; DONE unless run changes it
};

#define COMMAND(name) extern const struct command name##_command;
#include "tools/commands.def"
#undef COMMAND

// All commands in the order of the help, NULL at the end.
extern const struct command *const COMMANDS[];

// Fails with a suggestion if there is no such command.
MUST_CHECK enum status command_find(const char *name, const struct command **command,
                                    struct error *err);

// Fills invocation, whose log, out and arena are set, from the words behind the command's name:
// --name VALUE, --name=VALUE, --flag, --no-flag, -h, --help, "--" before operands that start with a
// dash. An option that is given twice has its last value.
MUST_CHECK enum status command_parse(struct invocation *invocation, const struct command *command,
                                     int num_words, char **words, struct error *err);
