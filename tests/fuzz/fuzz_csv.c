// Tables of any bytes.
#include "formats/csv.h"
#include "tests/fuzz/annotations.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct annotated_set set;
    struct error err = {0};
    const char *path = input_file("set.csv", data, size);
    input_set_init(&set);
    input_set_check(&set, csv_read(&set, path, &err), &err);
    return 0;
}
