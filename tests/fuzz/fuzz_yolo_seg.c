// Labels for YOLO of any bytes: the classes, a NUL, and the labels of a picture of 40 x 30 pixels.
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/check.h"
#include "formats/yolo_seg.h"
#include "tests/fuzz/annotations.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void make_picture(void) {
    // A header is all that is looked at: the signature and the first chunk, with its checksum.
    static const uint8_t PNG[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n', 0,    0,    0,
                                  13,   'I', 'H', 'D', 'R',  0,    0,    0,    40,   0,    0,
                                  0,    30,  8,   2,   0,    0,    0,    0xD1, 0xBF, 0xCB, 0x8A};
    char path[512];
    const char *folder = input_folder();
    snprintf(path, sizeof path, "%s/labels", folder);
    CHECK(mkdir(path, 0700) == 0);
    snprintf(path, sizeof path, "%s/images", folder);
    CHECK(mkdir(path, 0700) == 0);
    (void)input_file("images/a.png", PNG, sizeof PNG);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static bool has_picture;
    struct annotated_set set;
    struct error err = {0};
    char images[512];
    if (!has_picture) make_picture();
    has_picture = true;
    const uint8_t *nul = size > 0 ? memchr(data, '\0', size) : NULL;
    size_t head = nul ? (size_t)(nul - data) : size;
    (void)input_file("data.yaml", data, head);
    (void)input_file("labels/a.txt", data + head + (nul != NULL), size - head - (nul != NULL));
    snprintf(images, sizeof images, "%s/images", input_folder());
    input_set_init(&set);
    input_set_check(&set, yolo_seg_read(&set, input_folder(), images, &err), &err);
    return 0;
}
