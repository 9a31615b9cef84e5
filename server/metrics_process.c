// Metrics of the devices, of the model in use and of the process.
#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/process.h"
#include "server/metrics_internal.h"
#include "server/model.h"

void metrics_gauge(struct output *out, const char *name, const char *help, double value) {
    metrics_begin(out, name, "gauge", help);
    output_printf(out, "gctmask_%s %.15g\n", name, value);
}

// A device can have several workers: their numbers tell them apart.
static void write_device(const struct metrics_now *now, int64_t device, const char *name,
                         int64_t value, struct output *out) {
    output_printf(out, "gctmask_%s{device=\"", name);
    metrics_label(out, now->devices->items[device]);
    output_printf(out, "\",worker=\"%lld\"} %lld\n", (long long)device, (long long)value);
}

void metrics_write_devices(struct metrics *metrics, const struct metrics_now *now,
                           struct output *out) {
    const int64_t count = now->devices->count;
    metrics_begin(out, "device_serving", "gauge", "Whether the device computes for the service");
    for (int64_t i = 0; i < count; i++)
        write_device(now, i, "device_serving", now->serving >> i & 1, out);
    metrics_begin(out, "device_pictures_total", "counter", "Pictures that the device computed");
    for (int64_t i = 0; i < count; i++)
        write_device(now, i, "device_pictures_total", atomic_load(&metrics->device_pictures[i]),
                     out);
    metrics_begin(out, "device_failures_total", "counter", "Times that the device failed");
    for (int64_t i = 0; i < count; i++)
        write_device(now, i, "device_failures_total", atomic_load(&metrics->device_failures[i]),
                     out);
}

static void write_detections(struct metrics *metrics, const struct model_facts *facts,
                             struct output *out) {
    metrics_begin(out, "detections_total", "counter", "Detections by category");
    for (int64_t label = 1; label <= facts->num_classes && label <= METRICS_MAX_LABELS; label++) {
        output_text(out, "gctmask_detections_total{category=\"");
        metrics_label(out, facts->names[label - 1]);
        output_printf(out, "\"} %lld\n", (long long)atomic_load(&metrics->detections[label]));
    }
}

void metrics_write_model(struct metrics *metrics, const struct metrics_now *now,
                         struct output *out) {
    if (now->model) {
        const struct model_facts *facts = &now->model->facts;
        write_detections(metrics, facts, out);
        metrics_begin(out, "model_info", "gauge", "The model in use");
        output_text(out, "gctmask_model_info{name=\"");
        metrics_label(out, facts->name);
        output_printf(out, "\",version=\"%s\",sha256=\"%s\"} 1\n", facts->version, facts->sha256);
        metrics_gauge(out, "model_load_seconds", "Loading the model in use",
                      now->model->load_seconds);
    }
    metrics_begin(out, "model_reloads_total", "counter", "Times that the model was read again");
    output_printf(out,
                  "gctmask_model_reloads_total{result=\"ok\"} %lld\n"
                  "gctmask_model_reloads_total{result=\"failed\"} %lld\n",
                  (long long)atomic_load(&metrics->reloads_ok),
                  (long long)atomic_load(&metrics->reloads_failed));
    metrics_gauge(out, "ready", "Whether requests are taken", now->is_ready);
}

static double open_descriptors(void) {
    enum { NOT_OURS = 3 }; // ".", ".." and the folder itself
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    if (!folder) return 0;
    while (readdir(folder))
        count++;
    closedir(folder);
    return count - NOT_OURS;
}

static double processor_seconds(void) {
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

void metrics_write_process(struct metrics *metrics, struct output *out) {
    metrics_begin(out, "build_info", "gauge", "The program");
    output_text(out, "gctmask_build_info{version=\"" GCTMASK_VERSION "\"} 1\n");
    metrics_gauge(out, "process_resident_memory_bytes", "Memory in use",
                  (double)process_resident_bytes());
    metrics_begin(out, "process_cpu_seconds_total", "counter", "Processor time");
    output_printf(out, "gctmask_process_cpu_seconds_total %.6f\n", processor_seconds());
    metrics_gauge(out, "process_open_fds", "Open descriptors", open_descriptors());
    metrics_gauge(out, "process_start_time_seconds", "When it started, since 1970",
                  metrics->start_time);
}
