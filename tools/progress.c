#include "tools/progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { BAR_CELLS = 20 };
static const double TERMINAL_SECONDS = 0.1;
static const double LINE_SECONDS = 10;

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

static void show(struct progress *p, double now) {
    char bar[BAR_CELLS + 1] = "";
    char left[32];
    char line[256];
    int64_t total = p->total > 0 ? p->total : 1;
    for (int i = 0; i < BAR_CELLS; i++)
        bar[i] = i < p->num_done * BAR_CELLS / total ? '#' : '-';
    double rate = (double)p->num_done / (now - p->start > 0 ? now - p->start : 1);
    format_time(left, sizeof left, rate > 0 ? (double)(p->total - p->num_done) / rate : 0);
    int size = snprintf(line, sizeof line,
                        "%s[%s] %lld/%lld  %lld %%  %.1f images/s  %s left  %lld objects  %lld "
                        "failed%s",
                        p->is_terminal ? "\r" : "", bar, (long long)p->num_done,
                        (long long)p->total, (long long)(100 * p->num_done / total), rate, left,
                        (long long)p->num_objects, (long long)p->num_failed,
                        p->is_terminal ? "\x1b[K" : "\n"); // the rest of a longer line goes
    write_text(p, line, size);
    p->line_is_open = p->is_terminal;
    p->last = now;
}

static void step(struct progress *p) {
    p->num_done++;
    if (!p->enabled) return;
    double now = seconds_now();
    if (now - p->last >= (p->is_terminal ? TERMINAL_SECONDS : LINE_SECONDS)) show(p, now);
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
