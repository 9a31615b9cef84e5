// Small cases whose numbers pycocotools 2.0.11 gave (tests/eval/cases/, made by
// tests/oracle/eval_cases.py): the program's JSON must hold the same to 1e-9.
#include <dirent.h>
#include <stdio.h>

#include "base/file_view.h"
#include "base/json_reader.h"
#include "tests/harness.h"
#include "tests/program.h"

enum { NUM_NUMBERS = 12, MAX_CLASSES = 64, MAX_ARGUMENTS = 512 };

static const char *const NUMBER_NAMES[NUM_NUMBERS] = {"AP",  "AP50", "AP75",  "APs", "APm", "APl",
                                                      "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"};

struct report {
    double numbers[NUM_NUMBERS];
    int64_t num_classes;
    int64_t class_ids[MAX_CLASSES];
    double class_aps[MAX_CLASSES];
};

static void read_classes(struct json_reader *r, struct report *report) {
    struct json_string key;
    json_begin_array(r);
    while (json_next_element(r)) {
        REQUIRE(report->num_classes < MAX_CLASSES);
        int64_t k = report->num_classes++;
        json_begin_object(r);
        while (json_next_key(r, &key)) {
            if (json_string_is(&key, "id"))
                report->class_ids[k] = json_int64(r);
            else if (json_string_is(&key, "AP"))
                report->class_aps[k] = json_double(r);
            else
                json_skip(r);
        }
    }
}

static void read_report(struct json_reader *r, struct report *report) {
    struct json_string key;
    json_begin_object(r);
    while (json_next_key(r, &key)) {
        int number = 0;
        while (number < NUM_NUMBERS && !json_string_is(&key, NUMBER_NAMES[number]))
            number++;
        if (number < NUM_NUMBERS)
            report->numbers[number] = json_double(r);
        else if (json_string_is(&key, "per_class"))
            read_classes(r, report);
        else
            json_skip(r);
    }
}

// The reports under "box" and "mask" and, in an expectation, the arguments joined by spaces.
struct document {
    struct report box;
    struct report mask;
    char arguments[MAX_ARGUMENTS];
};

static void read_arguments(struct json_reader *r, char *arguments) {
    json_begin_array(r);
    while (json_next_element(r)) {
        struct json_string text = json_string(r);
        size_t size = strlen(arguments);
        snprintf(arguments + size, MAX_ARGUMENTS - size, " '%.*s'", (int)text.size, text.data);
    }
}

static void read_document(const char *path, struct document *document) {
    memset(document, 0, sizeof *document);
    struct error err = {0};
    struct file_view view;
    EXPECT_OK(file_view_open(&view, path, 0, &err), &err);
    struct json_reader r;
    struct json_string key;
    json_reader_init(&r, view.data, view.size, path, &err);
    json_begin_object(&r);
    while (json_next_key(&r, &key)) {
        if (json_string_is(&key, "box"))
            read_report(&r, &document->box);
        else if (json_string_is(&key, "mask"))
            read_report(&r, &document->mask);
        else if (json_string_is(&key, "arguments"))
            read_arguments(&r, document->arguments);
        else
            json_skip(&r);
    }
    json_end(&r);
    EXPECT_OK(json_status(&r), &err);
    file_view_close(&view);
}

static void compare(const char *name, const struct report *got, const struct report *expected) {
    for (int i = 0; i < NUM_NUMBERS; i++) {
        double difference = got->numbers[i] - expected->numbers[i];
        if (difference < -1e-9 || difference > 1e-9) printf("%s %s\n", name, NUMBER_NAMES[i]);
        EXPECT_NEAR(got->numbers[i], expected->numbers[i], 1e-9);
    }
    EXPECT_INT(got->num_classes, expected->num_classes);
    for (int64_t k = 0; k < got->num_classes && k < expected->num_classes; k++) {
        EXPECT_INT(got->class_ids[k], expected->class_ids[k]);
        EXPECT_NEAR(got->class_aps[k], expected->class_aps[k], 1e-9);
    }
}

static void run_case_folder(const char *name, int threads) {
    char path[1024];
    char command[4096];
    char report_path[1024];
    struct document expected;
    struct document got;
    snprintf(path, sizeof path, "%s/eval/cases/%s", TESTS_DIR, name);
    snprintf(command, sizeof command, "%s/expected.json", path);
    read_document(command, &expected);
    snprintf(report_path, sizeof report_path, "%s/report.json", scratch_folder());
    snprintf(command, sizeof command,
             "gctmask eval --ann '%s/ann.json' --results '%s/results.json' --json --threads %d %s "
             ">$SCRATCH/report.json",
             path, path, threads, expected.arguments);
    EXPECT_INT(run_program(command), 0);
    read_document(report_path, &got);
    compare(name, &got.box, &expected.box);
    compare(name, &got.mask, &expected.mask);
}

static void equals_pycocotools(void) {
    char path[1024];
    snprintf(path, sizeof path, "%s/eval/cases", TESTS_DIR);
    DIR *folder = opendir(path);
    REQUIRE(folder != NULL);
    int count = 0;
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        if (entry->d_name[0] == '.') continue;
        run_case_folder(entry->d_name, 1 + count % 3);
        count++;
    }
    closedir(folder);
    EXPECT(count >= 12);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"equals_pycocotools", equals_pycocotools}, {0}});
}
