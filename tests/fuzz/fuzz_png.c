// Any bytes as a PNG file, within small limits: refused with a fault, or decoded to the size that
// the probe promised, to something that survives being written and read.
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "data/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct image_limits limits = {1 << 16, 1024, 100, 10, 1 << 20};

static void expect_same_when_written(const struct image *image, struct arena *arena) {
    struct output out;
    struct error err;
    struct image again;
    output_open_memory(&out);
    CHECK(image_write_png(image->pixels, image->width, image->height, SAMPLES_RGB8, 1, &out,
                          &err) == STATUS_OK);
    CHECK(image_decode(&again, NULL, out.data, out.size, "again", &limits, false, arena, &err) ==
          STATUS_OK);
    CHECK(again.width == image->width && again.height == image->height);
    size_t num_bytes = (size_t)image->width * (size_t)image->height * 3;
    CHECK(memcmp(again.pixels, image->pixels, num_bytes) == 0);
    output_discard(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
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
        expect_same_when_written(&image, &arena);
    } else {
        CHECK(image.pixels == NULL && arena.reserved_bytes == 0);
    }
    arena_destroy(&arena);
    return 0;
}
