// gctmask status: how a run is doing.
#include "tools/command.h"
#include "tools/run_status.h"

struct status_options {
    bool json;
};

static const struct option OPTIONS[] = {
    {.name = "json",
     OPTION_FIELD(struct status_options, json),
     .help = "print one JSON document; null stands for what is not known"},
    {0},
};

static const struct example EXAMPLES[] = {
    {"gctmask status run", "how far it is, how it goes, when it will be done"},
    {"gctmask status run --json", "the same for a script"},
    {0},
};

static enum status run_status_command(struct invocation *invocation, struct error *err) {
    const struct status_options *options = invocation->options;
    const char *folder = invocation->operands[0];
    struct run_status status;
    TRY(run_status_read(&status, folder, invocation->arena, err));
    if (options->json)
        run_status_write_json(&status, folder, invocation->out);
    else
        run_status_write_text(&status, invocation->out);
    run_status_free(&status);
    return STATUS_OK;
}

const struct command status_command = {
    .name = "status",
    .summary = "show how a run is doing, or how it ended",
    .description =
        "Reads the folder of a run, also while it trains: whether it still runs, how far it is and "
        "when it will be done, the last losses, the last and the best average precision, and its "
        "checkpoints. A run that died is told from one that runs, whichever way it died, and the "
        "command that resumes it is shown. Average precisions are in percent, with --json from 0 "
        "to 1.",
    .options = OPTIONS,
    .options_bytes = sizeof(struct status_options),
    .operands = "RUN",
    .min_operands = 1,
    .max_operands = 1,
    .examples = EXAMPLES,
    .run = run_status_command,
};
