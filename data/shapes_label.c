// What a scene's objects are called: the truth, and what a detector might make of it.
#include <math.h>
#include <string.h>

#include "data/coco_write.h"
#include "data/shapes_internal.h"

static const double pi = 3.14159265358979323846;

// ---- Truth ----

static bool has_hole(const struct ring *rings, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        if (rings[i].parent >= 0) return true;
    return false;
}

static bool same_mask(const struct rle *a, const struct rle *b) {
    return a->num_runs == b->num_runs &&
           memcmp(a->runs, b->runs, (size_t)a->num_runs * sizeof *a->runs) == 0;
}

// Polygons if they give the very mask back, else an RLE: a hole cannot be told by polygons that are
// united.
static enum status polygons_from_rle(struct coco_segment *segment, const struct rle *rle,
                                     struct arena *arena, struct error *err) {
    struct ring *rings = NULL;
    int64_t count = 0;
    TRY(rle_to_rings(rle, &rings, &count, arena, err));
    if (has_hole(rings, count))
        return coco_segment_from_rle(segment, rle, SEGMENT_STRING, arena, err);
    struct polygon *polygons = arena_alloc(arena, count, sizeof *polygons);
    if (!polygons) return error_memory(err, "outlines", count * (long long)sizeof *polygons);
    for (int64_t i = 0; i < count; i++)
        polygons[i] = rings[i].polygon;
    struct rle again;
    TRY(polygons_to_rle(&again, polygons, count, rle->height, rle->width, arena, err));
    if (!same_mask(rle, &again))
        return coco_segment_from_rle(segment, rle, SEGMENT_STRING, arena, err);
    *segment =
        (struct coco_segment){.kind = SEGMENT_POLYGONS, .count = count, .polygons = polygons};
    return STATUS_OK;
}

static enum status label_object(const struct shape_scene *scene, int index, struct random *random,
                                uint8_t *mask, struct coco_annotation *label, struct arena *arena,
                                struct error *err) {
    const double polygon_share = 0.7; // of objects that are no crowd
    const double string_share = 0.2;
    const struct shape_object *object = &scene->objects[index];
    int64_t num_pixels = (int64_t)scene->width * scene->height;
    for (int64_t i = 0; i < num_pixels; i++)
        mask[i] = scene->owner[i] == index + 1;
    struct rle rle;
    TRY(rle_encode(&rle, mask, scene->height, scene->width, arena, err));
    *label = (struct coco_annotation){
        .category_id = shape_category(object->kind).id,
        .box = rle_box(&rle),
        .area = (double)rle_area(&rle),
        .has_box = true,
        .has_area = true,
        .is_crowd = object->is_crowd,
    };
    double choice = random_uniform(random);
    if (!object->is_crowd && choice < polygon_share)
        return polygons_from_rle(&label->segment, &rle, arena, err);
    bool is_string = !object->is_crowd && choice < polygon_share + string_share;
    return coco_segment_from_rle(&label->segment, &rle, is_string ? SEGMENT_STRING : SEGMENT_COUNTS,
                                 arena, err);
}

enum status shape_scene_label(const struct shape_scene *scene, struct coco_annotation **labels,
                              int64_t *count, struct arena *arena, struct error *err) {
    struct random random = shape_scene_random(scene->seed, scene->number, SCENE_LABELLING);
    int64_t num_pixels = (int64_t)scene->width * scene->height;
    *count = 0;
    *labels = arena_alloc(arena, scene->num_objects, sizeof **labels);
    uint8_t *mask = arena_alloc(arena, num_pixels, 1);
    if (!*labels || !mask) return error_memory(err, "the labels of a scene", num_pixels);
    for (int i = 0; i < scene->num_objects; i++)
        if (scene->objects[i].kind < NUM_SHAPE_CLASSES)
            TRY(label_object(scene, i, &random, mask, &(*labels)[(*count)++], arena, err));
    return STATUS_OK;
}

// ---- Guesses ----

enum {
    MAX_CROWD_GUESSES = 3,
    MAX_INVENTED = 4,
    MAX_GUESSES = 2 * SCENE_MAX_OBJECTS + MAX_CROWD_GUESSES * SCENE_MAX_OBJECTS + MAX_INVENTED,
};

struct guesser {
    const struct shape_scene *scene;
    struct random random;
    double sloppiness; // 1 - quality
    uint8_t *mask;     // [height, width]
    struct coco_annotation *guesses;
    int64_t count;
    struct arena *arena;
};

// Adds the pixels that the outline covers and no object in front of layer hides, if there are any.
static enum status add_guess(struct guesser *g, const struct shape *shape, int layer, double score,
                             struct error *err) {
    const double score_steps = 10000; // four decimals are plenty
    const struct shape_scene *scene = g->scene;
    struct outline outline = outline_make(shape);
    memset(g->mask, 0, (size_t)scene->height * (size_t)scene->width);
    int top = (int)fmax(floor(shape->y - shape->radius - 1), 0);
    int left = (int)fmax(floor(shape->x - shape->radius - 1), 0);
    for (int y = top; y < scene->height && y <= shape->y + shape->radius; y++)
        for (int x = left; x < scene->width && x <= shape->x + shape->radius; x++) {
            int64_t i = (int64_t)y * scene->width + x;
            g->mask[i] =
                scene->owner[i] <= layer && outline_distance(&outline, x + 0.5, y + 0.5) < 0;
        }
    struct rle rle;
    TRY(rle_encode(&rle, g->mask, scene->height, scene->width, g->arena, err));
    if (rle_area(&rle) == 0) return STATUS_OK;
    struct coco_annotation *guess = &g->guesses[g->count++];
    *guess = (struct coco_annotation){
        .category_id = shape_category(shape->kind).id,
        .box = rle_box(&rle),
        .has_box = true,
        .score = floor(score * score_steps) / score_steps,
    };
    return coco_segment_from_rle(&guess->segment, &rle, SEGMENT_STRING, g->arena, err);
}

static struct shape displaced(struct guesser *g, const struct shape *shape) {
    struct shape moved = *shape;
    double spread = g->sloppiness;
    moved.x += 0.20 * spread * shape->radius * random_normal(&g->random);
    moved.y += 0.20 * spread * shape->radius * random_normal(&g->random);
    moved.radius *= exp(0.20 * spread * random_normal(&g->random));
    moved.angle += 0.3 * spread * random_normal(&g->random);
    if (random_uniform(&g->random) < 0.15 * spread)
        moved.kind = (enum shape_kind)random_below(&g->random, NUM_SHAPE_CLASSES);
    return moved;
}

static enum status guess_object(struct guesser *g, int index, struct error *err) {
    const struct shape_object *object = &g->scene->objects[index];
    int64_t count = 1;
    if (object->is_crowd && object->num_outlines > MAX_CROWD_GUESSES) count = MAX_CROWD_GUESSES;
    for (int64_t i = 0; i < count; i++) {
        bool is_missed = random_uniform(&g->random) < 0.3 * g->sloppiness;
        bool is_repeated = random_uniform(&g->random) < 0.3 * g->sloppiness;
        double score = 1 - (0.2 + 0.5 * g->sloppiness) * random_uniform(&g->random);
        struct shape shape = displaced(g, &object->outlines[object->num_outlines - 1 - i].shape);
        if (is_missed) continue;
        TRY(add_guess(g, &shape, index + 1, score, err));
        if (!is_repeated) continue;
        shape = displaced(g, &shape);
        TRY(add_guess(g, &shape, index + 1, 0.7 * score, err));
    }
    return STATUS_OK;
}

static enum status invent_object(struct guesser *g, struct error *err) {
    const struct shape_scene *scene = g->scene;
    struct shape shape = {.kind = (enum shape_kind)random_below(&g->random, NUM_SHAPE_CLASSES)};
    double shorter_side = fmin(scene->width, scene->height);
    shape.x = random_between(&g->random, 0, scene->width);
    shape.y = random_between(&g->random, 0, scene->height);
    shape.radius = random_between(&g->random, 0.05, 0.25) * shorter_side;
    shape.angle = random_between(&g->random, 0, 2 * pi);
    double score = random_between(&g->random, 0.02, 0.6);
    return add_guess(g, &shape, scene->num_objects, score, err);
}

enum status shape_scene_guess(const struct shape_scene *scene, double quality,
                              struct coco_annotation **guesses, int64_t *count, struct arena *arena,
                              struct error *err) {
    int64_t num_pixels = (int64_t)scene->width * scene->height;
    struct guesser g = {
        .scene = scene,
        .random = shape_scene_random(scene->seed, scene->number, SCENE_GUESSING),
        .sloppiness = 1 - quality,
        .mask = arena_alloc(arena, num_pixels, 1),
        .guesses = arena_alloc(arena, MAX_GUESSES, sizeof *g.guesses),
        .arena = arena,
    };
    if (!g.mask || !g.guesses) return error_memory(err, "the guesses for a scene", num_pixels);
    for (int i = 0; i < scene->num_objects; i++)
        if (scene->objects[i].kind < NUM_SHAPE_CLASSES) TRY(guess_object(&g, i, err));
    double invented = MAX_INVENTED * g.sloppiness * random_uniform(&g.random);
    for (int64_t i = 0; i < (int64_t)invented; i++)
        TRY(invent_object(&g, err));
    *guesses = g.guesses;
    *count = g.count;
    return STATUS_OK;
}
