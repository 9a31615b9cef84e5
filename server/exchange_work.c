// The workers' side of an exchange: what happens while its connection sleeps.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "server/exchange_internal.h"
#include "server/service_internal.h"

// ---- Answering ----

// With the mutex held: takes it out of those that are waited for, and wakes its connection.
static void wake(struct exchange *e, struct reply *reply, const struct work_done *done) {
    struct service *service = e->service;
    if (e->next) e->next->previous = e->previous;
    if (e->previous)
        e->previous->next = e->next;
    else
        service->exchanges = e->next;
    e->is_answered = true;
    e->reply = *reply;
    e->answered = clock_seconds();
    e->has_work_done = done != NULL;
    if (done) e->work_done = *done;
    connections_enter(e->connections, e->connection, STAGE_WRITE);
    http_resume(e->transport);
}

// Answers, unless that has been done. Takes reply over.
static void answer(struct exchange *e, struct reply *reply, const struct work_done *done) {
    pthread_mutex_lock(&e->service->exchanges_mutex);
    bool is_first = !e->is_answered;
    if (is_first) wake(e, reply, done);
    pthread_mutex_unlock(&e->service->exchanges_mutex);
    if (is_first) return;
    admission_free_upload(&e->service->admission, reply->held_bytes);
    reply_discard(reply);
}

static void answer_fault(struct exchange *e, const struct fault *fault) {
    struct reply reply = reply_of_fault(fault, e->id);
    answer(e, &reply, NULL);
}

// All that the work held.
static void free_work(struct exchange *e) {
    admission_free_pixels(&e->service->admission, e->pixel_bytes);
    e->pixel_bytes = 0;
    exchange_free_body(e);
    arena_destroy(&e->arena);
    model_release(e->model);
    e->model = NULL;
}

static bool is_answered(struct exchange *e) {
    pthread_mutex_lock(&e->service->exchanges_mutex);
    bool answered = e->is_answered;
    pthread_mutex_unlock(&e->service->exchanges_mutex);
    return answered;
}

// Looks after the client, who cannot be gone from the descriptor's table while nobody answers.
static bool is_left(struct exchange *e, enum cancel_phase phase) {
    if (!e->is_left && connection_is_left(e->connection)) {
        e->is_left = true;
        atomic_fetch_add(&e->service->metrics.cancelled[phase], 1);
    }
    return e->is_left;
}

bool exchange_begin_computing(struct exchange *e) {
    pthread_mutex_lock(&e->service->exchanges_mutex);
    bool is_wanted = !e->is_answered && !is_left(e, CANCEL_QUEUE);
    e->is_computing = is_wanted;
    pthread_mutex_unlock(&e->service->exchanges_mutex);
    return is_wanted;
}

// ---- Reading ----

static bool read_request(struct exchange *e, struct fault *fault) {
    const struct service_settings *settings = e->service->settings;
    const struct http_request http = {
        .path = e->path,
        .query = e->query,
        .content_type = e->content_type,
        .accept = e->accept,
        .request_id = e->client_id,
        .body = e->body ? e->body : (const uint8_t *)"",
        .body_size = e->body_size,
    };
    const struct request_limits limits = {
        .max_json_bytes = settings->max_json_bytes,
        .max_json_values = settings->max_json_values,
        .max_json_depth = settings->max_json_depth,
        .max_parts = settings->max_parts,
        .max_pictures = settings->max_pictures,
        .max_timeout_ms = settings->max_timeout_ms,
        .max_body_bytes = settings->max_body_bytes,
        .image_root = settings->image_root,
    };
    memcpy(e->request.id, e->id, sizeof e->id);
    bool is_read =
        e->route.dialect->read(&e->request, &http, &e->model->facts, &limits, &e->arena, fault);
    if (is_read) {
        pthread_mutex_lock(&e->service->exchanges_mutex);
        if (!e->is_answered) memcpy(e->id, e->request.id, sizeof e->id);
        e->deadline = e->start + 1e-3 * (double)e->request.options.timeout_ms;
        pthread_mutex_unlock(&e->service->exchanges_mutex);
    }
    return is_read;
}

static struct image_limits image_limits(const struct service_settings *settings) {
    struct image_limits limits = image_limits_default();
    limits.max_pixels = settings->max_pixels;
    limits.max_side = settings->max_side;
    limits.max_aspect = settings->max_aspect;
    limits.max_scans = settings->max_scans;
    if (settings->decode_bytes < limits.max_decode_bytes)
        limits.max_decode_bytes = settings->decode_bytes;
    return limits;
}

static void set_image_fault(struct fault *fault, const struct image_info *info,
                            const struct image_limits *limits, const struct error *err) {
    static const enum fault_code CODES[] = {
        [IMAGE_FAULT_NONE] = FAULT_INTERNAL,
        [IMAGE_FAULT_EMPTY] = FAULT_IMAGE_EMPTY,
        [IMAGE_FAULT_TYPE] = FAULT_UNSUPPORTED_MEDIA_TYPE,
        [IMAGE_FAULT_CORRUPT] = FAULT_IMAGE_CORRUPT,
        [IMAGE_FAULT_PIXELS] = FAULT_IMAGE_TOO_MANY_PIXELS,
        [IMAGE_FAULT_SIDE] = FAULT_IMAGE_SIDE_TOO_LONG,
        [IMAGE_FAULT_SCANS] = FAULT_IMAGE_TOO_MANY_SCANS,
        [IMAGE_FAULT_MEMORY] = FAULT_IMAGE_TOO_MUCH_MEMORY,
    };
    fault_set(fault, CODES[info->fault], "%s", err->message);
    fault->has_limit = info->fault == IMAGE_FAULT_PIXELS;
    fault->limit = limits->max_pixels;
    fault->got = (int64_t)info->stored_width * info->stored_height;
}

// Headers of pictures: sizes, so what they will cost.
static void probe(struct exchange *e, const struct image_limits *limits) {
    for (int64_t i = 0; i < e->request.num_pictures; i++) {
        const struct picture *picture = &e->request.pictures[i];
        struct detect_outcome *outcome = &e->outcomes[i];
        struct error err = {0};
        outcome->fault = picture->fault;
        if (picture->fault.code != FAULT_NONE) continue;
        bool apply_exif = e->request.options.exif == EXIF_APPLY;
        if (image_probe(&outcome->info, picture->bytes, picture->size, "image", limits, apply_exif,
                        &err) != STATUS_OK)
            set_image_fault(&outcome->fault, &outcome->info, limits, &err);
    }
}

// ---- Admission and decoding ----

static struct detection_limits detection_limits(const struct exchange *e) {
    static const double LITTLE = 1e-9; // 0 would stand for the model's
    const struct detect_options *options = &e->request.options;
    // One more than wanted tells whether there are more. Classes are chosen from as many as the
    // model gives by itself.
    int64_t most = options->max_dets + 1;
    if (e->request.wanted && most < e->model->facts.max_dets) most = e->model->facts.max_dets;
    // The model keeps what is above its limit, a client what is not below.
    double below = (double)nextafterf((float)options->score, -1);
    return (struct detection_limits){
        .min_score = fmax(below, 0),
        .max_detections = most,
        .nms = fmax(options->nms, LITTLE),
        .mask_threshold = fmax(options->mask_threshold, LITTLE),
    };
}

static int64_t pixel_bytes(const struct image_info *info) {
    enum { CHANNELS = 3 };
    return (int64_t)info->width * info->height * CHANNELS;
}

// False with fault, and the place of the first picture is the caller's to give back.
static bool admit(struct exchange *e, int64_t *num_jobs, struct fault *fault) {
    double cost = 0;
    int64_t bytes = 0;
    *num_jobs = 0;
    for (int64_t i = 0; i < e->request.num_pictures; i++) {
        const struct detect_outcome *outcome = &e->outcomes[i];
        if (outcome->fault.code != FAULT_NONE) continue;
        struct job *job = &e->jobs[i];
        const struct model_kind *kind = e->model->kind;
        *job = (struct job){.exchange = e, .index = i, .limits = detection_limits(e)};
        job->input = kind->input(e->model, outcome->info.width, outcome->info.height);
        job->cost = kind->cost(e->model, job->input);
        cost += job->cost;
        bytes += pixel_bytes(&outcome->info);
        ++*num_jobs;
    }
    if (*num_jobs == 0) return true;
    if (!admission_admit(&e->service->admission, *num_jobs - 1, bytes, cost, e->deadline, fault))
        return false;
    e->pixel_bytes = bytes;
    return true;
}

static void count_picture(struct exchange *e, const struct detect_outcome *outcome) {
    struct metrics *metrics = &e->service->metrics;
    atomic_fetch_add(&metrics->images[outcome->info.format], 1);
    if (outcome->fault.code != FAULT_NONE) {
        atomic_fetch_add(&metrics->decode_failures[outcome->fault.code], 1);
        return;
    }
    atomic_fetch_add(&metrics->jpeg_warnings, outcome->info.num_warnings);
    histogram_add(&metrics->image_pixels, (double)outcome->image.width * outcome->image.height);
}

static void decode(struct exchange *e, int64_t index, const struct image_limits *limits) {
    enum { BYTES_PER_PIXEL = 9 }; // of a progressive JPEG: coefficients and pixels
    const struct picture *picture = &e->request.pictures[index];
    struct detect_outcome *outcome = &e->outcomes[index];
    struct error err = {0};
    int64_t bytes = (int64_t)outcome->info.width * outcome->info.height * BYTES_PER_PIXEL;
    bool apply_exif = e->request.options.exif == EXIF_APPLY;
    pool_hold_memory(e->service->pool, bytes);
    double start = clock_seconds();
    if (image_decode(&outcome->image, &outcome->info, picture->bytes, picture->size, "image",
                     limits, apply_exif, &e->arena, &err) != STATUS_OK)
        set_image_fault(&outcome->fault, &outcome->info, limits, &err);
    outcome->seconds[PHASE_DECODE] = clock_seconds() - start;
    pool_free_memory(e->service->pool, bytes);
}

// Decodes all that was admitted and gives back the places of those that cannot be. The others'
// jobs are linked; the result is the first.
static struct job *decode_all(struct exchange *e, const struct image_limits *limits) {
    struct job *first = NULL;
    struct job **end = &first;
    for (int64_t i = 0; i < e->request.num_pictures; i++) {
        struct job *job = &e->jobs[i];
        if (!job->exchange) continue;
        if (!is_answered(e))
            decode(e, i, limits);
        else
            fault_set(&e->outcomes[i].fault, FAULT_DEADLINE_QUEUE, "the timeout passed");
        count_picture(e, &e->outcomes[i]);
        if (e->outcomes[i].fault.code != FAULT_NONE) {
            admission_leave(&e->service->admission, 1, job->cost);
            continue;
        }
        e->jobs_left++;
        exchange_share(e);
        job->queued = clock_seconds();
        *end = job;
        end = &job->next;
    }
    return first;
}

// The only picture's fault is that of the request.
static const struct fault *only_fault(const struct exchange *e) {
    const struct fault *fault = &e->outcomes[0].fault;
    bool is_batch = e->route.dialect->is_batch;
    return !is_batch && e->request.num_pictures == 1 && fault->code != FAULT_NONE ? fault : NULL;
}

static bool is_late(const struct exchange *e, struct fault *fault) {
    if (clock_seconds() <= e->deadline) return false;
    fault_set(fault, FAULT_UPLOAD_TIMEOUT, "the timeout passed before the request was here");
    return true;
}

static void set_times(struct exchange *e, double begun) {
    for (int64_t i = 0; i < e->request.num_pictures; i++) {
        e->outcomes[i].seconds[PHASE_UPLOAD] = e->received - e->start;
        e->outcomes[i].seconds[PHASE_QUEUE] = begun - e->received;
    }
}

// False with fault if the request is refused; the place that it had is given back then.
static bool begin_work(struct exchange *e, const struct image_limits *limits, struct fault *fault) {
    int64_t num_jobs = 0;
    double begun = clock_seconds();
    bool is_read = read_request(e, fault) && !is_late(e, fault);
    if (is_read) {
        set_times(e, begun);
        probe(e, limits);
    }
    const struct fault *only = is_read ? only_fault(e) : NULL;
    if (only) {
        *fault = *only;
        count_picture(e, &e->outcomes[0]);
    }
    bool is_admitted = is_read && !only && admit(e, &num_jobs, fault);
    if (!is_admitted || num_jobs == 0) admission_leave(&e->service->admission, 1, 0);
    return is_admitted;
}

void exchange_prepare(struct exchange *e) {
    struct service *service = e->service;
    const struct image_limits limits = image_limits(service->settings);
    struct fault fault = {0};
    if (!begin_work(e, &limits, &fault)) {
        free_work(e);
        answer_fault(e, &fault);
        return;
    }
    struct job *first = decode_all(e, &limits);
    if (first) {
        worker_group_add(service->workers, first);
    } else {
        e->is_computed = true;
        exchange_encode(e);
    }
}

// ---- After the worker ----

// Of the classes that are wanted, the best max_dets.
static void choose(struct exchange *e, struct detect_outcome *outcome) {
    struct detection_list *list = &outcome->list;
    int64_t most = e->request.options.max_dets;
    int64_t count = 0;
    for (int64_t i = 0; i < list->count; i++)
        if (!e->request.wanted || e->request.wanted[list->items[i].label])
            list->items[count++] = list->items[i];
    outcome->truncated = count > most;
    list->count = count < most ? count : most;
}

static void count_detections(struct metrics *metrics, const struct detect_outcome *outcome) {
    const struct detection_list *list = &outcome->list;
    histogram_add(&metrics->queue_wait_seconds, outcome->seconds[PHASE_QUEUE]);
    histogram_add(&metrics->detections_per_image, (double)list->count);
    for (int64_t i = 0; i < list->count; i++) {
        int32_t label = list->items[i].label <= METRICS_MAX_LABELS ? list->items[i].label : 0;
        atomic_fetch_add(&metrics->detections[label], 1);
        histogram_add(&metrics->score, (double)list->items[i].score);
    }
}

void exchange_job_done(struct job *job) {
    struct exchange *e = job->exchange;
    struct service *service = e->service;
    struct detect_outcome *outcome = &e->outcomes[job->index];
    if (outcome->fault.code == FAULT_NONE) {
        choose(e, outcome);
        count_detections(&service->metrics, outcome);
    }
    admission_leave(&service->admission, 1, job->cost);
    if (atomic_fetch_sub(&e->jobs_left, 1) > 1) {
        exchange_release(e);
        return;
    }
    e->is_computed = true;
    pool_add(service->pool, e);
}

// ---- Encoding ----

static bool write_answer(struct exchange *e, struct reply *reply, struct fault *fault) {
    struct answer written = {.status = 200};
    struct model_facts *facts = &e->model->facts;
    output_open_memory(&written.body);
    bool is_written =
        e->route.dialect->write(&written, &e->request, e->outcomes, facts, &e->arena, fault);
    if (is_written) *reply = reply_of_output(written.status, written.content_type, &written.body);
    output_discard(&written.body);
    return is_written;
}

// The sums over a batch's pictures.
static struct work_done work_done(const struct exchange *e, double encode_seconds) {
    struct work_done done = {0};
    for (int64_t i = 0; i < e->request.num_pictures; i++) {
        const struct detect_outcome *outcome = &e->outcomes[i];
        if (outcome->fault.code != FAULT_NONE) continue;
        done.pixels += (int64_t)outcome->image.width * outcome->image.height;
        done.detections += outcome->list.count;
        done.devices |= (uint64_t)1 << outcome->device;
        for (int phase = 0; phase < NUM_PHASES; phase++)
            done.seconds[phase] += outcome->seconds[phase];
    }
    done.seconds[PHASE_UPLOAD] = e->received - e->start;
    done.seconds[PHASE_ENCODE] = encode_seconds;
    return done;
}

// Memory for what the client has not taken yet.
static bool hold_reply(struct exchange *e, struct reply *reply, struct fault *fault) {
    if (!admission_hold_upload(&e->service->admission, reply->size, fault)) {
        reply_discard(reply);
        return false;
    }
    reply->held_bytes = reply->size;
    return true;
}

static bool left_before_encoding(struct exchange *e) {
    pthread_mutex_lock(&e->service->exchanges_mutex);
    bool left = e->is_answered || is_left(e, CANCEL_ENCODE);
    pthread_mutex_unlock(&e->service->exchanges_mutex);
    return left;
}

void exchange_encode(struct exchange *e) {
    struct fault fault = {0};
    struct reply reply = {0};
    const struct fault *only = only_fault(e);
    double start = clock_seconds();
    bool is_written = false;
    if (left_before_encoding(e))
        fault_set(&fault, FAULT_DEADLINE_QUEUE, "the client closed its end of the connection");
    else if (only)
        fault = *only;
    else
        is_written = write_answer(e, &reply, &fault) && hold_reply(e, &reply, &fault);
    const struct work_done done = work_done(e, clock_seconds() - start);
    free_work(e);
    if (is_written)
        answer(e, &reply, &done);
    else
        answer_fault(e, &fault);
}

// ---- The sweeper ----

static void expire(struct exchange *e, enum fault_code code, const char *message) {
    struct fault fault;
    fault_set(&fault, code, "%s", message);
    if (fault_status(code) == 503) fault.retry_after = 1;
    struct reply reply = reply_of_fault(&fault, e->id);
    wake(e, &reply, NULL);
}

void exchange_submit(struct exchange *e) {
    struct service *service = e->service;
    e->deadline = e->start + 1e-3 * (double)service->settings->max_timeout_ms;
    pthread_mutex_lock(&service->exchanges_mutex);
    e->next = service->exchanges;
    if (e->next) e->next->previous = e;
    service->exchanges = e;
    bool is_cut = service->is_cut;
    if (is_cut)
        expire(e, FAULT_DRAINING, "the server is stopping");
    else
        exchange_share(e);
    pthread_mutex_unlock(&service->exchanges_mutex);
    if (is_cut)
        admission_leave(&service->admission, 1, 0);
    else
        pool_add(service->pool, e);
}

void exchanges_expire(struct service *service) {
    double now = clock_seconds();
    pthread_mutex_lock(&service->exchanges_mutex);
    for (struct exchange *e = service->exchanges, *next = NULL; e; e = next) {
        next = e->next;
        if (now <= e->deadline) continue;
        if (e->is_computing)
            expire(e, FAULT_DEADLINE_INFER, "the timeout passed while it was computed");
        else
            expire(e, FAULT_DEADLINE_QUEUE, "the timeout passed while it waited");
    }
    pthread_mutex_unlock(&service->exchanges_mutex);
}

int64_t exchanges_cut(struct service *service, enum fault_code code) {
    int64_t count = 0;
    pthread_mutex_lock(&service->exchanges_mutex);
    service->is_cut = true;
    for (struct exchange *e = service->exchanges, *next = NULL; e; e = next) {
        next = e->next;
        expire(e, code, "the server is stopping");
        count++;
    }
    pthread_mutex_unlock(&service->exchanges_mutex);
    return count;
}
