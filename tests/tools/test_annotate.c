// gctmask annotate as a user meets it: what is written, what is refused, what is skipped.
#include <stdio.h>

#include "data/coco.h"
#include "data/image.h"
#include "tests/harness.h"
#include "tests/program.h"

enum { PATH_BYTES = 512 };

#define MODEL    "--weights $SCRATCH/m.safetensors --score 0.05 "
#define ANNOTATE "gctmask annotate " MODEL "--out $SCRATCH/found "

static const char *scratch_path(const char *name) {
    static char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", scratch_folder(), name);
    return path;
}

// A small model that finds something in any picture, pictures in folders, an empty output.
static void begin(void) {
    EXPECT_INT(run_program("rm -rf $SCRATCH/found $SCRATCH/tree"), 0);
    EXPECT_INT(
        run_program("cd $SCRATCH; test -e m.safetensors && exit 0\n"
                    "gctmask init --config " TESTS_DIR "/../configs/demo.json --quiet --set "
                    "input.short_side=64,input.long_side=128,box.detections=6 --out m.safetensors"
                    "&& gctmask make-shapes in --images 0 --val-images 3 --size 90x70 --quiet"),
        0);
    EXPECT_INT(run_program("cd $SCRATCH; mkdir -p tree/b/c tree/.hidden; i=in/images/val_00000\n"
                           "cp ${i}1.jpg tree/z.jpg; cp ${i}2.jpg tree/b/a.JPEG; "
                           "cp ${i}3.jpg tree/b/c/x.jpg; cp ${i}1.jpg tree/.hidden/h.jpg; "
                           "cp ${i}1.jpg tree/.h.jpg; echo text >tree/notes.txt; "
                           "ln -s ../tree tree/loop"),
               0);
}

static void load(struct coco_set *set, const char *name, bool results) {
    struct error err;
    const struct coco_load_options options = {0};
    const char *path = scratch_path(name);
    EXPECT_OK(results ? coco_load_results(set, path, &options, &err)
                      : coco_load_annotations(set, path, &options, &err),
              &err);
}

// Of what is in out/, the names, sorted.
static void expect_outputs(const char *names) {
    EXPECT_INT(run_program("cd $SCRATCH/found && find . -type f | LC_ALL=C sort"), 0);
    EXPECT_TEXT(program_output, names);
}

static void tree(void) {
    struct coco_set set;
    struct coco_set results;
    begin();
    EXPECT_INT(run_program(ANNOTATE "--recursive --overlay jpg $SCRATCH/tree"), 0);
    EXPECT_TEXT(program_output, "");
    EXPECT_CONTAINS(program_errors, "/found: 3 pictures, 18 objects, ");
    expect_outputs("./failures.jsonl\n./instances.json\n./manifest.jsonl\n./overlays/b/a.JPEG\n"
                   "./overlays/b/c/x.jpg\n./overlays/z.jpg\n./results.json\n");
    load(&set, "found/instances.json", false);
    load(&results, "found/results.json", true);
    REQUIRE(set.num_images == 3);
    EXPECT_TEXT(set.images[0].file_name, "b/a.JPEG");
    EXPECT_TEXT(set.images[1].file_name, "b/c/x.jpg");
    EXPECT_TEXT(set.images[2].file_name, "z.jpg");
    EXPECT_INT(set.images[2].id, 3);
    EXPECT_INT(set.images[2].width, 90);
    EXPECT_INT(set.images[2].height, 70);
    EXPECT_INT(set.num_categories, 8);
    EXPECT_INT(set.categories[0].id, 1);
    EXPECT_TEXT(set.categories[7].name, "crescent");
    EXPECT_INT(results.num_annotations, 18);
    EXPECT(set.num_annotations > 0 && set.num_annotations <= 18);
    coco_destroy(&set);
    coco_destroy(&results);
    EXPECT_INT(run_program("test -s $SCRATCH/found/failures.jsonl"), 1);
}

// Areas and boxes are those of the masks.
static void exact_annotations(void) {
    struct coco_set set;
    struct arena arena;
    struct error err;
    begin();
    EXPECT_INT(run_program(ANNOTATE "$SCRATCH/in/images --quiet"), 0);
    EXPECT_TEXT(program_errors, "");
    load(&set, "found/instances.json", false);
    EXPECT_OK(coco_require(&set, UINT16_MAX, &err), &err);
    arena_init(&arena, 1 << 16, 0);
    EXPECT(set.num_annotations > 3);
    for (int64_t i = 0; i < set.num_annotations; i++) {
        const struct coco_annotation *a = &set.annotations[i];
        struct rle mask;
        EXPECT_OK(coco_segment_to_rle(&mask, &a->segment, 70, 90, &arena, &err), &err);
        struct coco_box box = rle_box(&mask);
        EXPECT_INT(a->id, i + 1);
        EXPECT(!a->is_crowd && a->segment.kind == SEGMENT_STRING);
        EXPECT_NEAR(a->area, (double)rle_area(&mask), 0);
        EXPECT(a->area > 0);
        EXPECT(box.x == a->box.x && box.y == a->box.y);
        EXPECT(box.width == a->box.width && box.height == a->box.height);
    }
    arena_destroy(&arena);
    coco_destroy(&set);
    EXPECT_INT(run_program("grep -c '\"iscrowd\":0,\"score\":0[.]' $SCRATCH/found/instances.json"),
               0);
    EXPECT_INT(run_program("gctmask check-data --ann $SCRATCH/found/instances.json "
                           "--images $SCRATCH/in/images"),
               0);
    EXPECT_CONTAINS(program_output, "0 errors");
}

static void again(void) {
    begin();
    EXPECT_INT(run_program(ANNOTATE
                           "$SCRATCH/in/images --quiet --threads 2 && cp -r $SCRATCH/found "
                           "$SCRATCH/first && " ANNOTATE
                           "$SCRATCH/in/images --quiet --threads 1 && "
                           "diff -r $SCRATCH/first $SCRATCH/found"),
               0);
    EXPECT_TEXT(program_output, "");
}

// What oneDNN may use can be limited from outside.
static void precision(void) {
    begin();
    EXPECT_INT(run_program("ONEDNN_MAX_CPU_ISA=AVX2 " ANNOTATE "$SCRATCH/tree --precision bf16"),
               65);
    EXPECT_CONTAINS(program_errors, "this processor has no instructions for it, expected ");
    EXPECT_INT(run_program(ANNOTATE "$SCRATCH/tree --precision bf17"), 64);
    if (run_program("gctmask doctor --json | grep -q '\"bf16\": true'") != 0)
        skip_case("this processor has no instructions for bf16");
    EXPECT_INT(run_program(ANNOTATE
                           "$SCRATCH/in/images --quiet && cp -r $SCRATCH/found $SCRATCH/32 "
                           "&& " ANNOTATE "$SCRATCH/in/images --quiet --precision bfloat16"),
               0);
    EXPECT_TEXT(program_errors, "");
    EXPECT_INT(run_program("cmp -s $SCRATCH/32/results.json $SCRATCH/found/results.json"), 1);
}

static void formats(void) {
    begin();
    EXPECT_INT(run_program(ANNOTATE "--format coco-results $SCRATCH/tree --quiet"), 0);
    expect_outputs("./failures.jsonl\n./manifest.jsonl\n./results.json\n");
    begin();
    EXPECT_INT(run_program(ANNOTATE "--format coco --overlay png $SCRATCH/tree/b/a.JPEG --quiet"),
               0);
    expect_outputs("./failures.jsonl\n./instances.json\n./manifest.jsonl\n"
                   "./overlays/a.JPEG.png\n");
    struct image image;
    struct image_info info;
    struct arena arena;
    struct error err;
    const struct image_limits limits = image_limits_default();
    arena_init(&arena, 1 << 16, 0);
    EXPECT_OK(image_load(&image, &info, scratch_path("found/overlays/a.JPEG.png"), &limits, true,
                         &arena, &err),
              &err);
    EXPECT(info.format == IMAGE_PNG && image.width == 90 && image.height == 70);
    arena_destroy(&arena);
}

// A picture that is stored on its side gets the annotations of the upright one, and its record says
// how it lies in the file.
static void turned(void) {
    static const struct image_limits limits = {1 << 20, 1 << 10, 100, 100, 1 << 30};
    struct image image;
    struct image_info info;
    struct output out;
    struct error err;
    struct arena arena;
    begin();
    // An EXIF segment behind the start of the file: one entry, orientation 6.
    EXPECT_INT(
        run_program("cd $SCRATCH/tree; rm -r b; mkdir on_side upright lying; "
                    "(head -c 2 z.jpg; printf '\\xff\\xe1\\x00\\x22Exif\\0\\0II*\\0\\x08\\0\\0"
                    "\\0\\x01\\0\\x12\\x01\\x03\\0\\x01\\0\\0\\0\\x06\\0\\0\\0\\0\\0\\0\\0'; "
                    "tail -c +3 z.jpg) >on_side/a.jpg; mv z.jpg lying/a.jpg"),
        0);
    arena_init(&arena, 1 << 16, 0);
    EXPECT_OK(
        image_load(&image, &info, scratch_path("tree/on_side/a.jpg"), &limits, true, &arena, &err),
        &err);
    REQUIRE(info.exif_orientation == 6 && image.width == 70 && image.height == 90);
    EXPECT_OK(output_open_file(&out, scratch_path("tree/upright/a.jpg"), &err), &err);
    EXPECT_OK(image_write_png(image.pixels, 70, 90, SAMPLES_RGB8, 6, &out, &err), &err);
    EXPECT_OK(output_commit(&out, &err), &err);
    arena_destroy(&arena);
    EXPECT_INT(run_program(ANNOTATE "$SCRATCH/tree/on_side --quiet && mv $SCRATCH/found "
                                    "$SCRATCH/on_side && " ANNOTATE
                                    "$SCRATCH/tree/upright --quiet && cd $SCRATCH && "
                                    "cmp on_side/results.json found/results.json && "
                                    "diff on_side/instances.json found/instances.json; "
                                    "rm -r on_side"),
               0);
    EXPECT_CONTAINS(program_output, "{\"id\":1,\"width\":70,\"height\":90,\"file_name\":\"a.jpg\","
                                    "\"exif_orientation\":6}\n---\n");
    EXPECT_CONTAINS(program_output,
                    "{\"id\":1,\"width\":70,\"height\":90,\"file_name\":\"a.jpg\"}\n");
    EXPECT(strstr(program_output, "score") == NULL);
    // As it lies, it is the picture without the segment.
    EXPECT_INT(run_program("cd $SCRATCH; " ANNOTATE
                           "tree/on_side --exif ignore --quiet && mv found "
                           "on_side && " ANNOTATE "tree/lying --exif apply --quiet && cmp "
                           "on_side/results.json found/results.json && "
                           "cmp on_side/instances.json found/instances.json && "
                           "gctmask annotate " MODEL "--out on_side tree/on_side --resume --quiet "
                           "&& grep -c exif_orientation on_side/instances.json; rm -r on_side"),
               0);
    EXPECT_TEXT(program_output, "1\n"); // done again, turned
}

static void filters(void) {
    static const struct {
        const char *options;
        const char *count;
    } cases[] = {
        {"--score 1", ", 0 objects"},
        {"--max-dets 2", ", 6 objects"},
        {"--classes disk,2,square,triangle,star,cross,heart,8", ", 18 objects"},
        {"--set box.detections=1", ", 3 objects"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char line[512];
        begin();
        snprintf(line, sizeof line, ANNOTATE "%s $SCRATCH/in/images", cases[i].options);
        EXPECT_INT(run_program(line), 0);
        EXPECT_CONTAINS(program_errors, cases[i].count);
    }
    // One class: fewer, and of this class only.
    struct coco_set results;
    begin();
    EXPECT_INT(run_program(ANNOTATE "--classes heart $SCRATCH/in/images --quiet"), 0);
    load(&results, "found/results.json", true);
    EXPECT(results.num_annotations < 18);
    for (int64_t i = 0; i < results.num_annotations; i++)
        EXPECT_INT(results.annotations[i].category_id, 7);
    coco_destroy(&results);
}

// ---- What goes wrong ----

// Each bad file is recorded with its code, and the good one is done.
static void bad_pictures(void) {
    static const struct {
        const char *setup;
        const char *code;
    } cases[] = {
        {": >tree/n.jpg", "image_empty"},
        {"echo '<svg/>' >tree/n.jpg", "unsupported_media_type"},
        {"printf 'GIF89a' >tree/n.png", "unsupported_media_type"},
        {"head -c 900 in/images/val_000001.jpg >tree/n.jpg", "image_corrupt"},
        {"printf '\\xff\\xd8\\xff' >tree/n.jpg", "image_corrupt"},
        {"mkfifo tree/n.jpg", "unreadable"},
        {"ln -s nowhere tree/n.jpg", "unreadable"},
        {"cp tree/z.jpg tree/$'\\xff'.jpg", "name_not_utf8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char line[512];
        begin();
        snprintf(line, sizeof line, "cd $SCRATCH; %s\n" ANNOTATE "$SCRATCH/tree", cases[i].setup);
        int code = run_program(line);
        if (code != 2) printf("%s\n", cases[i].setup);
        EXPECT_INT(code, 2);
        EXPECT_CONTAINS(program_errors, cases[i].code);
        EXPECT_CONTAINS(program_errors, "found: 1 pictures, 6 objects");
        EXPECT_CONTAINS(program_errors, "1 pictures failed, see ");
        EXPECT_INT(
            run_program("cat $SCRATCH/found/failures.jsonl; wc -l <$SCRATCH/found/failures.jsonl"),
            0);
        EXPECT_CONTAINS(program_output, cases[i].code);
        EXPECT_CONTAINS(program_output, "\n1\n");
        struct coco_set set;
        load(&set, "found/instances.json", false);
        EXPECT_INT(set.num_images, 1);
        coco_destroy(&set);
    }
}

// Names that must neither break JSON nor command a terminal.
static void odd_names(void) {
    struct coco_set set;
    begin();
    EXPECT_INT(run_program("cd $SCRATCH; mv tree/z.jpg tree/$'a\\n\"\\e[2J.jpg'\n" ANNOTATE
                           "--overlay jpg $SCRATCH/tree; : >$SCRATCH/tree/$'b\\n.jpg'; " ANNOTATE
                           "$SCRATCH/tree"),
               2);
    EXPECT(!strchr(program_errors, '\x1b'));
    EXPECT_CONTAINS(program_errors, "/b?.jpg: the image is empty [image_empty], skipped\n");
    load(&set, "found/instances.json", false);
    REQUIRE(set.num_images == 1);
    EXPECT_TEXT(set.images[0].file_name, "a\n\"\x1b[2J.jpg");
    coco_destroy(&set);
}

static void refusals(void) {
    static const struct {
        const char *line;
        int code;
        const char *message;
    } cases[] = {
        {"gctmask annotate x --out $SCRATCH/found", 64, "--weights is missing, or --server"},
        {"gctmask annotate x " MODEL, 64, "--out DIR is required"},
        {ANNOTATE, 64, "INPUT... is missing"},
        {ANNOTATE "$SCRATCH/none", 66, "none: No such file or directory"},
        {ANNOTATE "$SCRATCH/tree/.hidden $SCRATCH/none", 66, "none: No such file"},
        {"mkdir $SCRATCH/tree/empty;" ANNOTATE "$SCRATCH/tree/empty", 3,
         "empty: no .jpg, .jpeg or .png files (folders in it are searched with --recursive)"},
        {"gctmask annotate $SCRATCH/tree --out $SCRATCH/found --weights $SCRATCH/none", 66,
         "none: No such file"},
        {"gctmask annotate $SCRATCH/tree --out $SCRATCH/found --weights $SCRATCH/tree/z.jpg", 65,
         "z.jpg: "},
        {"head -c 20000 $SCRATCH/m.safetensors >$SCRATCH/cut; "
         "gctmask annotate $SCRATCH/tree --out $SCRATCH/found --weights $SCRATCH/cut",
         65, "cut: "},
        {"gctmask annotate $SCRATCH/tree --out $SCRATCH/found --weights " TESTS_DIR
         "/../configs/demo.json",
         65, "demo.json: not a model file"},
        {ANNOTATE "$SCRATCH/tree --classes diks", 64,
         "--classes: the model has no class \"diks\"; did you mean \"disk\"?"},
        {ANNOTATE "$SCRATCH/tree --classes 9", 64, "the model has no class \"9\""},
        {ANNOTATE "$SCRATCH/tree --score 1.5", 64, "--score: 1.5 is not a number from 0 to 1"},
        {ANNOTATE "$SCRATCH/tree --format yolo", 64, "--format: \"yolo\" is not"},
        {ANNOTATE "$SCRATCH/tree/z.jpg $SCRATCH/tree", 64,
         "tree/z.jpg would both be \"z.jpg\" in the outputs"},
        {"mkdir $SCRATCH/tree/d; cp $SCRATCH/tree/z.jpg $SCRATCH/tree/d;" ANNOTATE
         "$SCRATCH/tree $SCRATCH/tree/d",
         64, "would both be \"z.jpg\""},
        {"cd $SCRATCH/tree; cp z.jpg z.png; cp z.jpg z.png.jpg;" ANNOTATE ". --overlay jpg", 64,
         "two pictures would have the same overlays/z.png.jpg"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin();
        int code = run_program(cases[i].line);
        if (code != cases[i].code) printf("%s\n", cases[i].line);
        EXPECT_INT(code, cases[i].code);
        EXPECT_CONTAINS(program_errors, cases[i].message);
        EXPECT_TEXT(program_output, "");
        EXPECT_INT(run_program("test -e $SCRATCH/found"), 1); // nothing was begun
    }
}

static void outputs_that_cannot_be_written(void) {
    begin();
    EXPECT_INT(run_program("echo old >$SCRATCH/found; " ANNOTATE "$SCRATCH/tree"), 73);
    EXPECT_CONTAINS(program_errors, "found");
    EXPECT_INT(run_program("grep -q old $SCRATCH/found"), 0);
    // A folder where a file is to go: the old results stay, and nothing half-made.
    begin();
    EXPECT_INT(run_program(ANNOTATE "$SCRATCH/tree --quiet; cd $SCRATCH; cp found/results.json r; "
                                    "mkdir -p found/overlays/z.jpg; " ANNOTATE
                                    "tree --overlay jpg --max-dets 1"),
               73);
    EXPECT_CONTAINS(program_errors, "overlays/z.jpg");
    EXPECT_INT(run_program("cmp $SCRATCH/r $SCRATCH/found/results.json && ls $SCRATCH/found"), 0);
    EXPECT_TEXT(program_output,
                "failures.jsonl\ninstances.json\njournal-0.jsonl\noverlays\nresults.json\n");
}

// The folder of outputs may lie in that of inputs.
static void out_within(void) {
    begin();
    EXPECT_INT(run_program("cd $SCRATCH/tree; for i in 1 2; do gctmask annotate . --recursive "
                           "--overlay jpg --out found " MODEL "|| exit; done"),
               0);
    const char *first = strstr(program_errors, "found: 3 pictures, 18 objects");
    EXPECT(first && strstr(first + 1, "found: 3 pictures, 18 objects"));
}

// A terminal gets a line that is written over, and is left clean.
static void terminal(void) {
    begin();
    if (run_program("script -qec true /dev/null") != 0)
        skip_case("script(1) is not installed or finds no terminal");
    EXPECT_INT(run_program("for i in $(seq 40); do cp $SCRATCH/in/images/val_000001.jpg "
                           "$SCRATCH/tree/$i.jpg; done; script -qec \"'" GCTMASK "' annotate " MODEL
                           "--out $SCRATCH/found $SCRATCH/tree\" /dev/null"),
               0);
    EXPECT_CONTAINS(program_output, "\r\x1b[Kgctmask: info: ");
    EXPECT_CONTAINS(program_output, "/41  ");
    EXPECT_CONTAINS(program_output, " images/s  0:00 left  ");
}

// Ctrl-C: what is done is saved.
static void interrupted(void) {
    struct coco_set set;
    begin();
    EXPECT_INT(run_program("cd $SCRATCH; for i in $(seq 3000); do ln in/images/val_000001.jpg "
                           "tree/$i.jpg; done; set -m; " ANNOTATE
                           "tree 2>said & sleep 1.5; kill -INT -- -$!; wait $!; "
                           "code=$?; cat said >&2; exit $code"),
               130);
    EXPECT_CONTAINS(program_errors, "gctmask: warning: interrupted: ");
    load(&set, "found/instances.json", false);
    EXPECT(set.num_images < 3001);
    coco_destroy(&set);
    EXPECT_INT(run_program("ls $SCRATCH/found"), 0);
    EXPECT_TEXT(program_output, "failures.jsonl\ninstances.json\nmanifest.jsonl\nresults.json\n");
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"tree", tree},
                         {"exact annotations", exact_annotations},
                         {"again", again},
                         {"precision", precision},
                         {"formats", formats},
                         {"turned", turned},
                         {"filters", filters},
                         {"bad pictures", bad_pictures},
                         {"odd names", odd_names},
                         {"refusals", refusals},
                         {"outputs that cannot be written", outputs_that_cannot_be_written},
                         {"out within", out_within},
                         {"terminal", terminal},
                         {"interrupted", interrupted},
                         {0},
                     });
}
