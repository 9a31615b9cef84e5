#include "tests/data/rle_shapes.h"

#include <string.h>

#include "base/check.h"
#include "base/random.h"
#include "data/polygon.h"

enum { MAX_PARTS = 5, MAX_POINTS = 40, USUAL_SIDE = 120, MASK_SIDE = 48, LARGE_SIDE = 2000 };

// What one line is made from; released when it is written.
struct shape_maker {
    struct random random;
    struct arena arena;
    int32_t height;
    int32_t width;
};

static bool chance(struct shape_maker *maker, double probability) {
    return random_uniform(&maker->random) < probability;
}

static int32_t choose_side(struct shape_maker *maker, int32_t greatest) {
    if (chance(maker, 0.05)) return 1 + (int32_t)random_below(&maker->random, 3);
    return 1 + (int32_t)random_below(&maker->random, greatest);
}

static void choose_canvas(struct shape_maker *maker, int32_t greatest) {
    maker->height = choose_side(maker, greatest);
    maker->width = choose_side(maker, greatest);
}

// Coordinates as files have them: two decimals, halves, fifths, whole pixels, or all digits.
static double round_coordinate(double coordinate, int64_t style) {
    static const double steps[] = {100, 2, 5, 1, 10};
    int64_t num_steps = sizeof steps / sizeof *steps;
    if (style >= num_steps) return coordinate;
    double scaled = coordinate * steps[style];
    return (double)(int64_t)(scaled + (scaled < 0 ? -0.5 : 0.5)) / steps[style];
}

// Anywhere on the canvas and a little beyond, so that edges cross one another and the border.
static void scatter_points(struct shape_maker *maker, double *points, int64_t count) {
    double margin = chance(maker, 0.5) ? 0.3 : 3;
    for (int64_t i = 0; i < count; i++) {
        points[2 * i] = random_between(&maker->random, -margin, 1 + margin) * maker->width;
        points[2 * i + 1] = random_between(&maker->random, -margin, 1 + margin) * maker->height;
    }
}

// A ring round a point, its radius going up and down. The circle is t -> ((1 - t^2), 2t) / (1 +
// t^2), one half of it for t from -1 to 1 and its mirror image for the other.
static void draw_blob(struct shape_maker *maker, double *points, int64_t count) {
    double center_x = random_uniform(&maker->random) * maker->width;
    double center_y = random_uniform(&maker->random) * maker->height;
    double size = random_between(&maker->random, 0.05, 0.8);
    for (int64_t i = 0; i < count; i++) {
        double turn = 4.0 * (double)i / (double)count - 1;
        double t = turn < 1 ? turn : turn - 2;
        double side = turn < 1 ? 1 : -1;
        double radius = size * random_between(&maker->random, 0.5, 1) / (1 + t * t);
        points[2 * i] = center_x + side * (1 - t * t) * radius * maker->width;
        points[2 * i + 1] = center_y + side * 2 * t * radius * maker->height;
    }
}

// Corners that fall together or on one line, and a few that are very far away.
static void spoil_points(struct shape_maker *maker, double *points, int64_t count) {
    int64_t from = random_below(&maker->random, count);
    int64_t to = random_below(&maker->random, count);
    switch (random_below(&maker->random, 5)) {
    case 0:
        memcpy(points + 2 * to, points + 2 * from, 2 * sizeof *points);
        break;
    case 1:
        for (int64_t i = 0; i < count; i++)
            memcpy(points + 2 * i, points + 2 * from, 2 * sizeof *points);
        break;
    case 2:
        for (int64_t i = 0; i < count; i++)
            points[2 * i + from % 2] = points[from % 2];
        break;
    case 3:
        points[2 * to + from % 2] = random_between(&maker->random, -5000, 5000);
        break;
    default:
        if (chance(maker, 0.3)) points[2 * to] = random_between(&maker->random, -1e5, 1e5);
        if (chance(maker, 0.3)) points[2 * from + 1] = random_between(&maker->random, -1e5, 1e5);
        break;
    }
}

static struct polygon make_polygon(struct shape_maker *maker) {
    int64_t count = 3 + random_below(&maker->random, MAX_POINTS - 2);
    double *points = arena_alloc(&maker->arena, 2 * count, sizeof *points);
    CHECK(points);
    if (chance(maker, 0.6))
        draw_blob(maker, points, count);
    else
        scatter_points(maker, points, count);
    if (chance(maker, 0.15)) spoil_points(maker, points, count);
    int64_t style = random_below(&maker->random, 7);
    for (int64_t i = 0; i < 2 * count; i++)
        points[i] = round_coordinate(points[i], style);
    return (struct polygon){points, count};
}

static int64_t make_polygons(struct shape_maker *maker, struct polygon *polygons) {
    int64_t count = chance(maker, 0.8) ? 1 : 2 + random_below(&maker->random, MAX_PARTS - 1);
    for (int64_t i = 0; i < count; i++)
        polygons[i] = make_polygon(maker);
    return count;
}

static uint8_t *make_pixels(struct shape_maker *maker) {
    static const double densities[] = {0, 0.02, 0.3, 0.5, 0.9, 1};
    int64_t num_pixels = (int64_t)maker->height * maker->width;
    uint8_t *pixels = arena_alloc(&maker->arena, num_pixels, 1);
    CHECK(pixels);
    double density = densities[random_below(&maker->random, sizeof densities / sizeof *densities)];
    for (int64_t i = 0; i < num_pixels; i++)
        pixels[i] = chance(maker, density);
    return pixels;
}

static struct rle encode_pixels(struct shape_maker *maker, const uint8_t *pixels) {
    struct rle rle;
    CHECK(rle_encode(&rle, pixels, maker->height, maker->width, &maker->arena, NULL) == STATUS_OK);
    return rle;
}

static struct rle encode_polygons(struct shape_maker *maker, const struct polygon *polygons,
                                  int64_t count) {
    struct rle rle;
    CHECK(polygons_to_rle(&rle, polygons, count, maker->height, maker->width, &maker->arena,
                          NULL) == STATUS_OK);
    return rle;
}

static struct rle make_mask(struct shape_maker *maker) {
    if (chance(maker, 0.2)) return encode_pixels(maker, make_pixels(maker));
    struct polygon polygons[MAX_PARTS];
    int64_t count = make_polygons(maker, polygons);
    return encode_polygons(maker, polygons, count);
}

// The backslash is one of the characters of a mask, and JSON wants it escaped.
static void write_mask(struct output *out, const char *key, const struct rle *rle) {
    struct output text;
    output_open_memory(&text);
    rle_write_string(rle, &text);
    CHECK(output_finish(&text, NULL) == STATUS_OK);
    output_printf(out, ",\"%s\":\"", key);
    for (int64_t i = 0; i < text.size; i++)
        output_printf(out, "%s%c", text.data[i] == '\\' ? "\\" : "", text.data[i]);
    output_text(out, "\"");
    output_discard(&text);
}

// The end of a line that describes one mask.
static void write_description(struct output *out, const struct rle *rle) {
    struct coco_box box = rle_box(rle);
    write_mask(out, "counts", rle);
    output_printf(out, ",\"area\":%lld,\"bbox\":[%.17g,%.17g,%.17g,%.17g]}\n",
                  (long long)rle_area(rle), box.x, box.y, box.width, box.height);
}

static void write_polygon_line(struct output *out, struct shape_maker *maker) {
    choose_canvas(maker, chance(maker, 0.01) ? LARGE_SIDE : USUAL_SIDE);
    struct polygon polygons[MAX_PARTS];
    int64_t count = make_polygons(maker, polygons);
    struct rle rle = encode_polygons(maker, polygons, count);
    output_printf(out, "{\"kind\":\"polygon\",\"h\":%d,\"w\":%d,\"polygons\":[", (int)maker->height,
                  (int)maker->width);
    for (int64_t i = 0; i < count; i++) {
        output_text(out, i ? ",[" : "[");
        for (int64_t j = 0; j < 2 * polygons[i].num_points; j++)
            output_printf(out, "%s%.17g", j ? "," : "", polygons[i].points[j]);
        output_text(out, "]");
    }
    output_text(out, "]");
    write_description(out, &rle);
}

static void write_mask_line(struct output *out, struct shape_maker *maker) {
    choose_canvas(maker, MASK_SIDE);
    uint8_t *pixels = make_pixels(maker);
    struct rle rle = encode_pixels(maker, pixels);
    output_printf(out, "{\"kind\":\"mask\",\"h\":%d,\"w\":%d,\"rows\":\"", (int)maker->height,
                  (int)maker->width);
    for (int64_t i = 0; i < (int64_t)maker->height * maker->width; i++)
        output_text(out, pixels[i] ? "1" : "0");
    output_text(out, "\"");
    write_description(out, &rle);
}

static void write_iou_line(struct output *out, struct shape_maker *maker) {
    choose_canvas(maker, USUAL_SIDE);
    struct rle masks[] = {make_mask(maker), make_mask(maker)};
    bool is_crowd = chance(maker, 0.3);
    struct rle either, both;
    CHECK(rle_merge(&either, masks, 2, false, &maker->arena, NULL) == STATUS_OK);
    CHECK(rle_merge(&both, masks, 2, true, &maker->arena, NULL) == STATUS_OK);
    output_printf(out, "{\"kind\":\"iou\",\"size\":[%d,%d]", (int)maker->height, (int)maker->width);
    write_mask(out, "dt", &masks[0]);
    write_mask(out, "gt", &masks[1]);
    output_printf(out, ",\"iscrowd\":%d,\"iou\":%.17g", (int)is_crowd,
                  rle_iou(&masks[0], &masks[1], is_crowd));
    write_mask(out, "merge_or", &either);
    write_mask(out, "merge_and", &both);
    output_text(out, "}\n");
}

void rle_shapes_write(struct output *out, int64_t count, uint64_t seed) {
    enum { BLOCK_BYTES = 1 << 16 };
    struct shape_maker maker;
    arena_init(&maker.arena, BLOCK_BYTES, 0);
    for (int64_t i = 0; i < count; i++) {
        struct arena_mark mark = arena_mark(&maker.arena);
        maker.random = random_stream(seed, (uint64_t)i);
        int64_t kind = random_below(&maker.random, 5);
        if (kind < 3)
            write_polygon_line(out, &maker);
        else if (kind == 3)
            write_mask_line(out, &maker);
        else
            write_iou_line(out, &maker);
        arena_release(&maker.arena, mark);
    }
    arena_destroy(&maker.arena);
}
