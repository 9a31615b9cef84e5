// Painting a scene: backdrops, surfaces, light from the upper left, shadows, soft edges.
#include <math.h>

#include "data/shapes_internal.h"

static const double pi = 3.14159265358979323846;

// A picture in progress: [height, width] colours.
struct canvas {
    int32_t width;
    int32_t height;
    struct color *pixels;
};

static struct color mix(struct color a, struct color b, double share_of_b) {
    float t = (float)share_of_b;
    return (struct color){a.red + t * (b.red - a.red), a.green + t * (b.green - a.green),
                          a.blue + t * (b.blue - a.blue)};
}

static struct color scale(struct color a, double factor) {
    float f = (float)factor;
    return (struct color){a.red * f, a.green * f, a.blue * f};
}

static double clamp01(double value) {
    return fmin(fmax(value, 0), 1);
}

// 0 at and below low, 1 at and above high, smooth between.
static double smooth_step(double low, double high, double value) {
    double t = clamp01((value - low) / (high - low));
    return t * t * (3 - 2 * t);
}

// ---- Patterns: 0..1 at a place ----

// A wave of 0 and 1 along u, its edges about one pixel wide.
static double bands(double u, double period) {
    return clamp01(0.5 + sin(2 * pi * u / period) * period / 7);
}

static double checks(double u, double v, double period) {
    double a = bands(u, period);
    double b = bands(v, period);
    return a * (1 - b) + b * (1 - a);
}

static double dots(double u, double v, double period) {
    double from_u = u - period * floor(u / period + 0.5);
    double from_v = v - period * floor(v / period + 0.5);
    return clamp01(0.5 + 0.3 * period - hypot(from_u, from_v));
}

// A well-mixed number for a lattice point.
static uint32_t hash_point(uint32_t seed, int64_t x, int64_t y) {
    uint64_t h = (uint64_t)x * UINT64_C(0x9E3779B97F4A7C15) ^
                 (uint64_t)y * UINT64_C(0xC2B2AE3D27D4EB4F) ^ seed * UINT64_C(0x165667B19E3779F9);
    h = (h ^ h >> 29) * UINT64_C(0xBF58476D1CE4E5B9);
    h = (h ^ h >> 32) * UINT64_C(0x94D049BB133111EB);
    return (uint32_t)(h >> 32);
}

static double value_at(uint32_t seed, int64_t x, int64_t y) {
    return hash_point(seed, x, y) * 0x1p-32;
}

// Value noise: random values on a lattice, blended smoothly between.
static double noise(uint32_t seed, double x, double y) {
    double floor_x = floor(x);
    double floor_y = floor(y);
    double tx = smooth_step(0, 1, x - floor_x);
    double ty = smooth_step(0, 1, y - floor_y);
    int64_t ix = (int64_t)floor_x;
    int64_t iy = (int64_t)floor_y;
    double top = value_at(seed, ix, iy) * (1 - tx) + value_at(seed, ix + 1, iy) * tx;
    double bottom = value_at(seed, ix, iy + 1) * (1 - tx) + value_at(seed, ix + 1, iy + 1) * tx;
    return top * (1 - ty) + bottom * ty;
}

// Four octaves of noise, each finer and weaker than the one before.
static double clouds(uint32_t seed, double x, double y) {
    enum { OCTAVES = 4 };
    double sum = 0;
    double weight = 0.5;
    for (uint32_t octave = 0; octave < OCTAVES; octave++) {
        sum += weight * noise(seed + octave, x, y);
        x *= 2;
        y *= 2;
        weight /= 2;
    }
    return smooth_step(0.2, 0.75, sum);
}

// ---- Backdrop ----

static double backdrop_share(const struct backdrop *backdrop, const struct canvas *canvas, double x,
                             double y) {
    double u = x * cos(backdrop->angle) + y * sin(backdrop->angle);
    double v = y * cos(backdrop->angle) - x * sin(backdrop->angle);
    double diagonal = hypot(canvas->width, canvas->height);
    switch (backdrop->kind) {
    case BACKDROP_GRADIENT:
        return clamp01(0.5 + (u - 0.5 * (canvas->width * cos(backdrop->angle) +
                                         canvas->height * sin(backdrop->angle))) /
                                 diagonal);
    case BACKDROP_GLOW:
        return clamp01(1.6 * hypot(x - 0.4 * canvas->width, y - 0.4 * canvas->height) / diagonal);
    case BACKDROP_CLOUDS:
        return clouds(backdrop->noise_seed, x / (2 * backdrop->period), y / (2 * backdrop->period));
    case BACKDROP_STRIPES:
        return 0.7 * bands(u, backdrop->period);
    case BACKDROP_CHECKS:
        return 0.7 * checks(u, v, 1.5 * backdrop->period);
    case NUM_BACKDROPS:
        break;
    }
    return 0;
}

static void paint_backdrop(struct canvas *canvas, const struct backdrop *backdrop) {
    const double fading = 0.14; // darker towards the corners
    for (int y = 0; y < canvas->height; y++)
        for (int x = 0; x < canvas->width; x++) {
            double share = backdrop_share(backdrop, canvas, x + 0.5, y + 0.5);
            double out_x = 2 * (x + 0.5) / canvas->width - 1;
            double out_y = 2 * (y + 0.5) / canvas->height - 1;
            double light = 1 - fading * (out_x * out_x + out_y * out_y) / 2;
            // A little grain keeps smooth areas from banding.
            light += 0.012 * (value_at(backdrop->noise_seed, x, y) - 0.5);
            canvas->pixels[(int64_t)y * canvas->width + x] =
                scale(mix(backdrop->first, backdrop->second, share), light);
        }
}

// ---- Objects ----

// The part of the canvas within reach of a shape.
struct region {
    int left, top, right, bottom; // right and bottom excluded
};

static struct region region_round(const struct canvas *canvas, double x, double y, double reach) {
    return (struct region){
        .left = (int)fmax(floor(x - reach), 0),
        .top = (int)fmax(floor(y - reach), 0),
        .right = (int)fmin(ceil(x + reach) + 1, canvas->width),
        .bottom = (int)fmin(ceil(y + reach) + 1, canvas->height),
    };
}

static double thickness(const struct shape *shape) {
    return shape->kind == SHAPE_BAR ? 0.12 * shape->radius : shape->radius;
}

static void paint_shadow(struct canvas *canvas, const struct outline *outline) {
    const double depth = 0.42;
    const struct shape *shape = &outline->shape;
    double softness = 0.16 * thickness(shape) + 1;
    double shift_x = 0.10 * thickness(shape);
    double shift_y = 0.15 * thickness(shape);
    struct region region =
        region_round(canvas, shape->x + shift_x, shape->y + shift_y, shape->radius + softness);
    for (int y = region.top; y < region.bottom; y++)
        for (int x = region.left; x < region.right; x++) {
            double distance = outline_distance(outline, x + 0.5 - shift_x, y + 0.5 - shift_y);
            double shade = depth * smooth_step(softness, -softness, distance);
            struct color *pixel = &canvas->pixels[(int64_t)y * canvas->width + x];
            *pixel = scale(*pixel, 1 - shade);
        }
}

static double texture_share(const struct surface *surface, double x, double y) {
    double u = x * cos(surface->angle) + y * sin(surface->angle);
    double v = y * cos(surface->angle) - x * sin(surface->angle);
    switch (surface->texture) {
    case TEXTURE_PLAIN:
        return 0;
    case TEXTURE_STRIPES:
        return bands(u, surface->period);
    case TEXTURE_DOTS:
        return dots(u, v, surface->period);
    case TEXTURE_CHECKS:
        return checks(u, v, 1.4 * surface->period);
    case TEXTURE_RINGS:
        return bands(hypot(x, y), surface->period);
    }
    return 0;
}

static struct color surface_color(const struct surface *surface, const struct shape *shape,
                                  double x, double y, double distance) {
    struct color color = mix(surface->first, surface->second, texture_share(surface, x, y));
    double u = x / shape->radius;
    double v = y / shape->radius;
    double rim = 1 - clamp01(-distance / (0.10 * thickness(shape) + 1.5));
    color = scale(color, (1 - 0.22 * (0.6 * u + 0.8 * v)) * (1 - 0.32 * rim * rim));
    double highlight = exp(-((u + 0.34) * (u + 0.34) + (v + 0.42) * (v + 0.42)) / 0.05);
    return mix(color, (struct color){1, 1, 1}, 0.28 * highlight);
}

static void paint_body(struct canvas *canvas, const struct outline *outline,
                       const struct surface *surface) {
    const struct shape *shape = &outline->shape;
    struct region region = region_round(canvas, shape->x, shape->y, shape->radius + 1);
    for (int y = region.top; y < region.bottom; y++)
        for (int x = region.left; x < region.right; x++) {
            double distance = outline_distance(outline, x + 0.5, y + 0.5);
            double coverage = clamp01(0.5 - distance);
            if (coverage == 0) continue;
            struct color color =
                surface_color(surface, shape, x + 0.5 - shape->x, y + 0.5 - shape->y, distance);
            struct color *pixel = &canvas->pixels[(int64_t)y * canvas->width + x];
            *pixel = mix(*pixel, color, coverage);
        }
}

static uint8_t to_byte(float value) {
    return (uint8_t)lrint(255 * clamp01((double)value));
}

enum status shape_scene_paint(struct image *image, const struct shape_scene *scene,
                              struct arena *arena, struct error *err) {
    int64_t num_pixels = (int64_t)scene->width * scene->height;
    *image = (struct image){.width = scene->width, .height = scene->height};
    image->pixels = arena_alloc(arena, num_pixels, 3);
    struct arena_mark mark = arena_mark(arena);
    struct canvas canvas = {.width = scene->width, .height = scene->height};
    canvas.pixels = arena_alloc(arena, num_pixels, sizeof *canvas.pixels);
    if (!image->pixels || !canvas.pixels)
        return error_memory(err, "a picture", num_pixels * (long long)(3 + sizeof *canvas.pixels));
    paint_backdrop(&canvas, &scene->backdrop);
    for (int i = 0; i < scene->num_objects; i++) {
        const struct shape_object *object = &scene->objects[i];
        for (int64_t k = 0; k < object->num_outlines; k++) {
            paint_shadow(&canvas, &object->outlines[k]);
            paint_body(&canvas, &object->outlines[k], &object->surface);
        }
    }
    for (int64_t i = 0; i < num_pixels; i++) {
        image->pixels[3 * i] = to_byte(canvas.pixels[i].red);
        image->pixels[3 * i + 1] = to_byte(canvas.pixels[i].green);
        image->pixels[3 * i + 2] = to_byte(canvas.pixels[i].blue);
    }
    arena_release(arena, mark);
    return STATUS_OK;
}
