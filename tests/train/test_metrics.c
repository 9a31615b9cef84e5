// Metrics: the lines as they are documented, what is read back, and that a run that is killed and
// resumed leaves the same file as one that is not.
#include "train/metrics.h"

#include <dlfcn.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/random.h"
#include "tests/harness.h"

static bool cannot_take_back;

// Stands in for libc's.
int ftruncate(int descriptor, off_t size) {
    int (*next)(int, off_t) = NULL;
    void *found = dlsym(RTLD_NEXT, "ftruncate");
    memcpy(&next, &found, sizeof found);
    return cannot_take_back ? -1 : next(descriptor, size);
}

static const char *scratch_path(const char *name) {
    static char path[PATH_BYTES];
    struct error err;
    REQUIRE(path_join(path, scratch_folder(), name, &err) == STATUS_OK);
    return path;
}

// The text of a file; the caller discards it.
static struct output text_of(const char *name) {
    struct output text;
    struct error err;
    REQUIRE(append_file_read(scratch_path(name), &text, &err) == STATUS_OK);
    return text;
}

static void expect_content(const char *name, const char *expected) {
    struct output text = text_of(name);
    EXPECT_TEXT(text.data ? text.data : "", expected);
    output_discard(&text);
}

static void put(const char *name, const char *text, int64_t size) {
    struct error err;
    EXPECT_OK(output_save(scratch_path(name), text, size, &err), &err);
}

static void open_file(struct metrics_file *file, const char *name, int64_t last_step) {
    struct error err;
    enum status status = metrics_file_open(file, scratch_path(name), last_step, &err);
    EXPECT_OK(status, &err);
    REQUIRE(status == STATUS_OK);
}

static const struct metrics_train TRAIN = {.step = 1200,
                                           .loss = 1.4321,
                                           .rpn_class = 0.1,
                                           .rpn_box = 1.0 / 3,
                                           .classes = 2,
                                           .box = 1e-9,
                                           .mask = 0,
                                           .gradient_norm = (double)INFINITY,
                                           .learning_rate = 0.0198};
static const struct metrics_eval EVAL = {.step = 5000,
                                         .box_ap = 0.375,
                                         .box_ap50 = 0.5,
                                         .box_ap75 = 0,
                                         .mask_ap = (double)NAN,
                                         .mask_ap50 = 1,
                                         .mask_ap75 = 0.25,
                                         .loss = (double)NAN};
static const struct metrics_timing TIMING = {.step = 1200,
                                             .seconds = 0.412,
                                             .data_seconds = 0.011,
                                             .images_per_second = 38.8,
                                             .memory_bytes = 6549825126};

static const char TRAIN_LINE[] =
    "{\"v\":1,\"kind\":\"train\",\"step\":1200,\"loss\":1.4321,\"rpn_class\":0.1,"
    "\"rpn_box\":0.3333333333333333,\"class\":2,\"box\":1e-09,\"mask\":0,"
    "\"gradient_norm\":null,\"learning_rate\":0.0198}\n";
static const char EVAL_LINE[] =
    "{\"v\":1,\"kind\":\"eval\",\"step\":5000,\"box_ap\":0.375,\"box_ap50\":0.5,\"box_ap75\":0,"
    "\"mask_ap\":null,\"mask_ap50\":1,\"mask_ap75\":0.25,\"loss\":null}\n";
static const char TIMING_LINE[] =
    "{\"v\":1,\"kind\":\"timing\",\"step\":1200,\"seconds\":0.412,\"data_seconds\":0.011,"
    "\"images_per_second\":38.8,\"memory_bytes\":6549825126}\n";

static void write_all_kinds(const char *name) {
    struct metrics_file file;
    struct error err;
    open_file(&file, name, -1);
    EXPECT_OK(metrics_write_train(&file, &TRAIN, &err), &err);
    EXPECT_OK(metrics_write_eval(&file, &EVAL, &err), &err);
    EXPECT_OK(metrics_write_timing(&file, &TIMING, &err), &err);
    EXPECT_OK(metrics_file_sync(&file, &err), &err);
    metrics_file_close(&file);
}

static void lines(void) {
    char expected[1024];
    snprintf(expected, sizeof expected, "%s%s%s", TRAIN_LINE, EVAL_LINE, TIMING_LINE);
    write_all_kinds("lines");
    expect_content("lines", expected);
}

// ---- Reading ----

static void expect_same_numbers(const double *got, const double *expected, int count) {
    for (int i = 0; i < count; i++)
        EXPECT(got[i] == expected[i] || (isnan(got[i]) && !isfinite(expected[i])));
}

static void read_back(void) {
    struct metrics m;
    struct error err;
    write_all_kinds("back");
    REQUIRE(metrics_read(&m, scratch_path("back"), &err) == STATUS_OK);
    REQUIRE(m.num_train == 1 && m.num_evals == 1 && m.num_timings == 1);
    EXPECT_INT(m.train->step, 1200);
    EXPECT_INT(m.evals->step, 5000);
    EXPECT_INT(m.timings->step, 1200);
    expect_same_numbers(&m.train->loss, &TRAIN.loss, 8);
    expect_same_numbers(&m.evals->box_ap, &EVAL.box_ap, 7);
    expect_same_numbers(&m.timings->seconds, &TIMING.seconds, 4);
    metrics_free(&m);
    metrics_free(&m); // a zeroed struct is fine
}

// A line that is being written, or was when the power failed, is left out; kinds and keys of a
// later release are skipped.
static void tolerant(void) {
    char text[2048];
    struct metrics m;
    struct error err;
    int size = snprintf(text, sizeof text,
                        "{\"v\":1,\"kind\":\"weather\",\"sun\":[true]}\n%.*s,\"more\":{}}\n%s%.50s",
                        (int)sizeof TIMING_LINE - 3, TIMING_LINE, TRAIN_LINE, EVAL_LINE);
    put("tolerant", text, size);
    REQUIRE(metrics_read(&m, scratch_path("tolerant"), &err) == STATUS_OK);
    EXPECT_INT(m.num_train, 1);
    EXPECT_INT(m.num_timings, 1);
    EXPECT_INT(m.num_evals, 0);
    metrics_free(&m);
    put("tolerant", "", 0);
    EXPECT_OK(metrics_read(&m, scratch_path("tolerant"), &err), &err);
    EXPECT_INT(m.num_train, 0);
    metrics_free(&m);
}

static void wrong_lines(void) {
    static const struct {
        const char *text;
        enum status status;
        const char *message;
    } cases[] = {
        {"{\"v\":2,\"kind\":\"train\"}\n", STATUS_UNSUPPORTED, "a line of version 2, expected 1"},
        {"{\"kind\":\"train\",\"v\":1}\n", STATUS_DATA, "line 2, column 9: expected the key \"v\""},
        {"{\"v\":1}\n", STATUS_DATA, "line 2, column 8: expected the key \"kind\""},
        {"{\"v\":1,\"kind\":\"train\",\"step\":1}\n", STATUS_DATA, "line 2, column 32: the object"},
        {"{\"v\":1,\"kind\":\"eval\",\"step\":1.5}\n", STATUS_DATA, "line 2, column 29: "},
        {"{\"v\":1,\"kind\":\"new\"\n", STATUS_DATA, "line 2, "},
        {"nonsense\n", STATUS_DATA, "line 2, column 1: "},
        {"\n", STATUS_DATA, "line 2, column 1: "},
    };
    struct metrics m;
    struct metrics_file file;
    struct error err = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1024];
        int size = snprintf(text, sizeof text, "%s%s", TRAIN_LINE, cases[i].text);
        put("wrong", text, size);
        EXPECT_STATUS(metrics_read(&m, scratch_path("wrong"), &err), cases[i].status, &err);
        EXPECT_CONTAINS(err.message, "/wrong: ");
        EXPECT_CONTAINS(err.message, cases[i].message);
        // Going on from such a file would lose lines without a word.
        EXPECT_STATUS(metrics_file_open(&file, scratch_path("wrong"), 2000, &err), cases[i].status,
                      &err);
        expect_content("wrong", text);
    }
    EXPECT_STATUS(metrics_read(&m, "/no/such/file", &err), STATUS_NO_INPUT, &err);
}

// ---- Resuming ----

static void cut_back(void) {
    static const struct {
        int64_t last_step;
        int num_lines; // of 0, 10, 20, 20, 30
    } cases[] = {{-1, 0}, {0, 1}, {9, 1}, {10, 2}, {20, 4}, {29, 4}, {30, 5}, {1000, 5}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct metrics_file file;
        struct error err;
        char expected[4096] = "";
        open_file(&file, "cut", -1);
        for (int step = 0; step <= 30; step += 10) {
            struct metrics_timing timing = TIMING;
            struct metrics_eval eval = EVAL;
            timing.step = step;
            eval.step = step;
            EXPECT_OK(metrics_write_timing(&file, &timing, &err), &err);
            if (step == 20) EXPECT_OK(metrics_write_eval(&file, &eval, &err), &err);
        }
        metrics_file_close(&file);
        struct output whole = text_of("cut");
        const char *end = whole.data;
        for (int line = 0; line < cases[i].num_lines; line++)
            end = strchr(end, '\n') + 1;
        snprintf(expected, sizeof expected, "%.*s", (int)(end - whole.data), whole.data);
        output_write(&whole, "{\"v\":1,\"ki", 10); // torn
        put("cut", whole.data, whole.size);
        output_discard(&whole);
        open_file(&file, "cut", cases[i].last_step);
        expect_content("cut", expected);
        metrics_file_close(&file);
    }
}

// What a training does with its metrics, with numbers that follow from the step.
struct run {
    int64_t step;
    struct metrics_sums sums;
};

enum { LINE_EVERY = 5, EVAL_EVERY = 8, SAVE_EVERY = 7, NUM_STEPS = 40 };

static void train_step(struct run *run, struct metrics_file *file) {
    struct random random = random_stream(1, (uint64_t)run->step);
    struct losses losses = {random_normal(&random), random_normal(&random), random_normal(&random),
                            random_normal(&random), random_normal(&random)};
    struct error err;
    metrics_add(&run->sums, &losses, random_uniform(&random));
    run->step++;
    if (run->step % LINE_EVERY == 0) {
        struct metrics_train line = metrics_mean(&run->sums, run->step, 0.1);
        EXPECT_OK(metrics_write_train(file, &line, &err), &err);
        run->sums = (struct metrics_sums){0};
    }
    if (run->step % EVAL_EVERY == 0) {
        struct metrics_eval eval = EVAL;
        eval.step = run->step;
        EXPECT_OK(metrics_write_eval(file, &eval, &err), &err);
    }
}

// Trains up to the last step, keeping what a checkpoint would.
static void train(struct run run, int64_t last, const char *name, struct run *saved) {
    struct metrics_file file;
    open_file(&file, name, run.step);
    while (run.step < last) {
        train_step(&run, &file);
        if (run.step % SAVE_EVERY == 0) *saved = run;
    }
    metrics_file_close(&file);
}

static void killed_and_resumed(void) {
    struct run saved = {0};
    struct error err;
    train((struct run){0}, NUM_STEPS, "unbroken", &saved);
    struct output unbroken = text_of("unbroken");
    EXPECT(unbroken.size > 1000);
    for (int64_t killed = 1; killed <= NUM_STEPS; killed++) {
        saved = (struct run){0};
        (void)remove(scratch_path("broken"));
        train((struct run){0}, killed, "broken", &saved);
        struct append_file torn;
        EXPECT_OK(append_file_open(&torn, scratch_path("broken"), false, &err), &err);
        if (killed % 3 == 0) EXPECT_OK(append_file_write(&torn, TRAIN_LINE, killed, &err), &err);
        append_file_close(&torn);
        train(saved, NUM_STEPS, "broken", &saved);
        expect_content("broken", unbroken.data);
    }
    output_discard(&unbroken);
}

// ---- A full disk ----

// A line that does not fit is not there in part either, and those after it are whole.
static void full_disk(void) {
    struct metrics_file file;
    struct error err = {0};
    struct rlimit before;
    char expected[1024];
    open_file(&file, "full", -1);
    EXPECT_OK(metrics_write_train(&file, &TRAIN, &err), &err);
    REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    struct rlimit small = {sizeof TRAIN_LINE + 20, before.rlim_max};
    REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
    EXPECT_STATUS(metrics_write_eval(&file, &EVAL, &err), STATUS_CANNOT_WRITE, &err);
    expect_content("full", TRAIN_LINE);
    cannot_take_back = true; // for now
    EXPECT_STATUS(metrics_write_eval(&file, &EVAL, &err), STATUS_CANNOT_WRITE, &err);
    cannot_take_back = false;
    EXPECT_CONTAINS(err.message, "/full: cannot write: File too large");
    REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
    EXPECT_OK(metrics_write_timing(&file, &TIMING, &err), &err);
    snprintf(expected, sizeof expected, "%s%s", TRAIN_LINE, TIMING_LINE);
    expect_content("full", expected);
    metrics_file_close(&file);
}

static void means(void) {
    struct metrics_sums sums = {0};
    metrics_add(&sums, &(struct losses){1, 2, 3, 4, 5}, 10);
    metrics_add(&sums, &(struct losses){2, 4, 8, 16, 32}, 1);
    struct metrics_train line = metrics_mean(&sums, 7, 0.5);
    EXPECT_INT(line.step, 7);
    EXPECT_NEAR(line.rpn_class, 1.5, 0);
    EXPECT_NEAR(line.rpn_box, 3, 0);
    EXPECT_NEAR(line.classes, 5.5, 0);
    EXPECT_NEAR(line.box, 10, 0);
    EXPECT_NEAR(line.mask, 18.5, 0);
    EXPECT_NEAR(line.loss, 38.5, 0);
    EXPECT_NEAR(line.gradient_norm, 5.5, 0);
    EXPECT_NEAR(line.learning_rate, 0.5, 0);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"lines", lines},
                                          {"read_back", read_back},
                                          {"tolerant", tolerant},
                                          {"wrong_lines", wrong_lines},
                                          {"cut_back", cut_back},
                                          {"killed_and_resumed", killed_and_resumed},
                                          {"full_disk", full_disk},
                                          {"means", means},
                                          {0}});
}
