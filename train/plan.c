#include "train/plan.h"

#include "detector/losses.h"
#include "nn/sgd/sgd.h"
#include "nn/squares/squares.h"

// Addresses only, as everything on the plan device.
static struct extent *plan_extents(struct nn *nn, int64_t count) {
    return (struct extent *)(void *)nn_scratch(nn, 2 * count);
}

void plan_detection(struct nn *nn, struct mask_rcnn *model, int64_t num_images,
                    struct extent padded) {
    struct features features;
    struct box_list proposals;
    struct box_list found;
    nn_begin(nn, NN_INFERENCE);
    const struct extent *extents = plan_extents(nn, num_images);
    struct tensor *input = nn_tensor(nn, num_images, padded.height, padded.width, 3);
    mask_rcnn_features(nn, model, input, &features);
    mask_rcnn_propose(nn, model, &features, extents, &proposals);
    mask_rcnn_boxes(nn, model, &features, &proposals, extents, &found);
    mask_rcnn_masks(nn, model, &features, &found);
}

// Images of which it is not known what they show.
void plan_training(struct nn *nn, struct mask_rcnn *model, int64_t num_images,
                   struct extent padded) {
    const struct loss_settings settings = loss_settings_of(model->config);
    struct loss_tensors losses;
    nn_begin(nn, NN_TRAINING);
    struct tensor *input = nn_tensor(nn, num_images, padded.height, padded.width, 3);
    struct image_truth *truths = arena_alloc_zero(&nn->records, num_images, sizeof *truths);
    if (!truths) nn_fail(nn, STATUS_MEMORY, "a plan: out of memory");
    if (nn_failed(nn)) return;
    mask_rcnn_losses_start(nn, model, input, plan_extents(nn, num_images), truths, &settings,
                           &losses);
    nn_backward(nn);
}

void plan_update(struct nn *nn, struct mask_rcnn *model) {
    static const struct sgd_rates RATES = {0};
    struct parameters *parameters = &model->parameters;
    squares_forward(nn, parameters->grad, parameters->num_trainable_floats);
    sgd_forward(nn, parameters, NULL, NULL, &RATES);
}
