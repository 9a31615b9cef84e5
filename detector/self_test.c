#include "detector/self_test.h"

#include <math.h>
#include <string.h>

#include "base/random.h"
#include "data/shapes.h"
#include "detector/detector.h"
#include "nn/conv/conv.h"

enum { BLOCK_BYTES = 1 << 20 };

// ---- Convolution ----

enum { HEIGHT = 19, WIDTH = 23, CHANNELS = 32, KERNEL = 3, NUM_POSITIONS = HEIGHT * WIDTH };
// Of values near 1, summed from 288 products.
static const double CONV_TOLERANCE = 1e-4;

static double plain_sum(const float *x, const float *weight, int64_t y0, int64_t x0, int64_t out) {
    double sum = 0;
    for (int64_t ky = 0; ky < KERNEL; ky++)
        for (int64_t kx = 0; kx < KERNEL; kx++) {
            int64_t py = y0 + ky - 1;
            int64_t px = x0 + kx - 1;
            if (py < 0 || px < 0 || py >= HEIGHT || px >= WIDTH) continue;
            for (int64_t c = 0; c < CHANNELS; c++)
                sum += (double)x[(py * WIDTH + px) * CHANNELS + c] *
                       (double)weight[((out * CHANNELS + c) * KERNEL + ky) * KERNEL + kx];
        }
    return sum;
}

static enum status compare_convolution(const float *x, const float *weight, const float *y,
                                       struct error *err) {
    for (int64_t i = 0; i < NUM_POSITIONS; i++)
        for (int64_t out = 0; out < CHANNELS; out++) {
            double expected = plain_sum(x, weight, i / WIDTH, i % WIDTH, out);
            double found = (double)y[i * CHANNELS + out];
            if (!(fabs(found - expected) <= CONV_TOLERANCE))
                return error_set(err, STATUS_INTERNAL,
                                 "row %lld, column %lld, channel %lld: %.9g, expected %.9g",
                                 (long long)(i / WIDTH), (long long)(i % WIDTH), (long long)out,
                                 found, expected);
        }
    return STATUS_OK;
}

static enum status convolve(struct nn *nn, struct arena *arena, struct error *err) {
    struct parameters parameters;
    const int64_t shape[] = {CHANNELS, CHANNELS, KERNEL, KERNEL};
    parameters_init(&parameters, arena);
    struct conv conv = {
        .label = "self-test",
        .in_channels = CHANNELS,
        .out_channels = CHANNELS,
        .groups = 1,
        .kernel = KERNEL,
        .stride = 1,
        .padding = 1,
        .weight = parameter_add(&parameters, PARAMETER_WEIGHT, 4, shape,
                                initial_uniform_fan_in(CHANNELS * KERNEL * KERNEL), "weight"),
        .images_at_once = 1,
    };
    TRY(parameters_allocate(&parameters, false, err));
    parameters_initialise(&parameters, 1);
    nn_begin(nn, NN_INFERENCE);
    struct tensor *x = nn_tensor(nn, 1, HEIGHT, WIDTH, CHANNELS);
    float *values = nn_place(nn, x);
    TRY(nn_status(nn, err));
    struct random random = random_stream(1, 1);
    for (int64_t i = 0; i < tensor_count(x); i++)
        values[i] = (float)random_between(&random, -1, 1);
    nn_put(nn, x, values);
    const struct tensor *y = conv_forward(nn, &conv, x, NULL, false);
    const float *sums = nn_read(nn, y->data, tensor_bytes(y));
    TRY(nn_status(nn, err));
    return compare_convolution(values, conv.weight->data, sums, err);
}

static enum status test_convolution(const struct nn_options *options, struct error *err) {
    struct nn *nn = NULL;
    struct arena arena;
    TRY(nn_create(&nn, options, err));
    arena_init(&arena, BLOCK_BYTES, 0);
    enum status status = convolve(nn, &arena, err);
    nn_destroy(nn);
    arena_destroy(&arena);
    return status;
}

// ---- Pictures and files ----

enum { PICTURE_WIDTH = 320, PICTURE_HEIGHT = 240 };

static enum status draw_picture(struct image *image, struct arena *arena, struct error *err) {
    struct shape_scene scene;
    TRY(shape_scene_compose(&scene, SHAPES_RICH, 1, 1, PICTURE_WIDTH, PICTURE_HEIGHT, arena, err));
    return shape_scene_paint(image, &scene, arena, err);
}

static enum status decode(struct image *image, const struct output *file, struct arena *arena,
                          struct error *err) {
    const struct image_limits limits = image_limits_default();
    return image_decode(image, NULL, file->data, file->size, "picture", &limits, true, arena, err);
}

// The mean difference of two pictures' samples.
static double difference(const struct image *a, const struct image *b) {
    int64_t count = 3 * (int64_t)a->width * a->height;
    int64_t sum = 0;
    if (a->width != b->width || a->height != b->height) return 255;
    for (int64_t i = 0; i < count; i++)
        sum +=
            a->pixels[i] < b->pixels[i] ? b->pixels[i] - a->pixels[i] : a->pixels[i] - b->pixels[i];
    return (double)sum / (double)count;
}

static enum status write_and_read(struct output *png, struct output *jpeg, struct arena *arena,
                                  struct error *err) {
    static const double JPEG_TOLERANCE = 4;
    struct image image;
    struct image read;
    TRY(draw_picture(&image, arena, err));
    TRY(image_write_png(image.pixels, image.width, image.height, SAMPLES_RGB8, 1, png, err));
    TRY(decode(&read, png, arena, err));
    if (difference(&image, &read) > 0)
        return error_set(err, STATUS_INTERNAL, "a PNG file has other pixels than were written");
    TRY(image_write_jpeg(&image, 95, jpeg, err));
    TRY(decode(&read, jpeg, arena, err));
    if (difference(&image, &read) > JPEG_TOLERANCE)
        return error_set(err, STATUS_INTERNAL, "a JPEG file is off by %.1f of 255",
                         difference(&image, &read));
    return STATUS_OK;
}

static enum status test_files(const struct nn_options *options, struct error *err) {
    (void)options;
    struct output png;
    struct output jpeg;
    struct arena arena;
    output_open_memory(&png);
    output_open_memory(&jpeg);
    arena_init(&arena, BLOCK_BYTES, 0);
    enum status status = write_and_read(&png, &jpeg, &arena, err);
    arena_destroy(&arena);
    output_discard(&png);
    output_discard(&jpeg);
    return status;
}

// ---- Detection ----

// A small detector of the kind that this project exists for, with fresh weights.
static const char *const SETTINGS[] = {
    "classes.names=a,b,c",     "input.short_side=192",   "input.long_side=320",
    "backbone.blocks=1,1,1,1", "backbone.width=16",      "backbone.group_width=16",
    "backbone.norm=gn",        "backbone.attention=gct", "norm_groups=8",
    "fpn.channels=32",         "rpn.pre_nms_test=200",   "rpn.post_nms_test=100",
    "box.hidden=64",           "box.detections=20",      "mask.convs=1",
    "mask.conv_channels=32",
};

static bool is_same(const struct detection *a, const struct detection *b) {
    for (int i = 0; i < 4; i++)
        if (a->box[i] != b->box[i]) return false;
    return a->score == b->score && a->label == b->label && a->mask.num_runs == b->mask.num_runs &&
           memcmp(a->mask.runs, b->mask.runs, (size_t)a->mask.num_runs * sizeof *a->mask.runs) == 0;
}

static enum status detect_twice(struct detector *detector, struct arena *arena, struct error *err) {
    struct image image;
    struct detection_list first;
    struct detection_list second;
    TRY(draw_picture(&image, arena, err));
    TRY(detector_detect(detector, &image, 1, NULL, arena, &first, err));
    TRY(detector_detect(detector, &image, 1, NULL, arena, &second, err));
    if (first.count == 0) return error_set(err, STATUS_INTERNAL, "nothing was detected");
    if (first.count != second.count)
        return error_set(err, STATUS_INTERNAL, "%lld detections, then %lld", (long long)first.count,
                         (long long)second.count);
    for (int64_t i = 0; i < first.count; i++)
        if (!is_same(&first.items[i], &second.items[i]))
            return error_set(err, STATUS_INTERNAL, "detection %lld differs the second time",
                             (long long)i);
    return STATUS_OK;
}

static enum status test_detection(const struct nn_options *options, struct error *err) {
    const struct option_texts settings = {SETTINGS, sizeof SETTINGS / sizeof SETTINGS[0]};
    struct detector detector = {0};
    struct arena arena;
    TRY(detector_model_create(&detector.model, NULL, &settings, false, 1, err));
    arena_init(&arena, BLOCK_BYTES, 0);
    enum status status = nn_create(&detector.nn, options, err);
    if (status == STATUS_OK) status = detect_twice(&detector, &arena, err);
    arena_destroy(&arena);
    detector_close(&detector);
    return status;
}

const struct self_test SELF_TESTS[] = {
    {"convolution", "a 3x3 convolution is what plain sums give", test_convolution},
    {"image files", "PNG and JPEG files are read as they were written", test_files},
    {"detection", "a small detector finds the same twice, to the last bit", test_detection},
    {0},
};
