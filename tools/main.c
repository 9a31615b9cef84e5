// gctmask: one program, one command for each task. The commands are listed in commands.def.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/command.h"
#include "tools/interrupt.h"
#include "tools/usage.h"

static enum status run_command(struct invocation *invocation, struct error *err) {
    if (invocation->help_wanted) {
        usage_write_command(invocation->command, invocation->out);
        return STATUS_OK;
    }
    return invocation->command->run(invocation, err);
}

static enum status run(int argc, char **argv, struct invocation *invocation, struct error *err) {
    if (argc < 2) return error_set(err, STATUS_USAGE, "a command is missing");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        usage_write_program(invocation->out);
        return STATUS_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        output_text(invocation->out, "gctmask " GCTMASK_VERSION "\n");
        return STATUS_OK;
    }
    const struct command *command = NULL;
    TRY(command_find(argv[1], &command, err));
    enum status status = command_parse(invocation, command, argc - 2, argv + 2, err);
    if (status == STATUS_OK) status = run_command(invocation, err);
    if (status != STATUS_OK) error_prefix(err, "%s: ", command->name);
    return status;
}

static void report(const struct invocation *invocation, const struct error *err) {
    const struct command *command = invocation->command;
    char hint[64] = "";
    if (err->code == STATUS_USAGE)
        snprintf(hint, sizeof hint, " (see gctmask %s%s--help)", command ? command->name : "",
                 command ? " " : "");
    log_message(&invocation->log, LOG_ERROR, "%s%s", err->message, hint);
}

// A program may be started with standard streams closed. The next file that it opens would take
// their place, and messages would be written into it; so their places are taken, by something that
// can neither be read nor written.
static void hold_standard_streams(void) {
    for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; stream++)
        if (fcntl(stream, F_GETFD) < 0)
            (void)open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

// Work that was cancelled ends with the code of the signal that did it.
static enum exit_code exit_code_after(enum status status, enum exit_code outcome) {
    if (status == STATUS_OK) return outcome;
    if (status == STATUS_CANCELLED && interrupt_code() != EXIT_CODE_DONE) return interrupt_code();
    return exit_code_of(status);
}

// OpenMP's threads spin for milliseconds while they wait for one another. Where other programs want
// the processors, too, that makes everything many times slower; a short spin is as fast where none
// does. The library reads this from the environment before main, so the program starts once more.
static void shorten_spins(char *const *argv) {
    static const char *const SPINS = "GOMP_SPINCOUNT";
    if (getenv(SPINS) || getenv("OMP_WAIT_POLICY")) return;
    if (setenv(SPINS, "2000", 1) == 0) execv("/proc/self/exe", argv);
}

int main(int argc, char **argv) {
    shorten_spins(argv);
    hold_standard_streams();
    struct arena arena;
    struct output out;
    struct error err = {0};
    arena_init(&arena, 1 << 16, 0);
    output_open_descriptor(&out, STDOUT_FILENO);
    struct invocation invocation = {.argv = argv, .arena = &arena, .out = &out};
    invocation.log = (struct log){LOG_INFO, STDERR_FILENO};
    enum status status = run(argc, argv, &invocation, &err);
    // What was printed before a failure is flushed too; the first failure is the one reported.
    enum status printed = output_finish(&out, status == STATUS_OK ? &err : NULL);
    if (status == STATUS_OK) status = printed;
    if (status != STATUS_OK) report(&invocation, &err);
    output_discard(&out);
    arena_destroy(&arena);
    return (int)exit_code_after(status, invocation.outcome);
}
