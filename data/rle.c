#include "data/rle.h"

#include <string.h>

#include "base/check.h"
#include "data/rle_internal.h"

enum status rle_check_size(int32_t height, int32_t width, struct error *err) {
    if (height >= 1 && height <= RLE_MAX_SIDE && width >= 1 && width <= RLE_MAX_SIDE)
        return STATUS_OK;
    return error_set(err, STATUS_DATA,
                     "the mask's size is %d x %d, expected sides between 1 and %d pixels",
                     (int)height, (int)width, (int)RLE_MAX_SIDE);
}

enum status rle_alloc_runs(uint32_t **runs, int64_t count, struct arena *arena, struct error *err) {
    *runs = arena_alloc(arena, count, sizeof **runs);
    if (*runs) return STATUS_OK;
    return error_memory(err, "the runs of a mask", (long long)count * (long long)sizeof **runs);
}

int64_t rle_changes_to_runs(uint32_t *changes, int64_t count, uint32_t num_pixels) {
    uint32_t before = 0;
    for (int64_t i = 0; i < count; i++) {
        uint32_t position = changes[i];
        changes[i] = position - before;
        before = position;
    }
    changes[count] = num_pixels - before;
    return count + 1;
}

int64_t rle_area(const struct rle *rle) {
    uint32_t area = 0; // all pixels fit, see RLE_MAX_SIDE
    for (int64_t i = 1; i < rle->num_runs; i += 2)
        area += rle->runs[i];
    return area;
}

// y modulo height. Most runs end in the column in which they begin, or in the next one, so the
// division is rarely needed.
static uint32_t wrap_row(uint32_t y, uint32_t height) {
    if (y < height) return y;
    return y - height < height ? y - height : y % height;
}

struct coco_box rle_box(const struct rle *rle) {
    uint32_t height = (uint32_t)rle->height;
    uint32_t top = height;
    uint32_t bottom = 0; // one below the lowest row
    uint32_t begin = 0;  // positions of the first pixel set and one behind the last
    uint32_t end = 0;
    uint32_t position = 0;
    uint32_t y = 0;
    for (int64_t i = 1; i < rle->num_runs; i += 2) {
        position += rle->runs[i - 1];
        y = wrap_row(y + rle->runs[i - 1], height);
        uint32_t length = rle->runs[i];
        if (length == 0) continue;
        if (end == 0) begin = position;
        bool spans_columns = y + length > height;
        uint32_t run_top = spans_columns ? 0 : y;
        uint32_t run_bottom = spans_columns ? height : y + length;
        if (run_top < top) top = run_top;
        if (run_bottom > bottom) bottom = run_bottom;
        position += length;
        end = position;
        y = wrap_row(y + length, height);
    }
    if (end == 0) return (struct coco_box){0};
    uint32_t left = begin / height;
    uint32_t right = (end - 1) / height + 1;
    return (struct coco_box){left, top, right - left, bottom - top};
}

// The next x, from this one on, at which two rows differ in what is set; width if there is none.
static int64_t next_change(const uint8_t *row, const uint8_t *other, int64_t x, int64_t width) {
    enum { STRIDE = 8 };
    while (x < width) {
        int64_t stop = x + STRIDE <= width ? x + STRIDE : width;
        if (stop - x < STRIDE || memcmp(row + x, other + x, STRIDE) != 0) {
            for (int64_t i = x; i < stop; i++) {
                if (!row[i] != !other[i]) return i;
            }
        }
        x = stop;
    }
    return width;
}

static void count_row_changes(const uint8_t *row, const uint8_t *other, int64_t width,
                              int64_t *counts) {
    for (int64_t x = next_change(row, other, 0, width); x < width;
         x = next_change(row, other, x + 1, width))
        counts[x]++;
}

static void store_row_changes(const uint8_t *row, const uint8_t *other, int64_t width,
                              uint32_t position, uint32_t height, uint32_t *changes,
                              int64_t *cursors) {
    for (int64_t x = next_change(row, other, 0, width); x < width;
         x = next_change(row, other, x + 1, width))
        changes[cursors[x]++] = position + (uint32_t)x * height;
}

// The mask lies in rows and its runs go down the columns. Walking columns would miss the cache at
// every pixel, so rows are compared with the ones above them: first to count the changes of each
// column, which tells where its positions go, then to store them. The pixel before the top of a
// column is the last one of the column to its left.
static enum status encode(struct rle *rle, const uint8_t *mask, struct arena *arena,
                          struct arena *scratch, struct error *err) {
    int64_t height = rle->height;
    int64_t width = rle->width;
    const uint8_t *last_row = mask + (height - 1) * width;
    int64_t *cursors = arena_alloc_zero(scratch, width, sizeof *cursors);
    if (!cursors) return error_memory(err, "encoding a mask", (long long)width * 8);

    cursors[0] = mask[0] != 0;
    count_row_changes(mask + 1, last_row, width - 1, cursors + 1);
    for (int64_t y = 1; y < height; y++)
        count_row_changes(mask + y * width, mask + (y - 1) * width, width, cursors);
    int64_t num_changes = 0;
    for (int64_t x = 0; x < width; x++) {
        int64_t count = cursors[x];
        cursors[x] = num_changes;
        num_changes += count;
    }

    uint32_t *runs = NULL;
    TRY(rle_alloc_runs(&runs, num_changes + 1, arena, err));
    uint32_t column = (uint32_t)height;
    if (mask[0]) runs[cursors[0]++] = 0;
    store_row_changes(mask + 1, last_row, width - 1, column, column, runs, cursors + 1);
    for (int64_t y = 1; y < height; y++) {
        const uint8_t *row = mask + y * width;
        store_row_changes(row, row - width, width, (uint32_t)y, column, runs, cursors);
    }
    rle->num_runs = rle_changes_to_runs(runs, num_changes, (uint32_t)(height * width));
    rle->runs = runs;
    return STATUS_OK;
}

enum status rle_encode(struct rle *rle, const uint8_t *mask, int32_t height, int32_t width,
                       struct arena *arena, struct error *err) {
    TRY(rle_check_size(height, width, err));
    *rle = (struct rle){.height = height, .width = width};
    struct arena scratch; // of its own, since how much of arena the runs take is known only later
    arena_init(&scratch, (int64_t)width * 8 + 64, arena->limit_bytes);
    enum status status = encode(rle, mask, arena, &scratch, err);
    arena_destroy(&scratch);
    return status;
}

// First every pixel that differs from the one above it is set, then each row is added to the one
// below it modulo 2: both touch memory in rows.
void rle_decode(const struct rle *rle, uint8_t *mask) {
    int64_t height = rle->height;
    int64_t width = rle->width;
    memset(mask, 0, (size_t)(height * width));
    uint32_t column = (uint32_t)height; // 32-bit divisions are the faster ones
    uint32_t position = 0;
    for (int64_t i = 1; i < rle->num_runs; i += 2) {
        uint32_t begin = position + rle->runs[i - 1];
        uint32_t end = begin + rle->runs[i];
        position = end;
        if (begin == end) continue;
        int64_t x = begin / column;
        int64_t end_x = end / column;
        mask[(begin - x * height) * width + x] ^= 1;
        while (++x <= end_x && x < width)
            mask[x] ^= 1;
        if (end_x < width) mask[(end - end_x * height) * width + end_x] ^= 1;
    }
    for (int64_t y = 1; y < height; y++) {
        const uint8_t *above = mask + (y - 1) * width;
        uint8_t *row = mask + y * width;
        for (int64_t x = 0; x < width; x++)
            row[x] ^= above[x];
    }
}

static bool same_size(const struct rle *a, const struct rle *b) {
    return a->height == b->height && a->width == b->width;
}

// Walks the two lists of runs of ones. Which one ends first is as good as random, so both ways are
// computed and one is selected, which costs less than branches that are predicted wrongly.
int64_t rle_intersection_area(const struct rle *a, const struct rle *b) {
    CHECK(same_size(a, b));
    const uint32_t *run_a = a->runs;
    const uint32_t *run_b = b->runs;
    const uint32_t *last_a = run_a + a->num_runs / 2 * 2;
    const uint32_t *last_b = run_b + b->num_runs / 2 * 2;
    if (run_a == last_a || run_b == last_b) return 0;
    uint32_t begin_a = run_a[0];
    uint32_t end_a = begin_a + run_a[1];
    uint32_t begin_b = run_b[0];
    uint32_t end_b = begin_b + run_b[1];
    int64_t area = 0;
    for (;;) {
        uint32_t begin = begin_a > begin_b ? begin_a : begin_b;
        uint32_t end = end_a < end_b ? end_a : end_b;
        area += end > begin ? end - begin : 0;
        bool step_a = end_a <= end_b;
        run_a += step_a ? 2 : 0;
        run_b += step_a ? 0 : 2;
        if (run_a == last_a || run_b == last_b) return area;
        uint32_t next_a = end_a + run_a[0];
        uint32_t next_b = end_b + run_b[0];
        begin_a = step_a ? next_a : begin_a;
        end_a = step_a ? next_a + run_a[1] : end_a;
        begin_b = step_a ? begin_b : next_b;
        end_b = step_a ? end_b : next_b + run_b[1];
    }
}

double box_iou(const struct coco_box *detection, const struct coco_box *truth,
               bool truth_is_crowd) {
    double left = detection->x > truth->x ? detection->x : truth->x;
    double top = detection->y > truth->y ? detection->y : truth->y;
    double detection_right = detection->width + detection->x;
    double detection_bottom = detection->height + detection->y;
    double truth_right = truth->width + truth->x;
    double truth_bottom = truth->height + truth->y;
    double width = (detection_right < truth_right ? detection_right : truth_right) - left;
    double height = (detection_bottom < truth_bottom ? detection_bottom : truth_bottom) - top;
    if (width <= 0 || height <= 0) return 0;
    double detection_area = detection->width * detection->height;
    double truth_area = truth->width * truth->height;
    double shared = width * height;
    return shared / (truth_is_crowd ? detection_area : detection_area + truth_area - shared);
}

double rle_iou_of_areas(int64_t shared, int64_t detection, int64_t truth, bool truth_is_crowd) {
    if (shared == 0) return 0;
    int64_t whole = truth_is_crowd ? detection : detection + truth - shared;
    return (double)shared / (double)whole;
}

double rle_iou(const struct rle *detection, const struct rle *truth, bool truth_is_crowd) {
    struct coco_box detection_box = rle_box(detection);
    struct coco_box truth_box = rle_box(truth);
    if (box_iou(&detection_box, &truth_box, truth_is_crowd) <= 0) return 0;
    if (!same_size(detection, truth)) return -1;
    return rle_iou_of_areas(rle_intersection_area(detection, truth), rle_area(detection),
                            rle_area(truth), truth_is_crowd);
}

// Writes the runs of two masks' union or intersection; returns their number, which is less than
// that of both together.
static int64_t merge_two(const struct rle *a, const struct rle *b, bool intersect, uint32_t *runs) {
    uint32_t num_pixels = (uint32_t)a->height * (uint32_t)a->width;
    const uint32_t *run_a = a->runs;
    const uint32_t *run_b = b->runs;
    uint32_t end_a = *run_a++;
    uint32_t end_b = *run_b++;
    bool in_a = false;
    bool in_b = false;
    bool inside = false;
    int64_t count = 0;
    while (end_a < num_pixels || end_b < num_pixels) {
        uint32_t position = end_a < end_b ? end_a : end_b;
        if (end_a == position) {
            end_a += *run_a++;
            in_a = !in_a;
        }
        if (end_b == position) {
            end_b += *run_b++;
            in_b = !in_b;
        }
        bool now_inside = intersect ? in_a && in_b : in_a || in_b;
        if (now_inside != inside) count = rle_push_change(runs, count, position);
        inside = now_inside;
    }
    return rle_changes_to_runs(runs, count, num_pixels);
}

// Neighbours are merged in pairs, then the results in pairs, and so on: merging one after the other
// into a growing mask would take time quadratic in their number. Each round writes to the buffer
// that the one before did not; the last one writes to runs. Ends with the result in masks[0].
static void merge_pairwise(struct rle *masks, int64_t count, bool intersect, uint32_t *runs,
                           uint32_t *spare) {
    int num_rounds = 0;
    while (INT64_C(1) << num_rounds < count)
        num_rounds++;
    while (num_rounds-- > 0) {
        uint32_t *free_runs = num_rounds % 2 == 0 ? runs : spare;
        for (int64_t i = 0; i < count; i += 2) {
            struct rle merged = masks[i];
            if (i + 1 < count)
                merged.num_runs = merge_two(&masks[i], &masks[i + 1], intersect, free_runs);
            else
                memcpy(free_runs, merged.runs, (size_t)merged.num_runs * sizeof *free_runs);
            merged.runs = free_runs;
            free_runs += merged.num_runs;
            masks[i / 2] = merged;
        }
        count = (count + 1) / 2;
    }
}

enum status rle_merge(struct rle *result, const struct rle *masks, int64_t count, bool intersect,
                      struct arena *arena, struct error *err) {
    CHECK(count >= 1);
    int64_t num_runs = 0;
    for (int64_t i = 0; i < count; i++) {
        num_runs += masks[i].num_runs;
        if (same_size(&masks[i], &masks[0])) continue;
        return error_set(err, STATUS_DATA, "mask %lld has the size %d x %d, expected %d x %d",
                         (long long)i, (int)masks[i].height, (int)masks[i].width,
                         (int)masks[0].height, (int)masks[0].width);
    }
    uint32_t *runs = NULL;
    TRY(rle_alloc_runs(&runs, num_runs, arena, err));
    struct arena_mark mark = arena_mark(arena);
    uint32_t *spare = NULL;
    TRY(rle_alloc_runs(&spare, num_runs, arena, err));
    struct rle *merged = arena_alloc(arena, count, sizeof *merged);
    if (!merged) return error_memory(err, "merging masks", (long long)count * 32);
    memcpy(merged, masks, (size_t)count * sizeof *merged);
    if (count == 1)
        memcpy(runs, masks->runs, (size_t)num_runs * sizeof *runs);
    else
        merge_pairwise(merged, count, intersect, runs, spare);
    *result = *merged;
    result->runs = runs;
    arena_release(arena, mark);
    return STATUS_OK;
}
