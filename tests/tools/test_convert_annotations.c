// gctmask convert-annotations on real annotations: there and back through every format, and what is
// refused. tests/formats/ reads the files by their own programs' rules.
#include <stdio.h>
#include <stdlib.h>

#include "tests/harness.h"
#include "tests/program.h"

#define CONVERT "gctmask convert-annotations "

// $ANN and $IMAGES are COCO's; $SCRATCH/coco holds the set as this program writes it.
static int run(const char *line) {
    static char whole[3000];
    const char *shared = shared_path("data/coco-mini");
    if (!shared) skip_case("no shared data beside the checkout");
    snprintf(whole, sizeof whole,
             "ANN=%s/annotations/instances_val.json; IMAGES=%s/images; cd $SCRATCH\n%s", shared,
             shared, line);
    return run_program(whole);
}

static void begin(void) {
    EXPECT_INT(
        run("rm -rf coco there back look lm x; " CONVERT "$ANN --to coco --out coco --quiet"), 0);
    EXPECT_TEXT(program_errors, "");
}

// Exact formats: the same bytes of COCO's file come back.
static void there_and_back(void) {
    static const struct {
        const char *format, *source;
    } cases[] = {
        {"coco", "instances.json"},
        {"labelme", "labelme"},
        {"label-studio", "label-studio.json"},
        {"ndjson", "annotations.ndjson"},
    };
    begin();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char line[512];
        snprintf(line, sizeof line,
                 CONVERT "$ANN --to %s --out there && " CONVERT
                         "there/%s --to coco --out back --ann $ANN && "
                         "cmp coco/instances.json back/instances.json && "
                         "! test -e there/roundtrip.jsonl; code=$?; rm -r there back; exit $code",
                 cases[i].format, cases[i].source);
        int code = run(line);
        if (code != 0) printf("%s: %s\n", cases[i].format, program_errors);
        EXPECT_INT(code, 0);
        EXPECT_CONTAINS(program_errors, "30 pictures, 270 objects\n");
    }
}

// Our evaluator, which is pycocotools', on what came back: the truth scores 1.
static void results_score_one(void) {
    begin();
    EXPECT_INT(run(CONVERT "$ANN --to coco-results --out there --quiet && " CONVERT
                           "there/results.json --ann $ANN --to labelme --out lm --quiet && " CONVERT
                           "lm/labelme --ann $ANN --to coco-results --out back --quiet && "
                           "cmp there/results.json back/results.json && "
                           "gctmask eval --ann $ANN --results back/results.json --iou mask"),
               0);
    EXPECT_CONTAINS(program_output, "= 1.000");
}

// YOLO's outlines bring all back but the crowds, which are named in the report.
static void yolo(void) {
    begin();
    EXPECT_INT(run(CONVERT "$ANN --to yolo-seg --out there; cat there/roundtrip.jsonl; " CONVERT
                           "there/yolo-seg --to coco --out back --ann $ANN --image-dir $IMAGES && "
                           "diff <(grep -v '\"iscrowd\":1' coco/instances.json | "
                           "sed 's/.*\"id\":[0-9]*,\"image_id/image_id/') "
                           "<(sed 's/.*\"id\":[0-9]*,\"image_id/image_id/' back/instances.json)"),
               0);
    EXPECT_CONTAINS(program_errors, "yolo-seg: 266 of 270 objects come back exact");
    EXPECT_CONTAINS(program_output, "{\"format\":\"yolo-seg\",\"file_name\":\"000000005001.jpg\","
                                    "\"object\":18,\"class\":\"person\",\"iou\":0}\n");
    EXPECT_INT(run("head -8 there/yolo-seg/data.yaml; ls there/yolo-seg/labels | wc -l"), 0);
    EXPECT_CONTAINS(program_output, "names:\n  0: \"person\"\n  1: \"bicycle\"\n");
    EXPECT_CONTAINS(program_output, "\n30\n");
}

static void losses(void) {
    begin();
    EXPECT_INT(run(CONVERT "$ANN --to png,csv --out there; wc -l <there/roundtrip.jsonl"), 0);
    EXPECT_CONTAINS(program_errors, "png: 184 of 270 objects come back exact; IoU 0.98");
    EXPECT_CONTAINS(program_errors,
                    "csv: 0 of 270 objects come back exact; IoU 0.5985 in the mean, "
                    "at worst 0.0791: object 23 (book) of 000000255165.jpg");
    EXPECT_TEXT(program_output, "356\n");
    EXPECT_INT(run(CONVERT "$ANN --to png,csv --out there --min-roundtrip-iou 0.9"), 65);
    EXPECT_CONTAINS(program_errors, "object 23 (book) of 000000255165.jpg comes back with an IoU "
                                    "of 0.0791, below 0.9; so do ");
    EXPECT_INT(run(CONVERT "$ANN --to labelme,coco --out there --min-roundtrip-iou 1"), 0);
    EXPECT_INT(run("test -e there/roundtrip.jsonl"), 1);
}

static void polygons(void) {
    begin();
    EXPECT_INT(run(CONVERT "$ANN --to labelme --labelme-shapes polygon --out there && " CONVERT
                           "there/labelme --to coco --out back --ann $ANN --quiet && "
                           "cmp coco/instances.json back/instances.json && grep -c group_id "
                           "there/labelme/000000005001.json"),
               0);
    EXPECT_CONTAINS(program_errors, "labelme: all 270 objects come back exact");
}

static void pictures(void) {
    begin();
    EXPECT_INT(run(CONVERT
                   "$ANN --html --crops --image-dir $IMAGES --out look --quiet && "
                   "ls look look/overlays | wc -l && ls look/thumbs | wc -l && "
                   "find look/crops -name '*.png' | wc -l && ls look/crops/000000397133.jpg "
                   "| head -1 && grep -c '<a class=card' look/index.html"),
               0);
    EXPECT_TEXT(program_output, "37\n30\n270\n001-bottle.png\n30\n");
    EXPECT_INT(run("grep -o '<p>[0-9]* pictures, [0-9]* objects' look/index.html; "
                   "grep -oE '(href|src)=\"[^\"]*' look/index.html | grep -c ://; "
                   "grep '000000005001.jpg' look/index.html"),
               0);
    EXPECT_CONTAINS(program_output, "<p>30 pictures, 270 objects\n0\n");
    EXPECT_CONTAINS(program_output, "14 person");
}

static void other_lists_of_masks(void) {
    begin();
    EXPECT_INT(run(CONVERT "$ANN --to coco --rle list --out there --quiet && "
                           "grep -c '\"counts\":\\[' there/instances.json && " CONVERT
                           "there/instances.json --to coco --out back --quiet && "
                           "cmp coco/instances.json back/instances.json"),
               0);
    EXPECT_TEXT(program_output, "270\n");
}

// What a picture that was turned upright says of itself is kept.
static void turned(void) {
    begin();
    EXPECT_INT(run("echo '{\"images\":[{\"id\":7,\"width\":4,\"height\":2,\"file_name\":\"a.jpg\","
                   "\"exif_orientation\":6},{\"id\":9,\"width\":4,\"height\":2,\"file_name\":"
                   "\"b.jpg\",\"exif_orientation\":\"x\"}],\"annotations\":[],\"categories\":[]}' >"
                   "e.json; " CONVERT "e.json --to ndjson --out there --quiet && " CONVERT
                   "there/annotations.ndjson --to coco --out back --quiet && grep -A1 images "
                   "back/instances.json"),
               0);
    EXPECT_CONTAINS(program_output, "{\"id\":7,\"width\":4,\"height\":2,\"file_name\":\"a.jpg\","
                                    "\"exif_orientation\":6}\n");
    EXPECT_CONTAINS(program_output,
                    "{\"id\":9,\"width\":4,\"height\":2,\"file_name\":\"b.jpg\"}\n");
}

static void refusals(void) {
    static const struct {
        const char *line;
        int code;
        const char *message;
    } cases[] = {
        {CONVERT "none.json --to coco --out x", 66, "none.json: no such file"},
        {CONVERT "$ANN --out x", 64, "--to, --overlay, --crops or --html is required"},
        {CONVERT "$ANN --to coco", 64, "--out DIR is required"},
        {CONVERT "$ANN --to cocoa --out x", 64, "--to: \"cocoa\" is not"},
        {CONVERT "$ANN --html --out x", 64, "need --image-dir DIR"},
        {CONVERT "$ANN --html --image-dir . --out x", 66, "000000005001.jpg: No such file"},
        {"echo [] >e.json; " CONVERT "e.json --to coco --out x", 65,
         "e.json: cannot tell what format this is"},
        {"mkdir -p d; " CONVERT "d --to coco --out x", 65, "d: cannot tell what format"},
        {"echo '[{\"image_id\":1}]' >r.json; " CONVERT "r.json --to coco --out x", 64,
         "--ann FILE gives the annotation set"},
        {"mkdir -p y/labels; : >y/data.yaml; " CONVERT "y --to coco --out x", 64,
         "--image-dir DIR says where they are"},
        {"echo '{\"images\":[{\"id\":1,\"width\":2,\"height\":2,\"file_name\":\"../a.jpg\"}],"
         "\"annotations\":[],\"categories\":[]}' >u.json; " CONVERT "u.json --to labelme --out x",
         65, "\"../a.jpg\" leads out of the folder"},
        {"echo '{\"images\":[{\"id\":1,\"width\":2,\"height\":2,\"file_name\":\"a.jpg\"},"
         "{\"id\":2,\"width\":2,\"height\":2,\"file_name\":\"a.png\"}],"
         "\"annotations\":[],\"categories\":[]}' >t.json; " CONVERT "t.json --to labelme --out x",
         64, "two pictures would have the same labelme/a.json"},
        {CONVERT "$ANN --to coco --out $ANN", 73, "instances_val.json"},
    };
    begin();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int code = run(cases[i].line);
        if (code != cases[i].code) printf("%s\n", cases[i].line);
        EXPECT_INT(code, cases[i].code);
        EXPECT_CONTAINS(program_errors, cases[i].message);
    }
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"there and back", there_and_back},
                         {"results score one", results_score_one},
                         {"yolo", yolo},
                         {"losses", losses},
                         {"polygons", polygons},
                         {"pictures", pictures},
                         {"other lists of masks", other_lists_of_masks},
                         {"turned", turned},
                         {"refusals", refusals},
                         {0},
                     });
}
