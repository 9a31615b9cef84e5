#include "train/sampler.h"

#include <string.h>

#include "base/check.h"

// Streams of random numbers: one for each epoch, one for each image of each group. The uppermost
// bits keep them apart from each other and from the streams of a training step (detector/losses.c).
static const uint64_t EPOCH_STREAMS = UINT64_C(3) << 62;
static const uint64_t IMAGE_STREAMS = UINT64_C(1) << 63;
enum { GROUP_BITS = 16 }; // an image's number in its group takes no more

static int64_t groups_of(const struct sampler *s, int64_t num_images) {
    int64_t size = s->config->schedule.group;
    return (num_images + size - 1) / size;
}

// The landscape images before the others, each kind in the order of the dataset.
static void sort_images(struct sampler *s) {
    int64_t count = 0;
    for (int portrait = 0; portrait < 2; portrait++) {
        for (int64_t i = 0; i < s->dataset->num_images; i++) {
            const struct coco_image *record = s->dataset->images[i].record;
            if ((record->width < record->height) == portrait) s->sorted[count++] = i;
        }
        if (!portrait) s->num_landscape = count;
    }
}

enum status sampler_init(struct sampler *sampler, const struct dataset *dataset,
                         const struct model_config *config, bool augments, uint64_t seed,
                         struct arena *arena, struct error *err) {
    int64_t count = dataset->num_images;
    CHECK(count > 0);
    *sampler = (struct sampler){
        .dataset = dataset,
        .config = config,
        .augments = augments,
        .seed = seed,
        .epoch = -1,
        .sorted = arena_alloc(arena, count, sizeof *sampler->sorted),
        .shuffled = arena_alloc(arena, count, sizeof *sampler->shuffled),
        .order = arena_alloc(arena, count + 1, sizeof *sampler->order),
    };
    if (!sampler->sorted || !sampler->shuffled || !sampler->order)
        return error_memory(err, "the order of images", 24 * count);
    sort_images(sampler);
    int64_t num_portrait = count - sampler->num_landscape;
    sampler->groups_per_epoch =
        augments ? groups_of(sampler, sampler->num_landscape) + groups_of(sampler, num_portrait)
                 : groups_of(sampler, count);
    return STATUS_OK;
}

// Fisher and Yates.
static void shuffle(int64_t *items, int64_t count, struct random *random) {
    for (int64_t i = count - 1; i > 0; i--) {
        int64_t j = random_below(random, i + 1);
        int64_t item = items[i];
        items[i] = items[j];
        items[j] = item;
    }
}

static void begin_epoch(struct sampler *s, int64_t epoch) {
    if (epoch == s->epoch) return;
    struct random random = random_stream(s->seed, EPOCH_STREAMS | (uint64_t)epoch);
    int64_t count = s->dataset->num_images;
    memcpy(s->shuffled, s->sorted, (size_t)count * sizeof *s->shuffled);
    shuffle(s->shuffled, s->num_landscape, &random);
    shuffle(s->shuffled + s->num_landscape, count - s->num_landscape, &random);
    for (int64_t i = 0; i < s->groups_per_epoch; i++)
        s->order[i] = i;
    shuffle(s->order, s->groups_per_epoch, &random);
    s->epoch = epoch;
}

static int64_t plain_group(const struct sampler *s, int64_t position,
                           struct sampled_image *images) {
    int64_t size = s->config->schedule.group;
    int64_t begin = position * size;
    int64_t left = s->dataset->num_images - begin;
    int64_t count = left < size ? left : size;
    for (int64_t i = 0; i < count; i++)
        images[i] = (struct sampled_image){begin + i, augmentation_none(s->config)};
    return count;
}

int64_t sampler_group(struct sampler *sampler, int64_t index, struct sampled_image *images) {
    CHECK(index >= 0 && index < INT64_C(1) << (62 - GROUP_BITS));
    int64_t size = sampler->config->schedule.group;
    int64_t position = index % sampler->groups_per_epoch;
    if (!sampler->augments) return plain_group(sampler, position, images);
    begin_epoch(sampler, index / sampler->groups_per_epoch);
    int64_t group = sampler->order[position];
    int64_t num_landscape_groups = groups_of(sampler, sampler->num_landscape);
    bool portrait = group >= num_landscape_groups;
    const int64_t *from = sampler->shuffled + (portrait ? sampler->num_landscape : 0);
    int64_t count =
        portrait ? sampler->dataset->num_images - sampler->num_landscape : sampler->num_landscape;
    if (portrait) group -= num_landscape_groups;
    for (int64_t i = 0; i < size; i++) {
        struct random random = random_stream(
            sampler->seed, IMAGE_STREAMS | (uint64_t)index << GROUP_BITS | (uint64_t)i);
        images[i].image = from[(group * size + i) % count];
        images[i].augmentation = augmentation_draw(sampler->config, &random);
    }
    return size;
}
