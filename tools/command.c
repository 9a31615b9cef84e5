#include "tools/command.h"

#include <string.h>

#include "base/check.h"
#include "base/nearest.h"

static const char *const LOG_LEVELS[] = {"error", "warning", "info", "debug", NULL};

const struct option COMMON_OPTIONS[] = {
    {.name = "threads",
     OPTION_FIELD(struct common_options, threads),
     OPTION_BETWEEN(0, 1024),
     .default_text = "0",
     .group = "Common options",
     .help = "threads to compute with; 0 stands for one for each processor"},
    {.name = "log-level",
     OPTION_FIELD(struct common_options, log_level),
     .choices = LOG_LEVELS,
     .default_text = "info",
     .metavar = "LEVEL",
     .help = "how much to say on standard error"},
    {.name = "quiet",
     OPTION_FIELD(struct common_options, quiet),
     .help = "say nothing but errors, whatever the log level"},
    {0},
};

static const struct option NO_OPTIONS[] = {{0}};

static const struct option_origin COMMAND_LINE = {OPTION_FROM_COMMAND_LINE, NULL};

enum { NAME_BYTES = 64 };

// The words that are left, and where their values go.
struct parser {
    struct invocation *invocation;
    struct options common;
    char **words;
    int num_words;
    int at; // the next word
};

// An option as it was written.
struct written_option {
    char name[NAME_BYTES]; // without the dashes
    const char *value;     // behind "=", or NULL
};

static enum status split_option(const char *word, struct written_option *written,
                                struct error *err) {
    const char *name = word + 2;
    size_t size = strcspn(name, "=");
    if (strncmp(word, "--", 2) != 0 || size == 0 || size >= NAME_BYTES)
        return error_set(err, STATUS_USAGE, "%.64s: no such option", word);
    memcpy(written->name, name, size);
    written->name[size] = '\0';
    written->value = name[size] == '=' ? name + size + 1 : NULL;
    return STATUS_OK;
}

// The option of that name and the options that it is one of.
static const struct option *find_option(struct parser *parser, const char *name,
                                        struct options **owner) {
    *owner = &parser->invocation->values;
    const struct option *row = options_find(*owner, name);
    if (row) return row;
    *owner = &parser->common;
    return options_find(*owner, name);
}

static enum status refuse_option(const struct parser *parser, const char *name, struct error *err) {
    const struct options *owners[] = {&parser->invocation->values, &parser->common};
    struct nearest nearest = {.wanted = name};
    for (int i = 0; i < 2; i++)
        for (int64_t j = 0; j < owners[i]->count; j++)
            nearest_offer(&nearest, owners[i]->rows[j].name);
    nearest_offer(&nearest, "help");
    const char *suggestion = nearest_name(&nearest);
    if (suggestion)
        return error_set(err, STATUS_USAGE, "--%s: no such option; did you mean --%s?", name,
                         suggestion);
    return error_set(err, STATUS_USAGE, "--%s: no such option", name);
}

// The value of an option that needs one: behind "=", or the next word unless that is an option.
static enum status take_value(struct parser *parser, const struct option *row,
                              struct written_option *written, struct error *err) {
    if (written->value) return STATUS_OK;
    bool present =
        parser->at < parser->num_words && strncmp(parser->words[parser->at], "--", 2) != 0;
    if (!present)
        return error_set(err, STATUS_USAGE, "--%s: its value %s is missing", row->name,
                         option_metavar(row));
    written->value = parser->words[parser->at++];
    return STATUS_OK;
}

static enum status parse_option(struct parser *parser, const char *word, struct error *err) {
    struct written_option written = {0};
    TRY(split_option(word, &written, err));
    struct options *owner = NULL;
    const struct option *row = find_option(parser, written.name, &owner);
    if (!row && strncmp(written.name, "no-", 3) == 0 && !written.value) {
        row = find_option(parser, written.name + 3, &owner);
        if (row && row->kind != OPTION_BOOL) row = NULL;
        written.value = "false";
    }
    if (!row) return refuse_option(parser, written.name, err);
    if (row->kind == OPTION_BOOL && !written.value) written.value = "true";
    TRY(take_value(parser, row, &written, err));
    enum status status = options_set_text(owner, row->name, written.value, COMMAND_LINE, err);
    if (status != STATUS_OK) error_prefix(err, "--");
    return status;
}

static enum status parse_words(struct parser *parser, struct error *err) {
    struct invocation *invocation = parser->invocation;
    bool options_ended = false;
    while (parser->at < parser->num_words) {
        const char *word = parser->words[parser->at++];
        bool is_operand = options_ended || word[0] != '-' || word[1] == '\0';
        if (is_operand) {
            invocation->operands[invocation->num_operands++] = word;
        } else if (strcmp(word, "--") == 0) {
            options_ended = true;
        } else if (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0) {
            invocation->help_wanted = true;
            return STATUS_OK;
        } else {
            TRY(parse_option(parser, word, err));
        }
    }
    return STATUS_OK;
}

static enum status check_complete(const struct invocation *invocation, struct error *err) {
    const struct command *command = invocation->command;
    const struct option *missing = options_first_missing(&invocation->values);
    if (missing)
        return error_set(err, STATUS_USAGE, "--%s %s is required", missing->name,
                         option_metavar(missing));
    if (invocation->num_operands < command->min_operands)
        return error_set(err, STATUS_USAGE, "%s is missing", command->operands);
    if (command->max_operands >= 0 && invocation->num_operands > command->max_operands)
        return error_set(err, STATUS_USAGE, "\"%.64s\" is one operand too many",
                         invocation->operands[command->max_operands]);
    return STATUS_OK;
}

enum status command_parse(struct invocation *invocation, const struct command *command,
                          int num_words, char **words, struct error *err) {
    struct arena *arena = invocation->arena;
    invocation->command = command;
    invocation->options = arena_alloc_zero(arena, 1, command->options_bytes);
    invocation->operands = arena_alloc(arena, num_words, sizeof *invocation->operands);
    if (!invocation->options || !invocation->operands)
        return error_memory(err, "the command line", num_words);
    struct parser parser = {.invocation = invocation, .words = words, .num_words = num_words};
    const struct option *rows = command->options ? command->options : NO_OPTIONS;
    TRY(options_init(&invocation->values, rows, invocation->options, arena, err));
    TRY(options_init(&parser.common, COMMON_OPTIONS, &invocation->common, arena, err));
    TRY(parse_words(&parser, err));
    const struct common_options *common = &invocation->common;
    invocation->log.level = common->quiet ? LOG_ERROR : common->log_level;
    if (invocation->help_wanted) return STATUS_OK;
    return check_complete(invocation, err);
}
