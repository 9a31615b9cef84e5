// Models: opening, the thread that computes, closing.
#include <stdlib.h>

#include "base/thread.h"
#include "library/gctmask_internal.h"

enum { MAX_WAITING_JOBS = 256 };

// One call; lies on the caller's stack while it waits.
struct job {
    const struct image *image;
    const struct detection_limits *limits;
    struct arena *arena;
    struct detection_list *list;
    struct error *err;
    enum status status;
    bool is_done;
    pthread_cond_t done;
};

static void *model_main(void *argument) {
    struct gctmask_model *model = argument;
    for (struct job *job = queue_pop(model->jobs); job; job = queue_pop(model->jobs)) {
        job->status = detector_detect(&model->detector, job->image, 1, job->limits, job->arena,
                                      job->list, job->err);
        pthread_mutex_lock(&model->mutex);
        job->is_done = true;
        pthread_cond_signal(&job->done);
        pthread_mutex_unlock(&model->mutex); // the job may be gone now
    }
    return NULL;
}

enum status model_detect(struct gctmask_model *model, const struct image *image,
                         const struct detection_limits *limits, struct arena *arena,
                         struct detection_list *list, struct error *err) {
    struct job job = {.image = image, .limits = limits, .arena = arena, .list = list, .err = err};
    pthread_cond_init(&job.done, NULL);
    if (queue_push(model->jobs, &job)) {
        pthread_mutex_lock(&model->mutex);
        while (!job.is_done)
            pthread_cond_wait(&job.done, &model->mutex);
        pthread_mutex_unlock(&model->mutex);
    } else {
        job.status = error_set(err, STATUS_USAGE, "the model is being closed");
    }
    pthread_cond_destroy(&job.done);
    return job.status;
}

static enum status start(struct gctmask_model *model, const char *path,
                         const struct nn_options *options, struct error *err) {
    TRY(detector_open(&model->detector, path, NULL, options, err));
    TRY(queue_create(&model->jobs, MAX_WAITING_JOBS, err));
    return thread_start(&model->thread, model_main, model, err);
}

static void destroy(struct gctmask_model *model) {
    queue_destroy(model->jobs);
    detector_close(&model->detector);
    pthread_mutex_destroy(&model->mutex);
    free(model);
}

static enum status open_model(const char *path, const struct gctmask_options *options,
                              struct gctmask_model **result, struct error *err) {
    enum { MAX_THREADS = 1024 };
    static const enum nn_precision PRECISIONS[] = {NN_FLOAT32, NN_BF16, NN_TF32, NN_FP16};
    struct gctmask_options known = {0};
    TRY(copy_options(&known, sizeof known, options, err));
    if (!path) return error_set(err, STATUS_USAGE, "path is NULL");
    if (known.num_threads < 0 || known.num_threads > MAX_THREADS)
        return error_set(err, STATUS_USAGE, "num_threads: %d is not from 0 to %d",
                         (int)known.num_threads, MAX_THREADS);
    if (known.precision < GCTMASK_FLOAT32 || known.precision > GCTMASK_FP16)
        return error_set(err, STATUS_USAGE, "precision: %lld is none", (long long)known.precision);
    struct nn_options nn = {
        .num_threads = known.num_threads,
        .precision = PRECISIONS[known.precision],
        .tune = known.tune != 0,
    };
    if (known.device) TRY(nn_options_set_device(&nn, known.device, err));
    struct gctmask_model *model = calloc(1, sizeof *model);
    if (!model) return error_memory(err, "a model", sizeof *model);
    pthread_mutex_init(&model->mutex, NULL);
    enum status status = start(model, path, &nn, err);
    if (status != STATUS_OK)
        destroy(model);
    else
        *result = model;
    return status;
}

enum gctmask_status gctmask_open(const char *path, const struct gctmask_options *options,
                                 struct gctmask_model **model, char *message,
                                 size_t message_bytes) {
    struct error err = {0};
    if (!model) {
        enum status status = error_set(&err, STATUS_USAGE, "model is NULL");
        return finish_call(status, &err, message, message_bytes);
    }
    *model = NULL;
    enum status status = open_model(path, options, model, &err);
    return finish_call(status, &err, message, message_bytes);
}

void gctmask_close(struct gctmask_model *model) {
    if (!model) return;
    queue_close(model->jobs);
    pthread_join(model->thread, NULL);
    destroy(model);
}

// ---- Classes ----

int32_t gctmask_num_classes(const struct gctmask_model *model) {
    return model ? (int32_t)detector_num_classes(&model->detector) : 0;
}

static bool has_class(const struct gctmask_model *model, int32_t label) {
    return label >= 1 && label <= gctmask_num_classes(model);
}

const char *gctmask_class_name(const struct gctmask_model *model, int32_t label) {
    return has_class(model, label) ? detector_class_name(&model->detector, label) : NULL;
}

int64_t gctmask_category_id(const struct gctmask_model *model, int32_t label) {
    return has_class(model, label) ? detector_category_id(&model->detector, label) : -1;
}
