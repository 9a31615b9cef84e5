// rle_dump COUNT SEED: writes random masks for other implementations to check (rle_shapes.h).
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/data/rle_shapes.h"

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: rle_dump COUNT SEED\n");
        return 2;
    }
    struct output out;
    struct error err;
    output_open_descriptor(&out, STDOUT_FILENO);
    rle_shapes_write(&out, strtoll(argv[1], NULL, 10), strtoull(argv[2], NULL, 10));
    enum status status = output_finish(&out, &err);
    output_discard(&out);
    if (status == STATUS_OK) return 0;
    fprintf(stderr, "rle_dump: %s\n", err.message);
    return 1;
}
