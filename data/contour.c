// Outlines of a mask, found on the borders between pixels.
//
// Where a column of pixels changes from background to object or back lies a horizontal border of
// one pixel's length. It has a direction, such that the object is on its right: from left to right
// at the top of the object, from right to left at its bottom. On each vertical line between two
// columns the borders that arrive are joined to those that leave, straight or along the line, so
// that every border knows the next one. A ring is what following them yields.
#include "data/polygon.h"

#include <string.h>

#include "base/check.h"

struct border {
    int32_t x;     // column
    int32_t y;     // row below it
    int64_t next;  // index
    int64_t ring;  // number, NONE before its ring was followed
    bool straight; // next goes on in the same direction: no corner between
};

enum { NONE = -1 };

// The borders of a mask, column by column, downwards. They alternate between tops (at even indices)
// and bottoms, since every column begins and ends in the background.
struct borders {
    struct border *items;
    int64_t count;
    int64_t num_corners;
};

static int64_t count_borders(const struct rle *rle) {
    int64_t count = 0;
    int64_t position = 0;
    for (int64_t i = 1; i < rle->num_runs; i += 2) {
        int64_t begin = position + rle->runs[i - 1];
        int64_t end = begin + rle->runs[i];
        position = end;
        if (begin < end) count += 2 * ((end - 1) / rle->height - begin / rle->height + 1);
    }
    return count;
}

// Splits the runs of ones at the ends of columns.
static void find_borders(const struct rle *rle, struct borders *borders) {
    struct border *items = borders->items;
    int64_t count = 0;
    int64_t position = 0;
    for (int64_t i = 1; i < rle->num_runs; i += 2) {
        int64_t begin = position + rle->runs[i - 1];
        int64_t end = begin + rle->runs[i];
        position = end;
        while (begin < end) {
            int64_t x = begin / rle->height;
            int64_t top = begin - x * rle->height;
            int64_t column_end = (x + 1) * rle->height;
            int64_t stop = end < column_end ? end : column_end;
            // A background run of length 0 does not part anything.
            bool goes_on = count > 0 && items[count - 1].x == x && items[count - 1].y == top;
            struct border border = {(int32_t)x, (int32_t)top, NONE, NONE, false};
            if (goes_on)
                count--;
            else
                items[count++] = border;
            border.y += (int32_t)(stop - begin);
            items[count++] = border;
            begin = stop;
        }
    }
    borders->count = count;
}

static void join(struct borders *borders, int64_t arriving, int64_t leaving, bool straight) {
    borders->items[arriving].next = leaving;
    borders->items[arriving].straight = straight;
    if (!straight) borders->num_corners += 2;
}

// Joins the borders left..right-1 of one column to right..end-1 of the next, walking down the line
// between them. Where just one side is object, the line itself is border, walked down if the object
// is on the left, up if it is on the right. Where the object is left above and right below a point,
// or the other way round, each piece keeps to its own side: they are not connected.
static void join_columns(struct borders *borders, int64_t left, int64_t right, int64_t end) {
    const struct border *items = borders->items;
    int64_t end_left = right;
    int64_t open = NONE; // at the upper end of a piece of border on the line
    while (left < end_left || right < end) {
        bool at_left = right == end || (left < end_left && items[left].y <= items[right].y);
        bool at_right = left == end_left || (right < end && items[right].y <= items[left].y);
        bool in_left = left % 2; // above this point: past a top
        bool in_right = right % 2;
        int64_t first = at_left ? left : right;
        left += at_left;
        right += at_right;
        if (in_left == in_right) {
            if (!at_left || !at_right)
                open = first;
            else if (in_left)
                join(borders, right - 1, left - 1, true);
            else
                join(borders, left - 1, right - 1, true);
            continue;
        }
        // The piece above ends here. If both sides change it ends on its own side, and the next one
        // begins on the other.
        bool both = at_left && at_right;
        if (in_left) {
            join(borders, open, first, false);
            open = both ? right - 1 : NONE;
        } else {
            join(borders, both ? right - 1 : first, open, false);
            open = both ? left - 1 : NONE;
        }
    }
}

static void join_borders(struct borders *borders, int32_t width) {
    int64_t left = 0;
    int64_t right = 0;
    for (int32_t x = 0; x <= width; x++) { // the line at the left of column x
        int64_t end = right;
        while (end < borders->count && borders->items[end].x == x)
            end++;
        join_columns(borders, left, right, end);
        left = right;
        right = end;
    }
}

// A ring as it was found, with its corners in the common array.
struct found_ring {
    int64_t owner; // number of its outer ring; its own if it is one
    int64_t begin; // first corner
    int64_t num_corners;
};

// Follows the ring of the border at start and appends its corners, x and y, to points. Returns
// their number.
static int64_t follow_ring(struct borders *borders, int64_t start, int64_t ring, double *points) {
    struct border *items = borders->items;
    int64_t count = 0;
    int64_t at = start;
    do {
        struct border *border = &items[at];
        bool is_top = at % 2 == 0;
        CHECK(border->next != NONE);
        border->ring = ring;
        if (!border->straight) {
            double line = is_top ? border->x + 1 : border->x;
            double corners[] = {line, border->y, line, items[border->next].y};
            memcpy(points + 2 * count, corners, sizeof corners);
            count += 2;
        }
        at = border->next;
    } while (at != start);
    return count;
}

static void last_to_front(double *points, int64_t count) {
    double last[] = {points[2 * count - 2], points[2 * count - 1]};
    memmove(points + 2, points, (size_t)(2 * count - 2) * sizeof *points);
    memcpy(points, last, sizeof last);
}

// The first border of a ring that the search meets is its leftmost, and there its topmost one. In
// an outer ring that is a top. In a hole it is the bottom of a piece of object, and the top of that
// piece, met before, belongs to the same object.
static int64_t follow_rings(struct borders *borders, struct found_ring *found, double *points) {
    int64_t count = 0;
    int64_t num_corners = 0;
    for (int64_t i = 0; i < borders->count; i++) {
        if (borders->items[i].ring != NONE) continue;
        bool is_outer = i % 2 == 0;
        double *ring_points = points + 2 * num_corners;
        struct found_ring ring = {count, num_corners, 0};
        if (!is_outer) ring.owner = found[borders->items[i - 1].ring].owner;
        ring.num_corners = follow_ring(borders, i, count, ring_points);
        if (is_outer) last_to_front(ring_points, ring.num_corners);
        num_corners += ring.num_corners;
        found[count++] = ring;
    }
    CHECK(num_corners == borders->num_corners);
    return count;
}

// Puts holes behind their outer rings. places is room for twice as many numbers as there are rings.
static void order_rings(const struct found_ring *found, int64_t count, const double *points,
                        int64_t *places, struct ring *rings) {
    memset(places, 0, (size_t)count * sizeof *places);
    for (int64_t i = 0; i < count; i++)
        places[found[i].owner]++;
    int64_t place = 0;
    for (int64_t i = 0; i < count; i++) {
        int64_t num_owned = places[i];
        places[i] = place;
        place += num_owned;
    }
    int64_t *num_holes = places + count;
    memset(num_holes, 0, (size_t)count * sizeof *num_holes);
    for (int64_t i = 0; i < count; i++) {
        int64_t owner = found[i].owner;
        bool is_outer = owner == i;
        int64_t at = is_outer ? places[i] : places[owner] + ++num_holes[owner];
        const double *corners = points + 2 * found[i].begin;
        rings[at] = (struct ring){{corners, found[i].num_corners}, is_outer ? NONE : places[owner]};
    }
}

static enum status trace(const struct rle *rle, struct ring **rings, int64_t *num_rings,
                         struct arena *arena, struct arena *scratch, struct error *err) {
    const char *what = "the outlines of a mask";
    int64_t capacity = count_borders(rle);
    struct borders borders = {.items = arena_alloc(scratch, capacity, sizeof *borders.items)};
    // Each ring has a top and a bottom.
    struct found_ring *found = arena_alloc(scratch, capacity / 2, sizeof *found);
    if (!borders.items || !found) return error_memory(err, what, (long long)capacity * 48);
    find_borders(rle, &borders);
    join_borders(&borders, rle->width);

    double *points = arena_alloc(arena, 2 * borders.num_corners, sizeof *points);
    if (!points) return error_memory(err, what, (long long)borders.num_corners * 16);
    int64_t count = follow_rings(&borders, found, points);
    *rings = arena_alloc(arena, count, sizeof **rings);
    int64_t *places = arena_alloc(scratch, 2 * count, sizeof *places);
    if (!*rings || !places) return error_memory(err, what, (long long)count * 40);
    order_rings(found, count, points, places, *rings);
    *num_rings = count;
    return STATUS_OK;
}

enum status rle_to_rings(const struct rle *rle, struct ring **rings, int64_t *count,
                         struct arena *arena, struct error *err) {
    enum { SCRATCH_BYTES = 1 << 16 };
    struct arena scratch;
    arena_init(&scratch, SCRATCH_BYTES, arena->limit_bytes);
    enum status status = trace(rle, rings, count, arena, &scratch, err);
    arena_destroy(&scratch);
    return status;
}
