#include "heads/anchors.h"

#include <math.h>

#include "tests/harness.h"

enum { NUM_RATIOS = 3, NUM_SIZES = 5 };

static const double RATIOS[NUM_RATIOS] = {0.5, 1, 2};
static const double SIZES[NUM_SIZES] = {32, 64, 128, 256, 512};

// All boxes lie round the origin, given by half their width and half their height.
static void expect_cells(float cells[][4], double halves[][2], double tolerance) {
    for (int i = 0; i < NUM_RATIOS; i++) {
        EXPECT_NEAR((double)cells[i][0], -halves[i][0], tolerance);
        EXPECT_NEAR((double)cells[i][1], -halves[i][1], tolerance);
        EXPECT_NEAR((double)cells[i][2], halves[i][0], tolerance);
        EXPECT_NEAR((double)cells[i][3], halves[i][1], tolerance);
    }
}

// torchvision 0.14.1: AnchorGenerator(...).cell_anchors.
static void rounded(void) {
    static double halves[NUM_SIZES][NUM_RATIOS][2] = {
        {{23, 11}, {16, 16}, {11, 23}},       {{45, 23}, {32, 32}, {23, 45}},
        {{91, 45}, {64, 64}, {45, 91}},       {{181, 91}, {128, 128}, {91, 181}},
        {{362, 181}, {256, 256}, {181, 362}},
    };
    for (int i = 0; i < NUM_SIZES; i++) {
        float cells[NUM_RATIOS][4];
        anchor_cells(ANCHORS_ROUNDED, SIZES[i], RATIOS, NUM_RATIOS, cells);
        expect_cells(cells, halves[i], 0);
    }
}

// A corner at exactly half a pixel goes to the even one: 4.5 to 4, 5.5 to 6.
static void halves_to_even(void) {
    const double one = 1;
    float cells[1][4];
    anchor_cells(ANCHORS_ROUNDED, 9, &one, 1, cells);
    EXPECT_NEAR((double)cells[0][0], -4, 0);
    EXPECT_NEAR((double)cells[0][3], 4, 0);
    anchor_cells(ANCHORS_ROUNDED, 11, &one, 1, cells);
    EXPECT_NEAR((double)cells[0][1], -6, 0);
    EXPECT_NEAR((double)cells[0][2], 6, 0);
}

// detectron2 0.6: generate_cell_anchors((32,), (0.5, 1, 2)); the other sizes are multiples.
static void exact(void) {
    for (int i = 0; i < NUM_SIZES; i++) {
        double factor = SIZES[i] / 32;
        double halves[NUM_RATIOS][2] = {
            {22.627417 * factor, 11.313708 * factor},
            {16 * factor, 16 * factor},
            {11.313708 * factor, 22.627417 * factor},
        };
        float cells[NUM_RATIOS][4];
        anchor_cells(ANCHORS_EXACT, SIZES[i], RATIOS, NUM_RATIOS, cells);
        expect_cells(cells, halves, 1e-6 * factor);
    }
}

// Any size and ratio: area and shape are what was asked for.
static void area_and_shape(void) {
    const double ratios[] = {0.1, 0.37, 1, 1.9, 30};
    double size = 1;
    for (int step = 0; step < 7; step++) {
        float cells[5][4];
        anchor_cells(ANCHORS_EXACT, size, ratios, 5, cells);
        for (int i = 0; i < 5; i++) {
            double width = (double)cells[i][2] - (double)cells[i][0];
            double height = (double)cells[i][3] - (double)cells[i][1];
            EXPECT_NEAR(height / width, ratios[i], 1e-6 * ratios[i]);
            EXPECT_NEAR(sqrt(width * height), size, 1e-6 * size);
        }
        size *= 3.3;
    }
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"rounded", rounded},
                         {"halves to even", halves_to_even},
                         {"exact", exact},
                         {"area and shape", area_and_shape},
                         {0},
                     });
}
