#include <pthread.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/queue.h"

struct queue {
    pthread_mutex_t mutex;
    pthread_cond_t not_empty;
    pthread_cond_t not_full;
    int capacity;
    int length;
    int first; // index of the oldest item
    bool closed;
    void *items[];
};

enum status queue_create(struct queue **result, int capacity, struct error *err) {
    CHECK(capacity > 0);
    size_t bytes = sizeof(struct queue) + (size_t)capacity * sizeof(void *);
    struct queue *queue = *result = calloc(1, bytes);
    if (!queue) return error_memory(err, "a queue", (long long)bytes);
    pthread_mutex_init(&queue->mutex, NULL);
    pthread_cond_init(&queue->not_empty, NULL);
    pthread_cond_init(&queue->not_full, NULL);
    queue->capacity = capacity;
    return STATUS_OK;
}

void queue_destroy(struct queue *queue) {
    if (!queue) return;
    pthread_cond_destroy(&queue->not_full);
    pthread_cond_destroy(&queue->not_empty);
    pthread_mutex_destroy(&queue->mutex);
    free(queue);
}

static bool push(struct queue *queue, void *item, bool wait) {
    CHECK(item);
    pthread_mutex_lock(&queue->mutex);
    while (wait && queue->length == queue->capacity && !queue->closed)
        pthread_cond_wait(&queue->not_full, &queue->mutex);
    bool taken = !queue->closed && queue->length < queue->capacity;
    if (taken) {
        queue->items[(queue->first + queue->length) % queue->capacity] = item;
        queue->length++;
        pthread_cond_signal(&queue->not_empty);
    }
    pthread_mutex_unlock(&queue->mutex);
    return taken;
}

bool queue_push(struct queue *queue, void *item) {
    return push(queue, item, true);
}

bool queue_try_push(struct queue *queue, void *item) {
    return push(queue, item, false);
}

void *queue_pop(struct queue *queue) {
    void *item = NULL;
    pthread_mutex_lock(&queue->mutex);
    while (queue->length == 0 && !queue->closed)
        pthread_cond_wait(&queue->not_empty, &queue->mutex);
    if (queue->length > 0) {
        item = queue->items[queue->first];
        queue->first = (queue->first + 1) % queue->capacity;
        queue->length--;
        pthread_cond_signal(&queue->not_full);
    }
    pthread_mutex_unlock(&queue->mutex);
    return item;
}

void queue_close(struct queue *queue) {
    pthread_mutex_lock(&queue->mutex);
    queue->closed = true;
    pthread_cond_broadcast(&queue->not_empty);
    pthread_cond_broadcast(&queue->not_full);
    pthread_mutex_unlock(&queue->mutex);
}

int queue_length(struct queue *queue) {
    pthread_mutex_lock(&queue->mutex);
    int length = queue->length;
    pthread_mutex_unlock(&queue->mutex);
    return length;
}
