#include "nn/proposals/proposals.h"

#include "tests/nn/check_boxes.h"
#include "tests/nn/check_op.h"

enum { NUM_ANCHORS = 3, MAX_CANDIDATES = 20000, MAX_IMAGES = 18 };

static const struct box_coding CODING = {1, 1, 1, 1};
static struct candidate candidates[MAX_CANDIDATES];
static struct candidate of_level[MAX_CANDIDATES];

struct problem {
    struct nn *nn;
    struct proposals proposals;
    struct extent extents[MAX_IMAGES];
    int64_t num_images;
};

// A pyramid over an input of height x width pixels, whose first level has the stride 8.
static void begin(struct problem *p, int64_t num_images, int num_levels, int32_t height,
                  int32_t width) {
    *p = (struct problem){.nn = fresh_nn(), .num_images = num_images};
    p->proposals = (struct proposals){
        .num_levels = num_levels,
        .num_anchors = NUM_ANCHORS,
        .extents = p->extents,
        .pre_nms = 50,
        .post_nms = 60,
        .nms_threshold = 0.7f,
        .min_side = 1e-3f,
    };
    for (int32_t i = 0; i < num_images; i++)
        p->extents[i] = (struct extent){height - 5 * i, width - 9 * i};
    for (int i = 0; i < num_levels; i++) {
        int64_t stride = 8 << i;
        int64_t quarter = stride / 4;
        int64_t h = (height + stride - 1) / stride;
        int64_t w = (width + stride - 1) / stride;
        struct proposal_level *level = &p->proposals.levels[i];
        uint64_t seed = 10 * (uint64_t)i + (uint64_t)num_levels;
        level->logits = filled_tensor(p->nn, num_images, h, w, NUM_ANCHORS, seed, -5, 5, false);
        level->deltas =
            filled_tensor(p->nn, num_images, h, w, 4 * NUM_ANCHORS, seed + 1, -1, 1, false);
        level->stride_x = (float)stride;
        level->stride_y = (float)stride;
        const float halves[NUM_ANCHORS][2] = {{5.6f, 2.8f}, {4, 4}, {2.8f, 5.6f}};
        for (int a = 0; a < NUM_ANCHORS; a++)
            for (int corner = 0; corner < 4; corner++)
                level->cells[a][corner] =
                    (corner < 2 ? -1.0f : 1.0f) * halves[a][corner % 2] * (float)quarter;
    }
}

// The best candidates of one level and image, decoded.
static int64_t level_candidates(const struct problem *p, int index, int64_t image) {
    const struct proposal_level *level = &p->proposals.levels[index];
    int64_t positions = level->logits->h * level->logits->w;
    int64_t count = positions * NUM_ANCHORS;
    REQUIRE(count <= MAX_CANDIDATES);
    for (int64_t i = 0; i < count; i++)
        of_level[i] = (struct candidate){
            .score = (double)level->logits->data[image * count + i], .group = index, .index = i};
    sort_candidates(of_level, count);
    if (count > p->proposals.pre_nms) count = p->proposals.pre_nms;
    int64_t num_large = 0;
    for (int64_t i = 0; i < count; i++) {
        struct candidate one = of_level[i];
        int64_t position = one.index / NUM_ANCHORS;
        int64_t column = position % level->logits->w;
        int64_t row = position / level->logits->w;
        const double shift[2] = {(double)column * (double)level->stride_x,
                                 (double)row * (double)level->stride_y};
        double anchor[4];
        for (int corner = 0; corner < 4; corner++)
            anchor[corner] =
                shift[corner % 2] + (double)level->cells[one.index % NUM_ANCHORS][corner];
        const float *deltas =
            level->deltas->data + 4 * (image * positions * NUM_ANCHORS + one.index);
        decode_and_clip(anchor, deltas, &CODING, p->extents[image], one.box);
        if (is_large(one.box, (double)p->proposals.min_side)) of_level[num_large++] = one;
    }
    return num_large;
}

static int64_t expected_of(const struct problem *p, int64_t image) {
    int64_t count = 0;
    for (int i = 0; i < p->proposals.num_levels; i++) {
        int64_t more = level_candidates(p, i, image);
        REQUIRE(count + more <= MAX_CANDIDATES);
        memcpy(candidates + count, of_level, (size_t)more * sizeof *candidates);
        count += more;
    }
    sort_candidates(candidates, count);
    return suppress(candidates, count, (double)p->proposals.nms_threshold, p->proposals.post_nms);
}

static void run(struct problem *p, struct box_list *list) {
    struct error err;
    box_list_create(p->nn, list, p->num_images * p->proposals.post_nms);
    proposals_forward(p->nn, &p->proposals, list);
    EXPECT_OK(nn_status(p->nn, &err), &err);
}

// Returns how many proposals there are.
static int64_t check(struct problem *p) {
    struct box_list list;
    run(p, &list);
    int64_t at = 0;
    for (int64_t image = 0; image < p->num_images; image++) {
        int64_t count = expected_of(p, image);
        REQUIRE(at + count <= list.count);
        for (int64_t i = 0; i < count; i++, at++) {
            EXPECT_INT(list.images[at], image);
            EXPECT_NEAR((double)list.scores[at], candidates[i].score, 0);
            for (int corner = 0; corner < 4; corner++)
                EXPECT_NEAR((double)list.boxes[4 * at + corner], candidates[i].box[corner], 1e-3);
        }
    }
    EXPECT_INT(list.count, at);
    return at;
}

static void random_maps(void) {
    struct problem p;
    begin(&p, 1, 1, 64, 80);
    EXPECT(check(&p) > 10);
    begin(&p, 2, 3, 97, 130);
    EXPECT(check(&p) > 100);
    begin(&p, 3, 5, 200, 150);
    p.proposals.post_nms = 1000; // fewer remain
    EXPECT(check(&p) > 300);
    begin(&p, 2, 5, 129, 128);
    p.proposals.pre_nms = 100000; // all enter
    p.proposals.nms_threshold = 0.3f;
    EXPECT_INT(check(&p), 120);
    begin(&p, 1, 5, 1, 1);
    check(&p);
    begin(&p, 0, 2, 64, 64);
    EXPECT_INT(check(&p), 0);
}

// More images than fit into a kernel's arguments, and more anchors of a level than a block sorts.
static void many(void) {
    struct problem p;
    begin(&p, MAX_IMAGES, 2, 130, 300);
    EXPECT(check(&p) > 10 * MAX_IMAGES);
    begin(&p, 1, 2, 200, 360);
    p.proposals.pre_nms = 3000;
    p.proposals.post_nms = 2500;
    p.proposals.min_side = 12;
    EXPECT(check(&p) > 1000);
}

// Equal scores: the anchor that comes first, then the level.
static void equal_scores(void) {
    struct problem p;
    begin(&p, 2, 3, 70, 90);
    for (int i = 0; i < 3; i++) {
        struct tensor *t = p.proposals.levels[i].logits;
        for (int64_t j = 0; j < tensor_count(t); j++)
            t->data[j] = rintf(t->data[j]);
    }
    EXPECT(check(&p) > 50);
}

static void too_small(void) {
    struct problem p;
    begin(&p, 2, 3, 100, 100);
    p.proposals.min_side = 20;
    int64_t few = check(&p);
    begin(&p, 2, 3, 100, 100);
    p.proposals.min_side = 0;
    EXPECT(few < check(&p));
    begin(&p, 2, 3, 100, 100);
    p.proposals.min_side = 1000;
    EXPECT_INT(check(&p), 0);
}

// Deltas that are no numbers make no boxes.
static void not_finite(void) {
    struct problem p;
    struct box_list list;
    begin(&p, 1, 2, 64, 64);
    for (int i = 0; i < 2; i++) {
        struct tensor *t = p.proposals.levels[i].deltas;
        for (int64_t j = 0; j < tensor_count(t); j += 3)
            t->data[j] = j % 2 ? NAN : INFINITY;
    }
    run(&p, &list);
    for (int64_t i = 0; i < 4 * list.count; i++)
        EXPECT(list.boxes[i] >= 0 && list.boxes[i] <= 64);
}

// An image's proposals do not depend on the others, nor on the threads.
static void alone(void) {
    struct problem p;
    struct box_list together;
    struct box_list list;
    begin(&p, 3, 3, 100, 140);
    run(&p, &together);
    int64_t at = 0;
    for (int32_t image = 0; image < 3; image++) {
        struct problem one = p;
        one.num_images = 1;
        one.proposals.extents = &p.extents[image];
        one.nn->num_threads = 1 + image;
        for (int i = 0; i < 3; i++) {
            struct tensor views[2] = {*p.proposals.levels[i].logits, *p.proposals.levels[i].deltas};
            for (int j = 0; j < 2; j++) {
                struct tensor *t = nn_tensor(p.nn, 1, views[j].h, views[j].w, views[j].c);
                int64_t count = tensor_count(t);
                memcpy(t->data, views[j].data + image * count, (size_t)count * sizeof *t->data);
                *(j ? &one.proposals.levels[i].deltas : &one.proposals.levels[i].logits) = t;
            }
        }
        run(&one, &list);
        REQUIRE(at + list.count <= together.count);
        EXPECT(memcmp(list.boxes, together.boxes + 4 * at,
                      (size_t)list.count * 4 * sizeof(float)) == 0);
        EXPECT(memcmp(list.scores, together.scores + at, (size_t)list.count * sizeof(float)) == 0);
        at += list.count;
    }
    EXPECT_INT(at, together.count);
}

// The same proposals where each image has places of its own.
static void in_places(void) {
    enum { EACH = 75 };
    struct problem p;
    struct box_list packed;
    struct box_list list;
    struct error err;
    begin(&p, 3, 3, 100, 140);
    p.proposals.min_side = 20; // fewer than there may be
    run(&p, &packed);
    box_list_create_places(p.nn, &list, 3, EACH);
    proposals_forward(p.nn, &p.proposals, &list);
    EXPECT_OK(nn_status(p.nn, &err), &err);
    EXPECT_INT(list.count, 3 * EACH);
    int64_t at = 0;
    for (int64_t image = 0; image < 3; image++) {
        size_t count = (size_t)list.counts[image];
        REQUIRE(at + list.counts[image] <= packed.count);
        EXPECT(count > 3 && count < 60);
        EXPECT(equal_bits(list.boxes + 4 * image * EACH, packed.boxes + 4 * at,
                          4 * count * sizeof(float)));
        EXPECT(equal_bits(list.scores + image * EACH, packed.scores + at, count * sizeof(float)));
        for (size_t i = 0; i < count; i++)
            EXPECT_INT(list.images[image * EACH + (int64_t)i], image);
        at += list.counts[image];
    }
    EXPECT_INT(at, packed.count);
    p.proposals.min_side = 1000;
    proposals_forward(p.nn, &p.proposals, &list);
    EXPECT_OK(nn_status(p.nn, &err), &err);
    EXPECT_INT(list.counts[0] + list.counts[1] + list.counts[2], 0);
}

static void plans(void) {
    struct nn *nn = NULL;
    struct error err;
    REQUIRE(nn_create(&nn, &(struct nn_options){.device = NN_PLAN}, &err) == STATUS_OK);
    struct proposals proposals = {
        .num_levels = 1, .num_anchors = 3, .pre_nms = 1000, .post_nms = 300};
    proposals.levels[0].logits = nn_tensor(nn, 2, 200, 300, 3);
    proposals.levels[0].deltas = nn_tensor(nn, 2, 200, 300, 12);
    struct box_list list;
    box_list_create(nn, &list, 600);
    proposals_forward(nn, &proposals, &list);
    EXPECT_OK(nn_status(nn, &err), &err);
    EXPECT_INT(list.count, 600);
    nn_destroy(nn);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"random maps", random_maps},
                         {"many", many},
                         {"equal scores", equal_scores},
                         {"too small", too_small},
                         {"not finite", not_finite},
                         {"alone", alone},
                         {"in places", in_places},
                         {"plans", plans},
                         {0},
                     });
}
