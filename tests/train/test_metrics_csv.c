// The table of metrics: its bytes, and that it is the same whether rows were appended or written
// anew from the lines.
#include "train/metrics_csv.h"

#include <math.h>
#include <stdio.h>

#include "tests/harness.h"

#define HEADER                                                                                     \
    "kind,step,loss,rpn_class,rpn_box,class,box,mask,gradient_norm,learning_rate,box_ap,box_ap50," \
    "box_ap75,mask_ap,mask_ap50,mask_ap75\n"

static const struct metrics_train FIRST = {.step = 20,
                                           .loss = 1.4321,
                                           .rpn_class = 0.1,
                                           .rpn_box = 1.0 / 3,
                                           .classes = 2,
                                           .box = 1e-9,
                                           .gradient_norm = (double)INFINITY,
                                           .learning_rate = 0.0198};
static const struct metrics_train SECOND = {.step = 40, .loss = -0.0};
static const struct metrics_eval EVAL = {.step = 40,
                                         .box_ap = 0.375,
                                         .box_ap50 = 0.5,
                                         .mask_ap = (double)NAN,
                                         .mask_ap50 = 1,
                                         .mask_ap75 = 0.25,
                                         .loss = 3};

static const char *const ROWS[] = {
    "train,20,1.4321,0.1,0.3333333333333333,2,1e-09,0,,0.0198,,,,,,\n",
    "train,40,-0,0,0,0,0,0,0,0,,,,,,\n",
    "eval,40,3,,,,,,,,0.375,0.5,0,,1,0.25\n",
};

static struct error err;

static const char *path_of(const char *name) {
    static char path[PATH_BYTES];
    REQUIRE(path_join(path, scratch_folder(), name, &err) == STATUS_OK);
    return path;
}

static void expect_content(const char *name, const char *expected) {
    struct output text;
    REQUIRE(append_file_read(path_of(name), &text, &err) == STATUS_OK);
    EXPECT_TEXT(text.data, expected);
    output_discard(&text);
}

static void open_csv(struct append_file *file, const char *name, const struct metrics *lines) {
    enum status status = metrics_csv_open(file, path_of(name), lines, &err);
    EXPECT_OK(status, &err);
    REQUIRE(status == STATUS_OK);
}

static void appended(void) {
    struct append_file file;
    char expected[1024];
    open_csv(&file, "a.csv", &(struct metrics){0});
    expect_content("a.csv", HEADER);
    EXPECT_OK(metrics_csv_write_train(&file, &FIRST, &err), &err);
    EXPECT_OK(metrics_csv_write_train(&file, &SECOND, &err), &err);
    EXPECT_OK(metrics_csv_write_eval(&file, &EVAL, &err), &err);
    append_file_close(&file);
    snprintf(expected, sizeof expected, HEADER "%s%s%s", ROWS[0], ROWS[1], ROWS[2]);
    expect_content("a.csv", expected);
}

// Whatever is there goes; then rows go on behind those of the lines.
static void written_anew(void) {
    struct metrics_train train[] = {FIRST, SECOND};
    struct metrics_eval evals[] = {EVAL, EVAL};
    struct metrics lines = {.train = train, .evals = evals, .num_train = 2, .num_evals = 2};
    struct append_file file;
    char expected[1024];
    EXPECT_OK(output_save(path_of("b.csv"), "old,", 4, &err), &err);
    evals[0].step = 39; // no line of training at this step
    evals[1].step = 40;
    open_csv(&file, "b.csv", &lines);
    EXPECT_OK(metrics_csv_write_train(&file, &FIRST, &err), &err);
    append_file_close(&file);
    snprintf(expected, sizeof expected, HEADER "%seval,39%s%s%s%s", ROWS[0],
             ROWS[2] + strlen("eval,40"), ROWS[1], ROWS[2], ROWS[0]);
    expect_content("b.csv", expected);
}

// Every digit that metrics.jsonl has.
static void as_in_the_lines(void) {
    struct metrics_file jsonl;
    struct metrics lines;
    struct append_file csv;
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s", path_of("c.jsonl"));
    EXPECT_OK(metrics_file_open(&jsonl, path, -1, &err), &err);
    open_csv(&csv, "c.csv", &(struct metrics){0});
    for (int64_t i = 1; i <= 50; i++) {
        const struct metrics_train train = {.step = i,
                                            .loss = sin((double)i),
                                            .mask = exp(-(double)i * 14),
                                            .box = 1.0 / (double)i};
        const struct metrics_eval eval = {.step = i, .box_ap = sqrt((double)i)};
        EXPECT_OK(metrics_write_train(&jsonl, &train, &err), &err);
        EXPECT_OK(metrics_csv_write_train(&csv, &train, &err), &err);
        if (i % 3 != 0) continue;
        EXPECT_OK(metrics_write_eval(&jsonl, &eval, &err), &err);
        EXPECT_OK(metrics_csv_write_eval(&csv, &eval, &err), &err);
    }
    append_file_close(&csv);
    metrics_file_close(&jsonl);
    REQUIRE(metrics_read(&lines, path, &err) == STATUS_OK);
    open_csv(&csv, "d.csv", &lines);
    append_file_close(&csv);
    metrics_free(&lines);
    struct output text;
    REQUIRE(append_file_read(path_of("d.csv"), &text, &err) == STATUS_OK);
    expect_content("c.csv", text.data);
    output_discard(&text);
}

static void failures(void) {
    struct append_file file = {0};
    EXPECT_STATUS(metrics_csv_open(&file, path_of("none/x.csv"), &(struct metrics){0}, &err),
                  STATUS_CANNOT_WRITE, &err);
    EXPECT_CONTAINS(err.message, "none/x.csv");
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"appended", appended},
                         {"written_anew", written_anew},
                         {"as_in_the_lines", as_in_the_lines},
                         {"failures", failures},
                         {0},
                     });
}
