// Tasks of Label Studio of any bytes.
#include "formats/label_studio.h"
#include "tests/fuzz/annotations.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct annotated_set set;
    struct error err = {0};
    const char *path = input_file("tasks.json", data, size);
    input_set_init(&set);
    input_set_check(&set, label_studio_read(&set, path, &err), &err);
    return 0;
}
