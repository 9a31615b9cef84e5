// Any bytes as a JPEG file, within small limits: refused with a fault, or decoded to the size that
// the probe promised, to something that can be written again.
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "data/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect_writable(const struct image *image) {
    struct output out;
    struct error err;
    output_open_memory(&out);
    CHECK(image_write_jpeg(image, 80, &out, &err) == STATUS_OK);
    CHECK(output_finish(&out, &err) == STATUS_OK && out.size > 0);
    output_discard(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct image_limits limits = {1 << 16, 1024, 100, 10, 1 << 20};
    struct arena arena;
    struct image image;
    struct image_info info;
    struct image_info probed;
    struct error err;
    arena_init(&arena, 1 << 12, 1 << 20);
    enum status can_probe = image_probe(&probed, data, (int64_t)size, "fuzz", &limits, true, &err);
    enum status status =
        image_decode(&image, &info, data, (int64_t)size, "fuzz", &limits, true, &arena, &err);
    CHECK((status == STATUS_OK) == (info.fault == IMAGE_FAULT_NONE));
    if (status == STATUS_OK) {
        CHECK(can_probe == STATUS_OK);
        CHECK(image.width == probed.width && image.height == probed.height);
        expect_writable(&image);
    } else {
        CHECK(image.pixels == NULL && arena.reserved_bytes == 0);
    }
    arena_destroy(&arena);
    return 0;
}
