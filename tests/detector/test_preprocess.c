#include "detector/preprocess.h"

#include <math.h>
#include <stdio.h>

#include "base/random.h"
#include "tests/harness.h"

static struct arena arena;
static struct model_config config;
static struct mask_rcnn model; // of which preprocessing reads the configuration only

static const float STALE = 12345;

// settings: assignments, NULL at the end, as NAME, VALUE, NAME, VALUE.
static void configure(const char *const *settings) {
    struct options options;
    struct error err;
    arena_destroy(&arena);
    arena_init(&arena, 1 << 20, 0);
    REQUIRE(options_init(&options, MODEL_OPTIONS, &config, &arena, &err) == STATUS_OK);
    EXPECT_OK(options_set_text(&options, "classes.names", "thing", (struct option_origin){0}, &err),
              &err);
    for (int i = 0; settings[i]; i += 2)
        EXPECT_OK(options_set_text(&options, settings[i], settings[i + 1],
                                   (struct option_origin){0}, &err),
                  &err);
    EXPECT_OK(model_config_check(&config, &err), &err);
    model = (struct mask_rcnn){
        .config = &config,
        .rules = conventions_of((enum conventions)config.conventions),
    };
}

static struct image random_image(int32_t width, int32_t height) {
    struct image image = {width, height, arena_alloc(&arena, 3 * (int64_t)width * height, 1)};
    struct random random = random_stream((uint64_t)width * 1000 + (uint64_t)height, 1);
    REQUIRE(image.pixels != NULL);
    for (int64_t i = 0; i < 3 * (int64_t)width * height; i++)
        image.pixels[i] = (uint8_t)random_below(&random, 256);
    return image;
}

// ---- The two ways, in double ----

static double normal(const struct image *image, int64_t y, int64_t x, int c) {
    int from = config.input.channel_order == CHANNELS_BGR ? 2 - c : c;
    double value = (double)image->pixels[(y * image->width + x) * 3 + from] / 255;
    return (value * config.input.pixel_range - config.input.mean.items[c]) /
           config.input.std.items[c];
}

struct place {
    int64_t low, high;
    double high_weight;
};

static struct place place_of(int64_t at, int64_t from, int64_t to) {
    double position = fmax(((double)at + 0.5) * (double)from / (double)to - 0.5, 0);
    int64_t low = (int64_t)position;
    return (struct place){low, low + (low < from - 1), position - (double)low};
}

// torchvision: of normalised floats, between the four nearest.
static double resized_float(const struct image *image, struct extent to, int64_t y, int64_t x,
                            int c) {
    struct place down = place_of(y, image->height, to.height);
    struct place right = place_of(x, image->width, to.width);
    double top = (1 - right.high_weight) * normal(image, down.low, right.low, c) +
                 right.high_weight * normal(image, down.low, right.high, c);
    double bottom = (1 - right.high_weight) * normal(image, down.high, right.low, c) +
                    right.high_weight * normal(image, down.high, right.high, c);
    return (1 - down.high_weight) * top + down.high_weight * bottom;
}

// Pillow's filter along one axis of count samples that lie step bytes apart.
static uint8_t pillow_sample(const uint8_t *samples, int64_t count, int64_t step, int64_t at,
                             int64_t to) {
    double scale = (double)count / (double)to;
    double reach = fmax(scale, 1);
    double centre = ((double)at + 0.5) * scale;
    double sum = 0;
    double weights = 0;
    for (int64_t i = 0; i < count; i++) {
        double weight = fmax(1 - fabs(((double)i + 0.5 - centre) / reach), 0);
        weights += weight;
        sum += weight * (double)samples[i * step];
    }
    return (uint8_t)(sum / weights + 0.5);
}

// detectron2: of bytes, along rows and then along columns, rounded in between.
static struct image resized_bytes(const struct image *image, struct extent to) {
    struct image wide = {to.width, image->height,
                         arena_alloc(&arena, 3 * (int64_t)to.width * image->height, 1)};
    struct image result = {to.width, to.height,
                           arena_alloc(&arena, 3 * (int64_t)to.width * to.height, 1)};
    REQUIRE(wide.pixels && result.pixels);
    for (int64_t y = 0; y < image->height; y++)
        for (int64_t i = 0; i < 3 * (int64_t)to.width; i++)
            wide.pixels[y * 3 * to.width + i] = pillow_sample(
                image->pixels + y * 3 * image->width + i % 3, image->width, 3, i / 3, to.width);
    for (int64_t y = 0; y < to.height; y++)
        for (int64_t i = 0; i < 3 * (int64_t)to.width; i++)
            result.pixels[y * 3 * to.width + i] =
                pillow_sample(wide.pixels + i, image->height, 3 * (int64_t)to.width, y, to.height);
    return result;
}

// ---- Comparison ----

static void check_padding(const float *plane, struct extent extent, struct extent padded) {
    int64_t num_wrong = 0;
    for (int64_t y = 0; y < padded.height; y++)
        for (int64_t i = 0; i < 3 * (int64_t)padded.width; i++)
            if (y >= extent.height || i >= 3 * (int64_t)extent.width)
                num_wrong += plane[y * 3 * padded.width + i] != 0;
    EXPECT_INT(num_wrong, 0);
}

// Resized bytes may differ by 1, rarely, where the fixed point of Pillow rounds the other way.
static void check_values(const struct image *image, const float *plane, struct extent extent,
                         struct extent padded) {
    struct image bytes = *image;
    bool same = image->width == extent.width && image->height == extent.height;
    bool of_bytes = config.conventions == CONVENTIONS_DETECTRON2;
    if (of_bytes && !same) bytes = resized_bytes(image, extent);
    double worst = 0;
    int64_t num_off = 0;
    for (int64_t y = 0; y < extent.height; y++)
        for (int64_t x = 0; x < extent.width; x++)
            for (int c = 0; c < 3; c++) {
                double expected =
                    of_bytes ? normal(&bytes, y, x, c) : resized_float(image, extent, y, x, c);
                double step = config.input.pixel_range / 255 / config.input.std.items[c];
                double got = (double)plane[(y * padded.width + x) * 3 + c];
                double error = fabs(got - expected) / step;
                if (error > 1e-2) num_off++;
                worst = fmax(worst, error);
            }
    EXPECT(worst < (of_bytes && !same ? 1.01 : 1e-2));
    EXPECT(num_off * 100 <= 3 * (3 * (int64_t)extent.width * extent.height));
}

static void check(int32_t width, int32_t height, int32_t more_padding) {
    struct error err;
    struct image image = random_image(width, height);
    struct extent extent = preprocess_extent(&model, width, height);
    struct extent padded = preprocess_padded(&extent, 1);
    EXPECT(padded.width % 32 == 0 && padded.width - extent.width < 32);
    EXPECT(padded.height % 32 == 0 && padded.height - extent.height < 32);
    padded.width += more_padding;
    padded.height += more_padding;
    int64_t count = 3 * (int64_t)padded.width * padded.height;
    float *plane = arena_alloc(&arena, count + 1, sizeof *plane);
    REQUIRE(plane != NULL);
    for (int64_t i = 0; i <= count; i++)
        plane[i] = STALE;
    EXPECT_OK(preprocess_image(&model, &image, extent, padded, plane, &arena, &err), &err);
    EXPECT(plane[count] == STALE);
    check_padding(plane, extent, padded);
    check_values(&image, plane, extent, padded);
}

static void check_sizes(void) {
    check(80, 64, 0);   // as it is, no padding
    check(80, 64, 32);  // as it is
    check(130, 64, 0);  // the same, with padding
    check(61, 45, 0);   // larger
    check(45, 61, 64);  // portrait
    check(200, 170, 0); // smaller
    check(300, 20, 0);  // the longer side decides
    check(7, 150, 0);
    check(1, 1, 0);
}

static void torchvision(void) {
    configure((const char *const[]){"conventions", "torchvision", "input.short_side", "64",
                                    "input.long_side", "140", NULL});
    check_sizes();
}

static void detectron2(void) {
    configure((const char *const[]){"conventions", "detectron2", "input.short_side", "64",
                                    "input.long_side", "140", NULL});
    check_sizes();
}

// The channels of MSRA's networks: blue first, from 0 to 255, no deviation.
static void caffe_pixels(void) {
    configure((const char *const[]){"conventions", "detectron2", "input.short_side", "64",
                                    "input.long_side", "140", "input.channel_order", "bgr",
                                    "input.pixel_range", "255", "input.mean",
                                    "103.53,116.28,123.675", "input.std", "1,1,1", NULL});
    check_sizes();
    uint8_t pixel[64 * 64 * 3];
    for (int i = 0; i < 64 * 64; i++)
        memcpy(pixel + 3 * i, (const uint8_t[]){255, 0, 7}, 3);
    const struct image red = {64, 64, pixel};
    const struct extent extent = {64, 64};
    struct error err;
    float plane[64 * 64 * 3];
    EXPECT_OK(preprocess_image(&model, &red, extent, extent, plane, &arena, &err), &err);
    EXPECT_NEAR((double)plane[0], 7 - 103.53, 1e-4);
    EXPECT_NEAR((double)plane[1], 0 - 116.28, 1e-4);
    EXPECT_NEAR((double)plane[2], 255 - 123.675, 1e-4);
}

static void extents(void) {
    static const struct {
        int32_t width, height, detectron2[2], torchvision[2];
    } CASES[] = {
        {640, 480, {1067, 800}, {1066, 800}},
        {640, 427, {1199, 800}, {1199, 799}},
        {500, 375, {1067, 800}, {1066, 799}},
        {640, 300, {1333, 625}, {1333, 624}},
    };
    for (int rule = 0; rule < 2; rule++) {
        configure((const char *const[]){"conventions", rule ? "torchvision" : "detectron2", NULL});
        for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
            struct extent e = preprocess_extent(&model, CASES[i].width, CASES[i].height);
            const int32_t *expected = rule ? CASES[i].torchvision : CASES[i].detectron2;
            EXPECT_INT(e.width, expected[0]);
            EXPECT_INT(e.height, expected[1]);
        }
    }
    const struct extent both[] = {{800, 1067}, {1333, 640}};
    struct extent padded = preprocess_padded(both, 2);
    EXPECT_INT(padded.height, 1344);
    EXPECT_INT(padded.width, 1088);
}

// A part is what the whole has there, with padding of its own.
static void crops(void) {
    static const struct crop CASES[] = {
        {{64, 90}, 5, 20, {40, 61}},
        {{64, 90}, 24, 0, {40, 90}},
        {{48, 70}, 0, 30, {32, 40}}, // of the image as it is
        {{30, 20}, 0, 0, {30, 20}},
    };
    struct error err;
    for (int rule = 0; rule < 2; rule++) {
        configure((const char *const[]){"conventions", rule ? "torchvision" : "detectron2", NULL});
        struct image image = random_image(70, 48);
        for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
            const struct crop *crop = &CASES[i];
            struct extent whole = {64, 96};
            struct extent padded = {64, 96};
            float *all = arena_alloc(&arena, 3 * 64 * 96, sizeof *all);
            float *part = arena_alloc(&arena, 3 * 64 * 96, sizeof *part);
            REQUIRE(all && part);
            EXPECT_OK(preprocess_image(&model, &image, crop->resized, whole, all, &arena, &err),
                      &err);
            EXPECT_OK(preprocess_crop(&model, &image, crop, padded, part, &arena, &err), &err);
            check_padding(part, crop->extent, padded);
            int64_t num_wrong = 0;
            for (int64_t y = 0; y < crop->extent.height; y++)
                num_wrong +=
                    memcmp(part + y * 3 * 96, all + ((crop->top + y) * 96 + crop->left) * 3,
                           3 * (size_t)crop->extent.width * sizeof *part) != 0;
            EXPECT_INT(num_wrong, 0);
        }
    }
}

static void little_memory(void) {
    struct error err;
    configure((const char *const[]){"input.short_side", "64", "input.long_side", "140", NULL});
    struct image image = random_image(90, 90);
    struct extent extent = preprocess_extent(&model, 90, 90);
    float *plane = arena_alloc(&arena, 3 * 64 * 64, sizeof *plane);
    REQUIRE(plane != NULL);
    for (int rule = 0; rule < 2; rule++) {
        model.rules = conventions_of(rule ? CONVENTIONS_TORCHVISION : CONVENTIONS_DETECTRON2);
        struct arena small;
        arena_init(&small, 64, 2000);
        EXPECT_STATUS(preprocess_image(&model, &image, extent, extent, plane, &small, &err),
                      STATUS_MEMORY, &err);
        arena_destroy(&small);
    }
}

int main(int argc, char **argv) {
    int status = run_cases(argc, argv,
                           (struct test_case[]){
                               {"torchvision", torchvision},
                               {"detectron2", detectron2},
                               {"caffe pixels", caffe_pixels},
                               {"extents", extents},
                               {"crops", crops},
                               {"little memory", little_memory},
                               {0},
                           });
    arena_destroy(&arena);
    return status;
}
