// gctmask annotate --server: what a service finds is what its model finds here, to the byte, and a
// service that is busy, slow, gone or another one than before is dealt with.
#include <stdio.h>

#include "tests/harness.h"
#include "tests/program.h"
#include "tests/tools/check_annotate.h"

#define FORMATS                                                                                    \
    "--format coco,coco-results,labelme,yolo-seg,label-studio,ndjson,csv,png --overlay png "       \
    "--html --crops --quiet "
#define ASK "gctmask annotate --server $address --score 0.05 --out $SCRATCH/found "

// Functions for the lines of this test. start runs a service, its pid in $pid, its address in
// $address; again starts one at the same address; until_lines waits for so many pictures to be
// done.
static const char FUNCTIONS[] =
    "cd $SCRATCH\n"
    "trap 'kill -9 $pid 2>/dev/null' EXIT\n"
    "start() { rm -f log; (exec '" GCTMASK "' serve --listen 127.0.0.1:0 --drain-delay 0 "
    "\"$@\" 2>log) & pid=$!; address=\n"
    "  for i in $(seq 600); do\n"
    "    address=$(sed -n 's/.*info: \\(https\\{0,1\\}:.*[0-9]\\)$/\\1/p' log 2>/dev/null | head "
    "-1)\n"
    "    [ -n \"$address\" ] && return; kill -0 $pid || exit 99; sleep 0.1; done; exit 99; }\n"
    "again() { (exec '" GCTMASK "' serve --listen ${address#*//} --drain-delay 0 \"$@\" 2>log) & "
    "pid=$!; }\n"
    "stop() { kill -TERM $pid; wait $pid; }\n"
    "until_lines() { for i in $(seq 2000); do\n"
    "  [ \"$(cat found/journal-0.jsonl 2>/dev/null | wc -l)\" -ge $1 ] && return; sleep 0.01; "
    "done; exit 98; }\n";

static int run(const char *line) {
    char script[4096];
    snprintf(script, sizeof script, "%s%s", FUNCTIONS, line);
    return run_program(script);
}

// So many pictures in $SCRATCH/tree.
static void begin(int num_pictures) {
    char line[512];
    annotate_begin();
    snprintf(line, sizeof line,
             "cd $SCRATCH; mkdir -p tree/0 tree/1 tree/2; for i in $(seq %d); do "
             "ln in/images/val_00000$((i %% 3 + 1)).jpg tree/$((i %% 3))/$i.jpg; done",
             num_pictures);
    EXPECT_INT(run_program(line), 0);
}

// ---- The same bytes ----

static void same_bytes(void) {
    begin(20);
    EXPECT_INT(run("head -c 900 in/images/val_000001.jpg >tree/0/bad.jpg\n"
                   "gctmask annotate " MODEL FORMATS "tree --recursive --out whole; echo $?\n"
                   "start --weights m.safetensors\n" ASK FORMATS "tree --recursive; echo $?\n"
                   "stop; diff -r whole found"),
               0);
    EXPECT_TEXT(program_output, "2\n2\n");
}

// Also with options of the model and of the run, and over several processes.
static void same_bytes_with_options(void) {
    if (run_program("command -v mpirun") != 0) skip_case("mpirun is not installed");
    begin(12);
    EXPECT_INT(
        run("export ASAN_OPTIONS=detect_leaks=0\n"
            "o='--recursive --quiet --exif ignore --max-dets 9 --min-area 20 --format "
            "coco,ndjson'\n"
            "gctmask annotate --weights m.safetensors --set box.nms=0.7 --score 0.03,disk=0.1 "
            "tree $o --out whole || exit 1\n"
            "start --weights m.safetensors --set box.nms=0.7\n"
            "gctmask annotate --server $address --score 0.03,disk=0.1 tree $o --out found "
            "--procs 2 || exit 2\n"
            "stop; diff -r whole found"),
        0);
}

// What was done with a model file need not be done again by a service that has it, nor the other
// way round.
static void resume_across(void) {
    begin(6);
    EXPECT_INT(
        run("gctmask annotate " MODEL "tree/0 tree/1 --quiet --out found\n"
            "start --weights m.safetensors\n" ASK
            "tree/[01] --resume --progress json >said; grep -o 'already_done\":[0-9]*' said\n" ASK
            "tree/[012] --resume --quiet; stop\n"
            "gctmask annotate " MODEL "tree/[012] --resume --out found --progress json | "
            "grep -o 'already_done\":[0-9]*'"),
        0);
    EXPECT_TEXT(program_output, "already_done\":4\nalready_done\":6\n");
}

// ---- Trouble ----

static void busy(void) {
    begin(40);
    EXPECT_INT(
        run("gctmask annotate " MODEL FORMATS "tree --recursive --out whole\n"
            "start --weights m.safetensors --queue-length 1 --access-log access\n" ASK FORMATS
            "tree --recursive --jobs 4 || exit 1\n"
            "stop; diff -r whole found || exit 2\n"
            "grep -c '\"status\":503' access >refused; [ $(cat refused) -gt 0 ]"),
        0);
}

static void too_slow(void) {
    begin(2);
    EXPECT_INT(run("start --stub-ms 20000\n" ASK "tree/1 --server-timeout 1; echo $?\n"
                   "cat found/failures.jsonl; kill -9 $pid"),
               0);
    EXPECT_CONTAINS(program_output, "2\n{\"path\":\"tree/1/1.jpg\",\"code\":\"deadline_infer\","
                                    "\"message\":\"tree/1/1.jpg: the service answers 504: ");
    EXPECT_CONTAINS(program_errors, "[deadline_infer], skipped");
    // One that does not even say so.
    EXPECT_INT(run("start --stub-ms 1\n(sleep 0.5; kill -STOP $pid) & " ASK
                   "tree/1 --quiet; until ! kill -0 $! 2>/dev/null; do sleep 0.1; done\n" ASK
                   "tree/1 --server-timeout 1; echo $?; kill -9 $pid"),
               0);
    EXPECT_TEXT(program_output, "75\n");
}

static void refused_by_service(void) {
    begin(3);
    EXPECT_INT(run("ln in/images/val_000001.jpg tree/0/small.jpg\n"
                   "gctmask make-shapes large --images 0 --val-images 1 --size 200x200 --quiet\n"
                   "cp large/images/val_000001.jpg tree/0/large.jpg\n"
                   "start --weights m.safetensors --max-pixels 20000\n" ASK
                   "tree --recursive; echo $?; stop; cat found/failures.jsonl; "
                   "wc -l <found/manifest.jsonl"),
               0);
    EXPECT_CONTAINS(program_output, "2\n{\"path\":\"tree/0/large.jpg\",\"code\":"
                                    "\"image_too_many_pixels\",\"message\":\"tree/0/large.jpg: the "
                                    "service answers 422: ");
    EXPECT_CONTAINS(program_output, "\n5\n");
}

static void death(void) {
    begin(60);
    EXPECT_INT(run("start --stub-ms 20\n" ASK FORMATS "tree --recursive; stop; mv found whole\n"
                   "start --stub-ms 20\n" ASK FORMATS
                   "tree --recursive --server-timeout 1 & run=$!\n"
                   "until_lines 5; kill -9 $pid; wait $run; echo $?\n"
                   "ls found | grep -c '^journal-0\\|^instances'\n"
                   "start --stub-ms 1\n" ASK FORMATS "tree --recursive --resume; echo $?; stop\n"
                   "diff -r whole found"),
               0);
    EXPECT_TEXT(program_output, "75\n1\n0\n");
    EXPECT_CONTAINS(program_errors, "Couldn't connect to server");
}

static void return_in_time(void) {
    begin(60);
    EXPECT_INT(run("start --stub-ms 20\n" ASK FORMATS "tree --recursive; stop; mv found whole\n"
                   "start --stub-ms 20\n" ASK
                   "--format coco,coco-results,labelme,yolo-seg,label-studio,ndjson,csv,png "
                   "--overlay png --html --crops tree --recursive & run=$!\n"
                   "until_lines 5; kill -9 $pid; sleep 1.5; again --stub-ms 1; wait $run; echo $?\n"
                   "stop; diff -r whole found"),
               0);
    EXPECT_TEXT(program_output, "0\n");
    EXPECT_CONTAINS(program_errors, "trying again for 1");
}

static void another_model(void) {
    begin(300);
    EXPECT_INT(run("cp m.safetensors served.safetensors; start --weights served.safetensors\n" ASK
                   "tree --recursive --jobs 1 & run=$!; until_lines 5\n"
                   "gctmask init --config '" TESTS_DIR "/../configs/demo.json' --seed 2 --quiet "
                   "--out served.safetensors; kill -HUP $pid; wait $run; echo $?; stop"),
               0);
    EXPECT_TEXT(program_output, "65\n");
    EXPECT_CONTAINS(program_errors, "the service changed its model from ");
}

static void interruption(void) {
    begin(60);
    EXPECT_INT(run("start --stub-ms 100; set -m\n" ASK "tree --recursive & run=$!\n"
                   "until_lines 5; kill -INT -- -$run; wait $run; echo $?; set +m\n" ASK
                   "tree --recursive --resume --quiet; mv found whole\n" ASK
                   "tree --recursive --quiet; stop; diff -r whole found"),
               0);
    EXPECT_TEXT(program_output, "130\n");
}

// ---- Who may ask ----

static void tokens_and_tls(void) {
    if (run_program("command -v openssl") != 0) skip_case("openssl is not installed");
    begin(2);
    EXPECT_INT(run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
                   "-days 2 -keyout key -out cert -subj /CN=localhost -addext "
                   "subjectAltName=IP:127.0.0.1 2>/dev/null\n"
                   "umask 077; gctmask token --name a >tokens 2>shown\n"
                   "grep -o '[0-9a-f]\\{64\\}' shown >token\n"
                   "start --stub-ms 1 --tls-cert cert --tls-key key --token-file tokens\n"
                   "ask() { rm -rf found; " ASK
                   "tree/1 --quiet \"$@\" 2>>said; echo -n \"$? \"; }\n"
                   "ask --tls-ca cert --token-file token\n"
                   "GCTMASK_TOKEN=$(cat token) ask --tls-ca cert\n"
                   "ask --tls-ca cert\n"
                   "GCTMASK_TOKEN=wrong ask --tls-ca cert\n"
                   "ask --token-file token\n"
                   ": >nothing; ask --token-file nothing\n"
                   "address=http://${address#*//} ask --token-file token --server-timeout 1\n"
                   "stop; echo; cat said; grep -c $(cat token) said"),
               1);
    EXPECT_CONTAINS(program_output, "0 0 64 64 64 65 ");
    EXPECT_CONTAINS(program_output, "the service answers 401: ");
    EXPECT_CONTAINS(program_output, "nothing: one token was expected");
    EXPECT_CONTAINS(program_output, "certificate");
}

static void refusals(void) {
    static const struct {
        const char *options;
        int code;
        const char *message;
    } cases[] = {
        {"", 64, "--weights is missing, or --server"},
        {"--weights m.safetensors --jobs 3", 64, "--jobs needs --server"},
        {"--server localhost:1 --weights m.safetensors", 64, "--weights is for a model file"},
        {"--server localhost:1 --set box.nms=0.3", 64, "--set is for a model file"},
        {"--server localhost:1 --tile 64", 64, "--tile is for a model file"},
        {"--server localhost:1 --max-dets 1001", 64, "a service gives at most 1000"},
        {"--server 127.0.0.1:1", 75, "http://127.0.0.1:1: "},
        {"--server ftp://127.0.0.1:1", 64, "ftp"},
        {"--server localhost:1 --token-file none", 66, "none: "},
        {"--server $address/other", 64, "/other: the service answers 404: "},
        {"--server $address --classes cat", 64, "the model has no class \"cat\""},
    };
    begin(2);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char line[512];
        snprintf(line, sizeof line,
                 "start --stub-ms 1\ngctmask annotate tree/1 --out found %s; code=$?\n"
                 "stop; ls found; exit $code",
                 cases[i].options);
        int code = run(line);
        if (code != cases[i].code) printf("%s\n", cases[i].options);
        EXPECT_INT(code, cases[i].code);
        EXPECT_CONTAINS(program_errors, cases[i].message);
        EXPECT_TEXT(program_output, ""); // nothing was begun
    }
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"same bytes", same_bytes},
                         {"same bytes with options", same_bytes_with_options},
                         {"resume across", resume_across},
                         {"busy", busy},
                         {"too slow", too_slow},
                         {"refused by the service", refused_by_service},
                         {"death", death},
                         {"return in time", return_in_time},
                         {"another model", another_model},
                         {"interruption", interruption},
                         {"tokens and TLS", tokens_and_tls},
                         {"refusals", refusals},
                         {0},
                     });
}
