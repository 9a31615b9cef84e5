#include "server/devices.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "server/service_internal.h"

const char *device_state_name(enum device_state state) {
    static const char *const NAMES[] = {"loading", "serving", "stalled", "lost"};
    return NAMES[state];
}

enum device_state device_state(struct service *service, const struct model *model, int64_t device) {
    if (!model) return DEVICE_LOADING;
    if (!model_has_device(model, device)) return DEVICE_LOST;
    return atomic_load(&service->stalled) >> device & 1 ? DEVICE_STALLED : DEVICE_SERVING;
}

uint64_t devices_serving(struct service *service, const struct model *model) {
    return model ? atomic_load(&model->devices) & ~atomic_load(&service->stalled) : 0;
}

static bool has_state(struct service *service, const struct model *model, enum device_state state) {
    for (int64_t i = 0; i < service->settings->devices.count; i++)
        if (device_state(service, model, i) == state) return true;
    return false;
}

const char *devices_unready(struct service *service, const struct model *model) {
    if (!model || has_state(service, model, DEVICE_SERVING)) return NULL;
    return has_state(service, model, DEVICE_STALLED) ? "queue_stalled" : "device_lost";
}

const char *devices_degraded(struct service *service, const struct model *model) {
    if (has_state(service, model, DEVICE_LOST)) return "device_lost";
    return has_state(service, model, DEVICE_STALLED) ? "device_stalled" : NULL;
}

// A batch that takes far longer than others did, and long in itself, will not end.
static void watch_worker(struct service *service, int64_t device) {
    static const double TIMES = 10;
    const uint64_t bit = (uint64_t)1 << device;
    const char *name = service->settings->devices.items[device];
    double usual = histogram_quantile(&service->metrics.batch_seconds, 0.99);
    double limit = fmax(service->settings->stall_seconds, isfinite(usual) ? TIMES * usual : 0);
    double busy = worker_group_busy_seconds(service->workers, device);
    bool was_stalled = atomic_load(&service->stalled) & bit;
    if (busy > limit && !was_stalled) {
        atomic_fetch_or(&service->stalled, bit);
        log_message(service->log, LOG_ERROR,
                    "device %s: the model has not answered for %.0f s; taken for dead from now on",
                    name, busy);
    }
    if (busy <= limit && was_stalled) {
        atomic_fetch_and(&service->stalled, ~bit);
        log_message(service->log, LOG_WARNING, "device %s: the model answers again", name);
    }
}

void devices_watch(struct service *service) {
    for (int64_t i = 0; i < service->settings->devices.count; i++)
        watch_worker(service, i);
    struct model *model = model_slot_take(service->models);
    int workers = __builtin_popcountll(devices_serving(service, model));
    if (workers > 0) admission_set_workers(&service->admission, workers);
    model_release(model);
}

void devices_text(const struct service_settings *settings, char text[DEVICES_TEXT_BYTES]) {
    size_t size = 0;
    text[0] = '\0';
    for (int64_t i = 0; i < settings->devices.count && size < DEVICES_TEXT_BYTES; i++)
        size += (size_t)snprintf(text + size, DEVICES_TEXT_BYTES - size, "%s%s", i > 0 ? "," : "",
                                 settings->devices.items[i]);
}
