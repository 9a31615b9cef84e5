#include "detector/targets.h"

#include <math.h>
#include <string.h>

#include "nn/anchors/anchors.h"

// Two uses of chance in each image of each step, which draw from streams of their own.
enum { USE_ANCHORS, USE_REGIONS, NUM_USES };

static struct sample_streams streams_of(const struct loss_settings *settings, int use) {
    return (struct sample_streams){
        .seed = settings->seed,
        .first = (settings->step << 24) + (uint64_t)use,
        .step = NUM_USES,
    };
}

static int32_t *integers(struct nn *nn, int64_t count) {
    return (int32_t *)(void *)nn_scratch(nn, count);
}

// ---- Truths ----

static void write_truths(const struct image_truth *truths, int64_t num_images, float *boxes,
                         int32_t *labels, int32_t *begins) {
    begins[0] = 0;
    for (int64_t i = 0; i < num_images; i++) {
        int64_t count = truths[i].count;
        begins[i + 1] = begins[i] + (int32_t)count;
        if (count == 0) continue;
        memcpy(boxes + 4 * (int64_t)begins[i], truths[i].boxes,
               (size_t)(4 * count) * sizeof *boxes);
        memcpy(labels + begins[i], truths[i].labels, (size_t)count * sizeof *labels);
    }
}

// Hands them over in one piece of memory: boxes, labels, begins.
static void place_truths(struct nn *nn, const struct image_truth *truths, int64_t num_images,
                         struct targets *t) {
    t->truths = (struct truth_boxes){.num_images = num_images};
    for (int64_t i = 0; i < num_images; i++) {
        t->truths.count += truths[i].count;
        t->truths.most = truths[i].count > t->truths.most ? truths[i].count : t->truths.most;
    }
    int64_t count = t->truths.count;
    struct tensor *memory = nn_tensor(nn, 1, 1, 1, 5 * count + num_images + 1);
    float *place = nn_place(nn, memory);
    if (nn_failed(nn)) return;
    if (nn->device != NN_PLAN)
        write_truths(truths, num_images, place, (int32_t *)(void *)(place + 4 * count),
                     (int32_t *)(void *)(place + 5 * count));
    nn_put(nn, memory, place);
    t->truths.boxes = memory->data;
    t->labels = (int32_t *)(void *)(memory->data + 4 * count);
    t->truths.begins = t->labels + count;
}

// The masks of all images' truths, one after another.
static void place_masks(struct nn *nn, const struct image_truth *truths, int64_t num_images,
                        struct targets *t) {
    struct object_mask *all = arena_alloc(&nn->records, t->truths.count + 1, sizeof *all);
    int64_t count = 0;
    if (!all) {
        nn_fail(nn, STATUS_MEMORY, "masks of objects: out of memory");
        return;
    }
    for (int64_t i = 0; i < num_images; i++)
        for (int64_t j = 0; j < truths[i].count; j++)
            all[count++] = truths[i].masks[j];
    object_masks_pack(nn, all, count, &t->masks);
}

// ---- Anchors ----

void targets_of_anchors(struct nn *nn, const struct rpn *rpn, const struct rpn_maps *maps,
                        const struct features *features, const struct image_truth *truths,
                        const struct loss_settings *settings, struct targets *t) {
    int64_t anchors = rpn->options.anchor_ratios.count;
    int64_t num_images = maps->logits[0]->n;
    *t = (struct targets){0};
    for (int i = 0; i < RPN_LEVELS; i++) {
        t->levels[i] = rpn_level(rpn, maps, i, features->height, features->width);
        t->level_counts[i] = maps->logits[i]->h * maps->logits[i]->w * anchors;
        t->num_anchors += t->level_counts[i];
    }
    place_truths(nn, truths, num_images, t);
    place_masks(nn, truths, num_images, t);
    t->anchors = nn_scratch(nn, 4 * t->num_anchors);
    t->anchor_matches = integers(nn, num_images * t->num_anchors);
    t->sampled_anchors = (struct sampled *)(void *)nn_own_memory(nn, 2 * num_images);
    if (nn_failed(nn)) return;
    const struct candidates all = {.boxes = t->anchors, .each = t->num_anchors, .shared = true};
    const struct sample_streams streams = streams_of(settings, USE_ANCHORS);
    anchors_forward(nn, t->levels, RPN_LEVELS, anchors, t->anchors);
    match_forward(nn, &all, &t->truths, &settings->anchor_rule, t->anchor_matches);
    sample_forward(nn, t->anchor_matches, num_images, t->num_anchors, &settings->anchors, &streams,
                   t->sampled_anchors);
}

// ---- Regions ----

// How many of so many candidates of an image may be sampled, at most.
static struct sampled most_sampled(const struct sampling *sampling, int64_t each) {
    if (sampling->count == 0) return (struct sampled){(int32_t)each, 0};
    int64_t objects = (int64_t)floor((double)sampling->count * sampling->positives);
    if (objects > each) objects = each;
    int64_t count = sampling->count < each ? sampling->count : each;
    return (struct sampled){(int32_t)objects, (int32_t)(count - objects)};
}

void targets_of_regions(struct nn *nn, const struct box_list *proposals,
                        const struct loss_settings *settings, struct targets *t) {
    struct region_choice choice = {
        .candidates = {.boxes = proposals->boxes,
                       .counts = proposals->counts,
                       .each = proposals->each,
                       .with_truths = true},
        .truths = t->truths,
        .labels = t->labels,
    };
    int64_t num_images = t->truths.num_images;
    int64_t each = candidates_of_image(&choice.candidates, &choice.truths);
    struct sampled most = most_sampled(&settings->regions, each);
    regions_create(nn, &t->regions, num_images * (most.objects + most.backgrounds));
    regions_create(nn, &t->objects, num_images * most.objects);
    t->region_counts = (struct region_counts *)(void *)nn_own_memory(nn, 2);
    int32_t *matches = integers(nn, num_images * each);
    struct sampled *sampled = (struct sampled *)(void *)nn_scratch(nn, 2 * num_images);
    if (nn_failed(nn)) return;
    const struct sample_streams streams = streams_of(settings, USE_REGIONS);
    match_forward(nn, &choice.candidates, &choice.truths, &settings->region_rule, matches);
    sample_forward(nn, matches, num_images, each, &settings->regions, &streams, sampled);
    choice.matches = matches;
    choice.sampled = sampled;
    regions_forward(nn, &choice, &t->regions, &t->objects, t->region_counts);
    nn_scratch_free(nn, sampled);
    nn_scratch_free(nn, matches);
}

// ---- How many ----

static void count_most(const struct loss_settings *settings, struct targets *t) {
    struct sampled most = most_sampled(&settings->anchors, t->num_anchors);
    t->num_sampled_anchors = t->truths.num_images * (most.objects + most.backgrounds);
    t->regions.list.count = t->regions.list.capacity;
    t->objects.list.count = t->objects.list.capacity;
}

void targets_count(struct nn *nn, const struct loss_settings *settings, struct targets *t) {
    if (nn_failed(nn)) return;
    if (nn->device == NN_PLAN) {
        count_most(settings, t);
        return;
    }
    nn_wait(nn);
    if (nn_failed(nn)) return;
    for (int64_t i = 0; i < t->truths.num_images; i++)
        t->num_sampled_anchors += t->sampled_anchors[i].objects + t->sampled_anchors[i].backgrounds;
    t->regions.list.count = t->region_counts->all;
    t->objects.list.count = t->region_counts->objects;
}
