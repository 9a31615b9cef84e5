// Files that are not what they seem, given to every command that reads such files: one sentence
// with the file, the place and what was expected, the right exit code, and nothing written.
#include <stdio.h>

#include "tests/harness.h"
#include "tests/program.h"

#define SMALL                                                                                      \
    "--set input.short_side=64,input.long_side=128,backbone.width=8,backbone.group_width=8,"       \
    "backbone.attention=none,fpn.channels=16,box.hidden=32,mask.conv_channels=16,norm_groups=4 "
// Shell functions that make files in the scratch folder out of m.safetensors, a good model, and of
// p.safetensors, the same without a checksum:
//     replace FROM FILE OLD NEW        in the first line that has it
//     put FILE TENSOR INDEX BYTES      other bytes for a value
//     size BYTES                       the file bad with another size of the header
#define TOOLS                                                                                      \
    "cd $SCRATCH; export LC_ALL=C\n"                                                               \
    "replace() { sed \"0,/$3/s//$4/\" $1 >$2; }\n"                                                 \
    "put() { n=$(od -An -t u8 -N 8 $1 | tr -d ' ')\n"                                              \
    "  begin=$(grep -ao \"\\\"$2\\\":{[^}]*}\" $1 | sed 's/.*offsets\":.//; s/,.*//')\n"           \
    "  printf \"$4\" | dd of=$1 bs=1 seek=$((8 + n + begin + 4 * $3)) conv=notrunc 2>/dev/null\n"  \
    "}\n"                                                                                          \
    "size() { { printf \"$1\"; tail -c +9 p.safetensors; } >bad; }\n"

static void begin(void) {
    EXPECT_INT(
        run_program("cd $SCRATCH; rm -rf bad found s.json x; test -e p.safetensors && exit\n"
                    "set -e; gctmask init --config " TESTS_DIR
                    "/../configs/demo.json --quiet " SMALL "--out m.safetensors\n"
                    "LC_ALL=C sed 's/\"checksum\"/\"checksun\"/' m.safetensors >p.safetensors\n"
                    "gctmask make-shapes in --images 0 --val-images 2 --size 90x70 --quiet"),
        0);
}

// Runs setup, then the command, which must say one sentence, and must have written nothing.
static void expect_refused(const char *setup, const char *command, int code, const char *message) {
    char line[2048];
    begin();
    snprintf(line, sizeof line, "{ %s%s\n} >&2 || exit 99\n%s", TOOLS, setup, command);
    int found = run_program(line);
    const char *end = strchr(program_errors, '\n');
    bool one_line = strncmp(program_errors, "gctmask: error: ", 16) == 0 && end && end[1] == '\0';
    if (found != code || !one_line) printf("%s\n%s\n", setup, command);
    EXPECT_INT(found, code);
    EXPECT(one_line);
    EXPECT_CONTAINS(program_errors, message);
    EXPECT_TEXT(program_output, "");
    EXPECT_INT(run_program("cd $SCRATCH; ls -A | grep -E '^(found|s[.]json|x)|[.]tmp[.]'"), 1);
}

// ---- Model files ----

static void model_files(void) {
    static const struct {
        const char *setup;
        int code;
        const char *message;
    } cases[] = {
        {": >bad", 65, "bad: not a model file"},
        {"echo hello >bad", 65, "bad: not a model file"},
        {"echo '{}' >bad", 65, "bad: not a model file"},
        {"size '\\0\\0\\0\\0\\0\\0\\0\\x80'", 65, "bad: not a model file"},
        {"size '\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x7f'", 65, "bad: not a model file"},
        {"size '\\0\\0\\0\\0\\0\\0\\0\\0'", 65, "bad: the header does not begin with '{'"},
        {"size '\\0\\0\\xf0\\0\\0\\0\\0\\0'", 65,
         "bad: a header of 15728640 bytes, expected at most"},
        {"head -c 9 m.safetensors >bad", 65, "the file may have been cut off"},
        {"head -c 8192 m.safetensors >bad", 65, "the file may have been cut off"},
        {"head -c 200000 m.safetensors >bad", 65, "the file may have been cut off"},
        {"head -c -1 m.safetensors >bad", 65, "the file may have been cut off"},
        {"{ cat m.safetensors; echo; } >bad", 65, "bytes of data, expected"},
        {"{ head -c 200000 m.safetensors; echo x; tail -c +200003 m.safetensors; } >bad", 65,
         "bad: the data does not match its checksum"},
        {"replace m.safetensors bad '\"checksum\":\"crc32:' '\"checksum\":\"crc64:'", 65,
         "bad: its checksum is of an unknown kind"},
        {"replace m.safetensors bad '\"dtype\":\"F32\"' '\"dtype\":\"F64\"'", 65,
         " for F64 of shape ["},
        {"replace p.safetensors bad '\"dtype\":\"F32\"' '\"dtype\":\"I32\"'", 65,
         "is of type I32, expected F64, F32, F16 or BF16"},
        {"replace p.safetensors bad '\"data_offsets\":\\[0,' '\"data_offsets\":[4,'", 65,
         "tensor \"backbone.body.conv1.weight\" has 4700 bytes of data, expected 4704 for F32 of "
         "shape [8, 3, 7, 7]"},
        {"replace p.safetensors bad '\\[0,4704]' '[-1,704]'", 65,
         "has the data_offsets -1 and 704, expected 0 <= begin <= end"},
        {"replace p.safetensors bad '\\[0,4704]' '[1,4705]'", 65,
         "begins at byte 1 of the data, expected 0, where the one before it ends"},
        {"replace p.safetensors bad '\\[8,3,7,7]' '[9e9,8e9]'", 65,
         "has F32 of shape [9000000000, 8000000000], more than any memory holds"},
        {"replace p.safetensors bad '\\[8,3,7,7]' '[-8,3,-7]'", 65,
         "expected a size of 0 or more, found -8"},
        {"replace p.safetensors bad bn1.weight bn1.heavy!", 65,
         "bad: 1 tensor is missing (backbone.body.bn1.weight); 1 tensor is left over "
         "(backbone.body.bn1.heavy!)"},
        {"replace p.safetensors bad inner_blocks.0.0.weight inner_blocks.1.0.weight", 65,
         "tensor \"backbone.fpn.inner_blocks.1.0.weight\" is there twice, expected once"},
        {"replace p.safetensors bad '\"gctmask 1\"' '\"gctmask 2\"'", 65,
         "bad: its format is \"gctmask 2\", expected \"gctmask 1\""},
        {"replace p.safetensors bad '\"config\":' '\"konfig\":'", 65,
         "bad: holds tensors but no configuration"},
        {"replace p.safetensors bad 'rpn\\(.*\"nms\\)' 'rpm\\1'", 65, "bad: rpm: no such option"},
        {"cp p.safetensors bad; put bad rpn.head.cls_logits.bias 1 '\\0\\0\\xc0\\x7f'", 65,
         "bad: tensor \"rpn.head.cls_logits.bias\" holds nan (value 2 of 3), expected finite"},
        {"cp p.safetensors bad; put bad roi_heads.box_head.fc6.weight 5 '\\0\\0\\x80\\xff'", 65,
         "bad: tensor \"roi_heads.box_head.fc6.weight\" holds -inf (value 6 of 25088)"},
        {"mkdir bad", 66, "bad: not a regular file"},
        {"mkfifo bad", 66, "bad: not a regular file"},
        {"ln -s /dev/zero bad", 66, "bad: not a regular file"},
        {"ln -s bad bad", 66, "bad: Too many levels of symbolic links"},
        {":", 66, "bad: No such file or directory"},
    };
    static const char *const commands[] = {
        "gctmask annotate in/images --weights bad --out found",
        ("gctmask eval --ann in/annotations/instances_val.json --image-dir in/images "
         "--weights bad --save-results s.json"),
        "gctmask convert bad --to state-dict --out x",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t k = 0; k < sizeof commands / sizeof *commands; k++)
            expect_refused(cases[i].setup, commands[k], cases[i].code, cases[i].message);
}

// Numbers that are finite and still too large: told for each picture.
static void too_large_weights(void) {
#define TOO_LARGE                                                                                  \
    "cp p.safetensors bad; put bad rpn.head.conv.0.0.bias 0 '\\xe6\\xb1\\x61\\x7f'\n"              \
    "put bad rpn.head.cls_logits.weight 0 '\\xe6\\xb1\\x61\\x7f'\n"
    begin();
    EXPECT_INT(
        run_program(TOOLS TOO_LARGE "gctmask annotate in/images --weights bad --out found --quiet"),
        2);
    EXPECT_INT(run_program("cat $SCRATCH/found/failures.jsonl"), 0);
    EXPECT_CONTAINS(program_output, "\"code\":\"non_finite_output\",\"message\":\"");
    EXPECT_CONTAINS(program_output, "val_000002.jpg: the network's scores of proposals are not "
                                    "finite numbers");
    expect_refused(TOO_LARGE,
                   "gctmask eval --ann in/annotations/instances_val.json --image-dir in/images "
                   "--weights bad --save-results s.json",
                   65, "val_000001.jpg: the network's scores of proposals are not finite");
#undef TOO_LARGE
}

// ---- Weights of other programs ----

static void imports(void) {
    static const struct {
        const char *setup;
        int code;
        const char *message;
    } cases[] = {
        {": >bad", 65, "bad: neither a file of PyTorch, nor a pickle, nor a safetensors file"},
        {"printf 'PK\\3\\4' >bad", 65, "bad: zip: no directory at the end"},
        {"printf 'cos\\nsystem\\n(S\"touch x\"\\ntR.' >bad", 65,
         "refers to os.system, which is not one of the few names that weights need; nothing was "
         "executed"},
        {"printf '\\x80\\2c__builtin__\\neval\\n(U\\4trueIR.' >bad", 65, "__builtin__.eval"},
        {"printf '\\x80\\4\\x8c\\2os\\x8c\\6system\\x93.' >bad", 65, "os.system"},
        {"{ printf '\\x80\\2'; head -c 2000000 /dev/zero | tr '\\0' '('; } >bad", 65,
         "more than 256 marks inside one another"},
        {"{ printf '\\x80\\2'; head -c 2000000 /dev/zero | tr '\\0' 'N'; } >bad", 65,
         "more than 1048576 values on the stack"},
        {"printf '\\x80\\4B\\xff\\xff\\xff\\x7fabc.' >bad", 65,
         "2147483647 bytes expected, 4 are left"},
        {"printf '\\x80\\2Nr\\xff\\xff\\xff\\xff.' >bad", 65, "memo 4294967295, expected at most"},
        {"printf '\\x80\\2}' >bad", 65, "the file may have been cut off"},
        {"printf '\\x80\\2]q\\0h\\0a.' >bad", 65, "holds a list, expected a dictionary of tensors"},
        {"head -c 100000 sd >bad", 65, "the file may have been cut off"},
        {"replace sd bad '\"dtype\":\"F32\"' '\"dtype\":\"F16\"'", 65, " for F16 of shape ["},
        {"replace sd bad '\"checksum\"' '\"checksun\"'\n"
         "put bad rpn.head.bbox_pred.weight 3 '\\0\\0\\x80\\x7f'",
         65, "bad: tensor \"rpn.head.bbox_pred.weight\" holds inf (value 4 of 192)"},
        {"mkfifo bad", 66, "bad: not a regular file"},
        {"mkdir bad", 66, "bad: not a regular file"},
    };
    begin();
    EXPECT_INT(run_program("cd $SCRATCH; gctmask convert m.safetensors --to state-dict --out sd "
                           "--quiet"),
               0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_refused(cases[i].setup, "gctmask convert bad --config m.safetensors --out x",
                       cases[i].code, cases[i].message);
}

// ---- Configurations ----

static void configurations(void) {
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        {"", "bad: line 1, column 1: a configuration must be an object"},
        {"[]", "bad: line 1, column 1: a configuration must be an object"},
        {"{\"box\": {\"scroe\": 0.5}}", "bad: box.scroe: no such option; did you mean box.score?"},
        {"{\"boks\": {}}", "bad: boks: no such option"},
        {"{\"box\": {\"hidden\": \"many\"}}", "bad: box.hidden: \"many\" is not a whole number"},
        {"{\"box\": {\"hidden\": 1e99}}", "bad: box.hidden: "},
        {"{\"box\": {\"score\": 2}}", "bad: box.score: 2 is not a number from 0 to 1"},
        {"{\"backbone\": {\"norm\": \"gm\"}}", "bad: backbone.norm: \"gm\" is not one of"},
        {"{\"classes\": {\"names\": [\"cat\"], \"ids\": [1, 2]}}", "bad: classes.ids"},
        {"{\"base\": \"bad\"}", "bad"},
        {"{\"base\": \"none.json\"}", "none.json"},
        {"{} {}", "bad: line 1, column 4"},
        {"{\"box\": {\"score\": 0.5, \"score\": 0.5}}", "score"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char setup[512];
        snprintf(setup, sizeof setup, "printf '%%s' '%s' >bad", cases[i].text);
        int code = strstr(cases[i].text, "none.json") ? 66 : 65;
        expect_refused(setup, "gctmask init --config bad --out x", code, cases[i].message);
    }
}

// ---- Pictures ----

// Cut at each 64th part, a picture is never taken for a whole one.
static void cut_pictures(void) {
    begin();
    EXPECT_INT(
        run_program("cd $SCRATCH; mkdir -p cut; j=in/images/val_000001.jpg\n"
                    "gctmask annotate $j --weights m.safetensors --out found --overlay png "
                    "--score 1 --quiet || exit\n"
                    "p=found/overlays/val_000001.jpg.png; for i in $(seq 0 63); do\n"
                    "head -c $(($(wc -c <$j) * i / 64)) $j >cut/$i.jpg\n"
                    "head -c $(($(wc -c <$p) * i / 64)) $p >cut/$i.png; done; rm -r found\n"
                    "gctmask annotate cut --weights m.safetensors --out found --quiet; code=$?\n"
                    "grep -c 'image_corrupt.*ends\\|image_empty\\|unsupported' "
                    "found/failures.jsonl; exit $code"),
        2);
    EXPECT_TEXT(program_output, "128\n");
    EXPECT_INT(run_program("cat $SCRATCH/found/results.json"), 0);
    EXPECT_TEXT(program_output, "[]\n");
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"model files", model_files},
                                          {"too large weights", too_large_weights},
                                          {"imports", imports},
                                          {"configurations", configurations},
                                          {"cut pictures", cut_pictures},
                                          {0}});
}
