#include "nn/detections/detections.h"

#include "base/random.h"
#include "tests/nn/check_boxes.h"
#include "tests/nn/check_op.h"

enum { MAX_CANDIDATES = 20000, MAX_IMAGES = 3 };

static struct candidate candidates[MAX_CANDIDATES];

struct problem {
    struct nn *nn;
    struct detections detections;
    struct box_list proposals;
    struct extent extents[MAX_IMAGES];
};

// proposals[i] boxes lie in image i.
static void begin(struct problem *p, int64_t num_images, const int64_t *proposals,
                  int64_t classes) {
    *p = (struct problem){.nn = fresh_nn()};
    int64_t count = 0;
    for (int64_t i = 0; i < num_images; i++)
        count += proposals[i];
    box_list_create(p->nn, &p->proposals, count);
    struct random random = random_stream((uint64_t)(count + classes), 1);
    for (int32_t i = 0; i < num_images; i++) {
        p->extents[i] = (struct extent){200 - 10 * i, 300 - 70 * i};
        for (int64_t j = 0; j < proposals[i]; j++) {
            float *box = p->proposals.boxes + 4 * p->proposals.count;
            p->proposals.images[p->proposals.count++] = i;
            box[0] = (float)random_between(&random, 0, 280);
            box[1] = (float)random_between(&random, 0, 180);
            box[2] = box[0] + (float)random_between(&random, 1, 90);
            box[3] = box[1] + (float)random_between(&random, 1, 90);
        }
    }
    p->detections = (struct detections){
        .logits = filled_tensor(p->nn, count, 1, 1, classes, 3, -3, 3, false),
        .deltas = filled_tensor(p->nn, count, 1, 1, 4 * classes, 4, -4, 4, false),
        .proposals = &p->proposals,
        .extents = p->extents,
        .num_images = num_images,
        .coding = {10, 10, 5, 5},
        .score_threshold = 0.05f,
        .nms_threshold = 0.5f,
        .min_side = 1e-2f,
        .max_detections = 100,
    };
}

static double probability(const struct tensor *logits, int64_t row, int64_t label) {
    const float *x = logits->data + row * logits->c;
    double sum = 0;
    for (int64_t i = 0; i < logits->c; i++)
        sum += exp((double)x[i]);
    return exp((double)x[label]) / sum;
}

static int64_t expected_of(const struct problem *p, int64_t image) {
    const struct detections *d = &p->detections;
    int64_t classes = d->logits->c;
    int64_t count = 0;
    for (int64_t row = 0; row < p->proposals.count; row++) {
        if (p->proposals.images[row] != image) continue;
        double proposal[4];
        for (int i = 0; i < 4; i++)
            proposal[i] = (double)p->proposals.boxes[4 * row + i];
        for (int64_t label = 1; label < classes; label++) {
            REQUIRE(count < MAX_CANDIDATES);
            struct candidate one = {.score = probability(d->logits, row, label),
                                    .group = (int32_t)label};
            if (one.score <= (double)d->score_threshold) continue;
            decode_and_clip(proposal, d->deltas->data + 4 * (row * classes + label), &d->coding,
                            p->extents[image], one.box);
            if (is_large(one.box, (double)d->min_side)) candidates[count++] = one;
        }
    }
    sort_candidates(candidates, count);
    return suppress(candidates, count, (double)d->nms_threshold, d->max_detections);
}

static void run(struct problem *p, struct box_list *list) {
    struct error err;
    box_list_create(p->nn, list, p->detections.num_images * p->detections.max_detections);
    detections_forward(p->nn, &p->detections, list);
    EXPECT_OK(nn_status(p->nn, &err), &err);
}

static bool is_match(const struct box_list *list, int64_t at, const struct candidate *expected) {
    bool same = list->labels[at] == expected->group &&
                fabs((double)list->scores[at] - expected->score) < 1e-6;
    for (int i = 0; i < 4 && same; i++)
        same = fabs((double)list->boxes[4 * at + i] - expected->box[i]) < 1e-3;
    return same;
}

// Scores are rounded to float, so that neighbours may swap: each expected one is somewhere.
// Returns how many detections there are.
static int64_t check(struct problem *p) {
    struct box_list list;
    run(p, &list);
    int64_t begin = 0;
    for (int64_t image = 0; image < p->detections.num_images; image++) {
        int64_t count = expected_of(p, image);
        REQUIRE(begin + count <= list.count);
        for (int64_t i = 0; i < count; i++) {
            EXPECT_INT(list.images[begin + i], image);
            EXPECT(i == 0 || list.scores[begin + i] <= list.scores[begin + i - 1]);
            bool found = false;
            for (int64_t j = 0; j < count && !found; j++)
                found = is_match(&list, begin + j, &candidates[i]);
            EXPECT(found);
        }
        begin += count;
    }
    EXPECT_INT(list.count, begin);
    return begin;
}

static void random_scores(void) {
    struct problem p;
    begin(&p, 1, (const int64_t[]){100}, 5);
    EXPECT_INT(check(&p), 100);
    begin(&p, 1, (const int64_t[]){100}, 2);
    p.detections.max_detections = 1000; // fewer remain
    EXPECT(check(&p) > 20);
    begin(&p, 3, (const int64_t[]){70, 0, 31}, 21);
    p.detections.nms_threshold = 0.3f;
    EXPECT(check(&p) > 100);
    begin(&p, 2, (const int64_t[]){0, 1}, 3);
    check(&p);
}

// Thousands of pairs pass, and of one image nearly all must be looked at, since its proposals are
// one box.
static void many_pairs(void) {
    struct problem p;
    begin(&p, 2, (const int64_t[]){150, 120}, 41);
    p.detections.score_threshold = 0;
    EXPECT_INT(check(&p), 200);
    begin(&p, 2, (const int64_t[]){120, 150}, 41);
    p.detections.score_threshold = 0;
    for (int64_t i = 120; i < 270; i++)
        for (int j = 0; j < 4; j++)
            p.proposals.boxes[4 * i + j] = j < 2 ? 10 : 150;
    for (int64_t i = 0; i < tensor_count(p.detections.deltas); i++)
        p.detections.deltas->data[i] *= 1e-3f;
    EXPECT_INT(check(&p), 140);
}

static void nothing(void) {
    struct problem p;
    begin(&p, 2, (const int64_t[]){0, 0}, 3);
    EXPECT_INT(check(&p), 0);
    begin(&p, 1, (const int64_t[]){50}, 4);
    p.detections.score_threshold = 1;
    EXPECT_INT(check(&p), 0);
    begin(&p, 1, (const int64_t[]){50}, 4);
    p.detections.min_side = 301;
    EXPECT_INT(check(&p), 0);
}

// Scores and deltas that are no numbers are no detections.
static void not_finite(void) {
    struct problem p;
    struct box_list list;
    begin(&p, 1, (const int64_t[]){40}, 4);
    for (int64_t i = 0; i < 40; i += 4)
        p.detections.logits->data[4 * i + 2] = NAN;
    for (int64_t i = 0; i < 40 * 16; i += 7)
        p.detections.deltas->data[i] = i % 2 ? NAN : INFINITY;
    run(&p, &list);
    EXPECT(list.count > 0);
    for (int64_t i = 0; i < list.count; i++) {
        EXPECT(list.scores[i] > 0.05f && list.scores[i] <= 1);
        EXPECT(list.labels[i] >= 1 && list.labels[i] < 4);
        for (int j = 0; j < 4; j++)
            EXPECT(list.boxes[4 * i + j] >= 0 && list.boxes[4 * i + j] <= 300);
    }
}

static void plans(void) {
    struct nn *nn = NULL;
    struct error err;
    REQUIRE(nn_create(&nn, &(struct nn_options){.device = NN_PLAN}, &err) == STATUS_OK);
    struct box_list proposals;
    struct box_list list;
    box_list_create(nn, &proposals, 1000);
    proposals.count = 1000;
    const struct detections detections = {
        .logits = nn_tensor(nn, 1000, 1, 1, 81),
        .deltas = nn_tensor(nn, 1000, 1, 1, 324),
        .proposals = &proposals,
        .num_images = 2,
        .max_detections = 100,
    };
    box_list_create(nn, &list, 200);
    detections_forward(nn, &detections, &list);
    EXPECT_OK(nn_status(nn, &err), &err);
    EXPECT_INT(list.count, 200);
    nn_destroy(nn);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"random scores", random_scores},
                         {"many_pairs", many_pairs},
                         {"nothing", nothing},
                         {"not finite", not_finite},
                         {"plans", plans},
                         {0},
                     });
}
