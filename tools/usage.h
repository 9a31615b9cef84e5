// The help text.
#pragma once

#include "base/output.h"
#include "tools/command.h"

// What "gctmask --help" and "gctmask COMMAND --help" print.
void usage_write_program(struct output *out);
void usage_write_command(const struct command *command, struct output *out);

// "gctmask eval --ann FILE --results FILE [OPTION...]"
void usage_write_synopsis(const struct command *command, struct output *out);

// "--ann FILE", "--[no-]progress"
void usage_write_option(const struct option *row, struct output *out);

// What is said about the values of an option: "one of a, b; default: a", or nothing.
void usage_write_remark(const struct option *row, struct output *out);
