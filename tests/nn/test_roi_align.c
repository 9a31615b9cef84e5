#include "nn/roi_align/roi_align.h"

#include <math.h>

#include "base/random.h"
#include "tests/nn/check_op.h"

enum { MAX_ROIS = 300 };

// RoIs on a pyramid, and the features in double.
struct problem {
    struct nn *nn;
    struct roi_align settings;
    struct roi_pyramid pyramid;
    float boxes[MAX_ROIS * 4];
    int32_t images[MAX_ROIS];
    int32_t levels[MAX_ROIS];
    struct rois rois;
    double *features[ROI_MAX_LEVELS];
    double *seeds; // dLoss/dout
};

static void add_level(struct problem *p, int64_t n, int64_t h, int64_t w, int64_t c, float scale,
                      bool wants_grad) {
    int i = p->pyramid.num_levels++;
    struct tensor *t = filled_tensor(p->nn, n, h, w, c, 5 + (uint64_t)i, -1, 1, wants_grad);
    p->pyramid.levels[i] = t;
    p->pyramid.scales[i] = scale;
    p->features[i] = doubles_of(t->data, tensor_count(t));
}

static void add_roi(struct problem *p, int32_t image, int32_t level, float x1, float y1, float x2,
                    float y2) {
    int64_t i = p->rois.count++;
    REQUIRE(i < MAX_ROIS);
    p->boxes[4 * i] = x1;
    p->boxes[4 * i + 1] = y1;
    p->boxes[4 * i + 2] = x2;
    p->boxes[4 * i + 3] = y2;
    p->images[i] = image;
    p->levels[i] = level;
}

static void begin(struct problem *p, int64_t output_size, int64_t sampling, bool aligned) {
    *p = (struct problem){.nn = fresh_nn()};
    p->settings = (struct roi_align){"rois", output_size, sampling, aligned};
    p->rois = (struct rois){.boxes = p->boxes, .images = p->images, .levels = p->levels};
}

static struct tensor *run(struct problem *p) {
    struct tensor *out = roi_align_forward(p->nn, &p->settings, &p->pyramid, &p->rois);
    struct error err;
    EXPECT_OK(nn_status(p->nn, &err), &err);
    return out;
}

// ---- The definition, sample by sample ----

static double read_at(const double *f, int64_t h, int64_t w, int64_t c, double y, double x) {
    if (y < -1 || y > (double)h || x < -1 || x > (double)w) return 0;
    y = y < 0 ? 0 : y;
    x = x < 0 ? 0 : x;
    int64_t y0 = (int64_t)y;
    int64_t x0 = (int64_t)x;
    if (y0 >= h - 1) y = (double)(y0 = h - 1);
    if (x0 >= w - 1) x = (double)(x0 = w - 1);
    int64_t y1 = y0 + 1 < h ? y0 + 1 : y0;
    int64_t x1 = x0 + 1 < w ? x0 + 1 : x0;
    double b = y - (double)y0;
    double a = x - (double)x0;
    return (1 - b) * ((1 - a) * f[(y0 * w + x0) * c] + a * f[(y0 * w + x1) * c]) +
           b * ((1 - a) * f[(y1 * w + x0) * c] + a * f[(y1 * w + x1) * c]);
}

static double reference(const struct problem *p, int64_t r, int64_t py, int64_t px, int64_t j) {
    const struct tensor *t = p->pyramid.levels[p->levels[r]];
    const double *f = p->features[p->levels[r]] + p->images[r] * t->h * t->w * t->c + j;
    double scale = (double)p->pyramid.scales[p->levels[r]];
    double offset = p->settings.aligned ? 0.5 : 0;
    double size = (double)p->settings.output_size;
    double x = (double)p->boxes[4 * r] * scale - offset;
    double y = (double)p->boxes[4 * r + 1] * scale - offset;
    double w = (double)p->boxes[4 * r + 2] * scale - offset - x;
    double h = (double)p->boxes[4 * r + 3] * scale - offset - y;
    if (!p->settings.aligned) {
        w = fmax(w, 1);
        h = fmax(h, 1);
    }
    double sampling = (double)p->settings.sampling;
    int64_t grid_y = (int64_t)(sampling > 0 ? sampling : ceil(h / size));
    int64_t grid_x = (int64_t)(sampling > 0 ? sampling : ceil(w / size));
    double sum = 0;
    for (int64_t iy = 0; iy < grid_y; iy++)
        for (int64_t ix = 0; ix < grid_x; ix++)
            sum += read_at(f, t->h, t->w, t->c,
                           y + h / size * ((double)py + ((double)iy + 0.5) / (double)grid_y),
                           x + w / size * ((double)px + ((double)ix + 0.5) / (double)grid_x));
    return sum == 0 ? 0 : sum / (double)(grid_y * grid_x);
}

static double *expected_of(const struct problem *p) {
    int64_t size = p->settings.output_size;
    int64_t c = p->pyramid.levels[0]->c;
    double *expected = new_doubles(p->rois.count * size * size * c);
    int64_t i = 0;
    for (int64_t r = 0; r < p->rois.count; r++)
        for (int64_t py = 0; py < size; py++)
            for (int64_t px = 0; px < size; px++)
                for (int64_t j = 0; j < c; j++)
                    expected[i++] = reference(p, r, py, px, j);
    return expected;
}

static double loss(void *context) {
    const struct problem *p = context;
    int64_t size = p->settings.output_size;
    double *values = expected_of(p);
    double sum = 0;
    for (int64_t i = 0; i < p->rois.count * size * size * p->pyramid.levels[0]->c; i++)
        sum += p->seeds[i] * values[i];
    return sum;
}

// ---- Problems ----

// Boxes of all sizes, some across the border, some beyond it, some inverted.
static void add_random_rois(struct problem *p, int count, uint64_t seed) {
    struct random random = random_stream(seed, 3);
    for (int i = 0; i < count; i++) {
        int32_t level = (int32_t)random_below(&random, p->pyramid.num_levels);
        int32_t image = (int32_t)random_below(&random, p->pyramid.levels[0]->n);
        float scale = p->pyramid.scales[level];
        double w = (double)((float)p->pyramid.levels[level]->w / scale);
        double h = (double)((float)p->pyramid.levels[level]->h / scale);
        double x1 = random_between(&random, -0.3 * w, w);
        double y1 = random_between(&random, -0.3 * h, h);
        double x2 = x1 + random_between(&random, -0.1 * w, w);
        double y2 = y1 + random_between(&random, -0.1 * h, h);
        add_roi(p, image, level, (float)x1, (float)y1, (float)x2, (float)y2);
    }
}

static void check_forward(int64_t c, int64_t output_size, int64_t sampling, bool aligned) {
    struct problem p;
    begin(&p, output_size, sampling, aligned);
    add_level(&p, 2, 31, 45, c, 0.25f, true);
    add_level(&p, 2, 16, 23, c, 0.125f, true);
    add_level(&p, 2, 1, 1, c, 0.0625f, true);
    add_random_rois(&p, 20, (uint64_t)(c + output_size));
    struct tensor *out = run(&p);
    EXPECT(out->n == 20 && out->h == output_size && out->w == output_size && out->c == c);
    expect_close(out->data, expected_of(&p), tensor_count(out), 2e-5, "out");
}

static void forward(void) {
    for (int aligned = 0; aligned < 2; aligned++) {
        check_forward(1, 1, 1, aligned);
        check_forward(3, 2, 2, aligned);
        check_forward(17, 7, 2, aligned);
        check_forward(5, 3, 3, aligned);
        check_forward(16, 2, 0, aligned); // up to 23 samples a bin
        check_forward(4, 14, 0, aligned);
        check_forward(2, 3, 40, aligned); // more samples than positions
        check_forward(150, 3, 2, aligned);
    }
}

static void ramp(void) {
    static const float EXPECTED[2][4] = {{18, 20, 34, 36}, {13.5f, 15.5f, 29.5f, 31.5f}};
    for (int aligned = 0; aligned < 2; aligned++) {
        struct problem p;
        begin(&p, 2, 2, aligned);
        add_level(&p, 1, 8, 8, 1, 1, false);
        for (int i = 0; i < 64; i++)
            p.pyramid.levels[0]->data[i] = (float)i;
        add_roi(&p, 0, 0, 1, 1, 5, 5);
        struct tensor *out = run(&p);
        for (int i = 0; i < 4; i++)
            EXPECT_NEAR((double)out->data[i], (double)EXPECTED[aligned][i], 0);
        EXPECT(!out->wants_grad);
    }
}

// torchvision 0.14.1: ops.roi_align(f, boxes, (2, 2), 0.25, sampling, aligned), channels last;
// f[0][c, y, x] = (7 y + 3 x + 5 c) % 11 on 9 x 12, f[1] = 2 f[0] - 3; boxes as below.
static const double TORCHVISION[2][2][32] = {
    {{4.752129, 5.179887, 5.072871, 5.021625, 4.893616, 5.014818, 4.885504, 5.163113,
      3.525716, 3.139323, 6.508286, 6.376007, 1.924154, 3.202148, 3.470311, 3.574056,
      4.879999, 4.545,    3.657499, 5.000001, 7.28,     3.644999, 5.507498, 3.000001,
      6.89974,  6.028646, 1.235677, 3.151042, 6.546875, 5.71875,  1.041667, 2.484375},
     {4.817539, 5.43666,  4.837734, 4.429688, 4.856855, 4.626914, 4.197178, 5.00751,
      2.761719, 1.1875,   7.720947, 7.519897, 1.296875, 3.796875, 3.272888, 3.195862,
      4.879999, 4.545,    3.657499, 5.000001, 6.840001, 3.974999, 5.287498, 3.385,
      8.246094, 2.863281, 0.5,      5.5,      8.265625, 1.421875, -0.5,     4.5}},
    {{5.161952, 4.893342, 5.27037,  5.026625, 4.729629,  5.330362, 4.838048, 5.092671,
      1.708333, 1.443522, 6.383662, 5.643723, 0.9620768, 2.017741, 3.918961, 4.933431,
      6.692186, 4.31875,  6.10156,  4.656251, 6.983749,  4.11875,  6.331248, 4.456251,
      8.893718, 6.264486, 2.392253, 6.9375,   8.285319,  6.408041, 2.437175, 6.1875},
     {5.608115, 4.731065, 5.935752, 5.325537, 4.064248, 5.367002, 4.391884, 4.622783,
      3.078125, 2.578125, 5.938538, 7.51532,  2.296875, 3.292969, 2.16156,  3.990601,
      6.692187, 4.31875,  6.101562, 4.656251, 6.983751, 4.11875,  6.33125,  4.45625,
      7.805176, 4.404297, 2.786621, 7.609375, 7.884277, 4.837891, 2.391113, 6.859375}},
};

static void like_torchvision(void) {
    for (int aligned = 0; aligned < 2; aligned++) {
        for (int fixed = 0; fixed < 2; fixed++) {
            struct problem p;
            begin(&p, 2, fixed ? 2 : 0, aligned);
            add_level(&p, 2, 9, 12, 2, 0.25f, false);
            float *f = p.pyramid.levels[0]->data;
            for (int y = 0; y < 9; y++)
                for (int x = 0; x < 12; x++)
                    for (int c = 0; c < 2; c++)
                        f[(y * 12 + x) * 2 + c] = (float)((7 * y + 3 * x + 5 * c) % 11);
            for (int i = 0; i < 216; i++)
                f[216 + i] = 2 * f[i] - 3;
            add_roi(&p, 0, 0, 3.3f, 2.1f, 40.7f, 21.9f);
            add_roi(&p, 1, 0, -9.5f, -6.25f, 13, 50);
            add_roi(&p, 0, 0, 30.2f, 12.9f, 31.1f, 13.3f);
            add_roi(&p, 1, 0, 20, 30, 60.5f, 31.5f);
            expect_close(run(&p)->data, TORCHVISION[aligned][fixed], 32, 1e-6, "out");
        }
    }
}

// A RoI whose bins are whole positions is average pooling.
static void average_pooling(void) {
    struct problem p;
    begin(&p, 2, 4, true);
    add_level(&p, 1, 12, 12, 3, 0.5f, false);
    add_roi(&p, 0, 0, 4, 8, 20, 24); // positions 2 to 9 and 4 to 11
    struct tensor *out = run(&p);
    double expected[12] = {0};
    for (int y = 0; y < 8; y++)
        for (int x = 0; x < 8; x++)
            for (int c = 0; c < 3; c++)
                expected[(y / 4 * 2 + x / 4) * 3 + c] +=
                    p.features[0][((y + 4) * 12 + x + 2) * 3 + c] / 16;
    expect_close(out->data, expected, 12, 1e-5, "out");
}

static void outside(void) {
    for (int fixed = 0; fixed < 2; fixed++) {
        for (int aligned = 0; aligned < 2; aligned++) {
            struct problem p;
            begin(&p, 3, fixed ? 2 : 0, aligned);
            add_level(&p, 1, 6, 5, 4, 1, true);
            const float big = 3e38f;
            add_roi(&p, 0, 0, 100, 100, 120, 130);
            add_roi(&p, 0, 0, -50, 1, -20, 4);
            add_roi(&p, 0, 0, NAN, 1, 3, 4);
            add_roi(&p, 0, 0, 1, 1, NAN, 4);
            add_roi(&p, 0, 0, -INFINITY, 1, 3, 4);
            add_roi(&p, 0, 0, 1, 1, 3, INFINITY);
            add_roi(&p, 0, 0, -big, -big, big, big);
            add_roi(&p, 0, 0, -1e9f, -1e9f, 1e9f, 1e9f);
            struct tensor *out = run(&p);
            for (int64_t i = 0; i < 6 * 36; i++)
                EXPECT(out->data[i] == 0);
            for (int64_t i = 0; i < tensor_count(out); i++)
                EXPECT(isfinite(out->data[i]));
            float seeds[8 * 36];
            fill(seeds, tensor_count(out), 1, -1, 1);
            seed_gradient(p.nn, out, seeds);
            nn_backward(p.nn);
            for (int64_t i = 0; i < 120; i++)
                EXPECT(isfinite(p.pyramid.levels[0]->grad[i]));
        }
    }
}

static void empty(void) {
    struct problem p;
    begin(&p, 7, 2, false);
    add_level(&p, 1, 4, 4, 3, 1, true);
    struct tensor *out = run(&p);
    EXPECT(out->n == 0 && out->h == 7 && out->c == 3);
    bool add = false;
    EXPECT(nn_grad(p.nn, out, &add) != NULL);
    nn_backward(p.nn);
    REQUIRE(p.pyramid.levels[0]->grad != NULL);
    for (int i = 0; i < 48; i++)
        EXPECT(p.pyramid.levels[0]->grad[i] == 0);

    begin(&p, 7, 2, false);
    add_level(&p, 0, 4, 4, 3, 1, true); // no image at all
    EXPECT_INT(run(&p)->n, 0);
}

// ---- Backward ----

// Compares the gradients of the levels that want one.
static void expect_level_gradients(struct problem *p, struct tensor *out) {
    int64_t count = tensor_count(out);
    float *seeds = nn_scratch(p->nn, count);
    fill(seeds, count, 9, -1, 1);
    p->seeds = doubles_of(seeds, count);
    seed_gradient(p->nn, out, seeds);
    nn_backward(p->nn);
    for (int i = 0; i < p->pyramid.num_levels; i++) {
        const struct tensor *t = p->pyramid.levels[i];
        EXPECT((t->grad != NULL) == t->wants_grad);
        if (!t->grad) continue;
        struct variable x = {"features", p->features[i], tensor_count(t), t->grad};
        expect_gradients(loss, p, &x, 1, 1e-4);
    }
}

static void check_backward(int64_t c, int64_t output_size, int64_t sampling, bool aligned) {
    struct problem p;
    begin(&p, output_size, sampling, aligned);
    add_level(&p, 2, 19, 21, c, 0.25f, true); // three bands
    add_level(&p, 2, 9, 11, c, 0.125f, false);
    add_level(&p, 2, 5, 6, c, 0.0625f, true);
    add_random_rois(&p, 12, 77);
    expect_level_gradients(&p, run(&p));
}

static void backward(void) {
    check_backward(3, 2, 2, false);
    check_backward(1, 7, 2, true);
    check_backward(5, 3, 0, false);
    check_backward(2, 2, 0, true);
    check_backward(8, 14, 2, false);
    check_backward(70, 3, 2, true);
    check_backward(132, 2, 0, false);
}

// More RoIs on a level than a block of threads asks at once.
static void many(void) {
    struct problem p;
    begin(&p, 3, 1, true);
    add_level(&p, 1, 19, 21, 2, 0.25f, true);
    add_level(&p, 1, 2, 3, 2, 0.125f, true);
    for (int i = 0; i < 10; i++)
        add_roi(&p, 0, 1, 1, 2, 20, 14);
    p.pyramid.num_levels = 1;
    add_random_rois(&p, 290, 5);
    p.pyramid.num_levels = 2;
    expect_level_gradients(&p, run(&p));
}

// With corners exchanged, aligned bins run backwards.
static void inverted(void) {
    for (int64_t sampling = 1; sampling <= 81; sampling += 40) {
        struct problem p;
        begin(&p, 3, sampling, true);
        add_level(&p, 1, 20, 17, 3, 0.5f, true);
        add_roi(&p, 0, 0, 37, 43, -3, -2);
        add_roi(&p, 0, 0, 30, 5, 4, 20);
        struct tensor *out = run(&p);
        expect_close(out->data, expected_of(&p), tensor_count(out), 2e-5, "out");
        expect_level_gradients(&p, out);
    }
}

// A second consumer's gradient is added to, and the sums are the same for any number of threads.
static void sums(void) {
    float first[2 * 17 * 13 * 6];
    for (int threads = 1; threads <= 3; threads++) {
        struct problem p;
        begin(&p, 5, 2, true);
        p.nn->num_threads = threads;
        nn_begin(p.nn, NN_TRAINING);
        add_level(&p, 2, 17, 13, 6, 0.5f, true);
        add_random_rois(&p, 40, 4);
        struct tensor *out = run(&p);
        struct tensor *again = run(&p);
        int64_t count = tensor_count(out);
        float *seeds = nn_scratch(p.nn, count);
        fill(seeds, count, 9, -1, 1);
        seed_gradient(p.nn, out, seeds);
        seed_gradient(p.nn, again, seeds);
        nn_backward(p.nn);
        const struct tensor *x = p.pyramid.levels[0];
        if (threads == 1) memcpy(first, x->grad, sizeof first);
        expect_close(x->grad, doubles_of(first, tensor_count(x)), tensor_count(x), 0, "x");
        p.seeds = doubles_of(seeds, count);
        for (int64_t i = 0; i < count; i++)
            p.seeds[i] *= 2;
        struct variable variable = {"x", p.features[0], tensor_count(x), x->grad};
        expect_gradients(loss, &p, &variable, 1, 1e-4);
    }
}

static void plans(void) {
    struct nn *nn = NULL;
    struct error err;
    REQUIRE(nn_create(&nn, &(struct nn_options){.device = NN_PLAN}, &err) == STATUS_OK);
    struct roi_pyramid pyramid = {
        .num_levels = 1, .levels = {nn_tensor(nn, 1, 50, 50, 256)}, .scales = {0.25f}};
    struct roi_align settings = {"rois", 7, 2, false};
    struct tensor *out = roi_align_forward(nn, &settings, &pyramid, &(struct rois){.count = 1000});
    EXPECT_OK(nn_status(nn, &err), &err);
    EXPECT(out->n == 1000 && out->h == 7 && out->w == 7 && out->c == 256);
    nn_destroy(nn);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"ramp", ramp},
                         {"forward", forward},
                         {"like torchvision", like_torchvision},
                         {"average pooling", average_pooling},
                         {"outside", outside},
                         {"empty", empty},
                         {"backward", backward},
                         {"many", many},
                         {"inverted", inverted},
                         {"sums", sums},
                         {"plans", plans},
                         {0},
                     });
}
