#include "eval/outline.h"

#include "data/simplify.h"

static enum status write_ring(struct output *out, const struct polygon *ring, double tolerance,
                              struct arena *arena, struct error *err) {
    struct polygon simple;
    if (ring->num_points < 3) return STATUS_OK;
    TRY(polygon_simplify(&simple, ring, tolerance, arena, err));
    for (int64_t i = 0; i < simple.num_points; i++)
        output_printf(out, "%c%g %g", i == 0 ? 'M' : 'L', simple.points[2 * i],
                      simple.points[2 * i + 1]);
    output_text(out, "Z");
    return STATUS_OK;
}

enum status outline_write(struct output *out, const struct rle *mask, double tolerance,
                          struct arena *arena, struct error *err) {
    enum { MAX_RINGS = 1000 }; // of a mask of dust: more would only make the page large
    struct arena_mark mark = arena_mark(arena);
    struct ring *rings = NULL;
    int64_t count = 0;
    enum status status = rle_to_rings(mask, &rings, &count, arena, err);
    for (int64_t i = 0; i < count && i < MAX_RINGS && status == STATUS_OK; i++)
        status = write_ring(out, &rings[i].polygon, tolerance, arena, err);
    arena_release(arena, mark);
    return status;
}
