// rle_to_rings: what the rings enclose is the mask, each connected piece has one outer ring, and
// each hole belongs to the piece round it.
#include "base/random.h"
#include "data/polygon.h"
#include "tests/harness.h"

static struct arena arena;
static struct error err;

enum { MAX_SIDE = 24 };

struct grid {
    int height, width;
    uint8_t pixels[MAX_SIDE][MAX_SIDE];
    int piece[MAX_SIDE][MAX_SIDE]; // number of the connected piece; 0 where not yet known
};

static struct rle encode(const struct grid *grid) {
    uint8_t mask[MAX_SIDE * MAX_SIDE];
    for (int y = 0; y < grid->height; y++)
        memcpy(mask + y * grid->width, grid->pixels[y], (size_t)grid->width);
    struct rle rle;
    EXPECT_OK(rle_encode(&rle, mask, grid->height, grid->width, &arena, &err), &err);
    return rle;
}

// Numbers pixels of the value of the one at x, y that are connected with it, corners included or
// not.
static void flood(struct grid *grid, int x, int y, bool corners, int number) {
    int stack[MAX_SIDE * MAX_SIDE][2] = {{x, y}};
    int size = 1;
    uint8_t value = grid->pixels[y][x];
    grid->piece[y][x] = number;
    while (size) {
        size--;
        int from_x = stack[size][0];
        int from_y = stack[size][1];
        for (int i = 0; i < 9; i++) {
            int dx = i % 3 - 1;
            int dy = i / 3 - 1;
            if (!corners && dx && dy) continue;
            int to_x = from_x + dx;
            int to_y = from_y + dy;
            if (to_x < 0 || to_x >= grid->width || to_y < 0 || to_y >= grid->height) continue;
            if (grid->piece[to_y][to_x] || grid->pixels[to_y][to_x] != value) continue;
            grid->piece[to_y][to_x] = number;
            stack[size][0] = to_x;
            stack[size++][1] = to_y;
        }
    }
}

// Numbers all pieces, positive for the object, negative for the background. Returns how many pieces
// the object has and how many pieces of background it encloses.
static void number_pieces(struct grid *grid, int64_t *num_pieces, int64_t *num_holes) {
    memset(grid->piece, 0, sizeof grid->piece);
    *num_pieces = *num_holes = 0;
    for (int y = 0; y < grid->height; y++) {
        for (int x = 0; x < grid->width; x++) {
            bool at_border = !x || !y || x == grid->width - 1 || y == grid->height - 1;
            if (at_border && !grid->pixels[y][x] && !grid->piece[y][x]) flood(grid, x, y, true, -1);
        }
    }
    for (int y = 0; y < grid->height; y++) {
        for (int x = 0; x < grid->width; x++) {
            if (grid->piece[y][x]) continue;
            if (grid->pixels[y][x])
                flood(grid, x, y, false, (int)++*num_pieces);
            else
                flood(grid, x, y, true, -1 - (int)++*num_holes);
        }
    }
}

static double signed_area(const struct polygon *polygon) {
    double area = 0;
    for (int64_t i = 0; i < polygon->num_points; i++) {
        const double *from = polygon->points + 2 * i;
        const double *to = polygon->points + 2 * ((i + 1) % polygon->num_points);
        area += (from[0] * to[1] - to[0] * from[1]) / 2;
    }
    return area;
}

// Marks the pixels to the right of each vertical edge; what is marked an odd number of times is in.
static void toggle_ring(struct grid *grid, const struct polygon *polygon) {
    for (int64_t i = 0; i < polygon->num_points; i++) {
        const double *from = polygon->points + 2 * i;
        const double *to = polygon->points + 2 * ((i + 1) % polygon->num_points);
        EXPECT((from[0] == to[0]) != (from[1] == to[1])); // along the grid, and of some length
        if (from[0] != to[0]) continue;
        int top = (int)(from[1] < to[1] ? from[1] : to[1]);
        int bottom = (int)(from[1] < to[1] ? to[1] : from[1]);
        for (int y = top; y < bottom; y++) {
            for (int x = (int)from[0]; x < grid->width; x++)
                grid->pixels[y][x] ^= 1;
        }
    }
}

static void check_parent(const struct grid *grid, const struct ring *rings, int64_t i) {
    const double *corner = rings[i].polygon.points;
    double area = signed_area(&rings[i].polygon);
    if (rings[i].parent < 0) {
        EXPECT_INT(rings[i].parent, -1);
        EXPECT(area > 0);
        return;
    }
    EXPECT(area < 0);
    EXPECT(rings[i].parent < i);
    EXPECT_INT(rings[i - 1].parent < 0 ? i - 1 : rings[i - 1].parent, rings[i].parent);
    // Above the first corner of the hole is the object, and so is right below that of the piece.
    const double *outer = rings[rings[i].parent].polygon.points;
    EXPECT_INT(grid->piece[(int)corner[1] - 1][(int)corner[0]],
               grid->piece[(int)outer[1]][(int)outer[0]]);
}

static void check_rings(struct grid *grid) {
    int64_t num_pieces, num_holes, count;
    struct ring *rings = NULL;
    struct rle rle = encode(grid);
    EXPECT_OK(rle_to_rings(&rle, &rings, &count, &arena, &err), &err);
    number_pieces(grid, &num_pieces, &num_holes);
    struct grid filled = {.height = grid->height, .width = grid->width};
    int64_t num_outer = 0;
    double area = 0;
    for (int64_t i = 0; i < count; i++) {
        toggle_ring(&filled, &rings[i].polygon);
        check_parent(grid, rings, i);
        num_outer += rings[i].parent < 0;
        area += signed_area(&rings[i].polygon);
    }
    EXPECT(memcmp(filled.pixels, grid->pixels, sizeof filled.pixels) == 0);
    EXPECT_INT(num_outer, num_pieces);
    EXPECT_INT(count - num_outer, num_holes);
    EXPECT_NEAR(area, (double)rle_area(&rle), 0);
}

static void encloses_random_masks(void) {
    struct random random = random_stream(1, 0);
    for (int i = 0; i < 2000; i++) {
        struct grid grid = {.height = 1 + (int)random_below(&random, MAX_SIDE),
                            .width = 1 + (int)random_below(&random, MAX_SIDE)};
        double density = random_uniform(&random);
        for (int y = 0; y < grid.height; y++) {
            for (int x = 0; x < grid.width; x++)
                grid.pixels[y][x] = random_uniform(&random) < density;
        }
        check_rings(&grid);
    }
}

static void parse(struct grid *grid, const char *const *rows, int height) {
    *grid = (struct grid){.height = height, .width = (int)strlen(rows[0])};
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < grid->width; x++)
            grid->pixels[y][x] = rows[y][x] == '#';
    }
}

static void expect_points(const struct polygon *polygon, const double *points, int64_t num_points) {
    EXPECT_INT(polygon->num_points, num_points);
    EXPECT(polygon->num_points == num_points &&
           memcmp(polygon->points, points, (size_t)num_points * 2 * sizeof *points) == 0);
}

static void draws_nested_rings(void) {
    struct grid grid;
    parse(&grid,
          (const char *[]){"#######", "#.....#", "#.###.#", "#.#.#.#", "#.###.#", "#.....#",
                           "#######"},
          7);
    check_rings(&grid);
    struct rle rle = encode(&grid);
    struct ring *rings = NULL;
    int64_t count;
    EXPECT_OK(rle_to_rings(&rle, &rings, &count, &arena, &err), &err);
    REQUIRE(count == 4);
    EXPECT_INT(rings[0].parent, -1);
    EXPECT_INT(rings[1].parent, 0);
    EXPECT_INT(rings[2].parent, -1);
    EXPECT_INT(rings[3].parent, 2);
    // Clockwise, y pointing down, from the top left corner; holes the other way.
    expect_points(&rings[0].polygon, (double[]){0, 0, 7, 0, 7, 7, 0, 7}, 4);
    expect_points(&rings[1].polygon, (double[]){1, 1, 1, 6, 6, 6, 6, 1}, 4);
    expect_points(&rings[3].polygon, (double[]){3, 3, 3, 4, 4, 4, 4, 3}, 4);
}

// Two pixels that touch at a corner are two pieces; two holes that do are one.
static void parts_at_corners(void) {
    struct grid grid;
    struct ring *rings = NULL;
    int64_t count;
    parse(&grid, (const char *[]){"#.", ".#"}, 2);
    struct rle rle = encode(&grid);
    EXPECT_OK(rle_to_rings(&rle, &rings, &count, &arena, &err), &err);
    REQUIRE(count == 2);
    expect_points(&rings[0].polygon, (double[]){0, 0, 1, 0, 1, 1, 0, 1}, 4);
    expect_points(&rings[1].polygon, (double[]){1, 1, 2, 1, 2, 2, 1, 2}, 4);
    parse(&grid, (const char *[]){"####", "#.##", "##.#", "####"}, 4);
    rle = encode(&grid);
    EXPECT_OK(rle_to_rings(&rle, &rings, &count, &arena, &err), &err);
    REQUIRE(count == 2);
    expect_points(&rings[1].polygon, (double[]){1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 2, 2, 2, 2, 1}, 8);
}

static void draws_nothing(void) {
    struct rle rle = {3, 4, 1, (uint32_t[]){12}};
    struct ring *rings = NULL;
    int64_t count = 1;
    EXPECT_OK(rle_to_rings(&rle, &rings, &count, &arena, &err), &err);
    EXPECT_INT(count, 0);
}

// The size of the canvas costs nothing but a step for each column.
static void draws_on_the_largest_canvas(void) {
    uint32_t num_pixels = (uint32_t)RLE_MAX_SIDE * RLE_MAX_SIDE;
    struct rle rle = {RLE_MAX_SIDE, RLE_MAX_SIDE, 4, (uint32_t[]){1, 0, 0, num_pixels - 1}};
    struct ring *rings = NULL;
    int64_t count;
    EXPECT_OK(rle_to_rings(&rle, &rings, &count, &arena, &err), &err);
    REQUIRE(count == 1);
    expect_points(
        &rings[0].polygon,
        (double[]){0, 1, 1, 1, 1, 0, RLE_MAX_SIDE, 0, RLE_MAX_SIDE, RLE_MAX_SIDE, 0, RLE_MAX_SIDE},
        6);
    struct arena small;
    arena_init(&small, 64, 1 << 16);
    EXPECT_STATUS(rle_to_rings(&rle, &rings, &count, &small, &err), STATUS_MEMORY, &err);
    arena_destroy(&small);
}

int main(int argc, char **argv) {
    arena_init(&arena, 1 << 16, 0);
    int status =
        run_cases(argc, argv,
                  (struct test_case[]){{"encloses_random_masks", encloses_random_masks},
                                       {"draws_nested_rings", draws_nested_rings},
                                       {"parts_at_corners", parts_at_corners},
                                       {"draws_nothing", draws_nothing},
                                       {"draws_on_the_largest_canvas", draws_on_the_largest_canvas},
                                       {0}});
    arena_destroy(&arena);
    return status;
}
