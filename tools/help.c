// gctmask help: the same as --help, for those who type it.
#include "tools/command.h"
#include "tools/usage.h"

static enum status run_help(struct invocation *invocation, struct error *err) {
    if (invocation->num_operands == 0) {
        usage_write_program(invocation->out);
        return STATUS_OK;
    }
    const struct command *command = NULL;
    TRY(command_find(invocation->operands[0], &command, err));
    usage_write_command(command, invocation->out);
    return STATUS_OK;
}

const struct command help_command = {
    .name = "help",
    .summary = "print the help of the program or of a command",
    .operands = "[COMMAND]",
    .max_operands = 1,
    .run = run_help,
};
