#include "tools/train_evaluate.h"

#include <math.h>

#include "eval/summary.h"

// So long scoring may take before the other processes think that this one is stuck.
static const double SCORE_SECONDS = 600;

static double defined(double score) {
    return score < 0 ? (double)NAN : score;
}

static enum status score_kind(struct summary *summary, enum iou_kind kind,
                              const struct coco_set *truth, const struct coco_set *results,
                              struct workers *workers, struct error *err) {
    struct metric metric;
    const struct metric_settings settings = metric_default_settings(kind);
    TRY(metric_compute(&metric, truth, results, &settings, workers, err));
    *summary = summary_of(&metric, ALL_CLASSES);
    metric_destroy(&metric);
    return STATUS_OK;
}

static enum status score(const struct train_evaluate *e, const struct coco_set *results,
                         struct metrics_eval *scores, struct error *err) {
    struct workers *workers = NULL;
    struct summary box = {0};
    struct summary mask = {0};
    TRY(workers_create(&workers, e->num_threads, err));
    enum status status = score_kind(&box, IOU_BOX, e->detection.truth, results, workers, err);
    if (status == STATUS_OK)
        status = score_kind(&mask, IOU_MASK, e->detection.truth, results, workers, err);
    workers_destroy(workers);
    scores->box_ap = defined(box.ap);
    scores->box_ap50 = defined(box.ap50);
    scores->box_ap75 = defined(box.ap75);
    scores->mask_ap = defined(mask.ap);
    scores->mask_ap50 = defined(mask.ap50);
    scores->mask_ap75 = defined(mask.ap75);
    return status;
}

enum status train_evaluate(void *context, struct metrics_eval *scores, struct error *err) {
    struct train_evaluate *e = context;
    struct coco_set results;
    struct progress progress;
    bool leads = communicator_rank(e->detection.communicator) == 0;
    progress_start(&progress, e->log, detect_set_share(&e->detection));
    e->detection.progress = leads ? &progress : NULL;
    TRY(detect_set_run(&e->detection, &results, err));
    communicator_allow(e->detection.communicator, SCORE_SECONDS);
    enum status status = leads ? score(e, &results, scores, err) : STATUS_OK;
    coco_destroy(&results);
    TRY(status);
    return communicator_broadcast(e->detection.communicator, scores, (int64_t)sizeof *scores, err);
}
