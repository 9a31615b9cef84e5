#include "detector/detect.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "detector/paste.h"
#include "detector/preprocess.h"

// One batch on its way.
struct batch {
    struct nn *nn;
    struct mask_rcnn *model;
    const struct image *images;
    int64_t count;
    double mask_threshold;
    struct extent *extents; // of the resized images
    struct arena *arena;
};

// Of each detection, where the program can read them.
struct mask_logits {
    int64_t size;
    const float *values; // [count, size, size]
};

static struct tensor *make_input(const struct batch *b) {
    for (int64_t i = 0; i < b->count; i++)
        b->extents[i] = preprocess_extent(b->model, b->images[i].width, b->images[i].height);
    return preprocess_images(b->nn, b->model, b->images, b->extents, b->count, b->arena);
}

// Probabilities, scaled so that threshold comes to lie at 0.5: enlarging a mask is linear, so that
// pastes it at the threshold.
static void probabilities(const float *logits, int64_t count, double threshold, float *mask) {
    float scale = (float)(0.5 / threshold);
    for (int64_t i = 0; i < count; i++)
        mask[i] = scale / (1 + expf(-logits[i]));
}

static enum status add_detection(const struct batch *b, const struct box_list *found,
                                 const struct mask_logits *logits, int64_t index, float *mask,
                                 struct detection_list *list, struct error *err) {
    int32_t i = found->images[index];
    const struct image *image = &b->images[i];
    float scale_x = (float)image->width / (float)b->extents[i].width;
    float scale_y = (float)image->height / (float)b->extents[i].height;
    const float *box = found->boxes + 4 * index;
    struct detection *d = &list->items[list->count++];
    *d = (struct detection){
        .box = {box[0] * scale_x, box[1] * scale_y, box[2] * scale_x, box[3] * scale_y},
        .score = found->scores[index],
        .label = found->labels[index],
    };
    int64_t count = logits->size * logits->size;
    probabilities(logits->values + index * count, count, b->mask_threshold, mask);
    struct extent extent = {image->height, image->width};
    return paste_mask(b->model->rules->paste, mask, logits->size, d->box, extent, b->arena,
                      &d->mask, err);
}

static enum status make_lists(const struct batch *b, const struct box_list *found,
                              const struct mask_logits *logits, struct detection_list *lists,
                              struct error *err) {
    float *mask = arena_alloc(b->arena, logits->size * logits->size, sizeof *mask);
    if (!mask) return error_memory(err, "masks", logits->size * logits->size * 4);
    for (int64_t i = 0, begin = 0; i < b->count; i++) {
        int64_t end = begin;
        while (end < found->count && found->images[end] == i)
            end++;
        lists[i] = (struct detection_list){
            .items = arena_alloc(b->arena, end - begin, sizeof(struct detection))};
        if (!lists[i].items) return error_memory(err, "detections", 0);
        for (; begin < end; begin++)
            TRY(add_detection(b, found, logits, begin, mask, &lists[i], err));
    }
    return STATUS_OK;
}

static enum status detect_batch(struct batch *b, struct detection_list *lists,
                                struct detect_seconds *seconds, struct error *err) {
    struct nn *nn = b->nn;
    struct features features;
    struct box_list proposals;
    struct box_list found;
    double start = clock_seconds();
    nn_begin(nn, NN_INFERENCE);
    struct tensor *input = make_input(b);
    double begin = clock_seconds();
    mask_rcnn_features(nn, b->model, input, &features);
    mask_rcnn_propose(nn, b->model, &features, b->extents, &proposals);
    mask_rcnn_boxes(nn, b->model, &features, &proposals, b->extents, &found);
    const struct tensor *masks = mask_rcnn_masks(nn, b->model, &features, &found);
    const struct mask_logits logits = {masks->h, nn_read(nn, masks->data, tensor_bytes(masks))};
    const struct box_list list = box_list_read(nn, &found);
    TRY(nn_status(nn, err));
    double end = clock_seconds();
    TRY(make_lists(b, &list, &logits, lists, err));
    *seconds = (struct detect_seconds){begin - start, end - begin, clock_seconds() - end};
    return STATUS_OK;
}

enum status detect_images_timed(struct nn *nn, struct mask_rcnn *model, const struct image *images,
                                int64_t count, double mask_threshold, struct arena *arena,
                                struct detection_list *lists, struct detect_seconds *seconds,
                                struct error *err) {
    CHECK(count >= 1 && mask_threshold > 0);
    struct batch batch = {nn, model, images, count, mask_threshold, NULL, arena};
    batch.extents = arena_alloc(arena, count, sizeof *batch.extents);
    if (!batch.extents) return error_memory(err, "detections", count);
    return detect_batch(&batch, lists, seconds, err);
}

enum status detect_images(struct nn *nn, struct mask_rcnn *model, const struct image *images,
                          int64_t count, struct arena *arena, struct detection_list *lists,
                          struct error *err) {
    struct detect_seconds seconds;
    return detect_images_timed(nn, model, images, count, 0.5, arena, lists, &seconds, err);
}
