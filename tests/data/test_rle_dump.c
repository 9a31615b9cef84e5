// The random shapes that tests/oracle/rle_shapes.py has compared with pycocotools 2.0.11, without a
// mismatch, on two compilers:
//
//     build/tests/rle_dump 100000 1 | tests/oracle/rle_shapes.py
//     0 mismatches in 100000 lines
//     SHA-256 1400650822742a0b3811d698866af673f4ffb81095e3c21b73d9a5c2feee1b31
//
// The first 2000 lines of that dump are made anew here, by the same program.
#include <stdio.h>
#include <unistd.h>

#include "base/output.h"
#include "tests/harness.h"
#include "tests/sha256.h"

static void makes_the_shapes_that_were_checked(void) {
    if (access("rle_dump", X_OK) != 0) skip_case("rle_dump was not built");
    FILE *dump = popen("./rle_dump 2000 1", "r"); // NOLINT(cert-env33-c): nothing of it varies
    REQUIRE(dump != NULL);
    struct output text;
    output_open_memory(&text);
    char chunk[4096];
    for (size_t size; (size = fread(chunk, 1, sizeof chunk, dump)) > 0;)
        output_write(&text, chunk, (int64_t)size);
    EXPECT_INT(pclose(dump), 0);
    char hash[SHA256_TEXT_BYTES];
    sha256_text(text.data, text.size, hash);
    EXPECT_TEXT(hash, "bcd594213b5c9a6295f7121fdf43b85b23f5d8392bf1185ccf552343c88f19b9");
    output_discard(&text);
}

int main(int argc, char **argv) {
    return run_cases(
        argc, argv,
        (struct test_case[]){
            {"makes_the_shapes_that_were_checked", makes_the_shapes_that_were_checked}, {0}});
}
