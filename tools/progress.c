#include "tools/progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/json_writer.h"
#include "base/process.h"
#include "tools/readable.h"

enum { BAR_CELLS = 20 };
static const double TERMINAL_SECONDS = 0.1;
static const double LINE_SECONDS = 10;
static const double EVENT_SECONDS = 1;

double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void progress_start(struct progress *progress, const struct log *log, int64_t total) {
    *progress = (struct progress){
        .descriptor = log->descriptor,
        .enabled = log->level >= LOG_INFO,
        .is_terminal = isatty(log->descriptor) == 1,
        .total = total,
        .start = seconds_now(),
    };
    progress->last = progress->start;
}

static void write_text(const struct progress *progress, const char *text, int size) {
    ssize_t ignored = write(progress->descriptor, text, (size_t)size);
    (void)ignored;
}

// "1:02:03" or "2:03".
static void format_time(char *text, size_t size, double seconds) {
    long long s = (long long)seconds;
    if (s >= 3600)
        snprintf(text, size, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(text, size, "%lld:%02lld", s / 60, s % 60);
}

// Whoever reads events sees each as soon as it is there. What cannot be written is found at the
// end.
static void end_event(struct progress *p) {
    output_text(p->events, "\n");
    enum status ignored = output_finish(p->events, NULL);
    (void)ignored;
}

static int64_t num_done(const struct progress *p) {
    return p->num_done + p->num_elsewhere;
}

static double images_per_second(const struct progress *p, double now) {
    return (double)num_done(p) / (now - p->start > 0 ? now - p->start : 1);
}

static double seconds_left(const struct progress *p, double rate) {
    return rate > 0 ? (double)(p->total - num_done(p)) / rate : 0;
}

static void show_event(struct progress *p, double now) {
    struct json_writer w;
    double rate = images_per_second(p, now);
    json_writer_init(&w, p->events, 0);
    json_write_begin_object(&w);
    json_write_key_int64(&w, "v", 1);
    json_write_key_text(&w, "event", "progress");
    json_write_key_int64(&w, "done", num_done(p));
    json_write_key_int64(&w, "total", p->total);
    json_write_key_double(&w, "img_s", rate);
    json_write_key_int64(&w, "failed", p->num_failed);
    json_write_key_int64(&w, "objects", p->num_objects);
    json_write_key_double(&w, "eta_s", seconds_left(p, rate));
    json_write_key_int64(&w, "rss", process_resident_bytes());
    json_write_end_object(&w);
    end_event(p);
}

static void show_line(struct progress *p, double now) {
    char bar[BAR_CELLS + 1] = "";
    char left[32];
    char memory[READABLE_BYTES];
    char line[256];
    int64_t total = p->total > 0 ? p->total : 1;
    for (int i = 0; i < BAR_CELLS; i++)
        bar[i] = i < num_done(p) * BAR_CELLS / total ? '#' : '-';
    double rate = images_per_second(p, now);
    format_time(left, sizeof left, seconds_left(p, rate));
    int size =
        snprintf(line, sizeof line,
                 "%s[%s] %lld/%lld  %lld %%  %.1f images/s  %s left  %lld objects  %lld "
                 "failed  %s%s",
                 p->is_terminal ? "\r" : "", bar, (long long)p->num_done, (long long)p->total,
                 (long long)(100 * num_done(p) / total), rate, left, (long long)p->num_objects,
                 (long long)p->num_failed, readable_bytes(process_resident_bytes(), memory),
                 p->is_terminal ? "\x1b[K" : "\n"); // the rest of a longer line goes
    write_text(p, line, size);
    p->line_is_open = p->is_terminal;
}

static double pause_between(const struct progress *p) {
    if (p->events) return EVENT_SECONDS;
    return p->is_terminal ? TERMINAL_SECONDS : LINE_SECONDS;
}

static void step(struct progress *p) {
    p->num_done++;
    if (!p->enabled && !p->events) return;
    double now = seconds_now();
    if (now - p->last < pause_between(p) && !(p->events && num_done(p) == p->total)) return;
    p->last = now;
    if (p->events)
        show_event(p, now);
    else
        show_line(p, now);
}

void progress_use_events(struct progress *progress, struct output *out) {
    progress->events = out;
}

void progress_event_failed(struct progress *progress, const char *path, const char *code,
                           const char *message) {
    struct json_writer w;
    if (!progress->events) return;
    json_writer_init(&w, progress->events, 0);
    json_write_begin_object(&w);
    json_write_key_int64(&w, "v", 1);
    json_write_key_text(&w, "event", "image_failed");
    json_write_key_text(&w, "path", path);
    json_write_key_text(&w, "code", code);
    json_write_key_text(&w, "message", message);
    json_write_end_object(&w);
    end_event(progress);
}

void progress_done(struct progress *progress, int64_t num_objects) {
    progress->num_objects += num_objects;
    step(progress);
}

void progress_failed(struct progress *progress) {
    progress->num_failed++;
    step(progress);
}

void progress_clear(struct progress *progress) {
    const char text[] = "\r\x1b[K";
    if (progress->line_is_open) write_text(progress, text, sizeof text - 1);
    progress->line_is_open = false;
}
