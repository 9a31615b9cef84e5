#include "detector/object_masks.h"

#include <string.h>

enum { FLOATS_OF_CORNER = 4, LISTS = 3 }; // two doubles; lists of where each mask's parts begin

static int64_t words_of(const struct object_mask *mask) {
    return ((int64_t)mask->rle.height * mask->rle.width + 31) / 32;
}

static void count_all(const struct object_mask *masks, int64_t count, struct packed_masks *packed) {
    *packed = (struct packed_masks){.count = count};
    for (int64_t i = 0; i < count; i++) {
        const struct object_mask *mask = &masks[i];
        packed->num_polygons += mask->num_polygons;
        for (int64_t j = 0; j < mask->num_polygons; j++)
            packed->num_corners += mask->polygons[j].num_points;
        if (mask->num_polygons > 0) continue;
        packed->num_words += words_of(mask);
        if (mask->rle.num_runs > 1) packed->num_changes += mask->rle.num_runs - 1;
    }
}

// Where in the program's memory everything goes.
struct writer {
    double *points;
    int32_t *polygons, *corners, *runs, *sides, *words;
    uint32_t *changes;
    int32_t num_polygons, num_corners, num_changes, num_words; // so far
};

static int64_t num_floats(const struct packed_masks *p) {
    return FLOATS_OF_CORNER * p->num_corners + LISTS * (p->count + 1) + (p->num_polygons + 1) +
           2 * p->count + p->num_changes;
}

// The same places in either memory: points come first, as they are aligned the most.
static struct writer lay_out(const struct packed_masks *p, float *memory) {
    struct writer w = {.points = (double *)(void *)memory};
    w.polygons = (int32_t *)(void *)(memory + FLOATS_OF_CORNER * p->num_corners);
    w.runs = w.polygons + p->count + 1;
    w.words = w.runs + p->count + 1;
    w.corners = w.words + p->count + 1;
    w.sides = w.corners + p->num_polygons + 1;
    w.changes = (uint32_t *)(void *)(w.sides + 2 * p->count);
    return w;
}

static void write_polygons(struct writer *w, const struct object_mask *mask) {
    for (int64_t i = 0; i < mask->num_polygons; i++) {
        const struct polygon *polygon = &mask->polygons[i];
        w->corners[w->num_polygons++] = w->num_corners;
        memcpy(w->points + 2 * (int64_t)w->num_corners, polygon->points,
               (size_t)(2 * polygon->num_points) * sizeof *w->points);
        w->num_corners += (int32_t)polygon->num_points;
    }
}

static void write_pixels(struct writer *w, const struct object_mask *mask) {
    uint32_t position = 0;
    for (int64_t run = 0; run + 1 < mask->rle.num_runs; run++) {
        position += mask->rle.runs[run];
        w->changes[w->num_changes++] = position;
    }
    w->num_words += (int32_t)words_of(mask);
}

static void write_all(struct writer *w, const struct object_mask *masks, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        w->polygons[i] = w->num_polygons;
        w->runs[i] = w->num_changes;
        w->words[i] = w->num_words;
        w->sides[2 * i] = masks[i].rle.height;
        w->sides[2 * i + 1] = masks[i].rle.width;
        if (masks[i].num_polygons > 0)
            write_polygons(w, &masks[i]);
        else
            write_pixels(w, &masks[i]);
    }
    w->polygons[count] = w->num_polygons;
    w->corners[w->num_polygons] = w->num_corners;
    w->runs[count] = w->num_changes;
    w->words[count] = w->num_words;
}

void object_masks_pack(struct nn *nn, const struct object_mask *masks, int64_t count,
                       struct packed_masks *packed) {
    count_all(masks, count, packed);
    struct tensor *memory = nn_tensor(nn, 1, 1, 1, num_floats(packed));
    float *place = nn_place(nn, memory);
    if (nn_failed(nn)) return;
    struct writer written = lay_out(packed, place);
    if (nn->device != NN_PLAN) write_all(&written, masks, count);
    nn_put(nn, memory, place);
    struct writer there = lay_out(packed, memory->data);
    packed->points = there.points;
    packed->polygons = there.polygons;
    packed->corners = there.corners;
    packed->runs = there.runs;
    packed->sides = there.sides;
    packed->words = there.words;
    packed->changes = there.changes;
}
