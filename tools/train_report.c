#include "tools/train_report.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "tools/readable.h"

enum { LINE_BYTES = 512, BAR_CELLS = 24 };
static const double DRAW_SECONDS = 0.2;

enum status train_report_open(struct train_report *report, struct output *out,
                              const struct log *log, const char *folder, int64_t steps,
                              struct error *err) {
    char path[PATH_BYTES];
    *report = (struct train_report){
        .out = out,
        .log = log,
        .is_terminal = log->level >= LOG_INFO && isatty(log->descriptor) == 1,
        .steps = steps,
    };
    TRY(path_join(path, folder, RUN_LOG, err));
    TRY(append_file_open(&report->file, path, false, err));
    report->has_file = true;
    return STATUS_OK;
}

static void clear_line(struct train_report *report) {
    static const char TEXT[] = "\r\x1b[K";
    ssize_t ignored = 0;
    if (report->line_is_open) ignored = write(report->log->descriptor, TEXT, sizeof TEXT - 1);
    (void)ignored;
    report->line_is_open = false;
}

void train_report_close(struct train_report *report) {
    clear_line(report);
    if (report->has_file) append_file_close(&report->file);
    *report = (struct train_report){0};
}

// log.txt is a copy for later; that it cannot be written is no reason to stop.
void train_report_line(struct train_report *report, const char *format, ...) {
    char line[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line - 1, format, arguments);
    va_end(arguments);
    size_t size = strlen(line);
    line[size] = '\n';
    line[size + 1] = '\0';
    clear_line(report);
    output_text(report->out, line);
    // Whoever follows a run wants each line at once; a failure is kept for the program's end.
    if (output_finish(report->out, NULL) != STATUS_OK) return;
    if (report->has_file &&
        append_file_write(&report->file, line, (int64_t)strlen(line), NULL) != STATUS_OK)
        report->has_file = false;
}

static const char *time_left(const struct train_report *report, int64_t step,
                             char text[READABLE_BYTES]) {
    return readable_duration((double)(report->steps - step) * report->seconds, text);
}

// ---- The moving line ----

static void draw(struct train_report *report, int64_t step) {
    char bar[BAR_CELLS + 1] = "";
    char left[READABLE_BYTES];
    char line[LINE_BYTES];
    double now = clock_seconds();
    if (!report->is_terminal || now - report->last_drawn < DRAW_SECONDS) return;
    for (int i = 0; i < BAR_CELLS; i++)
        bar[i] = i < step * BAR_CELLS / report->steps ? '#' : '-';
    bool knows = report->seconds > 0;
    int size =
        snprintf(line, sizeof line, "\r[%s] %lld/%lld  %.1f %%%s%s\x1b[K", bar, (long long)step,
                 (long long)report->steps, 100 * (double)step / (double)report->steps,
                 knows ? "  eta " : "", knows ? time_left(report, step, left) : "");
    ssize_t ignored = write(report->log->descriptor, line, (size_t)size);
    (void)ignored;
    report->line_is_open = true;
    report->last_drawn = now;
}

// ---- Lines ----

static void report_train(struct train_report *report, const struct metrics_train *m,
                         const struct metrics_timing *t) {
    char memory[READABLE_BYTES];
    char left[READABLE_BYTES];
    report->seconds = t->seconds;
    train_report_line(
        report,
        "step %6lld/%lld | loss %.4f rpn_class %.3f rpn_box %.3f class %.3f box %.3f mask %.3f | "
        "grad %.2f | lr %.2e | %.3f s (data %.3f) | %.1f img/s | %s | eta %s",
        (long long)m->step, (long long)report->steps, m->loss, m->rpn_class, m->rpn_box, m->classes,
        m->box, m->mask, m->gradient_norm, m->learning_rate, t->seconds, t->data_seconds,
        t->images_per_second, readable_bytes((int64_t)t->memory_bytes, memory),
        time_left(report, m->step, left));
}

// A share as three digits, or a dash.
static const char *precision(double value, char text[READABLE_BYTES]) {
    if (isnan(value))
        snprintf(text, READABLE_BYTES, "-");
    else
        snprintf(text, READABLE_BYTES, "%.3f", value);
    return text;
}

static void report_eval(struct train_report *report, const struct metrics_eval *e, bool is_best) {
    char texts[7][READABLE_BYTES];
    report->eval = *e;
    report->has_eval = true;
    train_report_line(report,
                      "eval %6lld/%lld | box AP %s AP50 %s AP75 %s | mask AP %s AP50 %s AP75 %s | "
                      "loss %s%s",
                      (long long)e->step, (long long)report->steps, precision(e->box_ap, texts[0]),
                      precision(e->box_ap50, texts[1]), precision(e->box_ap75, texts[2]),
                      precision(e->mask_ap, texts[3]), precision(e->mask_ap50, texts[4]),
                      precision(e->mask_ap75, texts[5]), precision(e->loss, texts[6]),
                      is_best ? " | best so far" : "");
}

void train_report_trainer(void *context, const struct trainer_report *what) {
    struct train_report *report = context;
    if (what->step > 0) draw(report, what->step);
    if (what->train) report_train(report, what->train, what->timing);
    if (what->eval) report_eval(report, what->eval, what->is_best);
    if (what->saved) train_report_line(report, "saved %s", what->saved);
    if (!what->warning) return;
    clear_line(report);
    log_message(report->log, LOG_WARNING, "%s", what->warning);
}

void train_report_scores(struct train_report *report) {
    char text[READABLE_BYTES];
    if (!report->has_eval) return;
    train_report_line(report, "box AP %s", precision(report->eval.box_ap, text));
    train_report_line(report, "mask AP %s", precision(report->eval.mask_ap, text));
}
