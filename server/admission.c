#include "server/admission.h"

#include <math.h>

#include "base/check.h"
#include "base/clock.h"

void admission_init(struct admission *admission, const struct service_settings *settings) {
    *admission = (struct admission){.settings = settings, .workers = 1};
    pthread_mutex_init(&admission->mutex, NULL);
}

void admission_destroy(struct admission *admission) {
    pthread_mutex_destroy(&admission->mutex);
}

// What follows is called with the mutex held.

static double wait_seconds(const struct admission *admission) {
    return admission->cost * admission->unit_seconds / admission->workers;
}

static int32_t retry_after(const struct admission *admission) {
    enum { SHORTEST = 1, LONGEST = 30 };
    double wait = ceil(wait_seconds(admission));
    return wait <= SHORTEST ? SHORTEST : wait >= LONGEST ? LONGEST : (int32_t)wait;
}

static bool refuse_queue(const struct admission *admission, int64_t pictures, struct fault *fault) {
    int64_t limit = admission->settings->queue_length;
    fault_set_limit(fault, FAULT_QUEUE_FULL, limit, admission->pictures + pictures,
                    "%lld pictures are waiting already", (long long)admission->pictures);
    fault->retry_after = retry_after(admission);
    return false;
}

static bool refuse_pixels(const struct admission *admission, int64_t bytes, struct fault *fault) {
    fault_set_limit(fault, FAULT_MEMORY_BUDGET, admission->settings->queue_bytes,
                    admission->pixel_bytes + bytes,
                    "the pictures that are waiting leave no memory for this one");
    fault->retry_after = retry_after(admission);
    return false;
}

static bool refuse_wait(const struct admission *admission, double left, struct fault *fault) {
    fault_set(fault, FAULT_QUEUE_FULL,
              "the answer would take %.1f s, and only %.1f s are left of the request's timeout",
              wait_seconds(admission), left);
    fault->retry_after = retry_after(admission);
    return false;
}

// Whether what is here and cost more will be done by the deadline. A little is kept for what
// differs from one time to the next, and for encoding.
static bool is_in_time(const struct admission *admission, double cost, double left) {
    static const double MARGIN = 1.1;
    static const double LEEWAY_SECONDS = 0.01;
    // A picture is done when those are that are computed with it, and all but one may come behind
    // it.
    double with_others = cost * (double)admission->settings->batch_max;
    double seconds = wait_seconds(admission) + with_others * admission->unit_seconds;
    return MARGIN * seconds + LEEWAY_SECONDS <= left;
}

static bool admit(struct admission *admission, int64_t more_pictures, int64_t pixel_bytes,
                  double cost, double left, struct fault *fault) {
    const struct service_settings *settings = admission->settings;
    if (admission->pictures + more_pictures > settings->queue_length)
        return refuse_queue(admission, more_pictures, fault);
    if (admission->pixel_bytes + pixel_bytes > settings->queue_bytes)
        return refuse_pixels(admission, pixel_bytes, fault);
    // With nobody before it, a request may try: what was learned may have been a bad moment.
    if (admission->admitted >= admission->workers && !is_in_time(admission, cost, left))
        return refuse_wait(admission, left, fault);
    admission->pictures += more_pictures;
    admission->admitted += 1 + more_pictures;
    admission->pixel_bytes += pixel_bytes;
    admission->cost += cost;
    return true;
}

// ---- With the mutex taken here ----

bool admission_enter(struct admission *admission, struct fault *fault) {
    pthread_mutex_lock(&admission->mutex);
    bool fits = admission->pictures < admission->settings->queue_length;
    if (fits)
        admission->pictures++;
    else
        refuse_queue(admission, 1, fault);
    pthread_mutex_unlock(&admission->mutex);
    return fits;
}

bool admission_admit(struct admission *admission, int64_t more_pictures, int64_t pixel_bytes,
                     double cost, double deadline, struct fault *fault) {
    double left = deadline - clock_seconds();
    pthread_mutex_lock(&admission->mutex);
    bool admitted = admit(admission, more_pictures, pixel_bytes, cost, left, fault);
    pthread_mutex_unlock(&admission->mutex);
    return admitted;
}

void admission_leave(struct admission *admission, int64_t pictures, double cost) {
    pthread_mutex_lock(&admission->mutex);
    admission->pictures -= pictures;
    if (cost > 0) admission->admitted -= pictures;
    admission->cost -= cost;
    // What rounding leaves of costs must not add up.
    if (admission->pictures == 0) admission->cost = 0;
    CHECK(admission->pictures >= 0 && admission->admitted >= 0);
    pthread_mutex_unlock(&admission->mutex);
}

void admission_free_pixels(struct admission *admission, int64_t bytes) {
    pthread_mutex_lock(&admission->mutex);
    admission->pixel_bytes -= bytes;
    CHECK(admission->pixel_bytes >= 0);
    pthread_mutex_unlock(&admission->mutex);
}

bool admission_hold_upload(struct admission *admission, int64_t bytes, struct fault *fault) {
    int64_t limit = admission->settings->upload_bytes;
    pthread_mutex_lock(&admission->mutex);
    bool fits = admission->upload_bytes + bytes <= limit;
    if (fits) admission->upload_bytes += bytes;
    int32_t seconds = retry_after(admission);
    pthread_mutex_unlock(&admission->mutex);
    if (fits) return true;
    fault_set(fault, FAULT_MEMORY_BUDGET, "other uploads leave no memory for this one");
    fault->retry_after = seconds;
    return false;
}

void admission_free_upload(struct admission *admission, int64_t bytes) {
    pthread_mutex_lock(&admission->mutex);
    admission->upload_bytes -= bytes;
    CHECK(admission->upload_bytes >= 0);
    pthread_mutex_unlock(&admission->mutex);
}

void admission_learn(struct admission *admission, double cost, double seconds) {
    static const double WEIGHT = 0.2; // of the newest
    double unit = seconds / cost;
    pthread_mutex_lock(&admission->mutex);
    double *learned = &admission->unit_seconds;
    *learned = *learned > 0 ? (1 - WEIGHT) * *learned + WEIGHT * unit : unit;
    pthread_mutex_unlock(&admission->mutex);
}

void admission_set_workers(struct admission *admission, int workers) {
    CHECK(workers > 0);
    pthread_mutex_lock(&admission->mutex);
    admission->workers = workers;
    pthread_mutex_unlock(&admission->mutex);
}

int32_t admission_retry_after(struct admission *admission) {
    pthread_mutex_lock(&admission->mutex);
    int32_t seconds = retry_after(admission);
    pthread_mutex_unlock(&admission->mutex);
    return seconds;
}

struct admission_load admission_load(struct admission *admission) {
    pthread_mutex_lock(&admission->mutex);
    const struct admission_load load = {admission->pictures, admission->pixel_bytes,
                                        admission->upload_bytes, wait_seconds(admission)};
    pthread_mutex_unlock(&admission->mutex);
    return load;
}
