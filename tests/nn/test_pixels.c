#include "nn/pixels/pixels.h"

#include <math.h>

#include "base/random.h"
#include "tests/nn/check_op.h"

enum { MAX_PICTURES = 4 };

static struct arena arena;

// Of bytes, or of floats; channels are reversed, as for networks that take blue first.
static struct pixels_rules rules_of(bool resizes_bytes) {
    struct pixels_rules rules = {.resizes_bytes = resizes_bytes, .source = {2, 1, 0}};
    for (int c = 0; c < 3; c++)
        for (int v = 0; v < PIXELS_BYTE_VALUES; v++)
            rules.values[c][v] = ((float)v / 255 - 0.4F) / (0.2F + 0.01F * (float)c);
    return rules;
}

static struct pixels_picture random_picture(int32_t width, int32_t height, struct crop crop) {
    int64_t bytes = 3 * (int64_t)width * height;
    uint8_t *pixels = arena_alloc(&arena, bytes, 1);
    struct random random = random_stream((uint64_t)width * 1000 + (uint64_t)height, 1);
    REQUIRE(pixels != NULL);
    for (int64_t i = 0; i < bytes; i++)
        pixels[i] = (uint8_t)random_below(&random, 256);
    return (struct pixels_picture){pixels, width, height, crop};
}

static struct crop whole(int32_t width, int32_t height) {
    return (struct crop){.resized = {height, width}, .extent = {height, width}};
}

// Of the tested device, which is done with it.
static struct tensor *input_of(const struct pixels_rules *rules,
                               const struct pixels_picture *pictures, int64_t count,
                               struct extent padded) {
    struct nn *nn = fresh_nn();
    const struct pixels pixels = {rules, pictures, count, padded, &arena};
    struct tensor *input = pixels_forward(nn, &pixels);
    struct error err;
    EXPECT_OK(nn_status(nn, &err), &err);
    REQUIRE(input->n == count && input->h == padded.height && input->w == padded.width);
    REQUIRE(input->c == 3 && (input->data || count == 0));
    return input;
}

// ---- What the processor computes ----

static void expect_as_processor(const struct pixels_rules *rules,
                                const struct pixels_picture *pictures, int64_t count,
                                struct extent padded) {
    int64_t plane_floats = 3 * (int64_t)padded.height * padded.width;
    struct tensor *input = input_of(rules, pictures, count, padded);
    float *expected = arena_alloc(&arena, plane_floats, sizeof *expected);
    REQUIRE(expected != NULL);
    for (int64_t i = 0; i < count; i++) {
        struct error err;
        const float *got = input->data + i * plane_floats;
        EXPECT_OK(pixels_fill(rules, &pictures[i], padded, expected, &arena, &err), &err);
        EXPECT(equal_bits(got, expected, (size_t)plane_floats * sizeof *got));
    }
}

static void one_by_one(void) {
    static const int32_t SIZES[][4] = {
        {64, 48, 64, 48}, {64, 48, 107, 80}, {107, 80, 64, 48}, {100, 75, 27, 20}, {1, 1, 7, 5},
        {1, 40, 1, 7},    {40, 1, 7, 1},     {33, 17, 33, 51},  {33, 17, 90, 17},  {5, 3, 1, 1},
    };
    for (int bytes = 0; bytes < 2; bytes++) {
        struct pixels_rules rules = rules_of(bytes);
        for (size_t i = 0; i < sizeof SIZES / sizeof *SIZES; i++) {
            const int32_t *s = SIZES[i];
            struct pixels_picture picture = random_picture(s[0], s[1], whole(s[2], s[3]));
            expect_as_processor(&rules, &picture, 1, (struct extent){s[3] + 3, s[2] + 5});
            expect_as_processor(&rules, &picture, 1, (struct extent){s[3], s[2]});
        }
    }
}

static void parts(void) {
    static const struct crop CROPS[] = {
        {{64, 90}, 5, 20, {40, 61}},  {{64, 90}, 24, 0, {40, 90}}, {{48, 70}, 0, 30, {32, 40}},
        {{30, 20}, 29, 19, {1, 1}},   {{30, 20}, 7, 3, {20, 15}},  {{48, 70}, 47, 0, {1, 70}},
        {{96, 140}, 10, 1, {64, 96}},
    };
    for (int bytes = 0; bytes < 2; bytes++) {
        struct pixels_rules rules = rules_of(bytes);
        for (size_t i = 0; i < sizeof CROPS / sizeof *CROPS; i++) {
            struct pixels_picture picture = random_picture(70, 48, CROPS[i]);
            expect_as_processor(&rules, &picture, 1, (struct extent){64, 96});
        }
    }
}

// Some as they are, some resized, of different sizes.
static void batch(void) {
    const struct pixels_picture pictures[MAX_PICTURES] = {
        random_picture(50, 41, whole(60, 49)),
        random_picture(62, 40, whole(62, 40)),
        random_picture(200, 150, whole(64, 48)),
        random_picture(31, 33, (struct crop){{70, 66}, 5, 3, {64, 60}}),
    };
    for (int bytes = 0; bytes < 2; bytes++) {
        struct pixels_rules rules = rules_of(bytes);
        expect_as_processor(&rules, pictures, MAX_PICTURES, (struct extent){64, 64});
    }
    struct pixels_rules rules = rules_of(true);
    input_of(&rules, pictures, 0, (struct extent){32, 32});
}

// ---- What others compute ----

static struct pixels_rules plain_rules(bool resizes_bytes) {
    struct pixels_rules rules = {.resizes_bytes = resizes_bytes, .source = {0, 1, 2}};
    for (int c = 0; c < 3; c++)
        for (int v = 0; v < PIXELS_BYTE_VALUES; v++)
            rules.values[c][v] = (float)v;
    return rules;
}

// The values are those of OpenCV's resize (INTER_LINEAR) of floats, which shares torch's
// convention.
static void floats_as_opencv(void) {
    static const float enlarged[4][5][3] = {
        {{0, 5, 10}, {1.6F, 6.6F, 7.2F}, {4, 9, 3}, {6.4F, 4.8F, 5.4F}, {8, 2, 7}},
        {{0.25F, 5.25F, 7.5F},
         {1.85F, 6.85F, 5.8F},
         {4.25F, 9.25F, 3.25F},
         {6.65F, 5.05F, 5.65F},
         {8.25F, 2.25F, 7.25F}},
        {{0.75F, 5.75F, 2.5F},
         {2.35F, 7.35F, 3},
         {4.75F, 9.75F, 3.75F},
         {7.15F, 5.55F, 6.15F},
         {8.75F, 2.75F, 7.75F}},
        {{1, 6, 0}, {2.6F, 7.6F, 1.6F}, {5, 10, 4}, {7.4F, 5.8F, 6.4F}, {9, 3, 8}},
    };
    uint8_t source[2 * 3 * 3];
    for (int i = 0; i < 18; i++)
        source[i] = (uint8_t)(i * 5 % 11);
    struct pixels_rules rules = plain_rules(false);
    const struct pixels_picture picture = {source, 3, 2, whole(5, 4)};
    struct tensor *input = input_of(&rules, &picture, 1, (struct extent){6, 7});
    for (int y = 0; y < 6; y++)
        for (int x = 0; x < 7; x++)
            for (int c = 0; c < 3; c++) {
                double expected = y < 4 && x < 5 ? (double)enlarged[y][x][c] : 0;
                EXPECT_NEAR((double)input->data[(y * 7 + x) * 3 + c], expected, 2e-6);
            }
}

// Pillow's filter along one axis of count samples that lie step apart, in double and to the nearest
// whole number.
static double filtered(const double *samples, int64_t count, int64_t step, int64_t at, int64_t to) {
    double scale = (double)count / (double)to;
    double reach = fmax(scale, 1);
    double centre = ((double)at + 0.5) * scale;
    double sum = 0;
    double weights = 0;
    for (int64_t i = 0; i < count; i++) {
        double weight = fmax(1 - fabs(((double)i + 0.5 - centre) / reach), 0);
        weights += weight;
        sum += weight * samples[i * step];
    }
    return floor(sum / weights + 0.5);
}

// Its fixed point rounds the other way now and then.
static void check_filter(int32_t width, int32_t height, int32_t to_width, int32_t to_height) {
    struct pixels_rules rules = plain_rules(true);
    struct pixels_picture picture = random_picture(width, height, whole(to_width, to_height));
    struct tensor *input = input_of(&rules, &picture, 1, picture.crop.extent);
    double *samples = new_doubles(3 * (int64_t)width * height);
    double *wide = new_doubles(3 * (int64_t)to_width * height);
    int64_t num_off = 0;
    for (int64_t i = 0; i < 3 * (int64_t)width * height; i++)
        samples[i] = picture.bytes[i];
    for (int64_t y = 0; y < height; y++)
        for (int64_t i = 0; i < 3 * (int64_t)to_width; i++)
            wide[y * 3 * to_width + i] =
                filtered(samples + y * 3 * width + i % 3, width, 3, i / 3, to_width);
    for (int64_t y = 0; y < to_height; y++)
        for (int64_t i = 0; i < 3 * (int64_t)to_width; i++) {
            double expected = filtered(wide + i, height, 3 * (int64_t)to_width, y, to_height);
            double error = fabs((double)input->data[y * 3 * to_width + i] - expected);
            num_off += error > 0;
            EXPECT(error <= 1);
        }
    EXPECT(num_off * 50 <= 3 * (int64_t)to_width * to_height);
}

static void bytes_as_pillow(void) {
    check_filter(61, 45, 100, 77);
    check_filter(100, 77, 61, 45);
    check_filter(90, 80, 20, 11);
}

int main(int argc, char **argv) {
    arena_init(&arena, 1 << 20, 0);
    int status = run_cases(argc, argv,
                           (struct test_case[]){
                               {"one by one", one_by_one},
                               {"parts", parts},
                               {"batch", batch},
                               {"floats as OpenCV", floats_as_opencv},
                               {"bytes as Pillow", bytes_as_pillow},
                               {0},
                           });
    arena_destroy(&arena);
    return status;
}
