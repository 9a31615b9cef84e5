// Which pictures gctmask annotate takes: patterns, lists, standard input, and what it refuses.
#include <stdio.h>

#include "tests/harness.h"
#include "tests/program.h"
#include "tests/tools/check_annotate.h"

// A tree of pictures; $NAMES prints the names of those that were annotated.
static void begin(void) {
    annotate_begin();
    EXPECT_INT(run_program("cd $SCRATCH; i=in/images/val_000001.jpg; mkdir -p tree/b/c tree/b/.d; "
                           "for n in a.jpg a2.jpg b/a.jpg b/x.png b/c/a.jpg b/.d/a.jpg b/.h.jpg; "
                           "do ln $i tree/$n; done; ln -s ../b tree/b/loop; "
                           "ln -s ../a.jpg tree/b/link.jpg; echo >tree/b/t.txt"),
               0);
}

#define NAMES                                                                                      \
    "&& sed 's/.*\"path\":\"\\([^\"]*\\)\".*/\\1/' $SCRATCH/found/manifest.jsonl | tr '\\n' ' '"

static void patterns(void) {
    static const struct {
        const char *pattern, *names;
    } cases[] = {
        {"tree/*.jpg", "a.jpg a2.jpg "},
        {"tree/a?.jpg", "a2.jpg "},
        {"tree/[ab].jpg", "a.jpg "},
        {"tree/**/*.jpg", "a.jpg a2.jpg b/a.jpg b/c/a.jpg b/link.jpg "},
        {"tree/**/a.jpg", "a.jpg b/a.jpg b/c/a.jpg "},
        {"tree/b/**/c/*", "c/a.jpg "},
        {"tree/*/a.jpg", "b/a.jpg "},
        {"tree/b/.*.jpg", ".h.jpg "},
        {"**/x.png", "tree/b/x.png "},
        {"$SCRATCH/tre[e]/**/x.png", "tree/b/x.png "},
    };
    begin();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char line[512];
        snprintf(line, sizeof line, "cd $SCRATCH; " ANNOTATE "\"%s\" --quiet " NAMES,
                 cases[i].pattern);
        int code = run_program(line);
        if (code != 0) printf("%s\n", cases[i].pattern);
        EXPECT_INT(code, 0);
        EXPECT_TEXT(program_output, cases[i].names);
    }
}

// A file of a name that looks like a pattern or a list is taken as it is called.
static void odd_names(void) {
    begin();
    EXPECT_INT(
        run_program("cd $SCRATCH; ln tree/a.jpg 'q[1].jpg'; ln tree/a.jpg '@l.jpg'; " ANNOTATE
                    "'q[1].jpg' @l.jpg --quiet " NAMES "; rm 'q[1].jpg' @l.jpg"),
        0);
    EXPECT_TEXT(program_output, "@l.jpg q[1].jpg ");
}

static void lists(void) {
    static const struct {
        const char *line, *names;
    } cases[] = {
        {"printf 'tree/a.jpg\\r\\n\\n./tree/b/x.png\\n../tree/b/a.jpg' >l; mkdir -p w; cd w; "
         "sed -i 's,^tree,../tree,; s,^\\./,../,' ../l; " ANNOTATE "@../l --quiet " NAMES,
         "tree/a.jpg tree/b/a.jpg tree/b/x.png "},
        {"find tree/b -name '?.*' | " ANNOTATE "- --quiet " NAMES,
         "tree/b/.d/a.jpg tree/b/a.jpg tree/b/c/a.jpg tree/b/x.png "},
        {"find $SCRATCH/tree/b/c -name 'a.*' -print0 | " ANNOTATE "- --quiet | sed 's,.*,x,' ; "
         "true " NAMES " | grep -o 'tree/.*'",
         "tree/b/c/a.jpg \n"},
    };
    begin();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char line[1024];
        snprintf(line, sizeof line, "cd $SCRATCH; rm -f tree/b/t.txt; %s", cases[i].line);
        EXPECT_INT(run_program(line), 0);
        EXPECT_TEXT(program_output, cases[i].names);
    }
    // A file that is missing is one that failed.
    EXPECT_INT(run_program("cd $SCRATCH; printf 'tree/a.jpg\\ntree/none.jpg\\n' | " ANNOTATE
                           "-; cat found/failures.jsonl"),
               0);
    EXPECT_CONTAINS(program_output, "{\"path\":\"tree/none.jpg\",\"code\":\"unreadable\"");
    EXPECT_CONTAINS(program_errors, "1 pictures failed");
}

// Extensions say what is taken from folders, in capitals or not; a file that is named is taken.
static void extensions(void) {
    static const struct {
        const char *options, *names;
    } cases[] = {
        {"tree --ext png", "b.PNG b.png "},
        {"tree --ext .PNG,jfif", "a.jfif b.PNG b.png "},
        {"tree tree/png --ext jfif", "a.jfif png "},
        {"tree", "a.jpg a2.jpg b.PNG b.png "},
    };
    begin();
    EXPECT_INT(run_program("cd $SCRATCH; for n in a.jfif b.png b.PNG png; do "
                           "ln in/images/val_000001.jpg tree/$n; done"),
               0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char line[512];
        snprintf(line, sizeof line, "cd $SCRATCH; " ANNOTATE "%s --quiet " NAMES, cases[i].options);
        EXPECT_INT(run_program(line), 0);
        EXPECT_TEXT(program_output, cases[i].names);
    }
    EXPECT_INT(run_program("cd $SCRATCH; " ANNOTATE "tree --ext gif,.webp"), 3);
    EXPECT_CONTAINS(program_errors, "tree: no .gif or .webp files");
}

static void refusals(void) {
    static const struct {
        const char *line;
        int code;
        const char *message;
    } cases[] = {
        {ANNOTATE "'tree/*.gif'", 66, "tree/*.gif: matches no file"},
        {ANNOTATE "'none/*.jpg'", 66, "none/: cannot read the folder"},
        {ANNOTATE "@none", 66, "none: No such file"},
        {ANNOTATE "- </dev/null", 3, "no .jpg, .jpeg or .png files"},
        {"printf 'tree/a.jpg\\n./tree/a.jpg\\n' | " ANNOTATE "-", 64,
         "would both be \"tree/a.jpg\""},
        {"printf 'tree/b/../a.jpg\\n' | " ANNOTATE "-", 64, "a path with .. inside"},
        {"printf 'tree/a.jpg\\n' | " ANNOTATE "- --procs 2", 64, "cannot share standard input"},
        {"ln tree/a.jpg tree/a.png; " ANNOTATE "tree --format labelme", 64,
         "two pictures would have the same labelme/a.json"},
        {"rm tree/a.png; mkdir tree/a; " ANNOTATE "'tree/*.jpg' tree/b --format yolo-seg", 64,
         "would both be \"a.jpg\""},
    };
    begin();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char line[1024];
        snprintf(line, sizeof line, "cd $SCRATCH; rm -rf found; %s", cases[i].line);
        int code = run_program(line);
        if (code != cases[i].code) printf("%s\n", cases[i].line);
        EXPECT_INT(code, cases[i].code);
        EXPECT_CONTAINS(program_errors, cases[i].message);
        EXPECT_INT(run_program("test -e $SCRATCH/found"), 1); // nothing was begun
    }
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"patterns", patterns},
                         {"odd names", odd_names},
                         {"lists", lists},
                         {"extensions", extensions},
                         {"refusals", refusals},
                         {0},
                     });
}
