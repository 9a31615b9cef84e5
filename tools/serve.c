// gctmask serve: detection over HTTP. The main thread waits for signals; all others have them
// blocked (see tools/interrupt.c for why).
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <unistd.h>

#include "base/workers.h"
#include "server/service.h"
#include "tools/command.h"

static const struct example EXAMPLES[] = {
    {"gctmask serve --weights gct.safetensors",
     "serve on http://127.0.0.1:8080, with a page to try"},
    {"curl -T street.jpg 'localhost:8080/v1/detect?score=0.5'", "ask it"},
    {"gctmask serve --weights gct.safetensors --listen 0.0.0.0:8443 --token-file tokens --tls-cert "
     "cert.pem --tls-key key.pem --admin 127.0.0.1:9101 --access-log access.jsonl",
     "serve others"},
    {"gctmask serve --weights gct.safetensors --device cuda:0,cuda:1",
     "share the requests between two graphics processors"},
    {0},
};

// Blocks must go back to the system when a request ends, not stay with one of many heaps.
static void bound_heaps(void) {
    enum { HEAPS = 2, MAPPED_FROM_BYTES = 1 << 17, KEPT_BYTES = 1 << 20 };
    mallopt(M_ARENA_MAX, HEAPS);
    mallopt(M_MMAP_THRESHOLD, MAPPED_FROM_BYTES);
    mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
}

// Waits up to seconds for one of the signals; 0 if none came.
static int wait_for(const sigset_t *signals, const struct timespec *timeout) {
    int signal = timeout ? sigtimedwait(signals, NULL, timeout) : sigwaitinfo(signals, NULL);
    return signal > 0 ? signal : 0;
}

static void block(sigset_t *signals) {
    sigemptyset(signals);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGHUP);
    sigaddset(signals, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, signals, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static bool asked_again(void *context) {
    const struct timespec now = {0, 0};
    int signal = wait_for(context, &now);
    return signal == SIGINT || signal == SIGTERM;
}

static void serve(struct service *service, sigset_t *signals) {
    for (;;) {
        int signal = wait_for(signals, NULL);
        if (signal == SIGINT || signal == SIGTERM) return;
        if (signal == SIGHUP) service_reload(service);
        if (signal == SIGUSR1) service_reopen_log(service);
    }
}

static void greet(const struct service *service, const struct service_settings *settings,
                  const struct log *log) {
    const char *admin = service_admin_address(service);
    bool tls = settings->tls_cert != NULL;
    if (settings->insecure)
        log_message(log, LOG_WARNING, "--insecure: whoever reaches this address may use it%s",
                    tls ? "" : ", and what is sent can be read on the way");
    if (geteuid() == 0)
        log_message(log, LOG_WARNING, "running as root, which is not needed and gives away much");
    log_message(log, LOG_INFO, "http%s://%s", tls ? "s" : "", service_address(service));
    if (admin) log_message(log, LOG_INFO, "http://%s/metrics", admin);
}

static enum status run_serve(struct invocation *invocation, struct error *err) {
    const struct service_settings *settings = invocation->options;
    const struct log *log = &invocation->log;
    struct service *service = NULL;
    sigset_t signals;
    int threads = (int)invocation->common.threads;
    bound_heaps();
    block(&signals);
    TRY(service_create(&service, settings, threads > 0 ? threads : workers_available(), log, err));
    greet(service, settings, log);
    serve(service, &signals);
    log_message(log, LOG_INFO, "stopping; once more to stop at once");
    int64_t num_cut = service_drain(service, asked_again, &signals);
    // Should the model never return, one more signal ends the program as it ends any.
    pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
    service_destroy(service);
    if (num_cut == 0) return STATUS_OK;
    log_message(log, LOG_WARNING, "%lld requests were cut short", (long long)num_cut);
    invocation->outcome = EXIT_CODE_SOME_FAILED;
    return STATUS_OK;
}

const struct command serve_command = {
    .name = "serve",
    .summary = "answer requests for detections over HTTP, and show a page to try it",
    .description =
        "Takes JPEG and PNG pictures and answers with detections and lossless masks: POST "
        "/v1/detect "
        "and /v1/detect/batch, the Open Inference Protocol under /v2, CVAT's and Label Studio's "
        "calls; /openapi.json describes all. Listens on this machine only unless told otherwise. "
        "SIGTERM finishes what was taken and ends; SIGHUP reads the model and the tokens again; "
        "SIGUSR1 opens the access log again.",
    .options = SERVICE_OPTIONS,
    .options_bytes = sizeof(struct service_settings),
    .examples = EXAMPLES,
    .run = run_serve,
};
