// gctmask eval with a model: its detections are scored as those of a file are, classes are matched
// with care, and a picture that cannot be used ends the run.
#include <stdio.h>

#include "tests/harness.h"
#include "tests/program.h"

#define SET  "--ann $SCRATCH/in/annotations/instances_val.json "
#define EVAL "gctmask eval " SET "--image-dir $SCRATCH/in/images --weights $SCRATCH/"
#define INIT                                                                                       \
    "gctmask init --config " TESTS_DIR "/../configs/demo.json --quiet --set "                      \
    "input.short_side=64,input.long_side=128"

static void begin(void) {
    EXPECT_INT(
        run_program("rm -rf $SCRATCH/in; gctmask make-shapes $SCRATCH/in --images 0 "
                    "--val-images 4 --size 90x70 --quiet; test -e $SCRATCH/m.safetensors || " INIT
                    " --out $SCRATCH/m.safetensors"),
        0);
}

static void same_as_from_a_file(void) {
    begin();
    EXPECT_INT(run_program("cd $SCRATCH; " EVAL "m.safetensors --save-results r.json >a && "
                           "gctmask eval " SET "--results r.json >b && cmp a b && cat a"),
               0);
    EXPECT_TEXT(program_errors, "");
    EXPECT_CONTAINS(program_output, "mask AP,AP50,AP75,APs,APm,APl\n");
    EXPECT_INT(run_program("grep -c image_id $SCRATCH/r.json"), 0);
    EXPECT(strcmp(program_output, "0\n") != 0);
    EXPECT_INT(run_program(EVAL "m.safetensors --json --iou box --html $SCRATCH/page"), 0);
    EXPECT_TEXT(program_errors, "");
    EXPECT_CONTAINS(program_output, "\"box\": {");
    EXPECT_INT(run_program("cat $SCRATCH/r.json >$SCRATCH/old.json; " EVAL
                           "m.safetensors --compare $SCRATCH/old.json --iou box"),
               0);
    EXPECT_CONTAINS(program_output, "box compared with ");
}

static void precision(void) {
    begin();
    EXPECT_INT(run_program(EVAL "m.safetensors --save-results $SCRATCH/r.json --iou box"), 0);
    EXPECT_INT(run_program("ONEDNN_MAX_CPU_ISA=AVX2 " EVAL "m.safetensors --precision bf16"), 65);
    EXPECT_CONTAINS(program_errors,
                    "precision bfloat16: this processor has no instructions for it, "
                    "expected avx512_bf16 or amx_bf16");
    EXPECT_INT(run_program("gctmask eval " SET "--results $SCRATCH/r.json --precision bf16"), 64);
    EXPECT_CONTAINS(program_errors, "--precision is for --weights");
    if (run_program("gctmask doctor --json | grep -q '\"bf16\": true'") != 0)
        skip_case("this processor has no instructions for bf16");
    EXPECT_INT(
        run_program("cd $SCRATCH; " EVAL
                    "m.safetensors --precision bfloat16 --save-results rounded.json --iou box && "
                    "! cmp -s r.json rounded.json"),
        0);
}

// Only the images that are asked for are looked at, each once, and their files alone must be there.
static void some_images(void) {
    begin();
    EXPECT_INT(
        run_program("cd $SCRATCH; rm in/images/val_000001.jpg; " EVAL
                    "m.safetensors --images 1000003,1000002,1000003 --save-results r.json >a && "
                    "gctmask eval " SET "--results r.json --images 1000002,1000003 >b && cmp a b; "
                    "grep -o '\"image_id\":[0-9]*' r.json | sort -u"),
        0);
    EXPECT_TEXT(program_output, "\"image_id\":1000002\n\"image_id\":1000003\n");
    EXPECT_TEXT(program_errors, "");
    EXPECT_INT(run_program(EVAL "m.safetensors --images 1000002,77"), 64);
    EXPECT_CONTAINS(program_errors, "there is no image with id 77");
}

static void classes(void) {
    static const struct {
        const char *names;
        int code;
        const char *message; // NULL: nothing
        const char *ids;     // that results have
    } cases[] = {
        // By name, whatever the ids.
        {"crescent,heart,cross,star,triangle,square,ring,disk", 0, NULL, "[1-8]"},
        {"ring,disk,cross,star,triangle,square,heart,crescent,classes.ids=50,51,52,53,54,55,56,57",
         0, NULL, "[1-8]"},
        // By id where a name is unknown.
        {"disc,ring,square,triangle,star,cross,heart,crescent", 0,
         "has classes of the model under other names, known by their ids: \"disc\" for \"disk\"\n",
         "[1-8]"},
        // Not by an id that belongs to another of the model's names.
        {"dog,disk", 0, "lacks classes of the model: \"dog\"; they do not count", "1"},
        {"disk", 0,
         "has classes that the model lacks: \"ring\", \"square\", \"triangle\" and 4 more", "1"},
        {"dog,cat,classes.ids=90,91", 65,
         "has none of the model's classes: it has \"disk\", \"ring\", \"square\" and 5 more, the "
         "model \"dog\", \"cat\"",
         ""},
    };
    begin();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char line[1024];
        snprintf(line, sizeof line,
                 "cd $SCRATCH; rm -f r.json; " INIT ",classes.names=%s --out c.safetensors && " EVAL
                 "c.safetensors --iou box --save-results r.json",
                 cases[i].names);
        int code = run_program(line);
        if (code != cases[i].code) printf("%s\n", line);
        EXPECT_INT(code, cases[i].code);
        if (cases[i].message)
            EXPECT_CONTAINS(program_errors, cases[i].message);
        else
            EXPECT_TEXT(program_errors, "");
        if (code != 0) continue;
        snprintf(line, sizeof line,
                 "grep -o '\"category_id\":[0-9]*' $SCRATCH/r.json | grep -qv ':%s$'",
                 cases[i].ids);
        EXPECT_INT(run_program(line), 1);
    }
}

static void refusals(void) {
    static const struct {
        const char *line;
        int code;
        const char *message;
    } cases[] = {
        {"gctmask eval " SET, 64, "--results FILE or --weights FILE is required"},
        {EVAL "m.safetensors --results x", 64, "--results and --weights exclude each other"},
        {"gctmask eval " SET "--weights x", 64, "--weights needs --image-dir DIR"},
        {"gctmask eval " SET "--results x --save-results y", 64, "--save-results is for --weights"},
        {"gctmask eval " SET "--results x --set box.score=0.5", 64, "--set is for --weights"},
        {EVAL "none", 66, "none: No such file"},
        {EVAL "in/annotations/instances_val.json", 65, "instances_val.json: not a model file"},
        {EVAL "m.safetensors --set classes.names=cat,dog", 65,
         "m.safetensors: weights of 8 classes and a configuration of 2"},
        {EVAL "in/images/val_000001.jpg", 65, "val_000001.jpg: "},
        {EVAL "m.safetensors --set box.scroe=0.5", 64, "did you mean box.score?"},
        {EVAL "m.safetensors --save-results $SCRATCH/no/r.json", 73, "no/r.json: "},
        {"rm $SCRATCH/in/images/val_00000[34].jpg; " EVAL "m.safetensors", 66,
         "val_000003.jpg: No such file or directory (of 4 images, 2 are not there)"},
        {"echo x >$SCRATCH/in/images/val_000002.jpg; " EVAL
         "m.safetensors --save-results $SCRATCH/s.json",
         65, "val_000002.jpg: a text file; expected a JPEG or PNG image"},
        {"sed -i 's/\"width\":90/\"width\":91/' $SCRATCH/in/annotations/instances_val.json; " EVAL
         "m.safetensors",
         65, "val_000001.jpg: 90 x 70 pixels, but 91 x 70 in "},
        {"sed -i 's/\"file_name\"/\"name\"/' $SCRATCH/in/annotations/instances_val.json; " EVAL
         "m.safetensors",
         65, "image 1000001 has no file_name"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin();
        int code = run_program(cases[i].line);
        if (code != cases[i].code) printf("%s\n", cases[i].line);
        EXPECT_INT(code, cases[i].code);
        EXPECT_CONTAINS(program_errors, cases[i].message);
        EXPECT_TEXT(program_output, "");
        EXPECT_INT(run_program("ls $SCRATCH | grep -q '^s[.]json'"), 1);
    }
}

// The model does not run if its detections could not be scored afterwards.
static void bad_annotations(void) {
    static const struct {
        const char *edit; // of the annotation file, by sed
        const char *message;
    } cases[] = {
        {"0,/\"bbox\":\\[[^]]*],/s///", "annotations[0] (id 1): bbox is missing"},
        {"0,/\"bbox\":\\[[^]]*]/s//\"bbox\":[1,2,3]/", "(id 1): bbox is not four numbers"},
        {"0,/\"segmentation\":\\(\\[[^}]*\\|{[^}]*\\)}/s//\"segmentation\":[[1,2,3]]}/",
         "segmentation is neither a list of polygons nor an RLE"},
        {"0,/\"id\":1000002/s//\"id\":1000001/", "id 1000001 occurs twice"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char line[1024];
        begin();
        snprintf(line, sizeof line,
                 "sed -i '%s' $SCRATCH/in/annotations/instances_val.json; " EVAL
                 "m.safetensors --save-results $SCRATCH/s.json",
                 cases[i].edit);
        int code = run_program(line);
        if (code != 65) printf("%s\n", line);
        EXPECT_INT(code, 65);
        EXPECT_CONTAINS(program_errors, cases[i].message);
        EXPECT_TEXT(program_output, "");
        EXPECT_INT(run_program("ls $SCRATCH | grep -q '^s[.]json'"), 1);
    }
}

// A signal while the model runs: its exit code, and nothing half-written.
static void interrupted(void) {
    static const struct {
        const char *signal;
        int code;
    } cases[] = {{"INT", 130}, {"TERM", 143}};
    begin();
    EXPECT_INT(run_program("cd $SCRATCH; { echo '{\"images\":['; for i in $(seq 20000); do "
                           "echo \"{\\\"id\\\":$i,\\\"width\\\":90,\\\"height\\\":70,"
                           "\\\"file_name\\\":\\\"val_000001.jpg\\\"},\"; done; echo "
                           "'{\"id\":0,\"file_name\":\"val_000001.jpg\"}],\"annotations\":[],"
                           "\"categories\":[{\"id\":1,\"name\":\"disk\"}]}'; } >many.json"),
               0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char line[1024];
        // The model runs when the classes were looked at.
        snprintf(
            line, sizeof line,
            "cd $SCRATCH; set -m; '" GCTMASK
            "' eval --ann many.json --image-dir in/images --weights "
            "m.safetensors --save-results t.json 2>said & for i in $(seq 1000); do "
            "grep -q 'lacks classes' said && break; sleep 0.02; done; kill -%s -- -$!; wait $!; "
            "code=$?; cat said >&2; exit $code",
            cases[i].signal);
        EXPECT_INT(run_program(line), cases[i].code);
        EXPECT_CONTAINS(program_errors, "gctmask: error: eval: interrupted after ");
        EXPECT_CONTAINS(program_errors, " of 20001 images\n");
        EXPECT_TEXT(program_output, "");
        EXPECT_INT(run_program("ls -A $SCRATCH | grep -q 't[.]json'"), 1);
    }
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"same as from a file", same_as_from_a_file},
                                          {"precision", precision},
                                          {"some images", some_images},
                                          {"classes", classes},
                                          {"refusals", refusals},
                                          {"bad annotations", bad_annotations},
                                          {"interrupted", interrupted},
                                          {0}});
}
