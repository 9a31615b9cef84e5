#include "server/answer_polygon.h"

#include "data/simplify.h"

// Leaves at least a triangle of each ring; what would vanish stays as it is.
static enum status simplify_rings(struct ring *rings, int64_t count, double tolerance,
                                  struct arena *arena, struct error *err) {
    for (int64_t i = 0; i < count && tolerance > 0; i++) {
        struct polygon simple;
        TRY(polygon_simplify(&simple, &rings[i].polygon, tolerance, arena, err));
        if (simple.num_points >= 3) rings[i].polygon = simple;
    }
    return STATUS_OK;
}

static void write_ring(struct json_writer *w, const struct polygon *ring) {
    json_write_begin_array(w);
    for (int64_t i = 0; i < 2 * ring->num_points; i++)
        json_write_double(w, ring->points[i]);
    json_write_end_array(w);
}

static void write_rings(struct json_writer *w, const struct ring *rings, int64_t count) {
    json_write_begin_array(w);
    for (int64_t i = 0; i < count;) {
        json_write_begin_object(w);
        json_write_key(w, "outer");
        write_ring(w, &rings[i++].polygon);
        json_write_key(w, "holes");
        json_write_begin_array(w);
        for (; i < count && rings[i].parent >= 0; i++)
            write_ring(w, &rings[i].polygon);
        json_write_end_array(w);
        json_write_end_object(w);
    }
    json_write_end_array(w);
}

// The runs of what a mask leaves free: all but the first run change sides.
static enum status complement(struct rle *result, const struct rle *mask, struct arena *arena,
                              struct error *err) {
    uint32_t *runs = arena_alloc(arena, mask->num_runs + 1, sizeof *runs);
    if (!runs) return error_memory(err, "a mask", mask->num_runs * 4);
    bool starts_set = mask->num_runs > 0 && mask->runs[0] == 0;
    *result = (struct rle){mask->height, mask->width, 0, runs};
    if (!starts_set) runs[result->num_runs++] = 0;
    for (int64_t i = starts_set; i < mask->num_runs; i++)
        runs[result->num_runs++] = mask->runs[i];
    return STATUS_OK;
}

// What a client draws: the union of the parts, each without its holes.
static enum status draw_rings(struct rle *drawn, const struct ring *rings, int64_t count,
                              int32_t height, int32_t width, struct arena *arena,
                              struct error *err) {
    struct rle *parts = arena_alloc(arena, count, sizeof *parts);
    int64_t num_parts = 0;
    if (!parts) return error_memory(err, "polygons", count * (int64_t)sizeof *parts);
    for (int64_t i = 0; i < count; i++) {
        struct rle ring;
        TRY(polygon_to_rle(&ring, &rings[i].polygon, height, width, arena, err));
        if (rings[i].parent < 0) {
            parts[num_parts++] = ring;
            continue;
        }
        struct rle pair[2] = {parts[num_parts - 1], ring};
        TRY(complement(&pair[1], &ring, arena, err));
        TRY(rle_merge(&parts[num_parts - 1], pair, 2, true, arena, err));
    }
    return rle_merge(drawn, parts, num_parts, false, arena, err);
}

static enum status write_mask(struct json_writer *w, double *iou, const struct rle *mask,
                              double tolerance, struct arena *arena, struct error *err) {
    struct ring *rings = NULL;
    int64_t count = 0;
    struct rle drawn;
    TRY(rle_to_rings(mask, &rings, &count, arena, err));
    TRY(simplify_rings(rings, count, tolerance, arena, err));
    write_rings(w, rings, count);
    *iou = 1; // nothing is nothing
    if (count == 0) return STATUS_OK;
    TRY(draw_rings(&drawn, rings, count, mask->height, mask->width, arena, err));
    *iou = rle_iou(&drawn, mask, false);
    return STATUS_OK;
}

bool answer_polygon_write(struct json_writer *w, double *iou, const struct rle *mask,
                          double tolerance, struct arena *arena, struct fault *fault) {
    struct error err;
    struct arena_mark mark = arena_mark(arena);
    enum status status = write_mask(w, iou, mask, tolerance, arena, &err);
    arena_release(arena, mark);
    return status == STATUS_OK || fault_of_error(fault, FAULT_INTERNAL, &err);
}
