// Polygons of any numbers: what is accepted makes a well-formed mask, the same one whichever point
// comes first and whichever way round. Two bytes for the canvas, one that says how coordinates are
// read (as doubles, or as small integers, which hit the canvas more often), then the coordinates.
#include <string.h>

#include "base/check.h"
#include "data/polygon.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_POINTS = 256 };

static int64_t read_points(const uint8_t *data, size_t size, bool as_doubles, double *points) {
    int64_t count = 0;
    size_t step = as_doubles ? sizeof(double) : sizeof(int16_t);
    for (; size >= step && count < (int64_t)2 * MAX_POINTS; size -= step, data += step) {
        int16_t tenths = 0;
        if (as_doubles) {
            memcpy(&points[count++], data, step);
        } else {
            memcpy(&tenths, data, step);
            points[count++] = tenths / 10.0;
        }
    }
    return count / 2;
}

static void check_runs(const struct rle *rle) {
    uint64_t sum = 0;
    for (int64_t i = 0; i < rle->num_runs; i++) {
        CHECK(i == 0 || rle->runs[i] > 0);
        sum += rle->runs[i];
    }
    CHECK(sum == (uint64_t)rle->height * (uint64_t)rle->width);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 3) return 0;
    double points[2 * MAX_POINTS];
    double turned[2 * MAX_POINTS];
    int32_t height = data[0] + 1;
    int32_t width = data[1] + 1;
    int64_t count = read_points(data + 3, size - 3, data[2] % 2, points);
    struct arena arena;
    struct rle rle, again;
    struct error err;
    arena_init(&arena, 1 << 14, INT64_C(1) << 28);
    enum status status =
        polygon_to_rle(&rle, &(struct polygon){points, count}, height, width, &arena, &err);
    if (status == STATUS_OK) {
        check_runs(&rle);
        for (int64_t i = 0; i < count; i++)
            memcpy(turned + 2 * i, points + 2 * ((2 * count - i - 2) % count), 2 * sizeof *turned);
        struct polygon parts[] = {{points, count}, {turned, count}};
        CHECK(polygons_to_rle(&again, parts, 2, height, width, &arena, &err) == STATUS_OK);
        CHECK(again.num_runs == rle.num_runs &&
              memcmp(again.runs, rle.runs, (size_t)rle.num_runs * sizeof *rle.runs) == 0);
    }
    arena_destroy(&arena);
    return 0;
}
