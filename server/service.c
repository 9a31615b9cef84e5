#include "server/service.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/clock.h"
#include "base/file_view.h"
#include "base/thread.h"
#include "server/sandbox.h"
#include "server/service_internal.h"

static void sleep_seconds(double seconds) {
    struct timespec wait = {(time_t)seconds, (long)((seconds - floor(seconds)) * 1e9)};
    (void)nanosleep(&wait, NULL);
}

// ---- The sweeper ----

static void *sweeper_main(void *argument) {
    static const double PERIOD_SECONDS = 0.05;
    struct service *service = argument;
    while (!atomic_load(&service->stops)) {
        sleep_seconds(PERIOD_SECONDS);
        connections_sweep(&service->connections);
        connections_sweep(&service->admin_connections);
        exchanges_expire(service);
        devices_watch(service);
    }
    return NULL;
}

// ---- Starting ----

// The processor computes with all its cores already, and beside a graphics processor an answer
// would depend, in its last digits, on who gives it.
static enum status check_devices(const struct option_texts *devices, struct error *err) {
    if (devices->count > SERVICE_MAX_DEVICES)
        return error_set(err, STATUS_USAGE, "--device: expected at most %d devices, found %lld",
                         SERVICE_MAX_DEVICES, (long long)devices->count);
    for (int64_t i = 0; i < devices->count; i++) {
        struct nn_options options = {0};
        enum status status = nn_options_set_device(&options, devices->items[i], err);
        if (status != STATUS_OK) {
            error_prefix(err, "--");
            return status;
        }
        if (options.device == NN_CPU && devices->count > 1)
            return error_set(err, STATUS_USAGE,
                             "--device: cpu takes no other device beside it, found %lld",
                             (long long)devices->count - 1);
    }
    return STATUS_OK;
}

static enum status check_settings(const struct service_settings *settings, struct error *err) {
    bool stub = false;
#ifdef SERVER_STUB
    stub = settings->stub_ms >= 0;
#endif
    if (!settings->weights && !stub) return error_set(err, STATUS_USAGE, "--weights is missing");
    TRY(check_devices(&settings->devices, err));
    if (!settings->tls_cert != !settings->tls_key)
        return error_set(err, STATUS_USAGE, "--tls-cert and --tls-key go together");
    for (int64_t i = 0; i < settings->allow_origins.count; i++)
        if (!strstr(settings->allow_origins.items[i], "://"))
            return error_set(err, STATUS_USAGE,
                             "--allow-origin: \"%s\" is no origin; expected https://example.org",
                             settings->allow_origins.items[i]);
    return STATUS_OK;
}

// Beyond this machine only with tokens and TLS, unless told otherwise.
static enum status check_reach(const struct service *service, struct error *err) {
    const struct service_settings *settings = service->settings;
    bool is_safe = settings->token_file && settings->tls_cert;
    if (settings->insecure) return STATUS_OK;
    if (!service->listener.is_local && !is_safe)
        return error_set(err, STATUS_USAGE,
                         "--listen %s: others could reach it; that takes --token-file, --tls-cert "
                         "and --tls-key, or --insecure",
                         settings->listen);
    if (settings->admin && !service->admin_listener.is_local)
        return error_set(err, STATUS_USAGE,
                         "--admin %s: others could reach it; that takes --insecure",
                         settings->admin);
    return STATUS_OK;
}

static enum status read_text(struct file_view *view, const char *path, char **text,
                             struct error *err) {
    enum { MAX_BYTES = 1 << 20 };
    TRY(file_view_open(view, path, MAX_BYTES, err));
    *text = strndup(view->size ? view->data : "", (size_t)view->size);
    file_view_close(view);
    return *text ? STATUS_OK : error_memory(err, path, view->size);
}

static enum status start_main(struct service *service, struct error *err) {
    enum { NUM_THREADS = 2 };
    const struct service_settings *settings = service->settings;
    struct file_view view;
    char *cert = NULL;
    char *key = NULL;
    enum status status = STATUS_OK;
    if (settings->tls_cert) status = read_text(&view, settings->tls_cert, &cert, err);
    if (status == STATUS_OK && settings->tls_key)
        status = read_text(&view, settings->tls_key, &key, err);
    const struct http_options options = {
        .listener = service->listener.descriptor,
        .num_threads = NUM_THREADS,
        .max_connections = settings->max_connections,
        .max_connections_per_address = settings->max_connections_per_address,
        .tls_cert = cert,
        .tls_key = key,
    };
    if (status == STATUS_OK)
        status = http_start(&service->http, service, &service->connections, &options, err);
    if (key) explicit_bzero(key, strlen(key));
    free(key);
    free(cert);
    if (status == STATUS_OK) service->listener.descriptor = -1; // the server's now
    return status;
}

static enum status start_admin(struct service *service, struct error *err) {
    enum { MAX_CONNECTIONS = 16 };
    if (!service->settings->admin) return STATUS_OK;
    const struct http_options options = {
        .listener = service->admin_listener.descriptor,
        .num_threads = 1,
        .max_connections = MAX_CONNECTIONS,
    };
    TRY(http_start(&service->admin, service, &service->admin_connections, &options, err));
    service->admin_listener.descriptor = -1;
    return STATUS_OK;
}

static enum status describe_model(struct service *service, struct model **model,
                                  struct error *err) {
#ifdef SERVER_STUB
    if (service->settings->stub_ms >= 0) return model_open_stub(model, service->settings, err);
#endif
    return model_open(model, service->settings, service->num_threads, err);
}

// A device that is out of service may stay so, as long as there is another.
static enum status open_device(struct service *service, struct model *model, int64_t device,
                               uint64_t needed, struct error *err) {
    enum status status = model_open_device(model, device, err);
    if (status == STATUS_OK || needed >> device & 1) return status;
    log_message(service->log, LOG_WARNING, "device %s stays out of service: %s",
                service->settings->devices.items[device], err->message);
    return STATUS_OK;
}

// For all devices but those of unwanted. needed: those without which it is of no use.
static enum status load_model(struct service *service, uint64_t needed, uint64_t unwanted,
                              struct model **result, struct error *err) {
    struct model *model = NULL;
    double start = clock_seconds();
    TRY(describe_model(service, &model, err));
    enum status status = STATUS_OK;
    for (int64_t i = 0; i < service->settings->devices.count && status == STATUS_OK; i++)
        if (!(unwanted >> i & 1)) status = open_device(service, model, i, needed, err);
    model->load_seconds = clock_seconds() - start;
    if (status == STATUS_OK && atomic_load(&model->devices) == 0) status = err->code;
    if (status == STATUS_OK)
        *result = model;
    else
        model_release(model);
    return status;
}

static void enter_sandbox(struct service *service) {
    struct error err = {0};
    if (!service->settings->sandbox) return;
    char devices[DEVICES_TEXT_BYTES];
    devices_text(service->settings, devices);
    if (strcmp(devices, "cpu") != 0) {
        log_message(service->log, LOG_WARNING,
                    "--device %s: without the sandbox, as the driver of the graphics processor "
                    "needs system calls that it forbids",
                    devices);
        return;
    }
    if (sandbox_enter(&err) != STATUS_OK) log_message(service->log, LOG_WARNING, "%s", err.message);
}

static enum status open_all(struct service *service, struct error *err) {
    const struct service_settings *settings = service->settings;
    struct model *model = NULL;
    TRY(check_settings(settings, err));
    TRY(access_log_open(&service->access_log, settings->access_log, err));
    TRY(listener_open(&service->listener, settings->listen, err));
    if (settings->admin) TRY(listener_open(&service->admin_listener, settings->admin, err));
    TRY(check_reach(service, err));
    TRY(guard_init(&service->guard, settings, service->listener.is_local, err));
    TRY(model_slot_create(&service->models, err));
    TRY(pool_create(&service->pool, settings, err));
    TRY(worker_group_create(&service->workers, service, err));
    TRY(thread_start(&service->sweeper, sweeper_main, service, err));
    service->has_sweeper = true;
    // It answers while the model is loaded: that it is.
    TRY(start_main(service, err));
    TRY(start_admin(service, err));
    TRY(load_model(service, UINT64_MAX, 0, &model, err));
    model_slot_put(service->models, model);
    enter_sandbox(service);
    atomic_store(&service->state, SERVICE_READY);
    return STATUS_OK;
}

enum status service_create(struct service **result, const struct service_settings *settings,
                           int num_threads, const struct log *log, struct error *err) {
    struct service *service = *result = calloc(1, sizeof *service);
    if (!service) return error_memory(err, "a service", sizeof *service);
    service->settings = settings;
    service->log = log;
    service->num_threads = num_threads;
    service->started = clock_seconds();
    service->listener.descriptor = -1;
    service->admin_listener.descriptor = -1;
    service->access_log.descriptor = -1;
    (void)!getrandom(&service->id_seed, sizeof service->id_seed, 0);
    metrics_init(&service->metrics);
    admission_init(&service->admission, settings);
    connections_init(&service->connections, settings, &service->metrics);
    connections_init(&service->admin_connections, settings, &service->metrics);
    pthread_mutex_init(&service->exchanges_mutex, NULL);
    enum status status = open_all(service, err);
    if (status == STATUS_OK) return status;
    service_destroy(service);
    *result = NULL;
    return status;
}

const char *service_address(const struct service *service) {
    return service->listener.address;
}

const char *service_admin_address(const struct service *service) {
    return service->settings->admin ? service->admin_listener.address : NULL;
}

// ---- At work ----

// On all devices that serve, or it fails. Those that were lost are tried; one that hangs would have
// this wait for ever.
static enum status load_again(struct service *service, struct model **model, struct error *err) {
    struct model *old = model_slot_take(service->models);
    uint64_t serving = devices_serving(service, old);
    model_release(old);
    return load_model(service, serving, serving ? atomic_load(&service->stalled) : 0, model, err);
}

void service_reload(struct service *service) {
    struct model *model = NULL;
    struct error err = {0};
    if (guard_reload(&service->guard, &err) != STATUS_OK)
        log_message(service->log, LOG_ERROR, "%s; the old tokens stay", err.message);
    if (load_again(service, &model, &err) != STATUS_OK) {
        atomic_fetch_add(&service->metrics.reloads_failed, 1);
        log_message(service->log, LOG_ERROR, "%s; the old model stays", err.message);
        return;
    }
    atomic_fetch_add(&service->metrics.reloads_ok, 1);
    log_message(service->log, LOG_INFO, "model %s, version %s", model->facts.name,
                model->facts.version);
    model_slot_put(service->models, model);
}

void service_reopen_log(struct service *service) {
    struct error err = {0};
    if (access_log_reopen(&service->access_log, &err) != STATUS_OK)
        log_message(service->log, LOG_ERROR, "%s; the old log goes on", err.message);
}

// ---- Ending ----

// Until time is over, nothing is in flight (if only that is waited for), or asked_again says so.
static void wait_until(struct service *service, double seconds, bool for_exchanges,
                       bool (*asked_again)(void *), void *context) {
    static const double PERIOD_SECONDS = 0.01;
    double end = clock_seconds() + seconds;
    while (clock_seconds() < end && !(asked_again && asked_again(context))) {
        if (for_exchanges && atomic_load(&service->metrics.in_flight) == 0) return;
        sleep_seconds(PERIOD_SECONDS);
    }
}

int64_t service_drain(struct service *service, bool (*asked_again)(void *), void *context) {
    static const double FAREWELL_SECONDS = 2; // for the last answers to be sent
    const struct service_settings *settings = service->settings;
    atomic_store(&service->state, SERVICE_DRAINING);
    wait_until(service, settings->drain_delay_seconds, false, asked_again, context);
    atomic_store(&service->state, SERVICE_CLOSED);
    http_quiesce(service->http);
    wait_until(service, settings->drain_seconds, true, asked_again, context);
    int64_t num_cut = exchanges_cut(service, FAULT_DRAINING);
    wait_until(service, FAREWELL_SECONDS, true, NULL, NULL);
    return num_cut;
}

void service_destroy(struct service *service) {
    if (!service) return;
    // Connections first: none may sleep when they end. Then those who work for them.
    exchanges_cut(service, FAULT_DRAINING);
    http_stop(service->http);
    http_stop(service->admin);
    atomic_store(&service->stops, true);
    if (service->has_sweeper) pthread_join(service->sweeper, NULL);
    worker_group_destroy(service->workers);
    pool_destroy(service->pool);
    model_slot_destroy(service->models);
    guard_destroy(&service->guard);
    listener_close(&service->listener);
    listener_close(&service->admin_listener);
    access_log_close(&service->access_log);
    connections_destroy(&service->connections);
    connections_destroy(&service->admin_connections);
    admission_destroy(&service->admission);
    pthread_mutex_destroy(&service->exchanges_mutex);
    free(service);
}
