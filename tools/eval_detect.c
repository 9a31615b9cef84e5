#include "tools/eval_detect.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "data/coco_image.h"
#include "data/coco_write.h"
#include "detector/coco_result.h"
#include "tools/eval_classes.h"
#include "tools/interrupt.h"
#include "tools/progress.h"

enum { BLOCK_BYTES = 1 << 20 };

struct model_run {
    const struct invocation *invocation;
    const struct eval_options *options;
    const struct coco_set *truth;
    struct coco_set *results;
    struct detector detector;
    int64_t *categories; // of the labels
    bool *wanted;        // of truth's images
    int64_t num_wanted;
    bool saves;
    struct coco_writer saved;
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

// ---- Results ----

static enum status add_results(struct model_run *run, int64_t image_id,
                               const struct detection_list *list, int64_t *count,
                               struct error *err) {
    struct coco_set *results = run->results;
    *count = 0;
    for (int64_t i = 0; i < list->count; i++) {
        int64_t category = run->categories[list->items[i].label];
        if (category == NO_CATEGORY) continue;
        TRY(array_reserve(&results->annotations, &results->annotation_capacity,
                          results->num_annotations + 1, sizeof *results->annotations, err));
        struct coco_annotation *result = &results->annotations[results->num_annotations];
        TRY(coco_result_of(result, &list->items[i], image_id, category, &results->arena, err));
        result->id = ++results->num_annotations;
        if (run->saves) coco_write_result(&run->saved, result);
        ++*count;
    }
    return STATUS_OK;
}

static enum status detect_in(struct model_run *run, const struct coco_image *image,
                             struct arena *arena, int64_t *count, struct error *err) {
    struct image pixels;
    struct detection_list list;
    TRY(coco_image_load(&pixels, run->truth, image, run->options->image_folder, arena, err));
    enum status status = detector_detect(&run->detector, &pixels, 1, NULL, arena, &list, err);
    if (status != STATUS_OK) {
        error_prefix(err, "%s: ", image->file_name);
        return status;
    }
    return add_results(run, image->id, &list, count, err);
}

static enum status detect_in_all(struct model_run *run, struct error *err) {
    struct progress progress;
    enum status status = STATUS_OK;
    progress_start(&progress, &run->invocation->log, run->num_wanted);
    for (int64_t i = 0; i < run->truth->num_images && status == STATUS_OK; i++) {
        struct arena arena;
        int64_t count = 0;
        if (!run->wanted[i]) continue;
        if (interrupt_code() != EXIT_CODE_DONE) {
            status = error_set(err, STATUS_CANCELLED, "interrupted after %lld of %lld images",
                               (long long)progress.num_done, (long long)progress.total);
            break;
        }
        arena_init(&arena, BLOCK_BYTES, 0);
        status = detect_in(run, &run->truth->images[i], &arena, &count, err);
        arena_destroy(&arena);
        progress_done(&progress, count);
    }
    progress_clear(&progress);
    return status;
}

static enum status detect(struct model_run *run, struct error *err) {
    const struct eval_options *options = run->options;
    const struct invocation *invocation = run->invocation;
    interrupt_catch();
    TRY(choose_images(run, err));
    TRY(look_for_files(run, err));
    TRY(detector_open(&run->detector, options->weights, &options->overrides,
                      (int)invocation->common.threads, err));
    TRY(eval_map_classes(&run->categories, &run->detector, run->truth, &invocation->log,
                         invocation->arena, err));
    if (options->save_results) {
        TRY(coco_writer_open_results(&run->saved, options->save_results, err));
        run->saves = true;
    }
    TRY(detect_in_all(run, err));
    return run->saves ? coco_writer_commit(&run->saved, err) : STATUS_OK;
}

enum status eval_detect(struct coco_set *results, const struct eval_options *options,
                        const struct coco_set *truth, const struct invocation *invocation,
                        struct error *err) {
    struct model_run run = {
        .invocation = invocation, .options = options, .truth = truth, .results = results};
    *results = (struct coco_set){.path = options->weights};
    arena_init(&results->arena, BLOCK_BYTES, 0);
    enum status status = detect(&run, err);
    if (run.saves) coco_writer_discard(&run.saved);
    detector_close(&run.detector);
    if (status != STATUS_OK) coco_destroy(results);
    return status;
}
