#include "server/access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/json_writer.h"

static enum status open_file(int *descriptor, const char *path, struct error *err) {
    enum { OWNER_AND_GROUP = 0640 };
    *descriptor =
        open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, OWNER_AND_GROUP);
    if (*descriptor >= 0) return STATUS_OK;
    return error_set(err, STATUS_CANNOT_WRITE, "%s: cannot open the log: %s", path,
                     strerror(errno));
}

static bool is_file(const struct access_log *log) {
    return log->path && strcmp(log->path, "-") != 0;
}

enum status access_log_open(struct access_log *log, const char *path, struct error *err) {
    *log = (struct access_log){.path = path, .descriptor = STDOUT_FILENO};
    pthread_mutex_init(&log->mutex, NULL);
    if (!is_file(log)) return STATUS_OK;
    enum status status = open_file(&log->descriptor, path, err);
    if (status != STATUS_OK) log->path = NULL;
    return status;
}

void access_log_close(struct access_log *log) {
    if (is_file(log)) close(log->descriptor);
    log->path = NULL;
    pthread_mutex_destroy(&log->mutex);
}

enum status access_log_reopen(struct access_log *log, struct error *err) {
    int descriptor = -1;
    if (!is_file(log)) return STATUS_OK;
    TRY(open_file(&descriptor, log->path, err));
    pthread_mutex_lock(&log->mutex);
    close(log->descriptor);
    log->descriptor = descriptor;
    pthread_mutex_unlock(&log->mutex);
    return STATUS_OK;
}

static void write_time(struct json_writer *w) {
    struct timespec now;
    struct tm parts;
    char day[32] = "";
    char text[48] = "";
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text, sizeof text, "%s.%03ldZ", day, now.tv_nsec / 1000000);
    json_write_key_text(w, "time", text);
}

static double rounded_ms(double seconds) {
    return (double)(int64_t)(seconds * 1e6 + 0.5) / 1e3;
}

static void write_devices(struct json_writer *w, const struct access_entry *entry) {
    json_write_key(w, "devices");
    json_write_begin_array(w);
    for (int64_t i = 0; i < entry->devices->count; i++)
        if (entry->computed_by >> i & 1) json_write_text(w, entry->devices->items[i]);
    json_write_end_array(w);
}

static void write_entry(struct json_writer *w, const struct access_entry *entry) {
    json_write_begin_object(w);
    write_time(w);
    json_write_key_text(w, "id", entry->id);
    json_write_key_text(w, "remote", entry->remote);
    json_write_key_text(w, "method", entry->method);
    json_write_key_text(w, "path", entry->path);
    json_write_key_int64(w, "status", entry->status);
    json_write_key_text(w, "code", entry->code);
    json_write_key_int64(w, "bytes_in", entry->bytes_in);
    json_write_key_int64(w, "bytes_out", entry->bytes_out);
    json_write_key_double(w, "ms", rounded_ms(entry->seconds));
    if (entry->phases) {
        json_write_key_int64(w, "pixels", entry->pixels);
        json_write_key_int64(w, "detections", entry->detections);
        json_write_key(w, "phases_ms");
        json_write_begin_object(w);
        for (int i = 0; i < NUM_PHASES; i++)
            json_write_key_double(w, phase_name((enum phase)i), rounded_ms(entry->phases[i]));
        json_write_end_object(w);
        write_devices(w, entry);
    }
    json_write_end_object(w);
}

void access_log_write(struct access_log *log, const struct access_entry *entry) {
    if (!log->path) return;
    struct output line;
    struct json_writer w;
    output_open_memory(&line);
    json_writer_init(&w, &line, 0);
    write_entry(&w, entry);
    output_text(&line, "\n");
    pthread_mutex_lock(&log->mutex);
    // One write for one line, so that lines do not mix. A full disk loses lines, never requests.
    if (line.failure.code == STATUS_OK) (void)!write(log->descriptor, line.data, (size_t)line.size);
    pthread_mutex_unlock(&log->mutex);
    output_discard(&line);
}
