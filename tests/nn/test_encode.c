// Encoded boxes: decoding them, in double, gives the truth; rows follow images and strides.
#include "nn/encode/encode.h"

#include <math.h>

#include "base/random.h"
#include "tests/nn/check_op.h"

enum { BOXES = 400, TRUTHS = 30, IMAGES = 3, MAX_ROWS = IMAGES * BOXES };

static float boxes[4 * BOXES], truths[4 * TRUTHS];
static int32_t matches[IMAGES * BOXES];

static void make_boxes(float *to, int64_t count, uint64_t seed) {
    fill(to, 4 * count, seed, 1, 60);
    for (int64_t i = 0; i < count; i++) {
        to[4 * i + 2] += to[4 * i];
        to[4 * i + 3] += to[4 * i + 1];
    }
}

static void make(void) {
    struct random random = random_stream(3, 3);
    make_boxes(boxes, BOXES, 1);
    make_boxes(truths, TRUTHS, 2);
    for (int i = 0; i < IMAGES * BOXES; i++)
        matches[i] = (int32_t)random_below(&random, TRUTHS + 2) + MATCH_IGNORED;
}

// What the deltas of a row make of its box, less the truth.
static double decoding_error(const float *box, const float *deltas, const struct box_coding *c,
                             const float *truth) {
    const float weights[] = {c->x, c->y, c->width, c->height};
    double error = 0;
    for (int axis = 0; axis < 2; axis++) {
        double low = (double)box[axis];
        double side = (double)box[axis + 2] - low;
        double centre = low + side / 2 + (double)deltas[axis] / (double)weights[axis] * side;
        double half = exp((double)deltas[axis + 2] / (double)weights[axis + 2]) * side / 2;
        error = fmax(error, fabs(centre - half - (double)truth[axis]));
        error = fmax(error, fabs(centre + half - (double)truth[axis + 2]));
    }
    return error;
}

static void check(const struct encoding *e, bool with_sampled) {
    static float memory[6 * MAX_ROWS];
    int64_t rows = e->num_images * e->count;
    const struct encoded out = {memory, memory + 4 * rows, with_sampled ? memory + 5 * rows : NULL};
    struct nn *nn = fresh_nn();
    struct error err;
    encode_forward(nn, e, &out);
    EXPECT_OK(nn_status(nn, &err), &err);
    double worst = 0;
    int64_t num_wrong = 0;
    for (int64_t i = 0; i < e->num_images; i++) {
        for (int64_t j = 0; j < e->count; j++) {
            int64_t row = i * e->count + j;
            const float *deltas = out.deltas + 4 * row;
            int32_t match = e->matches[i * e->stride + e->first + j];
            num_wrong += out.matched[row] != (match >= 0 ? 1.0f : 0.0f);
            if (with_sampled)
                num_wrong += out.sampled[row] != (match == MATCH_IGNORED ? 0.0f : 1.0f);
            if (match >= 0)
                worst = fmax(worst, decoding_error(e->boxes + 4 * (e->first + j), deltas,
                                                   &e->coding, e->truths + 4 * (int64_t)match));
            else
                num_wrong += deltas[0] != 0 || deltas[1] != 0 || deltas[2] != 0 || deltas[3] != 0;
        }
    }
    EXPECT_INT(num_wrong, 0);
    EXPECT_NEAR(worst, 0, 1e-4);
}

static void rows(void) {
    struct encoding e = {.boxes = boxes,
                         .matches = matches,
                         .truths = truths,
                         .num_truths = TRUTHS,
                         .num_images = IMAGES,
                         .count = BOXES,
                         .stride = BOXES,
                         .coding = {1, 1, 1, 1}};
    make();
    check(&e, true);
    e.first = 100;
    e.count = 300;
    check(&e, true);
    e.coding = (struct box_coding){10, 10, 5, 5};
    check(&e, false);
    e.count = 1;
    e.num_images = 1;
    e.stride = 0;
    check(&e, false);
}

static void no_truths(void) {
    static const int32_t ignored[] = {MATCH_IGNORED, MATCH_BACKGROUND};
    const struct encoding e = {
        .boxes = boxes, .matches = ignored, .num_images = 1, .count = 2, .coding = {1, 1, 1, 1}};
    make();
    check(&e, true);
    check(&(struct encoding){.num_images = 1}, true);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"rows", rows},
                         {"no truths", no_truths},
                         {0},
                     });
}
