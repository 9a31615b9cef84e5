// Composing a scene: what lies where.
#include "data/shapes_internal.h"

#include <math.h>

#include "base/check.h"

static const double pi = 3.14159265358979323846;

enum {
    MAX_ORDINARY_OBJECTS = 9,
    MAX_PLAIN_OBJECTS = 5,
    MAX_CROWD_SHAPES = 36,
    MIN_CROWD_SHAPES = 14,
    MIN_VISIBLE_PIXELS = 40, // of a labelled object
    PLACING_TRIES = 12,
};

static const double min_visible_share = 0.3; // of what an object covered when it was placed
static const double empty_share = 0.06;      // of scenes without any object
static const double crowd_share = 0.18;
static const double bar_share = 0.35;
static const double neighbour_share = 0.45; // of objects placed on purpose beside another

struct coco_category shape_category(enum shape_kind kind) {
    return (struct coco_category){
        .id = 1 + (int64_t)kind, .name = shape_name(kind), .supercategory = "shape"};
}

struct random shape_scene_random(uint64_t seed, uint64_t number, enum scene_use use) {
    return random_stream(seed, number << SCENE_USE_BITS | (uint64_t)use);
}

void shape_scene_draw_size(uint64_t seed, uint64_t number, int32_t min_side, int32_t max_side,
                           int32_t *width, int32_t *height) {
    CHECK(min_side >= SCENE_MIN_SIDE && min_side <= max_side && max_side <= SCENE_MAX_SIDE);
    struct random random = shape_scene_random(seed, number, SCENE_SIZING);
    *width = min_side + (int32_t)random_below(&random, max_side - min_side + 1);
    *height = min_side + (int32_t)random_below(&random, max_side - min_side + 1);
}

// ---- Colours ----

// Hue, saturation and value in 0..1, hue taken round the circle.
static struct color color_from_hsv(double hue, double saturation, double value) {
    float rgb[3];
    for (int i = 0; i < 3; i++) {
        double place = fmod(hue + 1 - i / 3.0 + 1, 1) * 6; // 0 at the channel's full strength
        double away = fmin(place, 6 - place);
        double strength = fmin(fmax(2 - away, 0), 1);
        rgb[i] = (float)(value * (1 - saturation * (1 - strength)));
    }
    return (struct color){rgb[0], rgb[1], rgb[2]};
}

// Each draw is a statement of its own here and below: C leaves the order within an expression or an
// initialiser to the compiler, and the same seed must give the same picture everywhere.
static struct backdrop draw_backdrop(struct random *random, bool plain, double hue,
                                     int32_t shorter_side) {
    struct backdrop backdrop = {0};
    backdrop.kind = (enum backdrop_kind)random_below(random, NUM_BACKDROPS);
    if (plain) backdrop.kind = BACKDROP_GRADIENT;
    double saturation = random_between(random, 0.12, 0.42);
    double value = random_between(random, 0.35, 0.88);
    double step = random_between(random, 0.10, 0.22) * (value > 0.6 ? -1 : 1);
    double turn = random_between(random, -0.08, 0.08);
    double gain = random_between(random, 0, 0.15);
    backdrop.first = color_from_hsv(hue, saturation, value);
    backdrop.second = color_from_hsv(hue + turn, saturation + gain, value + step);
    backdrop.period = random_between(random, 0.06, 0.3) * shorter_side;
    backdrop.angle = random_between(random, 0, pi);
    backdrop.noise_seed = random_u32(random);
    return backdrop;
}

// A strong colour, away from the backdrop's hue.
static struct surface draw_surface(struct random *random, double backdrop_hue, double radius) {
    struct surface surface = {0};
    double hue = backdrop_hue + random_between(random, 0.13, 0.87);
    double saturation = random_between(random, 0.6, 0.95);
    double value = random_between(random, 0.75, 1);
    double turn = random_between(random, -0.06, 0.06);
    bool lighter = random_uniform(random) < 0.5;
    surface.first = color_from_hsv(hue, saturation, value);
    surface.second =
        color_from_hsv(hue + turn, saturation * (lighter ? 0.45 : 1), value * (lighter ? 1 : 0.68));
    surface.texture = (enum texture)random_below(random, TEXTURE_RINGS + 1);
    if (random_uniform(random) < 0.3) surface.texture = TEXTURE_PLAIN;
    surface.period = fmax(radius * random_between(random, 0.3, 0.6), 5);
    surface.angle = random_between(random, 0, pi);
    return surface;
}

// ---- Placing ----

// Marks in stamp the pixels whose centres the object covers; returns their number.
static int64_t stamp_object(const struct shape_scene *scene, const struct shape_object *object,
                            uint8_t *stamp) {
    int64_t count = 0;
    for (int64_t i = 0; i < object->num_outlines; i++) {
        const struct shape *shape = &object->outlines[i].shape;
        int top = (int)fmax(floor(shape->y - shape->radius - 1), 0);
        int left = (int)fmax(floor(shape->x - shape->radius - 1), 0);
        for (int y = top; y < scene->height && y <= shape->y + shape->radius; y++)
            for (int x = left; x < scene->width && x <= shape->x + shape->radius; x++) {
                uint8_t *pixel = &stamp[(int64_t)y * scene->width + x];
                if (*pixel || outline_distance(&object->outlines[i], x + 0.5, y + 0.5) >= 0)
                    continue;
                *pixel = 1;
                count++;
            }
    }
    return count;
}

static bool is_labelled(const struct shape_object *object) {
    return object->kind < NUM_SHAPE_CLASSES;
}

// Whether every labelled object below stays visible enough once the stamped pixels are covered.
static bool leaves_others_visible(const struct shape_scene *scene, bool plain,
                                  const int64_t *hidden) {
    for (int i = 0; i < scene->num_objects; i++) {
        const struct shape_object *below = &scene->objects[i];
        if (hidden[i] && plain) return false;
        double needed = fmax(MIN_VISIBLE_PIXELS, min_visible_share * (double)below->num_pixels);
        if (hidden[i] && is_labelled(below) && (double)(below->num_visible - hidden[i]) < needed)
            return false;
    }
    return true;
}

// Puts the object on top of the scene, unless too little of something would be seen.
static bool place(struct shape_scene *scene, bool plain, struct shape_object *object,
                  uint8_t *stamp) {
    CHECK(scene->num_objects < SCENE_MAX_OBJECTS);
    int64_t num_pixels = (int64_t)scene->width * scene->height;
    for (int64_t i = 0; i < num_pixels; i++)
        stamp[i] = 0;
    object->num_pixels = stamp_object(scene, object, stamp);
    object->num_visible = object->num_pixels;
    if (object->num_pixels < MIN_VISIBLE_PIXELS) return false;
    int64_t hidden[SCENE_MAX_OBJECTS] = {0};
    for (int64_t i = 0; i < num_pixels; i++)
        if (stamp[i] && scene->owner[i]) hidden[scene->owner[i] - 1]++;
    if (!leaves_others_visible(scene, plain, hidden)) return false;
    for (int i = 0; i < scene->num_objects; i++)
        scene->objects[i].num_visible -= hidden[i];
    scene->objects[scene->num_objects++] = *object;
    for (int64_t i = 0; i < num_pixels; i++)
        if (stamp[i]) scene->owner[i] = (uint8_t)scene->num_objects;
    return true;
}

// A place inside the scene, or beside an object that is there, so that one hides part of the other.
static void draw_place(const struct shape_scene *scene, struct random *random,
                       struct shape *shape) {
    double inset = 0.4 * shape->radius;
    shape->x = random_between(random, inset, scene->width - inset);
    shape->y = random_between(random, inset, scene->height - inset);
    if (scene->num_objects == 0 || random_uniform(random) >= neighbour_share) return;
    int64_t other = random_below(random, scene->num_objects);
    const struct shape *beside = &scene->objects[other].outlines[0].shape;
    double distance = random_between(random, 0.5, 1) * (shape->radius + beside->radius);
    double direction = random_between(random, 0, 2 * pi);
    shape->x = fmin(fmax(beside->x + distance * cos(direction), inset), scene->width - inset);
    shape->y = fmin(fmax(beside->y + distance * sin(direction), inset), scene->height - inset);
}

// What composing needs beside the scene.
struct composer {
    struct shape_scene *scene;
    struct random *random;
    bool plain;
    double hue; // of the backdrop
    double shorter_side;
    uint8_t *stamp; // [height, width]
    struct outline *outlines;
    int64_t num_outlines;
};

static void add_object(struct composer *c) {
    struct random *random = c->random;
    struct outline *outline = &c->outlines[c->num_outlines];
    const double smallest = fmax((c->plain ? 0.12 : 0.07) * c->shorter_side, 6);
    const double largest = 0.34 * c->shorter_side;
    for (int attempt = 0; attempt < PLACING_TRIES; attempt++) {
        struct shape shape = {.kind = (enum shape_kind)random_below(random, NUM_SHAPE_CLASSES)};
        shape.radius = smallest * pow(largest / smallest, random_uniform(random));
        shape.angle = random_between(random, 0, 2 * pi);
        draw_place(c->scene, random, &shape);
        *outline = outline_make(&shape);
        struct shape_object object = {.kind = shape.kind, .outlines = outline, .num_outlines = 1};
        object.surface = draw_surface(random, c->hue, shape.radius);
        if (c->plain) object.surface.texture = TEXTURE_PLAIN;
        if (!place(c->scene, c->plain, &object, c->stamp)) continue;
        c->num_outlines++;
        return;
    }
}

static void add_crowd(struct composer *c) {
    struct random *random = c->random;
    const double radius = fmax(0.026 * c->shorter_side, 2.5);
    const double spread = random_between(random, 0.10, 0.16) * c->shorter_side;
    struct shape cluster = {.radius = spread};
    draw_place(c->scene, random, &cluster);
    struct shape_object crowd = {.is_crowd = true, .outlines = &c->outlines[c->num_outlines]};
    crowd.kind = (enum shape_kind)random_below(random, NUM_SHAPE_CLASSES);
    crowd.num_outlines =
        MIN_CROWD_SHAPES + random_below(random, MAX_CROWD_SHAPES - MIN_CROWD_SHAPES + 1);
    for (int64_t i = 0; i < crowd.num_outlines; i++) {
        struct shape shape = {.kind = crowd.kind};
        shape.x = cluster.x + spread * random_normal(random);
        shape.y = cluster.y + spread * random_normal(random);
        shape.radius = radius * random_between(random, 0.8, 1.25);
        shape.angle = random_between(random, 0, 2 * pi);
        crowd.outlines[i] = outline_make(&shape);
    }
    crowd.surface = draw_surface(random, c->hue, radius);
    crowd.surface.texture = TEXTURE_PLAIN;
    if (place(c->scene, c->plain, &crowd, c->stamp)) c->num_outlines += crowd.num_outlines;
}

static void add_bar(struct composer *c) {
    struct random *random = c->random;
    struct outline *outline = &c->outlines[c->num_outlines];
    for (int attempt = 0; attempt < PLACING_TRIES; attempt++) {
        struct shape shape = {.kind = SHAPE_BAR};
        shape.radius = random_between(random, 0.3, 0.8) * c->shorter_side;
        shape.angle = random_between(random, 0, pi);
        draw_place(c->scene, random, &shape);
        *outline = outline_make(&shape);
        struct shape_object bar = {.kind = SHAPE_BAR, .outlines = outline, .num_outlines = 1};
        bar.surface.first = color_from_hsv(c->hue, 0.15, random_between(random, 0.2, 0.5));
        if (!place(c->scene, c->plain, &bar, c->stamp)) continue;
        c->num_outlines++;
        return;
    }
}

static void add_all(struct composer *c) {
    if (c->plain) {
        int64_t num_objects = 1 + random_below(c->random, MAX_PLAIN_OBJECTS);
        for (int64_t i = 0; i < num_objects; i++)
            add_object(c);
        return;
    }
    if (random_uniform(c->random) < empty_share) return;
    if (random_uniform(c->random) < crowd_share) add_crowd(c);
    int64_t num_objects = 2 + random_below(c->random, MAX_ORDINARY_OBJECTS - 1);
    for (int64_t i = 0; i < num_objects; i++)
        add_object(c);
    if (random_uniform(c->random) < bar_share) add_bar(c);
}

enum status shape_scene_compose(struct shape_scene *scene, enum shape_style style, uint64_t seed,
                                uint64_t number, int32_t width, int32_t height, struct arena *arena,
                                struct error *err) {
    CHECK(width >= SCENE_MIN_SIDE && width <= SCENE_MAX_SIDE);
    CHECK(height >= SCENE_MIN_SIDE && height <= SCENE_MAX_SIDE);
    *scene = (struct shape_scene){.width = width, .height = height, .seed = seed, .number = number};
    struct random random = shape_scene_random(seed, number, SCENE_COMPOSING);
    int64_t num_pixels = (int64_t)width * height;
    struct composer c = {
        .scene = scene,
        .random = &random,
        .plain = style == SHAPES_PLAIN,
        .hue = random_uniform(&random),
        .shorter_side = fmin(width, height),
        .stamp = arena_alloc(arena, num_pixels, 1),
        .outlines = arena_alloc(arena, MAX_CROWD_SHAPES + SCENE_MAX_OBJECTS, sizeof *c.outlines),
    };
    scene->owner = arena_alloc_zero(arena, num_pixels, 1);
    if (!c.stamp || !c.outlines || !scene->owner)
        return error_memory(err, "a scene", 2 * num_pixels);
    scene->backdrop = draw_backdrop(c.random, c.plain, c.hue, width < height ? width : height);
    add_all(&c);
    return STATUS_OK;
}
