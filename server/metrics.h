// What a service counts and measures, as Prometheus reads it (text format 0.0.4). All labels have
// few values, whatever clients send. Threads add without locks.
#pragma once

#include <stdatomic.h>

#include "base/output.h"
#include "data/image.h"
#include "server/dialect.h"
#include "server/histogram.h"
#include "server/settings.h"

enum { METRICS_MAX_ROUTES = 48, METRICS_NUM_STATUSES = 24, METRICS_MAX_LABELS = 1024 };

// Why a connection was ended by us.
enum kill_reason { KILL_HEADERS, KILL_UPLOAD, KILL_WRITE, KILL_IDLE, KILL_CROWD, NUM_KILL_REASONS };

// At what point of its way a request was found to have no client any more.
enum cancel_phase { CANCEL_QUEUE, CANCEL_ENCODE, CANCEL_WRITE, NUM_CANCEL_PHASES };

typedef atomic_int_fast64_t counter;

struct model;

struct metrics {
    counter requests[METRICS_MAX_ROUTES][METRICS_NUM_STATUSES];
    counter in_flight;
    counter bytes_in, bytes_out;
    counter rejected[NUM_FAULTS];
    counter cancelled[NUM_CANCEL_PHASES];
    counter killed[NUM_KILL_REASONS];
    counter images[IMAGE_PNG + 1];
    counter decode_failures[NUM_FAULTS];
    counter jpeg_warnings;
    counter non_finite;
    counter auth_failures;
    counter detections[METRICS_MAX_LABELS + 1]; // by label; 0: labels beyond
    counter device_pictures[SERVICE_MAX_DEVICES];
    counter device_failures[SERVICE_MAX_DEVICES];
    counter reloads_ok, reloads_failed;
    struct histogram request_seconds;
    struct histogram phase_seconds[NUM_PHASES];
    struct histogram queue_wait_seconds;
    struct histogram batch_seconds;
    struct histogram batch_size;
    struct histogram image_pixels;
    struct histogram detections_per_image;
    struct histogram score;
    double start_time; // seconds since 1970
};

void metrics_init(struct metrics *metrics);

void metrics_count_request(struct metrics *metrics, int route, int status);

// What only others know at the moment of asking.
struct metrics_now {
    const struct model *model; // NULL: none
    const struct option_texts *devices;
    uint64_t serving; // bit N: device N does
    bool is_ready;
    int64_t queue_length, queue_bytes, connections;
};

void metrics_write(struct metrics *metrics, const struct metrics_now *now, struct output *out);
