#include "detector/paste.h"

#include <math.h>

#include "base/random.h"
#include "tests/harness.h"

enum { MAX_SIZE = 64, MAX_PIXELS = 400 * 400 };

static struct arena arena;
static float mask[MAX_SIZE * MAX_SIZE];
static double values[MAX_PIXELS]; // of the image's pixels, before the threshold
static uint8_t pixels[MAX_PIXELS];

enum kind { SMOOTH, NOISE, CHECKERS, FULL, NUM_KINDS };

static void fill_mask(enum kind kind, int64_t size, struct random *random) {
    for (int64_t y = 0; y < size; y++) {
        for (int64_t x = 0; x < size; x++) {
            double value = 1;
            if (kind == SMOOTH) value = 0.5 + 0.5 * sin(0.7 * (double)x) * cos(0.4 * (double)y + 1);
            if (kind == NOISE) value = random_uniform(random);
            if (kind == CHECKERS) value = (double)((x + y) % 2);
            mask[y * size + x] = (float)value;
        }
    }
}

// ---- The rules, pixel by pixel over the whole image, in double ----

static double cell(int64_t size, int64_t y, int64_t x) {
    return x < 0 || y < 0 || x >= size || y >= size ? 0 : (double)mask[y * size + x];
}

// Bilinear between cells; outside of the mask there are zeros.
static double read_mask(int64_t size, double y, double x) {
    double top = floor(y);
    double left = floor(x);
    int64_t iy = (int64_t)top;
    int64_t ix = (int64_t)left;
    double down = y - top;
    double right = x - left;
    return (1 - down) * ((1 - right) * cell(size, iy, ix) + right * cell(size, iy, ix + 1)) +
           down * ((1 - right) * cell(size, iy + 1, ix) + right * cell(size, iy + 1, ix + 1));
}

static void pixel_centres(int64_t size, const float box[4], struct extent image) {
    double width = (double)box[2] - (double)box[0];
    double height = (double)box[3] - (double)box[1];
    for (int32_t y = 0; y < image.height; y++) {
        double v = (y + 0.5 - (double)box[1]) / height * (double)size - 0.5;
        for (int32_t x = 0; x < image.width; x++) {
            double u = (x + 0.5 - (double)box[0]) / width * (double)size - 0.5;
            bool near = u > -1 && v > -1 && u < (double)size && v < (double)size;
            values[y * image.width + x] = near ? read_mask(size, v, u) : 0;
        }
    }
}

// Where a pixel of an enlarged axis is read: half-pixel centres, cut to the first and last cell.
static double source(int32_t at, double first, double length, double size) {
    double position = (at - first + 0.5) * size / length - 0.5;
    return fmin(fmax(position, 0), size - 1);
}

static void whole_boxes(int64_t size, const float box[4], struct extent image) {
    double first[2];
    double last[2];
    double padded = (double)(size + 2);
    for (int i = 0; i < 2; i++) {
        double centre = ((double)box[i] + (double)box[i + 2]) / 2;
        double half = ((double)box[i + 2] - (double)box[i]) / 2 * padded / (double)size;
        first[i] = trunc(centre - half);
        last[i] = trunc(centre + half);
    }
    for (int32_t y = 0; y < image.height; y++) {
        for (int32_t x = 0; x < image.width; x++) {
            double *value = &values[y * image.width + x];
            *value = 0;
            if (x < first[0] || x > last[0] || y < first[1] || y > last[1]) continue;
            double u = source(x, first[0], last[0] - first[0] + 1, padded);
            double v = source(y, first[1], last[1] - first[1] + 1, padded);
            *value = read_mask(size, v - 1, u - 1);
        }
    }
}

// ---- Comparison ----

static void expect_valid(const struct rle *rle, struct extent image) {
    EXPECT_INT(rle->height, image.height);
    EXPECT_INT(rle->width, image.width);
    int64_t sum = 0;
    for (int64_t i = 0; i < rle->num_runs; i++) {
        EXPECT(i == 0 || rle->runs[i] > 0);
        sum += rle->runs[i];
    }
    EXPECT_INT(sum, (int64_t)image.height * image.width);
}

// Pixels within slack of the threshold may fall on either side. Returns how many are set.
static int64_t check(enum paste_rule rule, int64_t size, const float box[4], struct extent image,
                     double slack) {
    struct error err;
    struct rle rle;
    arena_destroy(&arena);
    arena_init(&arena, 1 << 16, 0);
    EXPECT_OK(paste_mask(rule, mask, size, box, image, &arena, &rle, &err), &err);
    expect_valid(&rle, image);
    REQUIRE(image.height * image.width <= MAX_PIXELS);
    rle_decode(&rle, pixels);
    (rule == PASTE_PIXEL_CENTRES ? pixel_centres : whole_boxes)(size, box, image);
    int64_t num_wrong = 0;
    int64_t num_set = 0;
    for (int64_t i = 0; i < image.height * image.width; i++) {
        bool set = values[i] >= 0.5;
        num_set += pixels[i];
        num_wrong += pixels[i] != set && fabs(values[i] - 0.5) > slack;
    }
    EXPECT_INT(num_wrong, 0);
    return num_set;
}

static const enum paste_rule RULES[] = {PASTE_PIXEL_CENTRES, PASTE_WHOLE_BOXES};

// Boxes of all sizes, many of them partly outside.
static void random_boxes(void) {
    struct random random = random_stream(1, 1);
    for (int i = 0; i < 300; i++) {
        struct extent image = {(int32_t)(1 + random_below(&random, 150)),
                               (int32_t)(1 + random_below(&random, 150))};
        int64_t size = i % 4 ? 28 : 1 + random_below(&random, MAX_SIZE);
        fill_mask((enum kind)(i % NUM_KINDS), size, &random);
        float box[4];
        for (int j = 0; j < 2; j++) {
            double side = j ? image.height : image.width;
            box[j] = (float)random_between(&random, -0.3 * side, side);
            box[j + 2] = box[j] + (float)random_between(&random, 0.05 * side + 1, 1.2 * side);
        }
        for (int rule = 0; rule < 2; rule++)
            check(RULES[rule], size, box, image, 2e-4);
    }
}

static void whole_image(void) {
    struct random random = random_stream(2, 1);
    static const struct extent IMAGES[] = {{1, 1}, {1, 90}, {90, 1}, {28, 28}, {301, 399}};
    for (int kind = 0; kind < NUM_KINDS; kind++) {
        fill_mask((enum kind)kind, 28, &random);
        for (size_t i = 0; i < sizeof IMAGES / sizeof IMAGES[0]; i++) {
            const float box[] = {0, 0, (float)IMAGES[i].width, (float)IMAGES[i].height};
            for (int rule = 0; rule < 2; rule++)
                check(RULES[rule], 28, box, IMAGES[i], 2e-4);
        }
    }
}

// A mask of ones fills its box: exactly the pixels whose centres lie inside of it.
static void full(void) {
    fill_mask(FULL, 28, NULL);
    const struct extent image = {60, 80};
    const float box[] = {10, 20, 50, 45};
    EXPECT_INT(check(PASTE_PIXEL_CENTRES, 28, box, image, 0), 40 * 25);
    const float half[] = {10.4f, 20.6f, 49.6f, 44.4f};
    EXPECT_INT(check(PASTE_PIXEL_CENTRES, 28, half, image, 0), 40 * 23);
    const float beyond[] = {-100, -100, 200, 200};
    EXPECT_INT(check(PASTE_PIXEL_CENTRES, 28, beyond, image, 0), 80 * 60);
    EXPECT_INT(check(PASTE_WHOLE_BOXES, 28, beyond, image, 0), 80 * 60);
}

static void tiny_boxes(void) {
    struct random random = random_stream(3, 1);
    const struct extent image = {40, 50};
    for (int i = 0; i < 200; i++) {
        fill_mask(i % 2 ? FULL : SMOOTH, 28, &random);
        float box[4];
        for (int j = 0; j < 2; j++) {
            box[j] = (float)random_between(&random, 0, 39);
            box[j + 2] = box[j] + (float)random_between(&random, 1e-2, 1);
        }
        for (int rule = 0; rule < 2; rule++)
            EXPECT(check(RULES[rule], 28, box, image, 0.05) <= 9);
    }
}

// Beyond each of the four borders: no pixel, and still a mask of the image's size.
static void outside(void) {
    static const float BOXES[][4] = {
        {-90, 5, -40, 30},  {5, -90, 30, -40},     {200, 5, 260, 30},   {5, 200, 30, 260},
        {99, 99, 120, 120}, {-4e9f, 5, -3e9f, 30}, {5, 3e9f, 30, 4e9f},
    };
    fill_mask(FULL, 28, NULL);
    for (size_t i = 0; i < sizeof BOXES / sizeof BOXES[0]; i++)
        for (int rule = 0; rule < 2; rule++)
            EXPECT_INT(check(RULES[rule], 28, BOXES[i], (struct extent){60, 70}, 0), 0);
}

static void wrong_size(void) {
    struct error err;
    struct rle rle;
    const float box[] = {0, 0, 5, 5};
    arena_destroy(&arena);
    arena_init(&arena, 1 << 16, 0);
    EXPECT_STATUS(paste_mask(PASTE_PIXEL_CENTRES, mask, 28, box, (struct extent){70000, 5}, &arena,
                             &rle, &err),
                  STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message, "70000 x 5");
    arena_destroy(&arena);
}

static void little_memory(void) {
    struct error err;
    struct rle rle;
    const float box[] = {0, 0, 300, 300};
    fill_mask(CHECKERS, 28, NULL);
    int num_failed = 0;
    arena_destroy(&arena);
    for (int64_t limit = 128; limit < 1 << 17; limit *= 2) {
        arena_init(&arena, 64, limit);
        enum status status = paste_mask(PASTE_WHOLE_BOXES, mask, 28, box, (struct extent){300, 300},
                                        &arena, &rle, &err);
        EXPECT(status == STATUS_OK || status == STATUS_MEMORY);
        num_failed += status == STATUS_MEMORY;
        arena_destroy(&arena);
    }
    EXPECT(num_failed > 0);
}

int main(int argc, char **argv) {
    int status = run_cases(argc, argv,
                           (struct test_case[]){
                               {"random boxes", random_boxes},
                               {"whole image", whole_image},
                               {"full", full},
                               {"tiny boxes", tiny_boxes},
                               {"outside", outside},
                               {"wrong size", wrong_size},
                               {"little memory", little_memory},
                               {0},
                           });
    arena_destroy(&arena);
    return status;
}
