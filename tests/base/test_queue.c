#include "base/queue.h"

#include <pthread.h>
#include <stdatomic.h>

#include "tests/harness.h"

static struct queue *create(int capacity) {
    struct queue *queue = NULL;
    struct error err = {0};
    EXPECT_OK(queue_create(&queue, capacity, &err), &err);
    REQUIRE(queue);
    return queue;
}

static void first_in_first_out(void) {
    int items[10];
    struct queue *queue = create(3);
    // Around the end of the ring several times.
    for (int i = 0; i < 10; i++) {
        EXPECT(queue_push(queue, &items[i]));
        if (i > 0) EXPECT(queue_pop(queue) == &items[i - 1]);
    }
    EXPECT_INT(queue_length(queue), 1);
    queue_destroy(queue);
    queue_destroy(NULL);
}

static void full_and_closed(void) {
    int items[3];
    struct queue *queue = create(2);
    EXPECT(queue_try_push(queue, &items[0]));
    EXPECT(queue_try_push(queue, &items[1]));
    EXPECT(!queue_try_push(queue, &items[2]));
    EXPECT_INT(queue_length(queue), 2);
    EXPECT(queue_pop(queue) == &items[0]);
    queue_close(queue);
    EXPECT(!queue_try_push(queue, &items[2]));
    EXPECT(!queue_push(queue, &items[2]));
    EXPECT(queue_pop(queue) == &items[1]); // what is inside can still be taken
    EXPECT(!queue_pop(queue));
    EXPECT(!queue_pop(queue));
    queue_close(queue);
    queue_destroy(queue);
}

// ---- Many threads ----

enum { NUM_PRODUCERS = 3, NUM_CONSUMERS = 3, NUM_ITEMS = 20000 };

struct item {
    int producer;
    int number;
    atomic_int taken;
};

static struct item items[NUM_PRODUCERS][NUM_ITEMS];
static atomic_int out_of_order;

struct producer {
    struct queue *queue;
    int index;
};

static void *produce(void *argument) {
    const struct producer *producer = argument;
    for (int i = 0; i < NUM_ITEMS; i++) {
        struct item *item = &items[producer->index][i];
        item->producer = producer->index;
        item->number = i;
        if (!queue_push(producer->queue, item)) break;
    }
    return NULL;
}

static void *consume(void *argument) {
    struct queue *queue = argument;
    int last[NUM_PRODUCERS] = {-1, -1, -1};
    for (struct item *item = queue_pop(queue); item; item = queue_pop(queue)) {
        atomic_fetch_add(&item->taken, 1);
        // What one consumer sees of one producer is in order.
        if (item->number <= last[item->producer]) atomic_fetch_add(&out_of_order, 1);
        last[item->producer] = item->number;
    }
    return NULL;
}

static void every_item_once(void) {
    struct queue *queue = create(5);
    pthread_t producers[NUM_PRODUCERS];
    pthread_t consumers[NUM_CONSUMERS];
    struct producer arguments[NUM_PRODUCERS];
    for (int i = 0; i < NUM_CONSUMERS; i++)
        REQUIRE(pthread_create(&consumers[i], NULL, consume, queue) == 0);
    for (int i = 0; i < NUM_PRODUCERS; i++) {
        arguments[i] = (struct producer){queue, i};
        REQUIRE(pthread_create(&producers[i], NULL, produce, &arguments[i]) == 0);
    }
    for (int i = 0; i < NUM_PRODUCERS; i++)
        pthread_join(producers[i], NULL);
    queue_close(queue);
    for (int i = 0; i < NUM_CONSUMERS; i++)
        pthread_join(consumers[i], NULL);
    int wrong = 0;
    for (int i = 0; i < NUM_PRODUCERS; i++)
        for (int j = 0; j < NUM_ITEMS; j++)
            wrong += atomic_load(&items[i][j].taken) != 1;
    EXPECT_INT(wrong, 0);
    EXPECT_INT(atomic_load(&out_of_order), 0);
    queue_destroy(queue);
}

static void *push_one(void *argument) {
    static int item;
    return queue_push(argument, &item) ? argument : NULL;
}

// Closing wakes those who wait, on both ends.
static void close_wakes(void) {
    int item = 0;
    struct queue *full = create(1);
    EXPECT(queue_push(full, &item));
    pthread_t thread;
    void *pushed = full;
    REQUIRE(pthread_create(&thread, NULL, push_one, full) == 0);
    queue_close(full);
    REQUIRE(pthread_join(thread, &pushed) == 0);
    EXPECT(!pushed);
    queue_destroy(full);

    struct queue *empty = create(1);
    REQUIRE(pthread_create(&thread, NULL, consume, empty) == 0);
    queue_close(empty);
    REQUIRE(pthread_join(thread, NULL) == 0);
    queue_destroy(empty);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"first_in_first_out", first_in_first_out},
                         {"full_and_closed", full_and_closed},
                         {"every_item_once", every_item_once},
                         {"close_wakes", close_wakes},
                         {0},
                     });
}
