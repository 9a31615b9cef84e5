// The library as it is installed: the example, the header alone, pkg-config, both kinds of library,
// and what their files show.
#include <stdio.h>

#include "tests/harness.h"
#include "tests/program.h"

#define INPUTS "$SCRATCH/m.safetensors $SCRATCH/in/images/val_000001.jpg"
// The compiler of the build, and pkg-config for what is installed in the scratch folder.
#define SET_UP                                                                                     \
    "set -e; cd $SCRATCH; compile() { " COMPILER " " SANITIZERS " -Wall -Werror \"$@\"; }\n"       \
    "lib=$SCRATCH/root/" LIBDIR "; export PKG_CONFIG_PATH=$lib/pkgconfig;"

static void make_inputs(void) {
    if (run_program("test -e $SCRATCH/m.safetensors") == 0) return;
    EXPECT_INT(run_program("gctmask init --config " TESTS_DIR "/../configs/demo.json --quiet "
                           "--set input.short_side=96,input.long_side=160,box.detections=5 "
                           "--out $SCRATCH/m.safetensors && gctmask make-shapes $SCRATCH/in "
                           "--images 0 --val-images 1 --size 80x60 --quiet"),
               0);
    EXPECT_INT(run_program(CMAKE " --install " BUILD_DIR " --prefix $SCRATCH/root "
                                 "--component library >/dev/null"),
               0);
}

static void expect_detections(int code) {
    EXPECT_INT(code, 0);
    EXPECT_TEXT(program_errors, "");
    EXPECT_CONTAINS(program_output, " pixels\n");
    EXPECT_CONTAINS(program_output, "0.1"); // a score of fresh weights
}

static void example(void) {
    make_inputs();
    expect_detections(run_program(EXAMPLE " " INPUTS));
    EXPECT_INT(run_program(EXAMPLE), 1);
    EXPECT_TEXT(program_errors, "usage: example MODEL PICTURE\n");
    EXPECT_INT(run_program(EXAMPLE " none none"), 1);
    EXPECT_TEXT(program_errors, "none: No such file or directory\n");
    EXPECT_INT(run_program(EXAMPLE " $SCRATCH/m.safetensors $SCRATCH/m.safetensors"), 1);
    EXPECT_CONTAINS(program_errors, "expected a JPEG or PNG image");
    EXPECT_TEXT(program_output, "");
}

static void installed_shared(void) {
    make_inputs();
    expect_detections(run_program(SET_UP
                                  "compile -o shared $(pkg-config --cflags gctmask) " TESTS_DIR
                                  "/../library/example.c $(pkg-config --libs gctmask)\n"
                                  "LD_LIBRARY_PATH=$lib ./shared " INPUTS));
    EXPECT_INT(run_program("ls $SCRATCH/root/" LIBDIR "/libgctmask.so.0"), 0);
}

static void installed_static(void) {
    make_inputs();
    expect_detections(run_program(SET_UP
                                  "libs=$(pkg-config --static --libs gctmask)\n"
                                  "compile -o static $(pkg-config --cflags gctmask) " TESTS_DIR
                                  "/../library/example.c ${libs/-lgctmask/-l:libgctmask.a}\n"
                                  "./static " INPUTS));
}

// The header by itself, in C11 and, where there is a compiler, C++.
static void header(void) {
    make_inputs();
    EXPECT_INT(run_program(SET_UP
                           "echo '#include <gctmask.h>' >h.c; compile -std=c11 -Wextra -pedantic "
                           "-Wstrict-prototypes -fsyntax-only $(pkg-config --cflags gctmask) h.c"),
               0);
    EXPECT_TEXT(program_errors, "");
    if (run_program("command -v c++") != 0) skip_case("there is no C++ compiler");
    EXPECT_INT(run_program(SET_UP "cp h.c h.cc; c++ -std=c++11 -Wall -Wextra -pedantic -Werror "
                                  "-fsyntax-only $(pkg-config --cflags gctmask) h.cc"),
               0);
    EXPECT_TEXT(program_errors, "");
}

// Nothing but gctmask_..., and no variables: what the library knows is in its models and results.
static void symbols(void) {
    make_inputs();
    if (!PLAIN_BUILD) skip_case("sanitizers and coverage add symbols");
    if (run_program("command -v nm && command -v size") != 0)
        skip_case("binutils is not installed");
    EXPECT_INT(run_program(SET_UP "nm -D --defined-only $lib/libgctmask.so | awk '$2 != \"A\" && "
                                  "$3 !~ /^gctmask_/'\n"
                                  "nm -g --defined-only $lib/libgctmask.a | awk 'NF == 3 && $3 !~ "
                                  "/^gctmask_/'\n"
                                  "size -A $lib/libgctmask.a | awk '$1 ~ /^[.](data|bss)$/ && "
                                  "$2 != 0'"),
               0);
    EXPECT_TEXT(program_output, "");
    EXPECT_TEXT(program_errors, "");
}

// Both the library and the program look for the CUDA module where it is installed. A file in its
// place that is something else shows where they looked.
static void module(void) {
    static const char NO_MODULE[] = "/gctmask/gctmask-cuda.so is not a module of this program";
    make_inputs();
    EXPECT_INT(run_program(CMAKE " --install " BUILD_DIR " --prefix $SCRATCH/root "
                                 "--component program >/dev/null\n" SET_UP
                                 "mkdir -p $lib/gctmask; cp " FAIL_CALL
                                 " $lib/gctmask/gctmask-cuda.so\n"
                                 "cd /; $SCRATCH/root/bin/gctmask doctor | grep ^CUDA"),
               0);
    EXPECT_CONTAINS(program_output, "no: ");
    EXPECT_CONTAINS(program_output, NO_MODULE);
    EXPECT_INT(run_program(
                   SET_UP "cat >device.c <<'END'\n"
                          "#include <gctmask.h>\n#include <stdio.h>\n"
                          "int main(int argc, char **argv) {\n"
                          "    char message[GCTMASK_MESSAGE_BYTES];\n"
                          "    struct gctmask_model *model = 0;\n"
                          "    struct gctmask_options o = {.size = sizeof o, .device = \"cuda\"};\n"
                          "    int status = gctmask_open(argv[argc - 1], &o, &model, message, "
                          "sizeof message);\n"
                          "    puts(message);\n    return status;\n}\nEND\n"
                          "compile -o device $(pkg-config --cflags gctmask) device.c $(pkg-config "
                          "--libs gctmask)\n"
                          "LD_LIBRARY_PATH=$lib ./device $SCRATCH/m.safetensors"),
               6);
    EXPECT_CONTAINS(program_output, "CUDA: ");
    EXPECT_CONTAINS(program_output, NO_MODULE);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"example", example},
                                          {"installed shared", installed_shared},
                                          {"installed static", installed_static},
                                          {"header", header},
                                          {"symbols", symbols},
                                          {"module", module},
                                          {0}});
}
