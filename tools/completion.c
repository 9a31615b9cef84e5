// gctmask completion: prints a script that completes commands, options and values in bash.
#include <string.h>

#include "tools/command.h"

// What the value of an option, or an operand, is completed with.
enum values { VALUES_NONE, VALUES_FILES, VALUES_FOLDERS, VALUES_CHOICES, VALUES_LIST };

static enum values values_of(const struct option *row) {
    const char *metavar = option_metavar(row);
    if (row->choices) return row->kind == OPTION_TEXTS ? VALUES_LIST : VALUES_CHOICES;
    if (strcmp(metavar, "FILE") == 0) return VALUES_FILES;
    if (strcmp(metavar, "DIR") == 0) return VALUES_FOLDERS;
    return VALUES_NONE;
}

// The case branches for the values of a command's options; command "*" stands for all.
static void write_values(struct output *out, const char *command, const struct option *rows) {
    static const char *const functions[] = {
        [VALUES_FILES] = "_gctmask_files -f",
        [VALUES_FOLDERS] = "_gctmask_files -d",
        [VALUES_CHOICES] = "_gctmask_words",
        [VALUES_LIST] = "_gctmask_list",
    };
    for (const struct option *row = rows; row && row->name; row++) {
        if (row->kind == OPTION_BOOL) continue;
        output_printf(out, "    %s--%s) ", command, row->name);
        enum values values = values_of(row);
        if (values != VALUES_NONE) output_text(out, functions[values]);
        for (const char *const *choice = row->choices; choice && *choice; choice++)
            output_printf(out, " %s", *choice);
        output_text(out, values != VALUES_NONE ? "; return ;;\n" : "return ;;\n");
    }
}

static void write_names(struct output *out, const struct option *rows) {
    for (const struct option *row = rows; row && row->name; row++) {
        bool on =
            row->kind == OPTION_BOOL && row->default_text && strcmp(row->default_text, "true") == 0;
        output_printf(out, " --%s%s", on ? "no-" : "", row->name);
    }
}

static void write_commands(struct output *out) {
    for (const struct command *const *c = COMMANDS; *c; c++)
        output_printf(out, " %s", (*c)->name);
}

static void write_operands(struct output *out, const struct command *command) {
    output_printf(out, "    %s) ", command->name);
    if (strstr(command->operands, "COMMAND")) {
        output_text(out, "_gctmask_words");
        write_commands(out);
    } else {
        output_printf(out, "_gctmask_files %s", strstr(command->operands, "DIR") ? "-d" : "-f");
    }
    output_text(out, " ;;\n");
}

static const char HEAD[] =
    "# Completion of gctmask for bash. Try it:  source <(gctmask completion)\n"
    "# Keep it:  gctmask completion >~/.local/share/bash-completion/completions/gctmask\n"
    "\n"
    "_gctmask_words() {\n"
    "    mapfile -t COMPREPLY < <(compgen -W \"$*\" -- \"$word\")\n"
    "}\n"
    "\n"
    "# Words separated by commas: what stands before the last comma is kept.\n"
    "_gctmask_list() {\n"
    "    local kept=\n"
    "    [[ $word == *,* ]] && kept=${word%,*},\n"
    "    mapfile -t COMPREPLY < <(compgen -P \"$kept\" -W \"$*\" -- \"${word##*,}\")\n"
    "}\n"
    "\n"
    "_gctmask_files() {\n"
    "    compopt -o filenames 2>/dev/null\n"
    "    mapfile -t COMPREPLY < <(compgen \"$1\" -- \"$word\")\n"
    "}\n"
    "\n"
    "_gctmask() {\n"
    "    local word=${COMP_WORDS[COMP_CWORD]}\n"
    "    local option=${COMP_WORDS[COMP_CWORD - 1]}\n"
    "    COMPREPLY=()\n"
    "    # Bash splits --name=value into three words.\n"
    "    if [[ $word == = ]]; then\n"
    "        word=\n"
    "    elif [[ $option == = ]]; then\n"
    "        option=${COMP_WORDS[COMP_CWORD - 2]}\n"
    "    fi\n"
    "    if ((COMP_CWORD == 1)); then\n"
    "        _gctmask_words";

static enum status run_completion(struct invocation *invocation, struct error *err) {
    (void)err;
    struct output *out = invocation->out;
    output_text(out, HEAD);
    write_commands(out);
    output_text(out, " --help --version\n        return\n    fi\n");
    output_text(out, "    case ${COMP_WORDS[1]}$option in\n");
    for (const struct command *const *c = COMMANDS; *c; c++)
        write_values(out, (*c)->name, (*c)->options);
    write_values(out, "*", COMMON_OPTIONS);
    output_text(out, "    esac\n    case ${COMP_WORDS[1]} in\n");
    for (const struct command *const *c = COMMANDS; *c; c++) {
        output_printf(out, "    %s) _gctmask_words", (*c)->name);
        write_names(out, (*c)->options);
        write_names(out, COMMON_OPTIONS);
        output_text(out, " --help ;;\n");
    }
    output_text(out, "    esac\n    [[ $word == -* ]] && return\n    case ${COMP_WORDS[1]} in\n");
    for (const struct command *const *c = COMMANDS; *c; c++)
        if ((*c)->operands) write_operands(out, *c);
    output_text(out, "    esac\n}\n\ncomplete -F _gctmask gctmask\n");
    return STATUS_OK;
}

static const struct example EXAMPLES[] = {
    {"source <(gctmask completion)", "completion in this shell"},
    {"gctmask completion >~/.local/share/bash-completion/completions/gctmask",
     "completion in all shells to come"},
    {0},
};

const struct command completion_command = {
    .name = "completion",
    .summary = "print the completion script for bash",
    .examples = EXAMPLES,
    .run = run_completion,
};
