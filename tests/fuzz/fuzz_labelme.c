// A file of labelme's of any bytes.
#include "formats/labelme.h"
#include "tests/fuzz/annotations.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct annotated_set set;
    struct error err = {0};
    (void)input_file("a.json", data, size);
    input_set_init(&set);
    input_set_check(&set, labelme_read(&set, input_folder(), &err), &err);
    return 0;
}
