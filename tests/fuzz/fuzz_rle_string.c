// Mask strings of any content: what is accepted is written back to a string that means the same,
// and area, box, overlap and merging agree with one another. The first two bytes choose the canvas;
// a string for a canvas of other size is given the size that it adds up to, so that more of them
// pass.
#include <string.h>

#include "base/check.h"
#include "data/polygon.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same(const struct rle *a, const struct rle *b) {
    return a->num_runs == b->num_runs &&
           memcmp(a->runs, b->runs, (size_t)a->num_runs * sizeof *a->runs) == 0;
}

static void check_text(const struct rle *rle, struct arena *arena) {
    struct output text;
    struct rle again;
    output_open_memory(&text);
    rle_write_string(rle, &text);
    CHECK(rle_from_string(&again, text.data, text.size, rle->height, rle->width, arena, NULL) ==
          STATUS_OK);
    CHECK(same(rle, &again));
    output_discard(&text);
}

static void check_measures(const struct rle *rle, struct arena *arena) {
    int64_t area = rle_area(rle);
    struct coco_box box = rle_box(rle);
    CHECK(box.x >= 0 && box.x + box.width <= rle->width);
    CHECK(box.y >= 0 && box.y + box.height <= rle->height);
    CHECK(box.width * box.height >= (double)area && (area == 0) == (box.width == 0));
    CHECK(rle_intersection_area(rle, rle) == area);
    CHECK(rle_iou(rle, rle, false) == (area ? 1 : 0));

    // Merged with its own box it is the mask, or the box.
    struct rle pair[] = {*rle, *rle};
    struct rle merged;
    CHECK(box_to_rle(&pair[1], &box, rle->height, rle->width, arena, NULL) == STATUS_OK);
    CHECK(rle_merge(&merged, pair, 2, true, arena, NULL) == STATUS_OK);
    CHECK(rle_area(&merged) == area);
    CHECK(rle_intersection_area(&merged, rle) == area);
    CHECK(rle_merge(&merged, pair, 2, false, arena, NULL) == STATUS_OK);
    CHECK(same(&merged, &pair[1]));
}

static void check_pixels(const struct rle *rle, struct arena *arena) {
    enum { FEW = 1 << 16 };
    int64_t num_pixels = (int64_t)rle->height * rle->width;
    struct ring *rings = NULL;
    int64_t count = 0;
    CHECK(rle_to_rings(rle, &rings, &count, arena, NULL) == STATUS_OK);
    CHECK((count == 0) == (rle_area(rle) == 0));
    if (num_pixels > FEW) return;
    uint8_t *mask = arena_alloc(arena, num_pixels, 1);
    struct rle encoded;
    rle_decode(rle, mask);
    CHECK(rle_encode(&encoded, mask, rle->height, rle->width, arena, NULL) == STATUS_OK);
    struct rle merged; // without runs of length 0, as the encoder's
    CHECK(rle_merge(&merged, (struct rle[]){*rle, *rle}, 2, false, arena, NULL) == STATUS_OK);
    CHECK(same(&encoded, &merged));
}

// The sum that a refused string adds up to, as the message tells it; 0 if something else is wrong.
static int64_t told_sum(const struct error *err) {
    long long sum = 0;
    const char *words = "the runs of the mask add up to ";
    if (strncmp(err->message, words, strlen(words)) != 0) return 0;
    for (const char *digit = err->message + strlen(words); *digit >= '0' && *digit <= '9'; digit++)
        sum = sum < 1 << 30 ? sum * 10 + (*digit - '0') : sum;
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    struct arena arena;
    struct rle rle;
    struct error err;
    arena_init(&arena, 1 << 14, INT64_C(1) << 28);
    const char *text = (const char *)data + 2;
    int64_t length = (int64_t)size - 2;
    int32_t height = data[0] % 64 + 1;
    int32_t width = data[1] % 64 + 1;
    enum status status = rle_from_string(&rle, text, length, height, width, &arena, &err);
    if (status != STATUS_OK) {
        int64_t sum = told_sum(&err);
        while (height > 1 && sum % height != 0)
            height--;
        int64_t columns = sum / height;
        if (columns >= 1 && columns <= RLE_MAX_SIDE)
            status = rle_from_string(&rle, text, length, height, (int32_t)columns, &arena, &err);
    }
    if (status == STATUS_OK) {
        check_text(&rle, &arena);
        check_measures(&rle, &arena);
        check_pixels(&rle, &arena);
    }
    arena_destroy(&arena);
    return 0;
}
