// gctmask eval on input of every bad kind: the right message, the right exit code, nothing on
// standard output; and on real data, that the truth scored as results gives AP 1.
#include <stdio.h>
#include <stdlib.h>

#include "data/coco_write.h"
#include "tests/harness.h"
#include "tests/program.h"

#define IMAGES     "\"images\":[{\"id\":1,\"width\":20,\"height\":10}]"
#define CATEGORIES "\"categories\":[{\"id\":3,\"name\":\"cup\"}]"
// An annotation file with one annotation, which lacks what is left out of ANNOTATION.
#define TRUTH(annotation) "{" IMAGES "," CATEGORIES ",\"annotations\":[{" annotation "}]}"
#define GOOD                                                                                       \
    TRUTH("\"id\":7,\"image_id\":1,\"category_id\":3,\"iscrowd\":0,\"area\":16,"                   \
          "\"bbox\":[2,2,4,4],\"segmentation\":[[2,2,6,2,6,6,2,6]]")
#define BOX "[{\"image_id\":1,\"category_id\":3,\"bbox\":[2,2,4,4],\"score\":0.5}]"
#define MASK(segment)                                                                              \
    "[{\"image_id\":1,\"category_id\":3,\"score\":0.5,\"segmentation\":" segment "}]"

static void save(const char *name, const char *text) {
    char path[512];
    struct error err;
    snprintf(path, sizeof path, "%s/%s", scratch_folder(), name);
    EXPECT_OK(output_save(path, text, (int64_t)strlen(text), &err), &err);
}

struct bad_input {
    const char *truth;
    const char *results;
    const char *arguments;
    int code;
    const char *message;
};

static const struct bad_input BAD_INPUTS[] = {
    // Documents
    {"", BOX, "", 65, "expected an object, found the end of the file"},
    {"[]", BOX, "", 65, "found an array (a results file?)"},
    {"{\"images\":[1]}", BOX, "", 65, "expected an object, found a number"},
    {"{\"images\":[],\"images\":[]}", BOX, "", 65, "second time"},
    {"{" IMAGES "," IMAGES "}", BOX, "", 65, "\"images\" stands here for the second time"},
    {GOOD, "", "", 65, "expected an array, found the end of the file"},
    {GOOD, "{}", "", 65, "found an object (an annotation file?)"},
    {GOOD, "[{\"score\":NaN}]", "", 65, "line 1, column 11: expected a number, found 'N'"},
    {GOOD, "[{\"score\":1e999}]", "", 65, "beyond the range of double"},
    {GOOD, "[{\"score\":1}", "", 65, "expected ',' or ']', found the end of the file"},
    {GOOD, "[{\"score\":1}] x", "", 65, "expected the end of the file, found 'x'"},
    // Ground truth
    {TRUTH("\"id\":7,\"category_id\":3"), BOX, "", 65,
     "annotations[0] (id 7): image_id is missing"},
    {TRUTH("\"id\":7,\"image_id\":1"), BOX, "", 65, "category_id is missing"},
    {TRUTH("\"image_id\":1,\"category_id\":3"), BOX, "", 65, "id is missing"},
    {TRUTH("\"id\":7,\"image_id\":1.5,\"category_id\":3"), BOX, "", 65,
     "image_id is missing or not"},
    {TRUTH("\"id\":7,\"image_id\":1,\"category_id\":3,\"bbox\":[1,2,3]"), BOX, "", 65,
     "bbox is not four numbers"},
    {TRUTH("\"id\":7,\"image_id\":1,\"category_id\":3,\"bbox\":[1,2,3,4]"), BOX, "", 65,
     "area is missing"},
    {TRUTH("\"id\":7,\"image_id\":1,\"category_id\":3,\"area\":4"), BOX, "--iou box", 65,
     "bbox is missing"},
    {TRUTH("\"id\":7,\"image_id\":1,\"category_id\":3,\"area\":4,\"bbox\":[1,2,3,4]"), BOX,
     "--iou mask", 65, "segmentation is missing"},
    {TRUTH("\"id\":7,\"image_id\":1,\"category_id\":3,\"iscrowd\":2"), BOX, "", 65,
     "iscrowd is neither 0 nor 1"},
    {TRUTH("\"id\":7,\"image_id\":1,\"category_id\":3,\"segmentation\":[[1,2,3]]"), BOX, "", 65,
     "segmentation is neither a list of polygons nor an RLE"},
    {TRUTH("\"id\":7,\"image_id\":1,\"category_id\":3,\"area\":1,\"bbox\":[1,2,3,4],"
           "\"segmentation\":[[1e300,2,3,4,5,6]]"),
     BOX, "--iou mask", 65, "annotation id 7: "},
    {"{\"images\":[{\"id\":1,\"width\":0,\"height\":10}]," CATEGORIES "}", BOX, "--iou mask", 65,
     "images[0] (id 1): width or height"},
    {"{\"images\":[{\"id\":1},{\"id\":1}]," CATEGORIES "}", BOX, "--iou box", 65,
     "images[1]: id 1 occurs twice"},
    {"{" IMAGES ",\"categories\":[{\"id\":3},{\"id\":3}]}", BOX, "", 65,
     "categories[1]: id 3 occurs twice"},
    // Results
    {GOOD, "[{\"image_id\":99,\"category_id\":3,\"bbox\":[1,2,3,4],\"score\":1}]", "", 65,
     "result 0 is for image 99, which "},
    {GOOD, "[{\"image_id\":1,\"category_id\":3,\"bbox\":[1,2,3,4]}]", "", 65, "score is missing"},
    {GOOD, "[{\"image_id\":1,\"category_id\":3,\"score\":\"1\",\"bbox\":[1,2,3,4]}]", "", 65,
     "score is missing or not a number"},
    {GOOD, "[{\"image_id\":1,\"category_id\":3,\"score\":1}]", "", 65,
     "neither bbox nor segmentation"},
    {GOOD, MASK("{\"size\":[10,20],\"counts\":\"~\"}"), "", 65, "result 0: "},
    {GOOD, MASK("{\"size\":[10,20],\"counts\":\"1\"}"), "", 65, "result 0: "},
    {GOOD, MASK("{\"size\":[10,20],\"counts\":[5,6]}"), "", 65, "result 0: "},
    {GOOD, MASK("{\"size\":[10,20],\"counts\":[-5,205]}"), "", 65, "segmentation is neither"},
    {GOOD, MASK("{\"size\":[10],\"counts\":[200]}"), "", 65, "segmentation is neither"},
    {GOOD, MASK("{\"counts\":[200]}"), "", 65, "segmentation is neither"},
    {GOOD, MASK("[[1,2,3,4,5]]"), "", 65, "segmentation is neither"},
    {GOOD, MASK("[[1]]"), "", 65, "segmentation is neither"},
    {GOOD, MASK("\"mask\""), "", 65, "segmentation is neither"},
    // Options
    {GOOD, BOX, "--max-dets 1,10", 64, "--max-dets takes 3 numbers, found 2"},
    {GOOD, BOX, "--max-dets 0,1,10", 64, "max-dets"},
    {GOOD, BOX, "--iou-thresholds 0.5,1.5", 64, "iou-thresholds"},
    {GOOD, BOX, "--areas all=5", 64, "expected NAME=LOW:HIGH, found \"all=5\""},
    {GOOD, BOX, "--iou-thresholds 0.5,0.6:0.95:0.01", 64,
     "--iou-thresholds takes 1 to 32 numbers, found 37"},
    {GOOD, BOX, "--areas a=0:1,b=0:1,c=0:1,d=0:1,e=0:1,f=0:1,g=0:1,h=0:1,i=0:1", 64,
     "--areas takes 1 to 8 ranges, found 9"},
    {GOOD, BOX, "--areas all=9:5", 64, "expected NAME=LOW:HIGH"},
    {GOOD, BOX, "--classes cub", 64, "has no class \"cub\"; did you mean \"cup\"?"},
    {GOOD, BOX, "--classes 4", 64, "has no class \"4\""},
    {GOOD, BOX, "--images 2", 64, "there is no image with id 2"},
    {GOOD, BOX, "--images x", 64, "expected an image id, found \"x\""},
    {GOOD, BOX, "--images @/nowhere", 66, "/nowhere: No such file"},
    {GOOD, BOX, "--iou boxes", 64, "box"},
};

static void bad_inputs(void) {
    for (size_t i = 0; i < sizeof BAD_INPUTS / sizeof *BAD_INPUTS; i++) {
        const struct bad_input *input = &BAD_INPUTS[i];
        char line[512];
        save("truth.json", input->truth);
        save("results.json", input->results);
        snprintf(line, sizeof line,
                 "gctmask eval --ann $SCRATCH/truth.json --results $SCRATCH/results.json %s",
                 input->arguments);
        int code = run_program(line);
        bool good = code == input->code && strstr(program_errors, input->message);
        if (!good) printf("truth: %s\nresults: %s\n", input->truth, input->results);
        EXPECT_INT(code, input->code);
        EXPECT_CONTAINS(program_errors, input->message);
        EXPECT_TEXT(program_output, "");
    }
}

static void bad_files(void) {
    static const struct {
        const char *setup;
        int code;
        const char *message;
    } cases[] = {
        {"", 66, "f: No such file or directory"},
        {"mkdir $SCRATCH/f", 66, "f: not a regular file"},
        {"mkfifo $SCRATCH/f", 66, "f: not a regular file"},
        {"ln -s /dev/zero $SCRATCH/f", 66, "f: not a regular file"},
        {"ln -s f $SCRATCH/f", 66, "f: Too many levels of symbolic links"},
        {"head -c 100000 /dev/urandom >$SCRATCH/f", 65, "f: line "},
        {"printf '\\xef\\xbb\\xbf[]' >$SCRATCH/f", 65, "found byte 0xef"},
        {"printf '[%.0s' {1..300} >$SCRATCH/f", 65, "expected an object"},
    };
    save("truth.json", GOOD);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[512];
        snprintf(line, sizeof line,
                 "rm -rf $SCRATCH/f; %s\n"
                 "gctmask eval --ann $SCRATCH/truth.json --results $SCRATCH/f >$SCRATCH/printed",
                 cases[i].setup);
        EXPECT_INT(run_program(line), cases[i].code);
        EXPECT_CONTAINS(program_errors, i == 7 ? "" : cases[i].message);
        EXPECT_INT(run_program("cat $SCRATCH/printed"), 0);
        EXPECT_TEXT(program_output, "");
    }
}

// A class may be called anything; the terminal must not obey it, and JSON must keep it.
static void names_with_control_characters(void) {
    save("truth.json", "{" IMAGES ",\"categories\":[{\"id\":3,\"name\":\"a\\u001b[2Jb\"}]}");
    save("results.json", BOX);
    EXPECT_INT(run_program("gctmask eval --ann $SCRATCH/truth.json --results $SCRATCH/results.json "
                           "--classwise --breakdown"),
               0);
    EXPECT_CONTAINS(program_output, "  a\\x1b[2Jb ");
    EXPECT(!strchr(program_output, '\x1b'));
    EXPECT_INT(run_program("gctmask eval --ann $SCRATCH/truth.json --results $SCRATCH/results.json "
                           "--json"),
               0);
    EXPECT_CONTAINS(program_output, "\"name\": \"a\\u001b[2Jb\"");
}

// Image ids in a file, one on each line.
static void image_lists(void) {
    static const struct {
        const char *text; // for printf(1)
        int code;
        const char *message; // behind the name of the file
    } cases[] = {
        {"1", 0, ""},
        {"1\\r\\n\\r\\n\\n1\\n", 0, ""},
        {"", 0, ""},
        {"1\\n\\nx\\n", 65, ": line 3: expected an image id, found \"x\""},
        {"1\\0002", 65, ": line 1: expected an image id, found \"1\"..."},
        {"%040d", 65,
         ": line 1: expected an image id, found \"0000000000000000000000000000000\"..."},
        {"9223372036854775808", 65,
         ": line 1: expected an image id, found \"9223372036854775808\""},
        {"2\\n", 64, "there is no image with id 2"},
    };
    save("truth.json", GOOD);
    save("results.json", BOX);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[512];
        snprintf(line, sizeof line,
                 "printf '%s' >$SCRATCH/ids; gctmask eval --ann $SCRATCH/truth.json "
                 "--results $SCRATCH/results.json --images @$SCRATCH/ids",
                 cases[i].text);
        EXPECT_INT(run_program(line), cases[i].code);
        EXPECT_CONTAINS(program_errors, cases[i].message);
    }
}

// Of several wrong masks always the first in the order of classes and images is reported, however
// many threads look for them.
static void first_error(void) {
    struct output truth;
    struct output results;
    output_open_memory(&truth);
    output_open_memory(&results);
    output_text(&truth, "{" CATEGORIES ",\"images\":[");
    for (int i = 0; i < 1000; i++) {
        const char *comma = i ? "," : "";
        output_printf(&truth, "%s{\"id\":%d,\"width\":4,\"height\":4}", comma, i);
        output_printf(&results,
                      "%s{\"image_id\":%d,\"category_id\":3,\"score\":1,"
                      "\"segmentation\":{\"size\":[4,4],\"counts\":[%d]}}",
                      comma, i, i < 300 ? 16 : 17);
    }
    output_text(&truth, "]}");
    struct output list;
    output_open_memory(&list);
    output_printf(&list, "[%s]", results.data);
    save("truth.json", truth.data);
    save("results.json", list.data);
    for (int i = 0; i < 20; i++) {
        EXPECT_INT(run_program("gctmask eval --ann $SCRATCH/truth.json "
                               "--results $SCRATCH/results.json --threads 4"),
                   65);
        EXPECT_CONTAINS(program_errors, "result 300: the runs of the mask add up to 17 pixels");
    }
    output_discard(&truth);
    output_discard(&results);
    output_discard(&list);
}

// Numbers at the ends of what a double holds go through every report.
static void extreme_numbers(void) {
    static const char *const results[] = {
        "[{\"image_id\":1,\"category_id\":3,\"bbox\":[2,2,4,4],\"score\":1.7e308},"
        "{\"image_id\":1,\"category_id\":3,\"bbox\":[2,2,4,5],\"score\":1.7e308},"
        "{\"image_id\":1,\"category_id\":3,\"bbox\":[3,2,4,5],\"score\":-1.7e308},"
        "{\"image_id\":1,\"category_id\":3,\"bbox\":[4,2,4,5],\"score\":-1.7e308},"
        "{\"image_id\":1,\"category_id\":3,\"bbox\":[4,4,4,5],\"score\":1e-320}]",
        "[{\"image_id\":1,\"category_id\":3,\"bbox\":[-1e308,-1e308,1.7e308,1.7e308],\"score\":1},"
        "{\"image_id\":1,\"category_id\":3,\"bbox\":[1e308,1e308,1e308,1e308],\"score\":1}]",
    };
    static const char *const arguments[] = {"--breakdown --classwise", "--breakdown --json",
                                            "--compare $SCRATCH/results.json --json",
                                            "--html $SCRATCH/page"};
    save("truth.json", GOOD);
    for (int r = 0; r < 2; r++) {
        save("results.json", results[r]);
        for (int a = 0; a < 4; a++) {
            char line[512];
            snprintf(line, sizeof line,
                     "gctmask eval --ann $SCRATCH/truth.json --results $SCRATCH/results.json "
                     "--iou box %s",
                     arguments[a]);
            EXPECT_INT(run_program(line), 0);
            EXPECT_TEXT(program_errors, "");
        }
    }
}

// Odd but right: what must not be refused.
static void accepted_inputs(void) {
    static const struct {
        const char *truth;
        const char *results;
    } cases[] = {
        {GOOD, "[]"},
        {GOOD, " [ ] \n"},
        {"{}", "[]"},
        {"{\"images\":[],\"annotations\":[],\"categories\":[]}", "[]"},
        {"{\"images\":[{\"id\":9007199254740000,\"width\":20,\"height\":10}]," CATEGORIES "}",
         "[{\"image_id\":9007199254740000,\"category_id\":3,\"bbox\":[2,2,4,4],\"score\":0.5}]"},
        {GOOD, "[{\"image_id\":1.0,\"category_id\":3.0,\"bbox\":[2,2,4,4],\"score\":5e-1}]"},
        {GOOD, "[{\"image_id\":1,\"category_id\":55,\"bbox\":[2,2,4,4],\"score\":0.5}]"},
        {GOOD, "[{\"image_id\":1,\"category_id\":3,\"bbox\":[-5,-5,1e6,0],\"score\":-3,"
               "\"extra\":{\"a\":[1,{\"b\":null}]}}]"},
        {GOOD, MASK("{\"size\":[10,20],\"counts\":[22,4,174]}")},
        {GOOD, MASK("[[2,2,6,2,6,6,2,6]]")},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        save("truth.json", cases[i].truth);
        save("results.json", cases[i].results);
        EXPECT_INT(run_program("gctmask eval --ann $SCRATCH/truth.json "
                               "--results $SCRATCH/results.json"),
                   0);
        EXPECT_TEXT(program_errors, "");
        EXPECT_CONTAINS(program_output, "Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all");
    }
}

// What the one result is worth, for the ground truth GOOD.
static void single_results(void) {
    static const struct {
        const char *results;
        const char *arguments;
        const char *printed;
    } cases[] = {
        {BOX, "--iou box", "box 100.000,100.000,100.000,100.000,-,-\n"},
        // A mask's box, where boxes are asked for.
        {MASK("{\"size\":[10,20],\"counts\":[22,4,6,4,6,4,6,4,144]}"), "--iou box",
         "box 100.000,100.000,100.000,100.000,-,-\n"},
        {MASK("{\"size\":[10,20],\"counts\":[22,4,6,4,6,4,6,4,144]}"), "--iou mask",
         "mask 100.000,100.000,100.000,100.000,-,-\n"},
        // A mask of another size than its image matches nothing.
        {MASK("{\"size\":[20,10],\"counts\":[22,4,6,4,6,4,6,4,144]}"), "--iou mask",
         "mask 0.000,0.000,0.000,0.000,-,-\n"},
        // AP is at 100 results, the others at the most.
        {BOX, "--iou box --max-dets 1,100,200", "box 100.000,100.000,100.000,100.000,-,-\n"},
        {BOX, "--iou box --max-dets 1,2,200 --quiet", "box -,100.000,100.000,100.000,-,-\n"},
        {BOX, "--iou box --compare $SCRATCH/results.json", "box compared with "},
        {BOX, "--iou box --boundary --json", "\"dilation_ratio\": 0.02"},
    };
    save("truth.json", GOOD);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[512];
        save("results.json", cases[i].results);
        snprintf(line, sizeof line,
                 "gctmask eval --ann $SCRATCH/truth.json --results $SCRATCH/results.json %s",
                 cases[i].arguments);
        EXPECT_INT(run_program(line), 0);
        EXPECT_TEXT(program_errors, "");
        EXPECT_CONTAINS(program_output, cases[i].printed);
    }
}

// ---- Real data ----

// The annotations that are no crowds, as results with score 1; boxes or masks.
static void write_truth_as_results(const struct coco_set *set, bool boxes) {
    char path[512];
    struct error err;
    struct coco_writer writer;
    snprintf(path, sizeof path, "%s/results.json", scratch_folder());
    EXPECT_OK(coco_writer_open_results(&writer, path, &err), &err);
    for (int64_t i = 0; i < set->num_annotations; i++) {
        struct coco_annotation result = set->annotations[i];
        if (result.is_crowd) continue;
        result.score = 1;
        result.has_box = boxes;
        if (boxes) result.segment.kind = SEGMENT_NONE;
        coco_write_result(&writer, &result);
    }
    EXPECT_OK(coco_writer_commit(&writer, &err), &err);
}

static void truth_as_results(void) {
    static const char *const sets[] = {"train", "val"};
    for (int i = 0; i < 4; i++) {
        char name[128];
        char line[1024];
        struct error err;
        struct coco_set set;
        bool boxes = i % 2 == 0;
        snprintf(name, sizeof name, "data/coco-mini/annotations/instances_%s.json", sets[i / 2]);
        const char *path = shared_path(name);
        if (!path) skip_case("../shared/data/coco-mini is not there");
        struct coco_load_options options = {0};
        EXPECT_OK(coco_load_annotations(&set, path, &options, &err), &err);
        write_truth_as_results(&set, boxes);
        coco_destroy(&set);
        snprintf(line, sizeof line,
                 "gctmask eval --ann %s --results $SCRATCH/results.json --iou %s", path,
                 boxes ? "box" : "mask");
        EXPECT_INT(run_program(line), 0);
        EXPECT_CONTAINS(program_output,
                        " Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = "
                        "1.000");
        EXPECT_CONTAINS(program_output, "100.000,100.000,100.000,100.000,100.000,100.000");
    }
}

int main(int argc, char **argv) {
    return run_cases(
        argc, argv,
        (struct test_case[]){{"bad_inputs", bad_inputs},
                             {"bad_files", bad_files},
                             {"names_with_control_characters", names_with_control_characters},
                             {"image_lists", image_lists},
                             {"first_error", first_error},
                             {"extreme_numbers", extreme_numbers},
                             {"accepted_inputs", accepted_inputs},
                             {"single_results", single_results},
                             {"truth_as_results", truth_as_results},
                             {0}});
}
