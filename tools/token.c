// gctmask token: who may ask a service.
#include <string.h>

#include "server/tokens.h"
#include "tools/command.h"

struct token_options {
    const char *name;
    struct option_texts scopes;
};

static const struct option OPTIONS[] = {
    {.name = "name",
     OPTION_FIELD(struct token_options, name),
     .required = true,
     .help = "who the token is for"},
    {.name = "scope",
     OPTION_FIELD(struct token_options, scopes),
     .choices = TOKEN_SCOPE_NAMES,
     .default_text = "detect",
     .help = "what it is good for"},
    {0},
};

static const struct example EXAMPLES[] = {
    {"(umask 077; gctmask token --name cam1 >>tokens)",
     "add one to the file that gctmask serve --token-file reads; the token itself is shown once"},
    {0},
};

static enum status run_token(struct invocation *invocation, struct error *err) {
    const struct token_options *options = invocation->options;
    char text[TOKEN_TEXT_BYTES];
    unsigned scopes = 0;
    for (int64_t i = 0; i < options->scopes.count; i++)
        for (int bit = 0; TOKEN_SCOPE_NAMES[bit]; bit++)
            if (strcmp(options->scopes.items[i], TOKEN_SCOPE_NAMES[bit]) == 0) scopes |= 1U << bit;
    TRY(token_create(text, invocation->out, options->name, scopes, err));
    log_message(&invocation->log, LOG_INFO, "the token, shown this once: %s", text);
    return STATUS_OK;
}

const struct command token_command = {
    .name = "token",
    .summary = "make a token for clients of gctmask serve",
    .description = "Prints a line for the token file on standard output and the token itself, 256 "
                   "random bits, on standard error. The file holds a hash only, from which nobody "
                   "learns the token.",
    .options = OPTIONS,
    .options_bytes = sizeof(struct token_options),
    .examples = EXAMPLES,
    .run = run_token,
};
