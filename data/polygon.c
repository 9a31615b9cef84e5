#include "data/polygon.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/outline.h"
#include "data/rle_internal.h"

// Of one object, all its parts together: a bound on the memory that a few bytes of a file can ask
// for. Real objects stay a thousand times below.
static const int64_t max_crossings = INT64_C(1) << 26;

static struct outline_point snap(const double *point) {
    return outline_snap(point[0], point[1]);
}

static bool is_far(double coordinate) {
    return !(fabs(coordinate) <= POLYGON_MAX_COORDINATE); // NaN is far, too
}

static enum status check_points(const struct polygon *polygon, struct error *err) {
    if (polygon->num_points < 1) return error_set(err, STATUS_DATA, "the polygon has no points");
    bool any_far = false;
    for (int64_t i = 0; i < 2 * polygon->num_points; i++)
        any_far |= is_far(polygon->points[i]);
    if (!any_far) return STATUS_OK;
    int64_t i = 0;
    while (!is_far(polygon->points[2 * i]) && !is_far(polygon->points[2 * i + 1]))
        i++;
    return error_set(err, STATUS_DATA,
                     "point %lld of the polygon is (%g, %g), expected coordinates within +-%d",
                     (long long)i, polygon->points[2 * i], polygon->points[2 * i + 1],
                     (int)POLYGON_MAX_COORDINATE);
}

// Which pixel columns' middles an outline crosses, and how often in all.
struct crossings {
    int32_t first, last;
    int64_t count;
};

// Splits the outline into edges, stored if edges is not NULL.
static struct crossings find_edges(const struct polygon *polygon, int32_t width,
                                   struct outline_edge *edges) {
    struct crossings crossings = {width, -1, 0};
    struct outline_point start = snap(polygon->points);
    struct outline_point from = start;
    for (int64_t i = 1; i <= polygon->num_points; i++) {
        bool closes = i == polygon->num_points;
        struct outline_point to = closes ? start : snap(polygon->points + 2 * i);
        struct outline_edge edge = outline_edge_between(from, to, width);
        if (edges) edges[i - 1] = edge;
        from = to;
        if (edge.first > edge.last) continue;
        crossings.count += edge.last - edge.first + 1;
        if (edge.first < crossings.first) crossings.first = edge.first;
        if (edge.last > crossings.last) crossings.last = edge.last;
    }
    return crossings;
}

// Where the changes of each pixel column go. The array holds the columns from first on.
struct cursors {
    int32_t first;
    uint32_t *next; // index of the next free place of a column
    uint32_t *changes;
};

// Stores the change at which column k begins to be inside or outside. A row behind the last one is
// the first one of the next column, which is what the position says.
static void put_change(struct cursors *cursors, int32_t column, int32_t row, int32_t height) {
    cursors->changes[cursors->next[column - cursors->first]++] =
        (uint32_t)column * (uint32_t)height + (uint32_t)row;
}

static void put_changes(struct cursors *cursors, const struct outline_edge *edge, int32_t height) {
    struct outline_walk walk = outline_walk_of(edge);
    for (int32_t column = edge->first; column <= edge->last; column++)
        put_change(cursors, column, outline_row(&walk, column, height), height);
}

static int compare_positions(const void *a, const void *b) {
    uint32_t first = *(const uint32_t *)a;
    uint32_t second = *(const uint32_t *)b;
    return (first > second) - (first < second);
}

// Few columns of few polygons have more than a handful of changes.
static void sort_positions(uint32_t *positions, int64_t count) {
    enum { FEW = 16 };
    if (count > FEW) {
        qsort(positions, (size_t)count, sizeof *positions, compare_positions);
        return;
    }
    for (int64_t i = 1; i < count; i++) {
        uint32_t position = positions[i];
        int64_t place = i;
        for (; place > 0 && positions[place - 1] > position; place--)
            positions[place] = positions[place - 1];
        positions[place] = position;
    }
}

// Nearly all columns of nearly all polygons have two changes.
static void sort_pair(uint32_t *positions) {
    uint32_t first = positions[0];
    uint32_t second = positions[1];
    positions[0] = first < second ? first : second;
    positions[1] = first < second ? second : first;
}

// Makes room for each column's changes: how many edges begin to cross at a column, and cease to,
// summed twice, tells where its places start.
static void lay_out_columns(struct cursors *cursors, int64_t num_columns,
                            const struct outline_edge *edges, int64_t num_edges) {
    uint32_t *next = cursors->next;
    for (int64_t i = 0; i < num_edges; i++) {
        if (edges[i].first > edges[i].last) continue;
        next[edges[i].first - cursors->first]++;
        next[edges[i].last + 1 - cursors->first]--;
    }
    uint32_t num_crossing = 0;
    uint32_t place = 0;
    for (int64_t i = 0; i < num_columns; i++) {
        num_crossing += next[i];
        next[i] = place;
        place += num_crossing;
    }
}

// Sorts the changes of each column and drops pairs at one position; returns how many remain.
static int64_t order_changes(const struct cursors *cursors, int64_t num_columns,
                             uint32_t num_pixels) {
    uint32_t *changes = cursors->changes;
    int64_t begin = 0;
    int64_t count = 0;
    for (int64_t column = 0; column < num_columns; column++) {
        int64_t end = cursors->next[column]; // all places are taken now
        if (end - begin == 2)
            sort_pair(changes + begin);
        else
            sort_positions(changes + begin, end - begin);
        for (int64_t i = begin; i < end; i++)
            count = rle_push_change(changes, count, changes[i]);
        begin = end;
    }
    return count > 0 && changes[count - 1] == num_pixels ? count - 1 : count;
}

static enum status fill(struct rle *rle, const struct polygon *polygon,
                        const struct crossings *crossings, uint32_t *runs, struct arena *arena,
                        struct error *err) {
    int64_t num_columns = (int64_t)crossings->last - crossings->first + 1;
    struct outline_edge *edges = arena_alloc(arena, polygon->num_points, sizeof *edges);
    if (!edges)
        return error_memory(err, "the edges of a polygon",
                            (long long)polygon->num_points * (long long)sizeof *edges);
    uint32_t *next = arena_alloc_zero(arena, num_columns + 1, sizeof *next);
    if (!next) return error_memory(err, "the columns of a polygon", (long long)num_columns * 4);

    find_edges(polygon, rle->width, edges);
    struct cursors cursors = {crossings->first, next, runs};
    lay_out_columns(&cursors, num_columns, edges, polygon->num_points);
    for (int64_t i = 0; i < polygon->num_points; i++)
        if (edges[i].first <= edges[i].last) put_changes(&cursors, &edges[i], rle->height);
    uint32_t num_pixels = (uint32_t)rle->height * (uint32_t)rle->width;
    int64_t count = order_changes(&cursors, num_columns, num_pixels);
    rle->num_runs = rle_changes_to_runs(runs, count, num_pixels);
    rle->runs = runs;
    return STATUS_OK;
}

enum status polygon_to_rle(struct rle *rle, const struct polygon *polygon, int32_t height,
                           int32_t width, struct arena *arena, struct error *err) {
    TRY(rle_check_size(height, width, err));
    TRY(check_points(polygon, err));
    struct crossings crossings = find_edges(polygon, width, NULL);
    if (crossings.count > max_crossings)
        return error_set(
            err, STATUS_DATA,
            "the polygon crosses pixel columns %lld times, expected at most %lld times",
            (long long)crossings.count, (long long)max_crossings);
    uint32_t *runs = NULL;
    TRY(rle_alloc_runs(&runs, crossings.count + 1, arena, err));
    *rle = (struct rle){.height = height, .width = width};
    if (crossings.count == 0) {
        runs[0] = (uint32_t)height * (uint32_t)width;
        rle->num_runs = 1;
        rle->runs = runs;
        return STATUS_OK;
    }
    struct arena_mark mark = arena_mark(arena);
    TRY(fill(rle, polygon, &crossings, runs, arena, err));
    arena_release(arena, mark);
    return STATUS_OK;
}

static enum status draw_parts(struct rle *rle, const struct polygon *polygons, int64_t count,
                              int32_t height, int32_t width, struct arena *arena,
                              struct arena *scratch, struct error *err) {
    struct rle *parts = arena_alloc(scratch, count, sizeof *parts);
    if (!parts) return error_memory(err, "the parts of an object", (long long)count * 32);
    int64_t num_crossings = 0;
    for (int64_t i = 0; i < count; i++) {
        enum status status = polygon_to_rle(&parts[i], &polygons[i], height, width, scratch, err);
        if (status != STATUS_OK) error_prefix(err, "part %lld: ", (long long)i);
        TRY(status);
        num_crossings += find_edges(&polygons[i], width, NULL).count;
        if (num_crossings > max_crossings)
            return error_set(
                err, STATUS_DATA,
                "%lld of %lld parts cross pixel columns %lld times, expected at most %lld times",
                (long long)i + 1, (long long)count, (long long)num_crossings,
                (long long)max_crossings);
    }
    return rle_merge(rle, parts, count, false, arena, err);
}

enum status polygons_to_rle(struct rle *rle, const struct polygon *polygons, int64_t count,
                            int32_t height, int32_t width, struct arena *arena, struct error *err) {
    enum { SCRATCH_BYTES = 1 << 14 };
    if (count < 1) return error_set(err, STATUS_DATA, "the object has no polygons");
    if (count == 1) return polygon_to_rle(rle, polygons, height, width, arena, err);
    struct arena scratch;
    arena_init(&scratch, SCRATCH_BYTES, arena->limit_bytes);
    enum status status = draw_parts(rle, polygons, count, height, width, arena, &scratch, err);
    arena_destroy(&scratch);
    return status;
}

void box_corners(double corners[BOX_CORNER_NUMBERS], const struct coco_box *box) {
    double right = box->x + box->width;
    double bottom = box->y + box->height;
    const double numbers[BOX_CORNER_NUMBERS] = {box->x, box->y, box->x, bottom,
                                                right,  bottom, right,  box->y};
    memcpy(corners, numbers, sizeof numbers);
}

enum status box_to_rle(struct rle *rle, const struct coco_box *box, int32_t height, int32_t width,
                       struct arena *arena, struct error *err) {
    double corners[BOX_CORNER_NUMBERS];
    box_corners(corners, box);
    struct polygon polygon = {corners, 4};
    return polygon_to_rle(rle, &polygon, height, width, arena, err);
}
