// What the service says of itself: health, information, models, metrics, the page's files.
#include <string.h>

#include "base/clock.h"
#include "base/json_writer.h"
#include "data/image.h"
#include "nn/nn.h"
#include "server/inference_protocol.h"
#include "server/label_studio.h"
#include "server/service_internal.h"

static const char JSON[] = "application/json";

const char *service_unready(struct service *service, const struct model *model) {
    enum service_state state = (enum service_state)atomic_load(&service->state);
    if (state == SERVICE_DRAINING || state == SERVICE_CLOSED) return "draining";
    if (state == SERVICE_STARTING) return "loading";
    return devices_unready(service, model);
}

static void write_health(struct output *out, const char *status, const char *reason) {
    struct json_writer w;
    json_writer_init(&w, out, 0);
    json_write_begin_object(&w);
    json_write_key_text(&w, "status", status);
    if (reason) json_write_key_text(&w, "reason", reason);
    json_write_end_object(&w);
}

static void write_devices(struct json_writer *w, struct service *service,
                          const struct model *model) {
    const struct option_texts *devices = &service->settings->devices;
    json_write_key(w, "devices");
    json_write_begin_array(w);
    for (int64_t i = 0; i < devices->count; i++) {
        json_write_begin_object(w);
        json_write_key_text(w, "name", devices->items[i]);
        json_write_key_text(w, "state", device_state_name(device_state(service, model, i)));
        json_write_end_object(w);
    }
    json_write_end_array(w);
}

static void write_info(struct service *service, const struct model *model, struct output *out) {
    const struct service_settings *settings = service->settings;
    const struct admission_load load = admission_load(&service->admission);
    char devices[DEVICES_TEXT_BYTES];
    struct json_writer w;
    devices_text(settings, devices);
    json_writer_init(&w, out, 0);
    json_write_begin_object(&w);
    json_write_key_text(&w, "version", GCTMASK_VERSION);
    json_write_key_text(&w, "device", devices);
    write_devices(&w, service, model);
    json_write_key_text(&w, "precision", NN_PRECISION_NAMES[settings->precision]);
    json_write_key_bool(&w, "tune", settings->tune);
    json_write_key_int64(&w, "threads", service->num_threads);
    json_write_key_double(&w, "uptime_seconds", clock_seconds() - service->started);
    json_write_key_bool(&w, "insecure", settings->insecure);
    json_write_key_bool(&w, "tls", settings->tls_cert != NULL);
    json_write_key_bool(&w, "tokens", settings->token_file != NULL);
    json_write_key_int64(&w, "queue_length", load.pictures);
    json_write_key_double(&w, "queue_seconds", load.wait_seconds);
    json_write_key_int64(&w, "queue_bytes", load.pixel_bytes);
    json_write_key_int64(&w, "upload_bytes", load.upload_bytes);
    json_write_key(&w, "libraries");
    json_write_begin_object(&w);
    json_write_key_text(&w, "jpeg", image_jpeg_library());
    json_write_key_text(&w, "png", image_png_library());
    json_write_end_object(&w);
    json_write_key(&w, "limits");
    json_write_begin_object(&w);
    settings_write_limits(settings, &w);
    json_write_end_object(&w);
    json_write_end_object(&w);
}

static void write_model_options(struct json_writer *w, const struct model_facts *facts,
                                const struct service_settings *settings) {
    json_write_key(w, "set");
    json_write_begin_array(w);
    for (int64_t i = 0; i < settings->overrides.count; i++)
        json_write_text(w, settings->overrides.items[i]);
    json_write_end_array(w);
    json_write_key(w, "defaults");
    json_write_begin_object(w);
    json_write_key_double(w, "score", facts->score);
    json_write_key_int64(w, "max_dets", facts->max_dets);
    json_write_key_double(w, "nms", facts->nms);
    json_write_key_double(w, "mask_threshold", facts->mask_threshold);
    json_write_end_object(w);
}

// Those that compute it.
static void write_model_devices(struct json_writer *w, const struct model *model,
                                const struct option_texts *devices) {
    json_write_key(w, "devices");
    json_write_begin_array(w);
    for (int64_t i = 0; i < devices->count; i++)
        if (model_has_device(model, i)) json_write_text(w, devices->items[i]);
    json_write_end_array(w);
}

static void write_model(struct json_writer *w, const struct model *model,
                        const struct service_settings *settings) {
    const struct model_facts *facts = &model->facts;
    json_write_begin_object(w);
    json_write_key_text(w, "name", facts->name);
    json_write_key_text(w, "version", facts->version);
    json_write_key_text(w, "sha256", facts->sha256);
    json_write_key(w, "classes");
    json_write_begin_array(w);
    for (int64_t i = 0; i < facts->num_classes; i++) {
        json_write_begin_object(w);
        json_write_key_int64(w, "id", facts->category_ids[i]);
        json_write_key_text(w, "name", facts->names[i]);
        json_write_end_object(w);
    }
    json_write_end_array(w);
    write_model_options(w, facts, settings);
    write_model_devices(w, model, &settings->devices);
    json_write_key(w, "input");
    json_write_begin_object(w);
    json_write_key_int64(w, "short_side", model->short_side);
    json_write_key_int64(w, "long_side", model->long_side);
    json_write_end_object(w);
    json_write_key(w, "limits");
    json_write_begin_object(w);
    json_write_key_int64(w, "max-pixels", settings->max_pixels);
    json_write_key_int64(w, "max-side", settings->max_side);
    json_write_key_int64(w, "max-body-bytes", settings->max_body_bytes);
    json_write_end_object(w);
    json_write_end_object(w);
}

static void write_models(const struct model *model, const struct service_settings *settings,
                         bool is_list, struct output *out) {
    struct json_writer w;
    json_writer_init(&w, out, 0);
    if (!is_list) {
        write_model(&w, model, settings);
        return;
    }
    json_write_begin_object(&w);
    json_write_key(&w, "models");
    json_write_begin_array(&w);
    write_model(&w, model, settings);
    json_write_end_array(&w);
    json_write_end_object(&w);
}

static struct reply write_metrics(struct service *service, const struct model *model) {
    struct output out;
    const struct admission_load load = admission_load(&service->admission);
    const struct metrics_now now = {
        .model = model,
        .devices = &service->settings->devices,
        .serving = devices_serving(service, model),
        .is_ready = !service_unready(service, model),
        .queue_length = load.pictures,
        .queue_bytes = load.pixel_bytes,
        .connections = connections_count(&service->connections),
    };
    output_open_memory(&out);
    metrics_write(&service->metrics, &now, &out);
    return reply_of_output(200, "text/plain; version=0.0.4; charset=utf-8", &out);
}

// ---- By address ----

static struct reply live_reply(struct service *service, const struct model *model, bool is_oip) {
    struct output out;
    const char *dead = devices_unready(service, model);
    output_open_memory(&out);
    if (is_oip)
        inference_protocol_write_live(&out, !dead);
    else
        write_health(&out, dead ? "stalled" : "live", dead);
    return reply_of_output(dead ? 503 : 200, JSON, &out);
}

// One that is ready may have a reason, too: why it is slower than it should be.
static struct reply ready_reply(struct service *service, const struct model *model, bool is_oip) {
    struct output out;
    const char *unready = service_unready(service, model);
    const char *degraded = devices_degraded(service, model);
    output_open_memory(&out);
    if (is_oip)
        inference_protocol_write_ready(&out, !unready);
    else
        write_health(&out, unready ? "not_ready" : "ready", unready ? unready : degraded);
    return reply_of_output(unready ? 503 : 200, JSON, &out);
}

static struct reply refuse(const struct exchange *e, enum fault_code code, const char *message) {
    struct fault fault;
    fault_set(&fault, code, "%s", message);
    fault.retry_after = code == FAULT_LOADING;
    return reply_of_fault(&fault, e->id);
}

// Documents about a model, which is the one in use.
static struct reply model_reply(struct service *service, const struct exchange *e,
                                const struct model *model) {
    struct output out;
    const struct route *route = &e->route;
    const char *name = route->segments[0];
    const char *version = route->segments[1];
    bool ready = !service_unready(service, model);
    if (!model) return refuse(e, FAULT_LOADING, "the model is being loaded");
    if ((*name && strcmp(name, model->facts.name) != 0) ||
        (*version && strcmp(version, model->facts.version) != 0))
        return refuse(e, FAULT_MODEL_NOT_FOUND, "there is no such model");
    output_open_memory(&out);
    if (route->document == DOCUMENT_MODELS || route->document == DOCUMENT_MODEL)
        write_models(model, service->settings, route->document == DOCUMENT_MODELS, &out);
    if (route->document == DOCUMENT_OIP_MODEL) inference_protocol_write_model(&out, &model->facts);
    if (route->document == DOCUMENT_OIP_MODEL_READY)
        inference_protocol_write_model_ready(&out, &model->facts, ready);
    if (route->document == DOCUMENT_LABEL_STUDIO_SETUP)
        label_studio_write_setup(&out, &model->facts);
    bool good = route->document != DOCUMENT_OIP_MODEL_READY || ready;
    return reply_of_output(good ? 200 : 503, JSON, &out);
}

static struct reply page_reply(const struct page_file *page) {
    return (struct reply){
        .status = 200,
        .content_type = page->content_type,
        .bytes = (char *)(uintptr_t)page->bytes, // only ever read
        .size = page->size,
        .is_constant = true,
        .is_page = true,
    };
}

static struct reply info_reply(struct service *service, const struct model *model) {
    struct output out;
    output_open_memory(&out);
    write_info(service, model, &out);
    return reply_of_output(200, JSON, &out);
}

static struct reply other_reply(const struct exchange *e) {
    struct output out;
    output_open_memory(&out);
    if (e->route.document == DOCUMENT_OIP_SERVER)
        inference_protocol_write_server(&out, GCTMASK_VERSION);
    if (e->route.document == DOCUMENT_LABEL_STUDIO_HEALTH) label_studio_write_health(&out);
    return reply_of_output(200, JSON, &out);
}

static struct reply reply_with(struct service *service, const struct exchange *e,
                               const struct model *model) {
    switch (e->route.document) {
    case DOCUMENT_LIVE:
    case DOCUMENT_OIP_LIVE:
        return live_reply(service, model, e->route.document == DOCUMENT_OIP_LIVE);
    case DOCUMENT_READY:
    case DOCUMENT_OIP_READY:
        return ready_reply(service, model, e->route.document == DOCUMENT_OIP_READY);
    case DOCUMENT_INFO:
        return info_reply(service, model);
    case DOCUMENT_METRICS:
        return write_metrics(service, model);
    case DOCUMENT_NONE:
    case DOCUMENT_OIP_SERVER:
    case DOCUMENT_LABEL_STUDIO_HEALTH:
        return other_reply(e);
    case DOCUMENT_MODELS:
    case DOCUMENT_MODEL:
    case DOCUMENT_OIP_MODEL:
    case DOCUMENT_OIP_MODEL_READY:
    case DOCUMENT_LABEL_STUDIO_SETUP:
    default:
        return model_reply(service, e, model);
    }
}

struct reply document_reply(struct service *service, const struct exchange *e) {
    if (e->route.page) return page_reply(e->route.page);
    struct model *model = model_slot_take(service->models);
    struct reply reply = reply_with(service, e, model);
    model_release(model);
    return reply;
}
