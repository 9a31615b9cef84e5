#include "data/simplify.h"

#include <math.h>

#include "tests/harness.h"

static struct arena arena;
static struct error err;

static void leaves_corners_alone(void) {
    static const double SQUARE[] = {0, 0, 10, 0, 10, 10, 0, 10};
    struct polygon simple;
    EXPECT_OK(polygon_simplify(&simple, &(struct polygon){SQUARE, 4}, 1, &arena, &err), &err);
    EXPECT_INT(simple.num_points, 4);
    EXPECT(equal_bits(simple.points, SQUARE, sizeof SQUARE));
    EXPECT_OK(polygon_simplify(&simple, &(struct polygon){SQUARE, 0}, 1, &arena, &err), &err);
    EXPECT_INT(simple.num_points, 0);
}

// A square whose side goes up in steps of one pixel, each of them within a pixel of the diagonal.
static void smooths_steps(void) {
    enum { STEPS = 20 };
    double points[2 * (2 * STEPS + 2)];
    int64_t count = 0;
    for (int i = 0; i < STEPS; i++) {
        const double step[] = {i, i, i + 1, i};
        memcpy(points + 2 * count, step, sizeof step);
        count += 2;
    }
    const double rest[] = {STEPS, STEPS, 0, STEPS};
    memcpy(points + 2 * count, rest, sizeof rest);
    count += 2;
    struct polygon simple;
    EXPECT_OK(polygon_simplify(&simple, &(struct polygon){points, count}, 1, &arena, &err), &err);
    EXPECT(simple.num_points >= 3 && simple.num_points <= 5);
    EXPECT_OK(polygon_simplify(&simple, &(struct polygon){points, count}, 0.5, &arena, &err), &err);
    EXPECT(simple.num_points > STEPS);
    EXPECT_OK(polygon_simplify(&simple, &(struct polygon){points, count}, 0, &arena, &err), &err);
    EXPECT_INT(simple.num_points, count);
}

static double distance_to_segment(const double *p, const double *a, const double *b) {
    double dx = b[0] - a[0];
    double dy = b[1] - a[1];
    double square = dx * dx + dy * dy;
    double along = square > 0 ? ((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / square : 0;
    along = fmin(fmax(along, 0), 1);
    return hypot(p[0] - a[0] - along * dx, p[1] - a[1] - along * dy);
}

// Every corner of a long and wild ring is within the tolerance of the line drawn.
static void keeps_to_the_tolerance(void) {
    enum { COUNT = 3000 };
    static double points[2 * COUNT];
    for (int i = 0; i < COUNT; i++) {
        double angle = i * 2 * M_PI / COUNT;
        double radius = 100 + 20 * sin(37 * angle) + 3 * sin(911 * angle);
        points[2 * i] = radius * cos(angle);
        points[2 * i + 1] = radius * sin(angle);
    }
    static const double TOLERANCES[] = {0.1, 1, 5};
    int64_t before = COUNT;
    for (int k = 0; k < 3; k++) {
        struct polygon simple;
        EXPECT_OK(polygon_simplify(&simple, &(struct polygon){points, COUNT}, TOLERANCES[k], &arena,
                                   &err),
                  &err);
        EXPECT(simple.num_points < before && simple.num_points >= 3);
        before = simple.num_points;
        for (int64_t i = 0; i < COUNT; i++) {
            double nearest = HUGE_VAL;
            for (int64_t j = 0; j < simple.num_points; j++) {
                const double *b = simple.points + 2 * ((j + 1) % simple.num_points);
                nearest =
                    fmin(nearest, distance_to_segment(points + 2 * i, simple.points + 2 * j, b));
            }
            EXPECT(nearest <= TOLERANCES[k] + 1e-9);
        }
    }
}

int main(int argc, char **argv) {
    arena_init(&arena, 1 << 16, 0);
    int result = run_cases(argc, argv,
                           (struct test_case[]){
                               {"leaves_corners_alone", leaves_corners_alone},
                               {"smooths_steps", smooths_steps},
                               {"keeps_to_the_tolerance", keeps_to_the_tolerance},
                               {0},
                           });
    arena_destroy(&arena);
    return result;
}
