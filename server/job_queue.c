#include "server/job_queue.h"

void job_queue_init(struct job_queue *queue) {
    *queue = (struct job_queue){0};
    pthread_mutex_init(&queue->mutex, NULL);
    pthread_cond_init(&queue->changed, NULL);
}

void job_queue_destroy(struct job_queue *queue) {
    pthread_cond_destroy(&queue->changed);
    pthread_mutex_destroy(&queue->mutex);
}

// ---- Choosing, with the mutex held ----

static bool fit_together(const struct job *a, const struct job *b) {
    return a->exchange->model == b->exchange->model && a->input.width == b->input.width &&
           a->input.height == b->input.height && a->limits.min_score == b->limits.min_score &&
           a->limits.max_detections == b->limits.max_detections && a->limits.nms == b->limits.nms &&
           a->limits.mask_threshold == b->limits.mask_threshold && !a->has_failed && !b->has_failed;
}

// Takes the oldest job that the device can compute, and all that fit it, out of the queue.
static int64_t take_batch(struct job_queue *queue, int64_t device, int64_t most,
                          struct job **batch) {
    int64_t count = 0;
    for (struct job **at = &queue->first; *at && count < most;) {
        struct job *job = *at;
        bool fits = count > 0 ? fit_together(job, batch[0])
                              : model_has_device(job->exchange->model, device);
        if (!fits) {
            at = &job->next;
            continue;
        }
        *at = job->next;
        batch[count++] = job;
    }
    return count;
}

// ---- With the mutex taken here ----

bool job_queue_add(struct job_queue *queue, struct job *first) {
    pthread_mutex_lock(&queue->mutex);
    // Asked here, so that whoever takes the lost jobs out comes before this or finds these.
    bool is_wanted = atomic_load(&first->exchange->model->devices) != 0;
    struct job **end = &queue->first;
    while (*end)
        end = &(*end)->next;
    if (is_wanted) *end = first;
    // Which of those that wait can take them is not known here.
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->mutex);
    return is_wanted;
}

int64_t job_queue_take(struct job_queue *queue, int64_t device, int64_t most, struct job **batch) {
    int64_t count = 0;
    pthread_mutex_lock(&queue->mutex);
    for (;;) {
        count = take_batch(queue, device, most, batch);
        // What others compute may yet come back.
        if (count > 0 || (queue->stops && !queue->first && queue->num_taken == 0)) break;
        pthread_cond_wait(&queue->changed, &queue->mutex);
    }
    if (count > 0) queue->num_taken++;
    pthread_mutex_unlock(&queue->mutex);
    return count;
}

void job_queue_done(struct job_queue *queue, struct job **jobs, int64_t count) {
    pthread_mutex_lock(&queue->mutex);
    for (int64_t i = count - 1; i >= 0; i--) {
        jobs[i]->next = queue->first;
        queue->first = jobs[i];
    }
    queue->num_taken--;
    if (count > 0 || queue->stops) pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->mutex);
}

struct job *job_queue_take_lost(struct job_queue *queue) {
    struct job *lost = NULL;
    struct job **end = &lost;
    pthread_mutex_lock(&queue->mutex);
    for (struct job **at = &queue->first; *at;) {
        struct job *job = *at;
        if (atomic_load(&job->exchange->model->devices) != 0) {
            at = &job->next;
            continue;
        }
        *at = job->next;
        job->next = NULL;
        *end = job;
        end = &job->next;
    }
    if (queue->stops) pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->mutex);
    return lost;
}

void job_queue_stop(struct job_queue *queue) {
    pthread_mutex_lock(&queue->mutex);
    queue->stops = true;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->mutex);
}
