#include "data/rle_sample.h"

#include "base/check.h"
#include "data/rle_internal.h"

// The changes of a mask, column by column: those of column x are first[x]..first[x + 1] - 1, and
// the first pixel of the column is set, but for a change at it, if first[x] is odd.
struct columns {
    int64_t height;
    uint32_t *changes; // ascending positions
    int64_t *first;    // [width + 1]
    int32_t *targets;  // [height]: how many rows of the result come from rows above this one
};

static void list_changes(const struct rle *source, struct columns *columns) {
    int64_t num_changes = source->num_runs - 1;
    uint32_t position = 0;
    for (int64_t i = 0; i < num_changes; i++)
        columns->changes[i] = position += source->runs[i];
    int64_t at = 0;
    for (int64_t x = 0; x <= source->width; x++) {
        while (at < num_changes && columns->changes[at] < x * columns->height)
            at++;
        columns->first[x] = at;
    }
}

static void list_targets(const int32_t *rows, int32_t height, struct columns *columns) {
    int32_t count = 0;
    for (int32_t y = 0; y < columns->height; y++) {
        while (count < height && rows[count] < y)
            count++;
        columns->targets[y] = count;
    }
}

static enum status describe(struct columns *columns, const struct rle *source, const int32_t *rows,
                            int32_t height, struct arena *arena, struct error *err) {
    columns->height = source->height;
    columns->changes = arena_alloc(arena, source->num_runs, sizeof *columns->changes);
    columns->first = arena_alloc(arena, source->width + 1, sizeof *columns->first);
    columns->targets = arena_alloc(arena, source->height, sizeof *columns->targets);
    if (!columns->changes || !columns->first || !columns->targets)
        return error_memory(err, "the columns of a mask", 4 * source->num_runs);
    list_changes(source, columns);
    list_targets(rows, height, columns);
    return STATUS_OK;
}

// Appends the changes of column x of the source, as a column of the result that begins at start.
// inside tells whether the pixel before it is set, and then whether its last one is.
static int64_t add_column(const struct columns *columns, int32_t x, uint32_t start, int32_t height,
                          bool *inside, uint32_t *changes, int64_t count) {
    bool begins_inside = columns->first[x] % 2 != 0;
    if (begins_inside != *inside) count = rle_push_change(changes, count, start);
    *inside = begins_inside;
    for (int64_t i = columns->first[x]; i < columns->first[x + 1]; i++) {
        int32_t row = columns->targets[columns->changes[i] - x * columns->height];
        if (row == height) break;
        count = rle_push_change(changes, count, start + (uint32_t)row);
        *inside = !*inside;
    }
    return count;
}

static enum status sample(struct rle *result, const struct columns *source, const int32_t *wanted,
                          struct arena *arena, struct error *err) {
    int64_t most = 1;
    for (int32_t x = 0; x < result->width; x++)
        most += 1 + source->first[wanted[x] + 1] - source->first[wanted[x]];
    uint32_t *runs = NULL;
    TRY(rle_alloc_runs(&runs, most, arena, err));
    int64_t count = 0;
    bool inside = false;
    for (int32_t x = 0; x < result->width; x++)
        count = add_column(source, wanted[x], (uint32_t)x * (uint32_t)result->height,
                           result->height, &inside, runs, count);
    result->num_runs =
        rle_changes_to_runs(runs, count, (uint32_t)result->height * (uint32_t)result->width);
    result->runs = runs;
    return STATUS_OK;
}

enum status rle_sample(struct rle *result, const struct rle *source, const int32_t *rows,
                       int32_t height, const int32_t *columns, int32_t width, struct arena *arena,
                       struct error *err) {
    TRY(rle_check_size(height, width, err));
    for (int32_t y = 0; y < height; y++)
        CHECK(rows[y] >= (y ? rows[y - 1] : 0) && rows[y] < source->height);
    for (int32_t x = 0; x < width; x++)
        CHECK(columns[x] >= 0 && columns[x] < source->width);
    *result = (struct rle){.height = height, .width = width};
    struct arena scratch; // of its own: what it holds is gone before the runs are
    struct columns described;
    arena_init(&scratch, 4 * source->num_runs + 8 * source->width + 4 * source->height + 256,
               arena->limit_bytes);
    enum status status = describe(&described, source, rows, height, &scratch, err);
    if (status == STATUS_OK) status = sample(result, &described, columns, arena, err);
    arena_destroy(&scratch);
    return status;
}
