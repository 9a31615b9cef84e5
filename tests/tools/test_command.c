// The program as a user meets it: what it prints, where, and how it exits.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file_view.h"
#include "tests/harness.h"
#include "tests/program.h"

struct expectation {
    const char *line;
    int code;
    const char *out; // parts of what is printed; NULL: nothing is
    const char *err;
};

static void expect_part(const char *got, const char *part, const char *line) {
    bool as_expected = part ? strstr(got, part) != NULL : *got == '\0';
    if (!as_expected) printf("%s\n", line);
    if (part)
        EXPECT_CONTAINS(got, part);
    else
        EXPECT_TEXT(got, "");
}

static void expect_all(const struct expectation *cases) {
    for (const struct expectation *c = cases; c->line; c++) {
        int code = run_program(c->line);
        if (code != c->code) printf("%s\n", c->line);
        EXPECT_INT(code, c->code);
        expect_part(program_output, c->out, c->line);
        expect_part(program_errors, c->err, c->line);
    }
}

static void help(void) {
    expect_all((struct expectation[]){
        {"gctmask --help", 0, "Usage: gctmask COMMAND [OPTION...] [OPERAND...]\n", NULL},
        {"gctmask -h", 0, "  eval                 score detections against annotations\n", NULL},
        {"gctmask help", 0, "Commands:\n", NULL},
        {"gctmask eval --help", 0, "Usage: gctmask eval --ann FILE [OPTION...]\n", NULL},
        {"gctmask eval --help", 0, "\n  --iou LIST ", NULL},
        {"gctmask eval -h", 0, "\nCommon options:\n  --threads N            threads", NULL},
        {"gctmask eval --worst 5 --help --nonsense", 0, "\nExamples:\n  gctmask eval --ann ", NULL},
        {"gctmask help man", 0, "Usage: gctmask man [OPTION...] [COMMAND]\n", NULL},
        {"gctmask --version", 0, "gctmask 0.1.0\n", NULL},
        {0},
    });
}

static void help_fits_the_screen(void) {
    EXPECT_INT(run_program(
                   "for c in eval man completion help; do gctmask $c --help; done |"
                   " grep -v '^  gctmask' | awk 'length > 80 && / /{n++; print} END {exit n > 1}'"),
               0);
    EXPECT_INT(run_program("gctmask --help | grep -q '.\\{81\\}'"), 1);
    EXPECT_INT(run_program("for c in '' eval man; do gctmask $c --help; done | grep -q ' $'"), 1);
}

static void unknown_words(void) {
    expect_all((struct expectation[]){
        {"gctmask", 64, NULL, "gctmask: error: a command is missing (see gctmask --help)\n"},
        {"gctmask evla", 64, NULL,
         "gctmask: error: evla: no such command; did you mean eval? (see gctmask --help)\n"},
        {"gctmask frobnicate", 64, NULL, "frobnicate: no such command (see gctmask --help)\n"},
        {"gctmask ''", 64, NULL, "gctmask: error: : no such command"},
        {"gctmask --verson", 64, NULL, "--verson: no such command"},
        {"gctmask $'ev\\nal'", 64, NULL, "ev?al: no such command"},
        {"gctmask eval --clases person", 64, NULL,
         "gctmask: error: eval: --clases: no such option; did you mean --classes?"
         " (see gctmask eval --help)\n"},
        {"gctmask eval --thraeds=4", 64, NULL,
         "--thraeds: no such option; did you mean --threads?"},
        {"gctmask eval --hepl", 64, NULL, "did you mean --help?"},
        {"gctmask eval --frobnicate", 64, NULL, "--frobnicate: no such option (see"},
        {"gctmask eval -x", 64, NULL, "-x: no such option"},
        {"gctmask eval --=5", 64, NULL, "--=5: no such option"},
        {"gctmask eval --no-ann", 64, NULL, "--no-ann: no such option"},
        {"gctmask eval --no-json=true", 64, NULL, "--no-json: no such option"},
        {"gctmask eval --$(printf 'a%.0s' {1..3000})", 64, NULL, "aaa: no such option"},
        {"gctmask man frobnicate", 64, NULL, "gctmask: error: man: frobnicate: no such command"},
        {"gctmask help evla", 64, NULL, "did you mean eval?"},
        {0},
    });
}

static void wrong_values(void) {
    expect_all((struct expectation[]){
        {"gctmask eval --ann", 64, NULL, "eval: --ann: its value FILE is missing"},
        {"gctmask eval --ann --results x", 64, NULL, "eval: --ann: its value FILE is missing"},
        {"gctmask eval --ann x", 64, NULL, "eval: --results FILE or --weights FILE is required"},
        {"gctmask eval --threads -1", 64, NULL,
         "eval: --threads: -1 is not a whole number from 0 to 1024"},
        {"gctmask eval --threads=", 64, NULL, "--threads: \"\" is not a whole number"},
        {"gctmask eval --worst 10001", 64, NULL, "--worst: 10001 is not a whole number from 0"},
        {"gctmask eval --iou boxes", 64, NULL, "--iou: \"boxes\" is not one of box, mask"},
        {"gctmask eval --iou box,", 64, NULL, "--iou: \"box,\" is not a list with a value"},
        {"gctmask eval --iou-thresholds 0.5:0.9:0.3", 64, NULL, "is not a range LOW:HIGH:STEP"},
        {"gctmask eval --log-level loud", 64, NULL,
         "--log-level: \"loud\" is not one of error, warning, info, debug"},
        {"gctmask eval --json=yes", 64, NULL, "--json: \"yes\" is not true or false"},
        {"gctmask man eval help", 64, NULL, "man: \"help\" is one operand too many"},
        {"gctmask completion bash", 64, NULL, "completion: \"bash\" is one operand too many"},
        {"gctmask man -- --help", 64, NULL, "man: --help: no such command"},
        {0},
    });
}

static void accepted_spellings(void) {
    expect_all((struct expectation[]){
        {"gctmask man --quiet eval", 0, ".TH GCTMASK-EVAL", NULL},
        {"gctmask man --quiet --no-quiet --threads 2 --threads=3 -- eval", 0, ".TH GCTMASK-EVAL",
         NULL},
        {"gctmask man eval --quiet=true --log-level=debug", 0, ".TH GCTMASK-EVAL", NULL},
        {0},
    });
}

static void output_that_cannot_be_written(void) {
    expect_all((struct expectation[]){
        {"gctmask --help >/dev/full", 73, NULL,
         "gctmask: error: output: cannot write: No space left on device\n"},
        {"gctmask man eval >&-", 73, NULL, "cannot write: Bad file descriptor"},
        {0},
    });
}

// Files that are opened must not get the numbers of standard streams, or messages end up in them.
static void closed_streams(void) {
    expect_all((struct expectation[]){
        {"gctmask make-shapes $SCRATCH/set --images 1 --val-images 1 <&- >&- 2>&-", 0, NULL, NULL},
        {"gctmask check-data --ann $SCRATCH/set/annotations/instances_val.json <&- 2>&-", 0,
         "0 errors, 0 warnings, 0 notes\n", NULL},
        {"gctmask check-data --ann $SCRATCH/set/annotations/instances_val.json <&- >&-", 73, NULL,
         "gctmask: error: output: cannot write: Bad file descriptor\n"},
        {0},
    });
}

static void completion(void) {
    const char *const complete =
        "source <(gctmask completion) && complete_line() {"
        " COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _gctmask; echo \"${COMPREPLY[@]}\"; };";
    static const struct {
        const char *words;
        const char *completed;
    } cases[] = {
        {"gctmask ev", "eval\n"},
        {"gctmask --v", "--version\n"},
        {"gctmask eval --cl", "--classes --classwise\n"},
        {"gctmask eval --iou b", "box\n"},
        {"gctmask eval --iou box,", "box,box box,mask\n"},
        {"gctmask eval --iou = m", "mask\n"},
        {"gctmask eval --log-level w", "warning\n"},
        {"gctmask eval --worst 1", "\n"},
        {"gctmask eval --html fold", "folder\n"},
        {"gctmask eval --ann f", "file\\ one folder\n"},
        {"gctmask man ev", "eval\n"},
        {"gctmask man --thr", "--threads\n"},
        {"gctmask help comp", "completion\n"},
        {"gctmask frobnicate --x", "\n"},
    };
    EXPECT_INT(run_program("bash -n <(gctmask completion)"), 0);
    EXPECT_TEXT(program_errors, "");
    char folder[256];
    snprintf(folder, sizeof folder, "%s/completion", scratch_folder());
    REQUIRE(mkdir(folder, 0777) == 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char line[2048];
        snprintf(line, sizeof line,
                 "cd '%s' && mkdir -p folder && touch 'file one' && %s complete_line %s |"
                 " sed 's/file one/file\\\\ one/'",
                 folder, complete, cases[i].words);
        EXPECT_INT(run_program(line), 0);
        EXPECT_TEXT(program_output, cases[i].completed);
        EXPECT_TEXT(program_errors, "");
    }
}

// Tab, as an interactive shell does it: readline expands the line and bash runs what comes out.
static void completion_in_a_terminal(void) {
    if (run_program("script -qec true /dev/null") != 0)
        skip_case("script(1) is not installed or finds no terminal");
    EXPECT_INT(
        run_program(
            "dir=$(mktemp -d) && printf '#!/bin/sh\\necho \"called: $*\"\\n' >$dir/gctmask &&"
            " chmod +x $dir/gctmask && gctmask completion >$dir/completion &&"
            " printf 'PS1=; PATH=%s:$PATH; source %s/completion\\n"
            "gctmask ev\\t--classw\\t\\nexit\\n' $dir $dir |"
            " TERM=dumb script -qec 'bash --norc --noprofile -i' /dev/null | tr -d '\\r';"
            " rm -r $dir"),
        0);
    EXPECT_CONTAINS(program_output, "called: eval --classwise");
}

static void manual_pages(void) {
    expect_all((struct expectation[]){
        {"gctmask man | head -1", 0, ".TH GCTMASK 1 \"\" \"gctmask 0.1.0\" \"User Commands\"\n",
         NULL},
        {"gctmask man eval | head -1", 0, ".TH GCTMASK-EVAL 1 ", NULL},
        {"gctmask man eval", 0, ".B \\-\\-ann FILE\n", NULL},
        {"gctmask man eval", 0, ".SH EXIT STATUS\n.TP\n.B 0\n", NULL},
        {"gctmask man eval | grep -c '^[.].*[^\\]--'", 1, "0", NULL},
        {0},
    });
}

static void manual_pages_render_without_warnings(void) {
    if (run_program("command -v groff") != 0) skip_case("groff is not installed");
    for (const char *const *name = (const char *const[]){"", "eval", "man", "completion", NULL};
         *name; name++) {
        char line[256];
        snprintf(line, sizeof line, "gctmask man %s | groff -man -Tascii -P-cbou -ww | head -20",
                 *name);
        EXPECT_INT(run_program(line), 0);
        EXPECT_TEXT(program_errors, "");
        EXPECT_CONTAINS(program_output, "NAME");
    }
}

int main(int argc, char **argv) {
    return run_cases(
        argc, argv,
        (struct test_case[]){
            {"help", help},
            {"help_fits_the_screen", help_fits_the_screen},
            {"unknown_words", unknown_words},
            {"wrong_values", wrong_values},
            {"accepted_spellings", accepted_spellings},
            {"output_that_cannot_be_written", output_that_cannot_be_written},
            {"closed_streams", closed_streams},
            {"completion", completion},
            {"completion_in_a_terminal", completion_in_a_terminal},
            {"manual_pages", manual_pages},
            {"manual_pages_render_without_warnings", manual_pages_render_without_warnings},
            {0},
        });
}
