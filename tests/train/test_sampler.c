// Which images form groups: every image once in an epoch, one orientation in a group, and all of it
// a function of the seed and the group's index.
#include "train/sampler.h"

#include <math.h>

#include "tests/harness.h"
#include "tests/train/check_data.h"

enum { MAX_GROUP = 16, MAX_IMAGES = 512 };

static struct training_data data;
static struct error err;

static struct sampler make_sampler(bool augments, uint64_t seed) {
    struct sampler sampler;
    EXPECT_OK(
        sampler_init(&sampler, &data.dataset, &data.config, augments, seed, &data.arena, &err),
        &err);
    return sampler;
}

static bool is_portrait(int64_t image) {
    const struct coco_image *record = data.dataset.images[image].record;
    return record->width < record->height;
}

// How often each image occurs in an epoch: once, and some once more to fill up the last group of
// their orientation. In a set smaller than a group, all of it repeats.
static void check_epoch(struct sampler *sampler, int64_t epoch) {
    int64_t counts[MAX_IMAGES] = {0};
    int64_t size = data.config.schedule.group;
    int64_t num_images[2] = {0, 0};
    int64_t num_shown[2] = {0, 0};
    for (int64_t i = 0; i < data.dataset.num_images; i++)
        num_images[is_portrait(i)]++;
    for (int64_t i = 0; i < sampler->groups_per_epoch; i++) {
        struct sampled_image images[MAX_GROUP];
        EXPECT_INT(sampler_group(sampler, epoch * sampler->groups_per_epoch + i, images), size);
        for (int64_t j = 0; j < size; j++) {
            REQUIRE(images[j].image >= 0 && images[j].image < data.dataset.num_images);
            EXPECT(is_portrait(images[j].image) == is_portrait(images[0].image));
            counts[images[j].image]++;
            num_shown[is_portrait(images[j].image)]++;
        }
    }
    for (int kind = 0; kind < 2; kind++)
        EXPECT_INT(num_shown[kind], (num_images[kind] + size - 1) / size * size);
    for (int64_t i = 0; i < data.dataset.num_images; i++) {
        int64_t of_kind = num_images[is_portrait(i)];
        EXPECT(counts[i] >= 1);
        EXPECT(of_kind >= size ? counts[i] <= 2 : (counts[i] - 1) * of_kind < size);
    }
}

static void epochs(void) {
    static const struct {
        const char *shape;
        int64_t count;
        const char *group;
    } cases[] = {
        {"LLP", 100, "2"}, {"LP", 101, "2"},   {"LLP", 100, "1"},   {"LLLLP", 100, "8"},
        {"P", 7, "2"},     {"L", 1, "1"},      {"L", 1, "2"},       {"P", 1, "16"},
        {"LP", 2, "16"},   {"LLPLP", 5, "16"}, {"PPPPPL", 12, "3"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        training_data_shapes(&data, cases[i].shape, cases[i].count,
                             (const char *const[]){"schedule.batch", cases[i].group,
                                                   "schedule.group", cases[i].group, NULL});
        struct sampler sampler = make_sampler(true, 5);
        for (int64_t epoch = 0; epoch < 4; epoch++)
            check_epoch(&sampler, epoch);
        check_epoch(&sampler, 1000000);
        training_data_destroy(&data);
    }
}

static bool same_group(struct sampler *a, struct sampler *b, int64_t index) {
    struct sampled_image first[MAX_GROUP] = {0};
    struct sampled_image second[MAX_GROUP] = {0};
    int64_t count = sampler_group(a, index, first);
    if (sampler_group(b, index, second) != count) return false;
    for (int64_t i = 0; i < count; i++) {
        const struct augmentation *x = &first[i].augmentation;
        const struct augmentation *y = &second[i].augmentation;
        if (first[i].image != second[i].image || x->mirrored != y->mirrored ||
            x->short_side != y->short_side ||
            !equal_bits(&x->scale, &y->scale, 3 * sizeof x->scale))
            return false;
    }
    return true;
}

// The same whatever was asked before.
static void pure(void) {
    training_data_shapes(
        &data, "LLP", 50,
        (const char *const[]){"augment.jitter", "0.5,2", "augment.short_sides", "48,64", NULL});
    struct sampler in_order = make_sampler(true, 5);
    struct sampler backwards = make_sampler(true, 5);
    struct sampler other = make_sampler(true, 6);
    int64_t total = 5 * in_order.groups_per_epoch;
    int64_t num_same = 0;
    for (int64_t k = 0; k < total; k++) {
        struct sampler fresh = make_sampler(true, 5);
        EXPECT(same_group(&in_order, &fresh, k));
        num_same += same_group(&fresh, &other, k);
    }
    for (int64_t k = total - 1; k >= 0; k--)
        EXPECT(same_group(&backwards, &in_order, k));
    EXPECT(num_same == 0); // another seed
    training_data_destroy(&data);
}

// Epochs differ, in how images are put together and in which order groups come.
static void shuffled(void) {
    enum { COUNT = 400 };
    const double middle = (COUNT - 1) / 2.0;
    training_data_shapes(&data, "L", COUNT, NULL);
    struct sampler sampler = make_sampler(true, 5);
    static int64_t at[3][COUNT]; // where in the epoch each image comes
    for (int64_t epoch = 0; epoch < 3; epoch++)
        for (int64_t k = 0; k < COUNT / 2; k++) {
            struct sampled_image images[2];
            sampler_group(&sampler, epoch * (COUNT / 2) + k, images);
            for (int64_t j = 0; j < 2; j++)
                at[epoch][images[j].image] = 2 * k + j;
        }
    for (int a = 0; a < 3; a++) {
        int b = (a + 1) % 3;
        int64_t num_same_group = 0;
        int64_t num_together = 0;
        double correlation = 0; // of places, in [-1, 1]
        for (int64_t i = 0; i < COUNT; i++) {
            num_same_group += at[a][i] / 2 == at[b][i] / 2;
            for (int64_t j = 0; j < i; j++)
                num_together += at[a][i] / 2 == at[a][j] / 2 && at[b][i] / 2 == at[b][j] / 2;
            correlation += ((double)at[a][i] - middle) * ((double)at[b][i] - middle);
        }
        correlation /= COUNT * (COUNT * (double)COUNT - 1) / 12;
        EXPECT(num_same_group <= 12); // 2 expected
        EXPECT(num_together <= 6);    // 0.5 expected
        EXPECT(fabs(correlation) < 5 / sqrt(COUNT));
    }
    training_data_destroy(&data);
}

// ---- Augmentation ----

struct tally {
    int64_t count, mirrored, sides[3];
    double low_scale, high_scale;
    double place; // sum of left and top
};

static struct tally tally_of(const char *const *settings, bool augments) {
    struct tally tally = {.low_scale = 1e9};
    training_data_shapes(&data, "LP", 200, settings);
    struct sampler sampler = make_sampler(augments, 9);
    for (int64_t k = 0; k < 1000; k++) {
        struct sampled_image images[MAX_GROUP];
        int64_t count = sampler_group(&sampler, k, images);
        for (int64_t i = 0; i < count; i++) {
            const struct augmentation *a = &images[i].augmentation;
            tally.count++;
            tally.mirrored += a->mirrored;
            tally.sides[0] += a->short_side == 48;
            tally.sides[1] += a->short_side == 64;
            tally.sides[2] += a->short_side == 96;
            tally.low_scale = fmin(tally.low_scale, a->scale);
            tally.high_scale = fmax(tally.high_scale, a->scale);
            tally.place += a->left + a->top;
            EXPECT(a->left >= 0 && a->left < 1 && a->top >= 0 && a->top < 1);
        }
    }
    training_data_destroy(&data);
    return tally;
}

static void augmentation(void) {
    struct tally t = tally_of(NULL, true);
    EXPECT_NEAR((double)t.mirrored, (double)t.count / 2, 3 * sqrt((double)t.count) / 2);
    EXPECT_INT(t.sides[1], t.count);
    EXPECT_NEAR(t.low_scale, 1, 0);
    EXPECT_NEAR(t.high_scale, 1, 0);
    t = tally_of((const char *const[]){"augment.flip", "0", "augment.short_sides", "48,64,96",
                                       "augment.jitter", "0.5,2", NULL},
                 true);
    EXPECT_INT(t.mirrored, 0);
    for (int i = 0; i < 3; i++)
        EXPECT_NEAR((double)t.sides[i], (double)t.count / 3, 3 * sqrt((double)t.count * 2) / 3);
    EXPECT_NEAR(t.low_scale, 0.5, 0.01);
    EXPECT_NEAR(t.high_scale, 2, 0.01);
    EXPECT_NEAR(t.place / (double)t.count, 1, 0.05);
    t = tally_of((const char *const[]){"augment.flip", "1", NULL}, true);
    EXPECT_INT(t.mirrored, t.count);
    t = tally_of((const char *const[]){"augment.flip", "1", "augment.jitter", "0.5,2",
                                       "augment.short_sides", "48", NULL},
                 false);
    EXPECT_INT(t.mirrored, 0);
    EXPECT_INT(t.sides[1], t.count);
    EXPECT_NEAR(t.high_scale, 1, 0);
}

// An option of its own does not change what is drawn for the others.
static void independent(void) {
    struct sampled_image plain[2];
    struct sampled_image jittered[2];
    training_data_shapes(&data, "L", 40, NULL);
    struct sampler sampler = make_sampler(true, 1);
    sampler_group(&sampler, 3, plain);
    training_data_destroy(&data);
    training_data_shapes(
        &data, "L", 40,
        (const char *const[]){"augment.jitter", "0.5,2", "augment.short_sides", "48,96", NULL});
    sampler = make_sampler(true, 1);
    sampler_group(&sampler, 3, jittered);
    for (int i = 0; i < 2; i++) {
        EXPECT_INT(plain[i].image, jittered[i].image);
        EXPECT(plain[i].augmentation.mirrored == jittered[i].augmentation.mirrored);
    }
    training_data_destroy(&data);
}

static void in_order(void) {
    training_data_shapes(&data, "LPP", 11,
                         (const char *const[]){"schedule.batch", "4", "schedule.group", "4", NULL});
    struct sampler sampler = make_sampler(false, 1);
    EXPECT_INT(sampler.groups_per_epoch, 3);
    for (int64_t k = 0; k < 6; k++) {
        struct sampled_image images[4];
        int64_t count = sampler_group(&sampler, k, images);
        EXPECT_INT(count, k % 3 < 2 ? 4 : 3);
        for (int64_t i = 0; i < count; i++)
            EXPECT_INT(images[i].image, k % 3 * 4 + i);
    }
    training_data_destroy(&data);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"epochs", epochs},
                         {"pure", pure},
                         {"shuffled", shuffled},
                         {"augmentation", augmentation},
                         {"independent", independent},
                         {"in order", in_order},
                         {0},
                     });
}
