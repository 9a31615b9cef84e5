#include "tools/command.h"

#include <string.h>

#include "base/nearest.h"

const struct command *const COMMANDS[] = {
#define COMMAND(name) &name##_command,
#include "tools/commands.def"
#undef COMMAND
    NULL,
};

enum status command_find(const char *name, const struct command **command, struct error *err) {
    struct nearest nearest = {.wanted = name};
    for (const struct command *const *c = COMMANDS; *c; c++) {
        *command = *c;
        if (strcmp((*c)->name, name) == 0) return STATUS_OK;
        nearest_offer(&nearest, (*c)->name);
    }
    const char *suggestion = nearest_name(&nearest);
    if (suggestion)
        return error_set(err, STATUS_USAGE, "%.64s: no such command; did you mean %s?", name,
                         suggestion);
    return error_set(err, STATUS_USAGE, "%.64s: no such command", name);
}
