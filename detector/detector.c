#include "detector/detector.h"

#include "base/check.h"
#include "detector/preprocess.h"

enum status detector_open(struct detector *detector, const char *path,
                          const struct option_texts *overrides, const struct nn_options *options,
                          struct error *err) {
    const struct nn_options defaults = {0};
    *detector = (struct detector){0};
    // The cheaper one of the two that may fail comes first.
    enum status status = nn_create(&detector->nn, options ? options : &defaults, err);
    if (status == STATUS_OK)
        status = detector_model_load(&detector->model, path, overrides, false, err);
    if (status == STATUS_OK)
        status = parameters_move(&detector->model.network.parameters, detector->nn, err);
    if (status != STATUS_OK) detector_close(detector);
    return status;
}

void detector_close(struct detector *detector) {
    nn_destroy(detector->nn);
    detector_model_destroy(&detector->model);
    *detector = (struct detector){0};
}

static bool have_equal_input(const struct mask_rcnn *network, const struct image *a,
                             const struct image *b) {
    struct extent extents[] = {preprocess_extent(network, a->width, a->height),
                               preprocess_extent(network, b->width, b->height)};
    struct extent padded[] = {preprocess_padded(&extents[0], 1), preprocess_padded(&extents[1], 1)};
    return padded[0].width == padded[1].width && padded[0].height == padded[1].height;
}

static enum status detect_all(struct detector *detector, const struct image *images, int64_t count,
                              double mask_threshold, struct arena *arena,
                              struct detection_list *lists, struct error *err) {
    struct mask_rcnn *network = &detector->model.network;
    struct detect_seconds *sum = &detector->seconds;
    *sum = (struct detect_seconds){0};
    for (int64_t begin = 0, end = 0; begin < count; begin = end) {
        while (end < count && have_equal_input(network, &images[begin], &images[end]))
            end++;
        struct detect_seconds seconds;
        TRY(detect_images_timed(detector->nn, network, images + begin, end - begin, mask_threshold,
                                arena, lists + begin, &seconds, err));
        sum->preprocess += seconds.preprocess;
        sum->infer += seconds.infer;
        sum->postprocess += seconds.postprocess;
    }
    return STATUS_OK;
}

enum status detector_detect(struct detector *detector, const struct image *images, int64_t count,
                            const struct detection_limits *limits, struct arena *arena,
                            struct detection_list *lists, struct error *err) {
    struct model_config *config = &detector->model.config;
    const double score = config->box.score;
    const int64_t detections = config->box.detections;
    const double nms = config->box.nms;
    if (limits && limits->min_score >= 0) config->box.score = limits->min_score;
    if (limits && limits->max_detections > 0) config->box.detections = limits->max_detections;
    if (limits && limits->nms > 0) config->box.nms = limits->nms;
    double mask_threshold = limits && limits->mask_threshold > 0 ? limits->mask_threshold : 0.5;
    enum status status = detect_all(detector, images, count, mask_threshold, arena, lists, err);
    config->box.score = score;
    config->box.detections = detections;
    config->box.nms = nms;
    return status;
}

int64_t detector_num_classes(const struct detector *detector) {
    return detector->model.config.classes.names.count;
}

const char *detector_class_name(const struct detector *detector, int32_t label) {
    CHECK(label >= 1 && label <= detector_num_classes(detector));
    return detector->model.config.classes.names.items[label - 1];
}

int64_t detector_category_id(const struct detector *detector, int32_t label) {
    CHECK(label >= 1 && label <= detector_num_classes(detector));
    const struct option_ints *ids = &detector->model.config.classes.ids;
    return ids->count > 0 ? ids->items[label - 1] : label;
}
