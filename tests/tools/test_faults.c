// Every command under faults: the first, second, third... call of a kind fails, alone or with all
// that follow, until a run makes no such call any more. A run that a fault hits either ends as if
// nothing had happened, or says one sentence, with an exit code that does not blame its input, and
// leaves every output as it was. tests/tools/fail_call.c makes the faults.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file_view.h"
#include "base/output.h"
#include "tests/harness.h"
#include "tests/program.h"
#include "tests/sanitized.h"

enum { MAX_FILES = 3, PATH_BYTES = 512, DENSE_CALLS = 400, MAX_CALLS = 100000 };

// A command, the files that it writes in the scratch folder, their contents before and after.
struct job {
    const char *line; // without "gctmask"
    const char *files[MAX_FILES];
    const char *folders[MAX_FILES]; // where nothing else may appear
    char *before[MAX_FILES];
    char *after[MAX_FILES];
    char output[sizeof program_output];
    // A fault of memory or of a picture that cannot be opened is recorded like a bad picture, and
    // threads are OpenMP's, which ends the program by itself: only what is written is of interest.
    bool writes_only;
};

struct fault {
    const char *kind;
    long first;
    long last;
};

static const char *scratch_path(const char *name) {
    static char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", scratch_folder(), name);
    return path;
}

// The text of a file, to be freed; NULL if it is not there.
static char *read_text(const char *name) {
    struct file_view view;
    if (file_view_open(&view, scratch_path(name), 0, NULL) != STATUS_OK) return NULL;
    char *text = calloc(1, (size_t)view.size + 1);
    REQUIRE(text);
    if (view.size) memcpy(text, view.data, (size_t)view.size);
    file_view_close(&view);
    return text;
}

static bool is_text(const char *a, const char *b) {
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static void restore(const char *name, const char *text) {
    struct error err;
    if (text) EXPECT_OK(output_save(scratch_path(name), text, (int64_t)strlen(text), &err), &err);
}

static int count_temporaries(const char *name) {
    DIR *folder = opendir(scratch_path(name));
    if (!folder) return 0;
    int count = 0;
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder))
        count += strstr(entry->d_name, ".tmp.") != NULL;
    closedir(folder);
    return count;
}

// Whether the run failed as a fault that is not the input's should.
static bool failed_well(int code, const struct fault *fault) {
    // An image file that cannot be opened is what check-data is there to report.
    if (strcmp(fault->kind, "open") == 0 && code == 65)
        return strstr(program_output, "[unreadable_image]") && program_errors[0] == '\0';
    const char *const start = "gctmask: error: ";
    bool known = code == 1 || code == 66 || code == 73 || code == 75;
    const char *end = strchr(program_errors, '\n');
    bool one_sentence = strncmp(program_errors, start, strlen(start)) == 0 && end && end[1] == '\0';
    bool silent = strcmp(fault->kind, "write") == 0 || program_output[0] == '\0';
    return known && one_sentence && silent;
}

// False if the run did not make the call that was to fail.
static bool run_with(struct job *job, const struct fault *fault) {
    char line[2048];
    snprintf(line, sizeof line,
             "export FAIL_KIND=%s FAIL_FIRST=%ld FAIL_LAST=%ld FAIL_MARK=$SCRATCH/mark\n"
             "LD_PRELOAD='%s' gctmask %s",
             fault->kind, fault->first, fault->last, FAIL_CALL, job->line);
    int code = run_program(line);
    bool good = code == 0 ? is_text(program_output, job->output) && program_errors[0] == '\0'
                          : failed_well(code, fault);
    for (int i = 0; i < MAX_FILES && job->files[i]; i++) {
        char *text = read_text(job->files[i]);
        bool is_new = is_text(text, job->after[i]);
        good &= is_new || (code != 0 && is_text(text, job->before[i]));
        if (is_new || !good) restore(job->files[i], job->before[i]);
        free(text);
    }
    for (int i = 0; i < MAX_FILES && job->folders[i]; i++)
        good &= count_temporaries(job->folders[i]) == 0;
    if (!good)
        printf("%s\nwith %s calls %ld to %ld failing: exit code %d, errors \"%s\"\n", job->line,
               fault->kind, fault->first, fault->last, code, program_errors);
    EXPECT(good);
    return remove(scratch_path("mark")) == 0;
}

// Runs the job without a fault, to know what it does.
static void run_clean(struct job *job) {
    char line[1024];
    snprintf(line, sizeof line, "gctmask %s", job->line);
    for (int i = 0; i < MAX_FILES && job->files[i]; i++)
        job->before[i] = read_text(job->files[i]);
    EXPECT_INT(run_program(line), 0);
    EXPECT_TEXT(program_errors, "");
    memcpy(job->output, program_output, sizeof job->output);
    for (int i = 0; i < MAX_FILES && job->files[i]; i++) {
        job->after[i] = read_text(job->files[i]);
        EXPECT(!is_text(job->before[i], job->after[i]));
        restore(job->files[i], job->before[i]);
    }
}

static void run_with_all(struct job *job) {
    static const char *const kinds[] = {"write", "fsync", "rename", "memory",
                                        "mmap",  "open",  "thread"};
    enum { NUM_KINDS = sizeof kinds / sizeof *kinds, NUM_WRITE_KINDS = 3 };
    size_t num_kinds = job->writes_only ? NUM_WRITE_KINDS : NUM_KINDS;
    if (SANITIZED) skip_case("a sanitizer has its own malloc");
    run_clean(job);
    long num_met = 0;
    for (size_t k = 0; k < num_kinds; k++) {
        for (long n = 1; n < MAX_CALLS; n += n < DENSE_CALLS ? 1 : n / 10) {
            if (!run_with(job, &(struct fault){kinds[k], n, n})) break;
            (void)run_with(job, &(struct fault){kinds[k], n, MAX_CALLS});
            num_met++;
        }
    }
    EXPECT(num_met > (job->writes_only ? 3 : 10));
    for (int i = 0; i < MAX_FILES; i++) {
        free(job->before[i]);
        free(job->after[i]);
    }
}

static void make_input(void) {
    EXPECT_INT(run_program("gctmask make-shapes $SCRATCH/in --images 0 --val-images 2 --size 64x48 "
                           "--results $SCRATCH/in.json --quiet --seed 2"),
               0);
}

#define EVAL "eval --ann $SCRATCH/in/annotations/instances_val.json --results $SCRATCH/in.json "

static void eval(void) {
    make_input();
    run_with_all(&(struct job){.line = EVAL "--json --threads 2"});
}

static void eval_reports(void) {
    make_input();
    run_with_all(&(struct job){.line = EVAL "--iou mask --boundary --classwise --breakdown "
                                            "--threads 1"});
}

#define EVAL_PAGE EVAL "--iou mask --html $SCRATCH/page --image-dir $SCRATCH/in/images "

static void eval_page(void) {
    make_input();
    EXPECT_INT(run_program("gctmask " EVAL_PAGE), 0);
    run_with_all(&(struct job){
        .line = EVAL_PAGE "--classes ring,square --threads 1",
        .files = {"page/index.html"},
        .folders = {"page", "page/images"},
    });
}

static void check_data(void) {
    make_input();
    run_with_all(&(struct job){.line = "check-data --ann "
                                       "$SCRATCH/in/annotations/instances_val.json "
                                       "--images $SCRATCH/in/images --threads 2"});
}

#define MAKE_SHAPES                                                                                \
    "make-shapes $SCRATCH/made --images 1 --val-images 1 --size 48x32 "                            \
    "--results $SCRATCH/made.json --quiet "

// Over a set that is there already.
static void make_shapes(void) {
    EXPECT_INT(run_program("gctmask " MAKE_SHAPES "--seed 1"), 0);
    run_with_all(&(struct job){
        .line = MAKE_SHAPES "--seed 2 --threads 2",
        .files = {"made/annotations/instances_train.json", "made/annotations/instances_val.json",
                  "made.json"},
        .folders = {"made/annotations", "made/images", "."},
    });
}

#define DEMO                                                                                       \
    TESTS_DIR "/../configs/demo.json --set backbone.width=8,backbone.group_width=8,box.hidden=8 "

static void info(void) {
    run_with_all(&(struct job){.line = "info " DEMO "--size 32x32 --json"});
}

static void init(void) {
    run_with_all(&(struct job){
        .line = "init --config " DEMO "--out $SCRATCH/model.safetensors --quiet",
        .folders = {"."},
    });
}

static void info_of_model_file(void) {
    EXPECT_INT(run_program("gctmask init --config " DEMO "--out $SCRATCH/m.safetensors --quiet"),
               0);
    run_with_all(&(struct job){.line = "info $SCRATCH/m.safetensors --size 32x32"});
}

static void convert(void) {
    EXPECT_INT(run_program("gctmask init --config " DEMO "--out $SCRATCH/n.safetensors --quiet"),
               0);
    run_with_all(&(struct job){
        .line = "convert $SCRATCH/n.safetensors --to state-dict --out $SCRATCH/weights --quiet",
        .folders = {"."},
    });
    EXPECT_INT(run_program("gctmask convert $SCRATCH/n.safetensors --to state-dict --out "
                           "$SCRATCH/weights --quiet"),
               0);
    run_with_all(&(struct job){
        .line = "convert $SCRATCH/weights --config $SCRATCH/n.safetensors --out "
                "$SCRATCH/o.safetensors --json --quiet",
        .folders = {"."},
    });
}

#define SMALL DEMO "--set input.short_side=32,input.long_side=64,box.detections=4 "

// Over the files of another run.
static void annotate(void) {
    make_input();
    EXPECT_INT(run_program("gctmask init --config " SMALL "--out $SCRATCH/s.safetensors --quiet && "
                           "gctmask annotate $SCRATCH/in/images --weights $SCRATCH/s.safetensors "
                           "--score 0 --max-dets 1 --overlay jpg --out $SCRATCH/found --quiet && "
                           "echo old >$SCRATCH/found/failures.jsonl"),
               0);
    run_with_all(&(struct job){
        .line = "annotate $SCRATCH/in/images --weights $SCRATCH/s.safetensors --score 0 --overlay "
                "jpg --out $SCRATCH/found --force --quiet --threads 1",
        .files = {"found/instances.json", "found/results.json", "found/failures.jsonl"},
        .folders = {"found", "found/overlays"},
        .writes_only = true,
    });
}

static void eval_model(void) {
    make_input();
    EXPECT_INT(run_program("gctmask init --config " SMALL "--out $SCRATCH/s.safetensors --quiet"),
               0);
    run_with_all(&(struct job){
        .line = "eval --ann $SCRATCH/in/annotations/instances_val.json --image-dir "
                "$SCRATCH/in/images --weights $SCRATCH/s.safetensors --save-results "
                "$SCRATCH/saved.json --iou box --json --quiet --threads 1",
        .files = {"saved.json"},
        .folders = {"."},
        .writes_only = true,
    });
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"eval", eval},
                                          {"eval_reports", eval_reports},
                                          {"eval_page", eval_page},
                                          {"check_data", check_data},
                                          {"make_shapes", make_shapes},
                                          {"info", info},
                                          {"init", init},
                                          {"info_of_model_file", info_of_model_file},
                                          {"annotate", annotate},
                                          {"eval_model", eval_model},
                                          {"convert", convert},
                                          {0}});
}
