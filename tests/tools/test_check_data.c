// gctmask check-data as a user meets it: the report, its two forms, the exit codes.
#include <stdio.h>
#include <stdlib.h>

#include "base/json_reader.h"
#include "base/output.h"
#include "tests/harness.h"
#include "tests/program.h"

#define IMAGES     "\"images\":[{\"id\":1,\"width\":20,\"height\":10,\"file_name\":\"a.jpg\"}]"
#define CATEGORIES "\"categories\":[{\"id\":3,\"name\":\"cup\\u0007\"}]"
#define FIELDS     "\"image_id\":1,\"category_id\":3,\"area\":16,\"bbox\":[2,2,4,4]"
#define SEGMENT    "\"segmentation\":[[2,2,6,2,6,6,2,6]]"

static void save(const char *name, const char *text) {
    char path[512];
    struct error err;
    snprintf(path, sizeof path, "%s/%s", scratch_folder(), name);
    EXPECT_OK(output_save(path, text, (int64_t)strlen(text), &err), &err);
}

static void save_faulty(void) {
    save("faulty.json", "{" IMAGES "," CATEGORIES ",\"annotations\":["
                        "{\"id\":1," FIELDS "," SEGMENT "},{\"id\":2," FIELDS "},"
                        "{\"id\":3," FIELDS "},{\"id\":4," FIELDS "}]}");
}

static void report(void) {
    save_faulty();
    EXPECT_INT(run_program("cd $SCRATCH && gctmask check-data --ann faulty.json --max-problems 2"),
               65);
    EXPECT_TEXT(program_errors, "");
    EXPECT_TEXT(
        program_output,
        "faulty.json: categories[0] (id 3): warning: the name holds the control character 0x07 at "
        "byte 3 [name_unprintable]\n"
        "faulty.json: annotations[1] (id 2): error: segmentation is missing [segment_missing]\n"
        "faulty.json: annotations[2] (id 3): error: segmentation is missing [segment_missing]\n"
        "faulty.json: and 1 more [segment_missing]\n"
        "faulty.json: annotations[1] (id 2): warning: annotations[0] has the same image, category "
        "and bbox [duplicate_annotation]\n"
        "faulty.json: annotations[2] (id 3): warning: annotations[0] has the same image, category "
        "and bbox [duplicate_annotation]\n"
        "faulty.json: and 1 more [duplicate_annotation]\n"
        "images              1, 0 without annotations\n"
        "annotations         4, 0 of them crowds\n"
        "  small             4 (area below 32 x 32)\n"
        "  medium            0\n"
        "  large             0 (area of 96 x 96 and more)\n"
        "categories          1, 0 without annotations\n"
        "                    4 cup\\x07\n"
        "3 errors, 4 warnings, 0 notes: training would fail or learn something wrong\n");
}

static void only_warnings(void) {
    save("warned.json", "{" IMAGES "," CATEGORIES ",\"annotations\":["
                        "{\"id\":1," FIELDS "," SEGMENT "}]}");
    EXPECT_INT(run_program("gctmask check-data --ann $SCRATCH/warned.json"), 0);
    EXPECT_CONTAINS(program_output, "\n0 errors, 1 warnings, 0 notes\n");
    EXPECT_INT(run_program("gctmask check-data --ann $SCRATCH/warned.json --max-problems 0"), 0);
    EXPECT_CONTAINS(program_output, "warned.json: and 1 times [name_unprintable]\n");
}

// One JSON document, whatever the input.
static void expect_json(void) {
    struct json_reader json;
    struct error err = {0};
    json_reader_init(&json, program_output, (int64_t)strlen(program_output), "output", &err);
    json_skip(&json);
    json_end(&json);
    EXPECT_OK(json_status(&json), &err);
}

static void json_report(void) {
    save_faulty();
    EXPECT_INT(run_program("gctmask check-data --json --ann $SCRATCH/faulty.json"), 65);
    expect_json();
    EXPECT_CONTAINS(program_output, "\n  \"errors\": 3,\n  \"warnings\": 4,\n  \"notes\": 0,\n");
    EXPECT_CONTAINS(program_output, "\"name\": \"cup\\u0007\",\n      \"annotations\": 4,\n");
    EXPECT_CONTAINS(program_output, "\"counts\": {\n    \"name_unprintable\": 1,\n"
                                    "    \"segment_missing\": 3,\n");
    EXPECT_CONTAINS(program_output, "\"code\": \"segment_missing\",\n"
                                    "      \"severity\": \"error\",\n"
                                    "      \"array\": \"annotations\",\n"
                                    "      \"index\": 1,\n"
                                    "      \"id\": 2,\n"
                                    "      \"message\": \"segmentation is missing\"\n");
}

static void malformed(void) {
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        {"", "line 1, column 1: expected an object"},
        {"{\"images\":[", "expected"},
        {"[]", "found an array (a results file?)"},
        {"{\"images\":[{\"file_name\":\"\xFF\"}]}", "invalid UTF-8"},
        {"{\"images\":[{\"id\":NaN}]}", "found 'N'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        save("bad.json", cases[i].text);
        EXPECT_INT(run_program("gctmask check-data --ann $SCRATCH/bad.json"), 65);
        EXPECT_CONTAINS(program_output, "[malformed_document]\n");
        EXPECT_CONTAINS(program_output, cases[i].message);
        EXPECT_INT(run_program("gctmask check-data --ann $SCRATCH/bad.json --json"), 65);
        expect_json();
        EXPECT_CONTAINS(program_output, "\"code\": \"malformed_document\"");
    }
}

static void unreadable(void) {
    save_faulty();
    EXPECT_INT(run_program("gctmask check-data --ann $SCRATCH/absent.json"), 66);
    EXPECT_TEXT(program_output, "");
    EXPECT_CONTAINS(program_errors, "absent.json");
    EXPECT_INT(run_program("gctmask check-data --ann $SCRATCH"), 66);
    EXPECT_INT(run_program("gctmask check-data --ann $SCRATCH/faulty.json --images $SCRATCH/no"),
               66);
    EXPECT_CONTAINS(program_errors, "/no: cannot read the folder of images");
    EXPECT_INT(run_program("ln -s loop $SCRATCH/loop; gctmask check-data --ann $SCRATCH/loop"), 66);
    EXPECT_INT(run_program("gctmask check-data"), 64);
    EXPECT_CONTAINS(program_errors, "--ann FILE is required");
    EXPECT_INT(run_program("gctmask check-data --ann $SCRATCH/faulty.json --max-problems -1"), 64);
}

static void image_files(void) {
    save("files.json", "{" IMAGES "," CATEGORIES ",\"annotations\":["
                       "{\"id\":1," FIELDS "," SEGMENT "}]}");
    EXPECT_INT(run_program("mkdir -p $SCRATCH/images;"
                           "gctmask check-data --ann $SCRATCH/files.json --images $SCRATCH/images"),
               65);
    EXPECT_CONTAINS(program_output, "images[0] (id 1): error: a.jpg: No such file or directory "
                                    "[missing_image_file]\n");
    EXPECT_INT(run_program("echo hello >$SCRATCH/images/a.jpg;"
                           "gctmask check-data --ann $SCRATCH/files.json --images $SCRATCH/images"),
               65);
    EXPECT_CONTAINS(program_output, "[unreadable_image]\n");
}

static void threads_agree(void) {
    const char *root = shared_path("data/coco-mini");
    if (!root) skip_case("no coco-mini beside the checkout");
    char line[2048];
    for (int i = 0; i < 2; i++) {
        const char *name = i ? "val" : "train";
        snprintf(line, sizeof line,
                 "for t in 1 3; do gctmask check-data --threads $t --images '%s/images' "
                 "--ann '%s/annotations/instances_%s.json' >$SCRATCH/$t || exit; done;"
                 "cmp $SCRATCH/1 $SCRATCH/3 && tail -n 1 $SCRATCH/1",
                 root, root, name);
        EXPECT_INT(run_program(line), 0);
        EXPECT_CONTAINS(program_output, "0 errors, 0 warnings, ");
    }
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"report", report},
                                          {"only_warnings", only_warnings},
                                          {"json_report", json_report},
                                          {"malformed", malformed},
                                          {"unreadable", unreadable},
                                          {"image_files", image_files},
                                          {"threads_agree", threads_agree},
                                          {0}});
}
