// Polygons against COCO's walk, step by step; pixels against their bilinear reads in double; and
// every device against the CPU, bit for bit.
#include "nn/mask_targets/mask_targets.h"

#include <math.h>
#include <stdlib.h>

#include "base/random.h"
#include "tests/nn/check_op.h"

enum {
    MAX_MASKS = 12,
    MAX_POLYGONS = 40,
    MAX_CORNERS = 900,
    MAX_CHANGES = 20000,
    MAX_REGIONS = 40,
    HEIGHT = 90,
    WIDTH = 75,
    NUM_WORDS = (HEIGHT * WIDTH + 31) / 32,
};

// Masks in a random order of both kinds.
struct scene {
    double points[2 * MAX_CORNERS];
    int32_t polygons[MAX_MASKS + 1], corners[MAX_POLYGONS + 1], runs[MAX_MASKS + 1];
    int32_t sides[2 * MAX_MASKS], words[MAX_MASKS + 1];
    uint32_t changes[MAX_CHANGES];
    uint8_t pixels[MAX_MASKS][HEIGHT][WIDTH];
    float boxes[4 * MAX_REGIONS];
    int32_t truths[MAX_REGIONS];
    struct packed_masks masks;
    struct mask_regions regions;
};
static struct scene scene;

// ---- Making masks ----

static void add_polygon(struct random *random, int64_t num_corners, double reach) {
    struct packed_masks *m = &scene.masks;
    REQUIRE(m->num_polygons < MAX_POLYGONS && m->num_corners + num_corners <= MAX_CORNERS);
    double x = random_between(random, 0, WIDTH);
    double y = random_between(random, 0, HEIGHT);
    scene.corners[m->num_polygons++] = (int32_t)m->num_corners;
    for (int64_t i = 0; i < num_corners; i++, m->num_corners++) {
        scene.points[2 * m->num_corners] = x + random_between(random, -reach, reach);
        scene.points[2 * m->num_corners + 1] = y + random_between(random, -reach, reach);
    }
}

// Blobs of pixels, or none, or all.
static void add_pixels(struct random *random, int64_t mask) {
    struct packed_masks *m = &scene.masks;
    uint8_t before = 0;
    int64_t kind = random_below(random, 5);
    double centre_x = random_between(random, 0, WIDTH);
    double centre_y = random_between(random, 0, HEIGHT);
    for (int x = 0; x < WIDTH; x++) {
        for (int y = 0; y < HEIGHT; y++) {
            bool inside = hypot(x - centre_x, y - centre_y) < 35;
            uint8_t value = kind == 0 ? 0 : kind == 1 ? 1 : inside && random_below(random, 9) > 0;
            scene.pixels[mask][y][x] = value;
            if (value == before) continue;
            before = value;
            REQUIRE(m->num_changes + 2 < MAX_CHANGES);
            scene.changes[m->num_changes++] = (uint32_t)(x * HEIGHT + y);
        }
    }
    scene.sides[2 * mask] = HEIGHT;
    scene.sides[2 * mask + 1] = WIDTH;
    m->num_words += NUM_WORDS;
}

static void make_masks(struct random *random, int64_t count) {
    scene.masks = (struct packed_masks){.count = count,
                                        .points = scene.points,
                                        .polygons = scene.polygons,
                                        .corners = scene.corners,
                                        .runs = scene.runs,
                                        .sides = scene.sides,
                                        .words = scene.words,
                                        .changes = scene.changes};
    for (int64_t i = 0; i <= count; i++) {
        scene.polygons[i] = (int32_t)scene.masks.num_polygons;
        scene.runs[i] = (int32_t)scene.masks.num_changes;
        scene.words[i] = (int32_t)scene.masks.num_words;
        scene.corners[scene.masks.num_polygons] = (int32_t)scene.masks.num_corners;
        if (i == count) break;
        scene.sides[2 * i] = scene.sides[2 * i + 1] = 0;
        if (random_below(random, 2))
            add_pixels(random, i);
        else
            for (int64_t parts = 1 + random_below(random, 3); parts > 0; parts--)
                add_polygon(random, 1 + random_below(random, i == 0 ? 99 : 12),
                            random_between(random, 1, 50));
    }
}

static void make_regions(struct random *random, int64_t count) {
    scene.regions = (struct mask_regions){count, scene.boxes, scene.truths};
    for (int64_t i = 0; i < count; i++) {
        float *box = scene.boxes + 4 * i;
        box[0] = (float)random_between(random, -9, WIDTH - 1);
        box[1] = (float)random_between(random, -9, HEIGHT - 1);
        box[2] = box[0] + (float)random_between(random, 0, i % 7 ? 70 : 0.2);
        box[3] = box[1] + (float)random_between(random, 0, 90);
        scene.truths[i] = (int32_t)random_below(random, scene.masks.count);
    }
}

// ---- The references ----

// The changes of each column of pixels that a walk has noted, and where it stands.
struct walk {
    int num_changes[MASK_TARGETS_MAX_SIZE * MASK_TARGETS_MAX_SIZE + 1];
    int64_t size;
    bool began;
    int x, y;
};

static void step_to(struct walk *walk, int x, int y) {
    int old_x = walk->x;
    int old_y = walk->y;
    bool is_first = !walk->began;
    walk->began = true;
    walk->x = x;
    walk->y = y;
    if (is_first || x == old_x) return;
    double column = ((x < old_x ? x : x - 1) + 0.5) / 5 - 0.5;
    if (floor(column) != column || column < 0 || column > (double)walk->size - 1) return;
    double row = ((y < old_y ? y : old_y) + 0.5) / 5 - 0.5;
    row = ceil(fmin(fmax(row, 0), (double)walk->size));
    walk->num_changes[(int64_t)column * walk->size + (int64_t)row]++;
}

// All grid points from one corner to the next, both included.
static void walk_edge(struct walk *walk, const int from[2], const int to[2]) {
    int dx = abs(to[0] - from[0]);
    int dy = abs(to[1] - from[1]);
    bool along_x = dx >= dy;
    bool flip = along_x ? from[0] > to[0] : from[1] > to[1];
    const int *low = flip ? to : from;
    const int *high = flip ? from : to;
    int steps = along_x ? dx : dy;
    double slope = along_x ? (double)(high[1] - low[1]) / dx : (double)(high[0] - low[0]) / dy;
    for (int d = 0; d <= steps; d++) {
        int t = flip ? steps - d : d;
        double other = steps ? slope * t : 0;
        if (along_x)
            step_to(walk, t + low[0], (int)(low[1] + other + 0.5));
        else
            step_to(walk, (int)(low[0] + other + 0.5), t + low[1]);
    }
}

// One polygon in grid points, drawn over what is there.
static void draw(int (*corners)[2], int64_t count, int64_t size, uint8_t *pixels) {
    static struct walk walk;
    walk = (struct walk){.size = size};
    for (int64_t i = 0; i < count; i++)
        walk_edge(&walk, corners[i], corners[(i + 1) % count]);
    int sum = 0;
    for (int64_t i = 0; i < size * size; i++) {
        sum += walk.num_changes[i];
        if (sum % 2) pixels[i % size * size + i / size] = 1;
    }
}

static void draw_region(int64_t region, int64_t size, uint8_t *pixels) {
    const float *box = scene.boxes + 4 * region;
    int32_t truth = scene.truths[region];
    memset(pixels, 0, (size_t)(size * size));
    for (int32_t j = scene.polygons[truth]; j < scene.polygons[truth + 1]; j++) {
        static int corners[MAX_CORNERS][2];
        int64_t first = scene.corners[j];
        int64_t count = scene.corners[j + 1] - first;
        for (int64_t i = 0; i < 2 * count; i++) {
            double side = fmax((double)(box[i % 2 + 2] - box[i % 2]), 0.1);
            double at = (scene.points[2 * first + i] - (double)box[i % 2]) * ((double)size / side);
            corners[i / 2][i % 2] = (int)(5 * at + 0.5);
        }
        draw(corners, count, size, pixels);
    }
}

static double read_pixels(int32_t truth, double y, double x) {
    if (y < -1 || y > HEIGHT || x < -1 || x > WIDTH) return 0;
    y = fmin(fmax(y, 0), HEIGHT - 1);
    x = fmin(fmax(x, 0), WIDTH - 1);
    int row = (int)y;
    int column = (int)x;
    int next_row = row + 1 < HEIGHT ? row + 1 : row;
    int next_column = column + 1 < WIDTH ? column + 1 : column;
    uint8_t(*p)[WIDTH] = scene.pixels[truth];
    double down = y - row;
    double across = x - column;
    return (1 - down) * ((1 - across) * p[row][column] + across * p[row][next_column]) +
           down * ((1 - across) * p[next_row][column] + across * p[next_row][next_column]);
}

static double mean_of_bin(int64_t region, int64_t size, bool aligned, int64_t p, int64_t q) {
    const float *box = scene.boxes + 4 * region;
    double start[2];
    double bin[2];
    int samples[2];
    double sum = 0;
    for (int axis = 0; axis < 2; axis++) {
        double side = (double)(box[axis + 2] - box[axis]);
        start[axis] = (double)box[axis] - (aligned ? 0.5 : 0);
        bin[axis] = (aligned ? side : fmax(side, 1)) / (double)size;
        samples[axis] = (int)ceil(bin[axis]);
    }
    for (int i = 0; i < samples[1]; i++)
        for (int j = 0; j < samples[0]; j++)
            sum += read_pixels(scene.truths[region],
                               start[1] + ((double)p + (i + 0.5) / samples[1]) * bin[1],
                               start[0] + ((double)q + (j + 0.5) / samples[0]) * bin[0]);
    return samples[0] * samples[1] > 0 ? sum / (samples[0] * samples[1]) : 0;
}

// ---- Comparing ----

static void expect_region(const float *target, int64_t region, int64_t size, bool aligned) {
    int32_t truth = scene.truths[region];
    int64_t num_wrong = 0;
    uint8_t pixels[MASK_TARGETS_MAX_SIZE * MASK_TARGETS_MAX_SIZE];
    bool is_drawn = scene.polygons[truth] < scene.polygons[truth + 1];
    if (is_drawn) draw_region(region, size, pixels);
    for (int64_t i = 0; i < size * size; i++) {
        double expected =
            is_drawn ? (double)pixels[i] : mean_of_bin(region, size, aligned, i / size, i % size);
        if (aligned && fabs(expected - 0.5) < 1e-5) continue; // rounding decides
        if (aligned) expected = expected >= 0.5;
        num_wrong += fabs((double)target[i] - expected) > (aligned || is_drawn ? 0 : 2e-5);
    }
    EXPECT_INT(num_wrong, 0);
}

static void run(struct nn *nn, int64_t size, bool aligned, float *targets) {
    struct error err;
    mask_targets_forward(nn, &scene.masks, &scene.regions, size, aligned, targets);
    EXPECT_OK(nn_status(nn, &err), &err);
}

static void compare(int64_t size, bool aligned) {
    enum { MAX_TARGETS = MAX_REGIONS * MASK_TARGETS_MAX_SIZE * MASK_TARGETS_MAX_SIZE };
    static float got[MAX_TARGETS];
    static float on_cpu[MAX_TARGETS];
    struct nn *cpu = NULL;
    struct error err;
    int64_t count = scene.regions.count * size * size;
    run(fresh_nn(), size, aligned, got);
    REQUIRE(nn_create(&cpu, &(struct nn_options){.num_threads = 1}, &err) == STATUS_OK);
    run(cpu, size, aligned, on_cpu);
    nn_destroy(cpu);
    EXPECT(equal_bits(got, on_cpu, (size_t)count * sizeof *got));
    for (int64_t i = 0; i < scene.regions.count; i++)
        expect_region(got + i * size * size, i, size, aligned);
}

static void both_kinds(void) {
    static const int64_t sizes[] = {28, 14, 56, 64, 1};
    for (uint64_t seed = 0; seed < 5; seed++) {
        struct random random = random_stream(seed, 5);
        make_masks(&random, MAX_MASKS);
        make_regions(&random, 20);
        compare(sizes[seed], true);
        compare(sizes[seed], false);
    }
}

static void nothing(void) {
    static const float box[] = {3, 4, 30, 40};
    static const int32_t zeros[2] = {0};
    float targets[9] = {7};
    scene.regions = (struct mask_regions){0};
    scene.masks = (struct packed_masks){
        .polygons = zeros, .corners = zeros, .runs = zeros, .sides = zeros, .words = zeros};
    run(fresh_nn(), 3, true, targets);
    EXPECT_NEAR((double)targets[0], 7, 0);
    // A mask of no pixels, as of an object whose polygons were all dropped.
    scene.regions = (struct mask_regions){1, box, zeros};
    scene.masks.count = 1;
    run(fresh_nn(), 3, false, targets);
    for (int i = 0; i < 9; i++)
        EXPECT_NEAR((double)targets[i], 0, 0);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"both kinds", both_kinds},
                         {"nothing", nothing},
                         {0},
                     });
}
