#include "data/rle_crop.h"

#include "base/check.h"
#include "data/rle_internal.h"

// Where the pixels of a run go: a column of the source from row begin to row end.
struct window {
    int64_t x, y, width, height; // of the window that moves
    int64_t shift_x, shift_y;    // added to what lies in it
    int64_t target_height;
    uint32_t *changes;
    int64_t count;
};

// Appends the part of one column's stretch that lies in the window.
static void push_stretch(struct window *w, int64_t x, int64_t begin, int64_t end) {
    if (x < w->x || x >= w->x + w->width) return;
    if (begin < w->y) begin = w->y;
    if (end > w->y + w->height) end = w->y + w->height;
    if (begin >= end) return;
    int64_t column = (x + w->shift_x) * w->target_height + w->shift_y;
    w->count = rle_push_change(w->changes, w->count, (uint32_t)(column + begin));
    w->count = rle_push_change(w->changes, w->count, (uint32_t)(column + end));
}

// Calls push_stretch for each column that a run touches.
static void push_run(struct window *w, int64_t position, int64_t length, int64_t height) {
    while (length > 0) {
        int64_t x = position / height;
        int64_t y = position % height;
        int64_t part = length < height - y ? length : height - y;
        push_stretch(w, x, y, y + part);
        position += part;
        length -= part;
    }
}

// At most so many changes: two for each column that a run touches.
static int64_t count_stretches(const struct rle *rle) {
    int64_t count = 0;
    for (int64_t i = 1; i < rle->num_runs; i += 2)
        count += 2 + rle->runs[i] / (uint32_t)rle->height;
    return count;
}

static enum status move(struct rle *target, const struct rle *source, struct window *w,
                        struct arena *arena, struct error *err) {
    TRY(rle_check_size(target->height, target->width, err));
    TRY(rle_alloc_runs(&w->changes, 2 * count_stretches(source) + 1, arena, err));
    int64_t position = 0;
    for (int64_t i = 1; i < source->num_runs; i += 2) {
        position += source->runs[i - 1];
        push_run(w, position, source->runs[i], source->height);
        position += source->runs[i];
    }
    uint32_t num_pixels = (uint32_t)target->height * (uint32_t)target->width;
    // A change behind the last pixel is none.
    if (w->count > 0 && w->changes[w->count - 1] == num_pixels) w->count--;
    target->num_runs = rle_changes_to_runs(w->changes, w->count, num_pixels);
    target->runs = w->changes;
    return STATUS_OK;
}

enum status rle_crop(struct rle *part, const struct rle *whole, int32_t x, int32_t y, int32_t width,
                     int32_t height, struct arena *arena, struct error *err) {
    CHECK(x >= 0 && y >= 0 && x + width <= whole->width && y + height <= whole->height);
    struct window w = {x, y, width, height, -x, -y, height, NULL, 0};
    *part = (struct rle){.height = height, .width = width};
    return move(part, whole, &w, arena, err);
}

enum status rle_place(struct rle *whole, const struct rle *part, int32_t x, int32_t y,
                      int32_t height, int32_t width, struct arena *arena, struct error *err) {
    CHECK(x >= 0 && y >= 0 && x + part->width <= width && y + part->height <= height);
    struct window w = {0, 0, part->width, part->height, x, y, height, NULL, 0};
    *whole = (struct rle){.height = height, .width = width};
    return move(whole, part, &w, arena, err);
}
