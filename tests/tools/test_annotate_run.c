// Long runs of gctmask annotate: interruptions, crashes, full disks, many processes, many pictures.
// GCTMASK_ANNOTATE_KILLS=200 GCTMASK_ANNOTATE_PICTURES=10000 makes it a long test: minutes.
#include <stdio.h>
#include <stdlib.h>

#include "tests/harness.h"
#include "tests/program.h"
#include "tests/sanitized.h"
#include "tests/tools/check_annotate.h"

#define FORMATS                                                                                    \
    "--format coco,coco-results,labelme,yolo-seg,label-studio,ndjson,csv,png --html --crops "
#define TREE MODEL FORMATS "--quiet $SCRATCH/tree --recursive "

// Open MPI leaves memory behind, in plugins that it has unloaded by then.
#define MPI "export ASAN_OPTIONS=detect_leaks=0\n"

static int count_from(const char *variable, int otherwise) {
    const char *text = getenv(variable);
    return text ? atoi(text) : otherwise;
}

// So many pictures in $SCRATCH/tree, one of them damaged.
static void begin(int num_pictures) {
    char line[512];
    annotate_begin();
    snprintf(line, sizeof line,
             "cd $SCRATCH; mkdir -p tree/0; for i in $(seq %d); do mkdir -p tree/$((i %% 7)); "
             "ln in/images/val_00000$((i %% 3 + 1)).jpg tree/$((i %% 7))/$i.jpg; done; "
             "head -c 900 in/images/val_000001.jpg >tree/0/bad.jpg",
             num_pictures);
    EXPECT_INT(run_program(line), 0);
}

static void whole_run(void) {
    EXPECT_INT(run_program("gctmask annotate " TREE "--out $SCRATCH/whole"), 2);
}

// ---- What is done again ----

static void expect_redone(const char *change, const char *done) {
    char line[1024];
    snprintf(line, sizeof line,
             "cd $SCRATCH; %s; gctmask annotate " MODEL "tree --recursive --out found "
             "--format coco,labelme --overlay png --resume --progress json | "
             "sed -n 's/.*run_started.*\"already_done\":\\([0-9]*\\),.*/\\1/p'",
             change);
    EXPECT_INT(run_program(line), 0);
    if (strcmp(program_output, done) != 0) printf("%s\n", change);
    EXPECT_TEXT(program_output, done);
}

static void resume(void) {
    begin(10);
    expect_redone("rm tree/0/bad.jpg", "0\n");
    expect_redone("true", "10\n");
    expect_redone("rm found/labelme/1/1.json", "9\n");
    expect_redone(": >found/overlays/2/2.jpg.png", "9\n");
    expect_redone("touch tree/1/1.jpg", "10\n");
    expect_redone("cp in/images/val_000003.jpg new; mv new tree/1/1.jpg", "9\n");
    expect_redone("ln tree/1/1.jpg tree/1/new.jpg", "10\n");
    expect_redone("rm tree/1/new.jpg", "10\n");
    expect_redone("cp found/manifest.jsonl m; head -3 m | head -c -9 >found/manifest.jsonl", "2\n");
    expect_redone("sed -i 's/\"options\":\"/&0/' found/manifest.jsonl", "0\n");
    EXPECT_INT(run_program("cd $SCRATCH; gctmask annotate " MODEL "tree --recursive --out whole "
                           "--format coco,labelme --overlay png --quiet && diff -r whole found"),
               0);
}

// Other outputs of the same detections need no detector.
static void other_outputs(void) {
    begin(10);
    whole_run();
    EXPECT_INT(run_program("cd $SCRATCH; rm tree/0/bad.jpg; gctmask annotate " MODEL
                           "tree --recursive --out found --quiet && gctmask annotate " TREE
                           "--out found --resume --progress json"),
               0);
    EXPECT_CONTAINS(program_output, "\"already_done\":0");
    // Without the picture that failed, ids differ, and so do the sets; the pictures' own files and
    // what was found are the same.
    EXPECT_INT(run_program("cd $SCRATCH; for d in labelme yolo-seg png overlays crops thumbs; do "
                           "diff -r whole/$d found/$d || exit 1; done; "
                           "diff <(grep -v bad.jpg whole/manifest.jsonl) found/manifest.jsonl"),
               0);
}

// ---- Crashes ----

static void kills(void) {
    char line[2048];
    int num_kills = count_from("GCTMASK_ANNOTATE_KILLS", 6);
    begin(40);
    whole_run();
    snprintf(line, sizeof line,
             "cd $SCRATCH; n=0; while [ $n -lt %d ]; do rm -rf killed; code=137; "
             "while [ $code = 137 ]; do '" GCTMASK "' annotate " TREE
             "--out $SCRATCH/killed --resume & pid=$!; sleep 0.$(printf %%03d $((RANDOM %% 900))); "
             "kill -9 $pid 2>/dev/null && n=$((n+1)); wait $pid 2>/dev/null; code=$?; done; "
             "[ $code = 2 ] || exit 1; diff -r whole killed || exit 1; done 2>/dev/null; echo $n",
             num_kills);
    EXPECT_INT(run_program(line), 0);
    EXPECT(atoi(program_output) >= num_kills);
}

// A run that was killed is not started anew by mistake.
static void forgotten_resume(void) {
    begin(3);
    EXPECT_INT(run_program("cd $SCRATCH; mkdir found; echo '{' >found/journal-0.jsonl; " ANNOTATE
                           "tree/1"),
               64);
    EXPECT_CONTAINS(program_errors, "found holds a run that was ended before its time: --resume "
                                    "goes on with it, --force starts anew");
    EXPECT_INT(run_program("cd $SCRATCH; " ANNOTATE "tree/1 --force; ls found"), 0);
    EXPECT_TEXT(program_output, "failures.jsonl\ninstances.json\nmanifest.jsonl\nresults.json\n");
}

// Two runs would mix their files. What a killed one leaves is in nobody's way (see kills).
static void two_runs(void) {
    begin(300);
    EXPECT_INT(run_program("cd $SCRATCH; '" GCTMASK "' annotate " MODEL
                           "tree --recursive --out found --quiet & pid=$!\n"
                           "until [ -s found/.lock ]; do sleep 0.01; done; " ANNOTATE
                           "tree/1 --resume; echo $?; " ANNOTATE "tree/1 --dry-run >/dev/null; "
                           "echo $?; grep -c \"process $pid on\" found/.lock; wait $pid; echo $?; "
                           "ls -A found; echo $pid >&2"),
               0);
    EXPECT_TEXT(program_output, "64\n0\n1\n2\nfailures.jsonl\ninstances.json\nmanifest.jsonl\n"
                                "results.json\n");
    EXPECT_CONTAINS(program_errors, "found: another run writes in this folder (process ");
}

// Files of 40 KiB at most, as if the disk were full behind them.
static void full_disk(void) {
    begin(40);
    whole_run();
    EXPECT_INT(run_program("cd $SCRATCH; (trap '' XFSZ; ulimit -f 40; exec '" GCTMASK
                           "' annotate " TREE "--out $SCRATCH/killed)"),
               73);
    EXPECT_CONTAINS(program_errors, "cannot write: File too large");
    EXPECT_INT(run_program("cd $SCRATCH; find killed -name '*.tmp.*'; ls killed | grep journal; "
                           "wc -l <killed/journal-0.jsonl"),
               0);
    EXPECT_CONTAINS(program_output, "journal-0.jsonl\n");
    EXPECT(!strstr(program_output, ".tmp."));
    EXPECT_INT(run_program("cd $SCRATCH; gctmask annotate " TREE "--out killed --resume; "
                           "diff -r whole killed"),
               0);
}

// A file system of its own that is too small, and then large enough.
static void full_file_system(void) {
    if (run_program("unshare -rm mount -t tmpfs none /mnt") != 0)
        skip_case("no file system can be mounted here");
    begin(40);
    whole_run();
    EXPECT_INT(run_program("cd $SCRATCH; mkdir killed; export SCRATCH; unshare -rm bash -c \"\n"
                           "mount -t tmpfs -o size=400k none killed || exit 99\n"
                           "'" GCTMASK "' annotate " TREE "--out killed; echo \\$?\n"
                           "find killed -name '*.tmp.*'; mount -o remount,size=99m killed\n"
                           "'" GCTMASK "' annotate " TREE "--out killed --resume; echo \\$?\n"
                           "diff -r whole killed\""),
               0);
    EXPECT_TEXT(program_output, "73\n2\n");
    EXPECT_CONTAINS(program_errors, "No space left on device");
}

static void interruption(void) {
    begin(300);
    EXPECT_INT(
        run_program("cd $SCRATCH; set -m; '" GCTMASK "' annotate " MODEL
                    "tree --recursive --out found --resume 2>said & sleep 1; "
                    "kill -INT -- -$!; wait $!; code=$?; ls found; cat said >&2; exit $code"),
        130);
    EXPECT_CONTAINS(program_errors,
                    "pictures were left out; the same command with --resume goes on");
    EXPECT_TEXT(program_output, "failures.jsonl\ninstances.json\nmanifest.jsonl\nresults.json\n");
    EXPECT_INT(run_program("cd $SCRATCH; gctmask annotate " MODEL
                           "tree --recursive --out found --resume --quiet; gctmask annotate " MODEL
                           "tree --recursive --out whole --quiet; diff -r whole found"),
               0);
}

// ---- Many processes ----

static void processes(void) {
    if (run_program("command -v mpirun") != 0) skip_case("mpirun is not installed");
    begin(12);
    whole_run();
    EXPECT_INT(run_program(MPI "gctmask annotate " TREE "--out $SCRATCH/found --procs 2"), 2);
    EXPECT_INT(run_program("diff -r $SCRATCH/whole $SCRATCH/found"), 0);
    // Left by two, finished by three.
    EXPECT_INT(run_program(MPI
                           "cd $SCRATCH; head -3 found/manifest.jsonl >found/journal-0.jsonl; "
                           "tail -4 found/manifest.jsonl >found/journal-1.jsonl; "
                           "printf '{\"v\":1,' >>found/journal-1.jsonl; rm found/manifest.jsonl; "
                           "gctmask annotate " TREE "--out $SCRATCH/found --procs 3 --resume; "
                           "diff -r whole found"),
               0);
}

// ---- Limits and reports ----

static void too_many_failures(void) {
    begin(60);
    EXPECT_INT(run_program("cd $SCRATCH; for i in $(seq 5); do : >tree/0/$i.png; done; " ANNOTATE
                           "tree --recursive --max-failures 2"),
               2);
    EXPECT_CONTAINS(program_errors, "too many failures: ");
    EXPECT_INT(run_program("cd $SCRATCH; " ANNOTATE "tree --recursive --max-failures 6 --resume; "
                           "wc -l <found/manifest.jsonl; wc -l <found/failures.jsonl"),
               0);
    EXPECT_TEXT(program_output, "66\n6\n");
}

static void dry_run(void) {
    begin(10);
    EXPECT_INT(run_program("cd $SCRATCH; " ANNOTATE
                           "tree/1 --quiet; find found | sort >before; " ANNOTATE
                           "tree/[12] --resume --dry-run --format coco,labelme --html; "
                           "find found | sort | diff before -"),
               0);
    EXPECT_CONTAINS(program_output, "pictures      4, ");
    EXPECT_CONTAINS(program_output, "done already  0\n");
    EXPECT_CONTAINS(program_output, "files only    2\n");
    EXPECT_CONTAINS(program_output, "to detect in  2\n");
    EXPECT_CONTAINS(program_output, "instances.json, labelme, overlays, index.html\n");
    EXPECT_CONTAINS(program_output, "time          about ");
}

static void events(void) {
    begin(5);
    EXPECT_INT(run_program("cd $SCRATCH; " ANNOTATE "tree --recursive --progress json"), 2);
    const char *words[] = {"{\"v\":1,\"event\":\"run_started\",\"total\":6,\"already_done\":0,",
                           "{\"v\":1,\"event\":\"image_failed\",\"path\":",
                           "\"code\":\"image_corrupt\",\"message\":",
                           "{\"v\":1,\"event\":\"progress\",\"done\":6,\"total\":6,\"img_s\":",
                           "\"eta_s\":0,\"rss\":",
                           "{\"v\":1,\"event\":\"run_finished\",\"done\":6,\"failed\":1,"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        EXPECT_CONTAINS(program_output, words[i]);
}

// ---- Filters ----

static void filters(void) {
    annotate_begin();
    EXPECT_INT(run_program("cd $SCRATCH; f() { rm -rf found; " ANNOTATE
                           "in/images --quiet --format csv \"$@\"; "
                           "cut -d, -f5,7,12 found/annotations.csv | tail -n +2 | sort; }; "
                           "f >all; f --min-area 500 >large; "
                           "awk -F, '$3 >= 500' all | diff - large || exit 1; "
                           "c=$(head -1 all | cut -d, -f1); f --score 0.05,$c=1 >some; "
                           "grep -v \"^$c,\" all | diff - some || exit 1; "
                           "f --score $c=0.05,1 >one; grep \"^$c,\" all | diff - one || exit 1; "
                           "f --classes $c --max-dets 1 >best; cut -d, -f1 best | uniq -c"),
               0);
    EXPECT_INT(run_program("cd $SCRATCH; cmp all large; cmp all some"), 1);
    EXPECT_INT(run_program(ANNOTATE "$SCRATCH/in/images --score dsk=0.5"), 64);
    EXPECT_CONTAINS(program_errors, "--score: the model has no class \"dsk\"; did you mean");
    EXPECT_INT(run_program(ANNOTATE "$SCRATCH/in/images --score disk=2"), 64);
    EXPECT_CONTAINS(program_errors, "--score: 2 is not a number from 0 to 1");
}

static void roundtrip(void) {
    annotate_begin();
    EXPECT_INT(run_program("cd $SCRATCH; " ANNOTATE
                           "in/images --format yolo-seg,png --min-roundtrip-iou 0.99"),
               65);
    EXPECT_CONTAINS(program_errors, "yolo-seg: all 1");
    EXPECT_CONTAINS(program_errors, "png: object ");
    EXPECT_CONTAINS(program_errors, "comes back with an IoU of ");
    // The report of a run that only goes on is that of the whole.
    EXPECT_INT(run_program("cd $SCRATCH; cp found/roundtrip.jsonl r; " ANNOTATE
                           "in/images --format yolo-seg,png --resume --quiet && "
                           "cmp r found/roundtrip.jsonl && test -s r"),
               0);
}

// ---- Many pictures ----

static long memory_after(int num_pictures) {
    char line[512];
    begin(num_pictures);
    snprintf(line, sizeof line,
             "cd $SCRATCH; " ANNOTATE "tree --recursive --format coco,labelme,ndjson --overlay jpg "
             "--quiet --progress json | grep '\"done\":%d,.*rss' | sed "
             "'s/.*\"rss\":\\([0-9]*\\).*/\\1/'; "
             "wc -l <found/manifest.jsonl",
             num_pictures + 1);
    EXPECT_INT(run_program(line), 0);
    char *end = NULL;
    long memory = strtol(program_output, &end, 10);
    EXPECT_INT(strtol(end, NULL, 10), num_pictures + 1);
    return memory;
}

static void many_pictures(void) {
    enum { FEW = 60, MIB = 1 << 20 };
    int many = count_from("GCTMASK_ANNOTATE_PICTURES", 400);
    long few_bytes = memory_after(FEW);
    long many_bytes = memory_after(many);
    if (many >= 10000)
        printf("%d pictures: %ld MiB, %d: %ld MiB\n", FEW, few_bytes / MIB, many, many_bytes / MIB);
    EXPECT(few_bytes > 0);
    if (SANITIZED) return;
    EXPECT(many_bytes < few_bytes + 16 * MIB);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"resume", resume},
                         {"other outputs", other_outputs},
                         {"kills", kills},
                         {"forgotten resume", forgotten_resume},
                         {"two runs", two_runs},
                         {"full disk", full_disk},
                         {"full file system", full_file_system},
                         {"interruption", interruption},
                         {"processes", processes},
                         {"too many failures", too_many_failures},
                         {"dry run", dry_run},
                         {"events", events},
                         {"filters", filters},
                         {"roundtrip", roundtrip},
                         {"many pictures", many_pictures},
                         {0},
                     });
}
