#include "tools/eval_detect.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "data/coco_image.h"
#include "tools/detect_set.h"
#include "tools/device.h"
#include "tools/eval_classes.h"

struct model_run {
    const struct invocation *invocation;
    const struct eval_options *options;
    const struct coco_set *truth;
    struct communicator *communicator;
    const struct log *log;
    struct coco_set *results;
    struct detector detector;
    bool *wanted; // of truth's images
    int64_t num_wanted;
};

// ---- Images ----

static enum status choose_images(struct model_run *run, struct error *err) {
    const struct coco_set *truth = run->truth;
    struct arena *arena = run->invocation->arena;
    struct metric_settings settings;
    TRY(eval_settings(&settings, IOU_BOX, run->options, truth, arena, err));
    run->wanted = arena_alloc_zero(arena, truth->num_images, sizeof *run->wanted);
    if (!run->wanted) return error_memory(err, "a choice of images", truth->num_images);
    for (int64_t i = 0; i < truth->num_images && !settings.image_ids; i++)
        run->wanted[i] = true;
    for (int64_t i = 0; settings.image_ids && i < settings.num_image_ids; i++) {
        const struct coco_image *image = coco_find_image(truth, settings.image_ids[i]);
        if (!image)
            return error_set(err, STATUS_USAGE, "%s: there is no image with id %lld", truth->path,
                             (long long)settings.image_ids[i]);
        run->wanted[image - truth->images] = true;
    }
    for (int64_t i = 0; i < truth->num_images; i++)
        run->num_wanted += run->wanted[i];
    return STATUS_OK;
}

// Looks for all files before the first one is detected in.
static enum status look_for_files(const struct model_run *run, struct error *err) {
    char path[COCO_PATH_BYTES];
    char first[COCO_PATH_BYTES] = "";
    int code = 0;
    int64_t num_missing = 0;
    for (int64_t i = 0; i < run->truth->num_images; i++) {
        if (!run->wanted[i]) continue;
        TRY(coco_image_path(path, run->truth, &run->truth->images[i], run->options->image_folder,
                            err));
        if (access(path, R_OK) == 0) continue;
        if (num_missing++ > 0) continue;
        code = errno;
        memcpy(first, path, sizeof first);
    }
    if (num_missing == 0) return STATUS_OK;
    return error_set(err, STATUS_NO_INPUT, "%s: %s (of %lld images, %lld are not there)", first,
                     strerror(code), (long long)run->num_wanted, (long long)num_missing);
}

// ---- Detections ----

static enum status detect(struct model_run *run, struct error *err) {
    const struct eval_options *options = run->options;
    const struct invocation *invocation = run->invocation;
    struct class_map classes;
    struct progress progress;
    struct nn_options nn = {.num_threads = (int)invocation->common.threads,
                            .precision = options->precision,
                            .tune = options->tune};
    TRY(device_choose(&nn, options->device, run->communicator, err));
    TRY(choose_images(run, err));
    TRY(look_for_files(run, err));
    TRY(detector_open(&run->detector, options->weights, &options->overrides, &nn, err));
    TRY(eval_map_classes(&classes, &run->detector, run->truth, run->log, invocation->arena, err));
    const struct detect_set set = {
        .detector = &run->detector,
        .communicator = run->communicator,
        .truth = run->truth,
        .classes = &classes,
        .image_folder = options->image_folder,
        .wanted = run->wanted,
        .name = options->weights,
        .save = options->save_results,
        .progress = &progress,
    };
    progress_start(&progress, run->log, detect_set_share(&set));
    return detect_set_run(&set, run->results, err);
}

enum status eval_detect(struct coco_set *results, const struct eval_options *options,
                        const struct coco_set *truth, struct communicator *communicator,
                        const struct invocation *invocation, struct error *err) {
    // One process speaks for all.
    const struct log quiet = {LOG_ERROR, invocation->log.descriptor};
    struct model_run run = {
        .invocation = invocation,
        .options = options,
        .truth = truth,
        .communicator = communicator,
        .log = communicator_rank(communicator) == 0 ? &invocation->log : &quiet,
        .results = results,
    };
    *results = (struct coco_set){0};
    enum status status = detect(&run, err);
    detector_close(&run.detector);
    return status;
}
