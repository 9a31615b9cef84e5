// The loaders of COCO's files on anything: they end, and what they load can be looked up, drawn and
// checked.
#include <stdint.h>

#include "base/check.h"
#include "data/coco.h"
#include "data/coco_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_DRAWN_SIDE = 2000, ARENA_LIMIT = 64 << 20 };

static void draw_all(const struct coco_set *set) {
    for (int64_t i = 0; i < set->num_annotations; i++) {
        const struct coco_annotation *a = &set->annotations[i];
        const struct coco_image *image = coco_find_image(set, a->image_id);
        int32_t height = image && image->height < MAX_DRAWN_SIDE ? image->height : 48;
        int32_t width = image && image->width < MAX_DRAWN_SIDE ? image->width : 64;
        struct arena arena;
        struct error err;
        struct rle rle;
        arena_init(&arena, 1 << 14, ARENA_LIMIT);
        if (coco_segment_to_rle(&rle, &a->segment, height, width, &arena, &err) == STATUS_OK) {
            int64_t sum = 0;
            for (int64_t run = 0; run < rle.num_runs; run++)
                sum += rle.runs[run];
            CHECK(sum == (int64_t)rle.height * rle.width);
        }
        arena_destroy(&arena);
    }
}

static void use(const struct coco_set *set) {
    struct error err;
    struct coco_report report;
    const struct coco_check_options options = {.max_per_kind = 5};
    draw_all(set);
    (void)!coco_require(set, ~0u, &err);
    if (coco_check(&report, set, &options, &err) == STATUS_OK) coco_report_destroy(&report);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = (const char *)data;
    const struct coco_load_options options = {0};
    struct coco_set set;
    struct error err;
    if (coco_parse_annotations(&set, text, (int64_t)size, "fuzz", &options, &err) == STATUS_OK)
        use(&set);
    coco_destroy(&set);
    if (coco_parse_results(&set, text, (int64_t)size, "fuzz", &options, &err) == STATUS_OK)
        use(&set);
    coco_destroy(&set);
    return 0;
}
