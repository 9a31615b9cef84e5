// What is known of a run, for people.
#include <math.h>
#include <string.h>

#include "tools/readable.h"
#include "tools/run_status.h"

// ---- How to go on ----

static bool is_over(enum run_state state) {
    return state == RUN_INTERRUPTED || state == RUN_FAILED || state == RUN_KILLED;
}

static bool asks_to_resume(const struct option_texts *command) {
    for (int64_t i = 0; i < command->count; i++)
        if (strcmp(command->items[i], "--resume") == 0 ||
            strncmp(command->items[i], "--resume=", strlen("--resume=")) == 0)
            return true;
    return false;
}

// A word as a shell reads it.
static void write_word(struct output *out, const char *word) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_-+=./,:@%";
    if (*word && word[strspn(word, plain)] == '\0') {
        output_text(out, word);
        return;
    }
    output_text(out, "'");
    for (const char *c = word; *c; c++) {
        if (*c == '\'')
            output_text(out, "'\\''");
        else
            output_printable(out, c, 1);
    }
    output_text(out, "'");
}

static void write_resume(const struct run_status *status, struct output *out) {
    const struct run_record *record = &status->record;
    char step[READABLE_BYTES];
    if (!is_over(record->state) || record->command.count == 0) return;
    if (status->checkpoints.latest < 0) {
        output_text(out, "resume         there is no checkpoint yet\n");
        return;
    }
    output_printf(
        out, "resume         from step %s with:", readable_count(status->checkpoints.latest, step));
    for (int64_t i = 0; i < record->command.count; i++) {
        output_text(out, " ");
        write_word(out, record->command.items[i]);
    }
    output_printf(out, "%s\n", asks_to_resume(&record->command) ? "" : " --resume");
}

// ---- The lines ----

static void write_text(struct output *out, const char *text) {
    output_printable(out, text ? text : "?", (int64_t)strlen(text ? text : "?"));
}

// "2026-03-01T09:00:00Z" as "2026-03-01 09:00:00 UTC".
static void write_time(struct output *out, const char *time) {
    if (!time || strlen(time) != strlen("2026-03-01T09:00:00Z")) {
        write_text(out, time);
        return;
    }
    output_printable(out, time, 10);
    output_text(out, " ");
    output_printable(out, time + 11, 8);
    output_text(out, " UTC");
}

static void write_process(struct output *out, const struct run_record *record) {
    output_printf(out, "process %lld on ", (long long)record->pid);
    write_text(out, record->host);
}

static void write_state(const struct run_status *status, struct output *out) {
    const struct run_record *record = &status->record;
    char step[READABLE_BYTES];
    output_printf(out, "state          %s",
                  record->state == RUN_KILLED ? "died" : run_state_name(record->state));
    if (is_over(record->state))
        output_printf(out, " at step %s", readable_count(status->step, step));
    if (record->state == RUN_RUNNING || record->state == RUN_KILLED) {
        output_text(out, record->state == RUN_KILLED ? " without a word: " : ": ");
        write_process(out, record);
        output_text(out, ", since ");
        write_time(out, record->resumed ? record->resumed : record->started);
    } else {
        output_text(out, ", ");
        write_time(out, record->ended);
    }
    output_text(out, "\n");
    if (!record->message) return;
    output_text(out, "message        ");
    write_text(out, record->message);
    output_text(out, "\n");
}

static void write_progress(const struct run_status *status, struct output *out) {
    char step[READABLE_BYTES];
    char steps[READABLE_BYTES];
    char duration[READABLE_BYTES];
    output_printf(out, "step           %s of %s", readable_count(status->step, step),
                  readable_count(status->record.steps, steps));
    if (status->record.steps > 0)
        output_printf(out, " (%.1f %%)", 100 * (double)status->step / (double)status->record.steps);
    if (!isnan(status->seconds_left))
        output_printf(out, ", %s left", readable_duration(status->seconds_left, duration));
    output_text(out, "\n");
    if (!isnan(status->seconds_since_line) && status->record.state == RUN_RUNNING)
        output_printf(out, "last line      %s ago\n",
                      readable_duration(status->seconds_since_line, duration));
}

static void write_speed(const struct run_status *status, struct output *out) {
    char memory[READABLE_BYTES];
    if (isnan(status->seconds)) return;
    output_printf(out, "speed          %.3g s for a step", status->seconds);
    if (!isnan(status->data_seconds))
        output_printf(out, ", of these %.2g s waiting for images", status->data_seconds);
    if (!isnan(status->images_per_second))
        output_printf(out, "; %.3g images/s", status->images_per_second);
    if (!isnan(status->memory_bytes) && fabs(status->memory_bytes) < 0x1p62)
        output_printf(out, "; %s of memory", readable_bytes((int64_t)status->memory_bytes, memory));
    output_text(out, "\n");
}

static void write_losses(const struct run_status *status, struct output *out) {
    const struct metrics_train *train = status->train;
    if (train) {
        output_printf(out,
                      "loss           %.4f: class %.4f, box %.4f, mask %.4f, proposals %.4f "
                      "(object or not) and %.4f (box)\n",
                      train->loss, train->classes, train->box, train->mask, train->rpn_class,
                      train->rpn_box);
        output_printf(out, "gradient norm  %.4g\n", train->gradient_norm);
        output_printf(out, "learning rate  %.4g\n", train->learning_rate);
    }
    if (status->eval && !isnan(status->eval->loss))
        output_printf(out, "validation     loss %.4f\n", status->eval->loss);
}

static void write_precision(const char *name, const struct precision_history *history,
                            struct output *out) {
    char best[READABLE_BYTES];
    char last[READABLE_BYTES];
    if (history->count == 0) return;
    output_printf(out, "%-14s %.2f at step %s", name, 100 * history->last,
                  readable_count(history->last_step, last));
    if (history->best_step == history->last_step)
        output_text(out, ", the best so far\n");
    else
        output_printf(out, ", best %.2f at step %s\n", 100 * history->best,
                      readable_count(history->best_step, best));
}

static void write_checkpoints(const struct run_status *status, struct output *out) {
    const struct checkpoint_summary *summary = &status->checkpoints;
    char text[READABLE_BYTES];
    output_printf(out, "checkpoints    %lld", (long long)summary->count);
    if (summary->count > 0) output_printf(out, ", %s", readable_bytes(summary->bytes, text));
    if (summary->latest >= 0)
        output_printf(out, "; newest of step %s", readable_count(summary->latest, text));
    if (summary->best >= 0)
        output_printf(out, "; best of step %s", readable_count(summary->best, text));
    output_text(out, "\n");
}

void run_status_write_text(const struct run_status *status, struct output *out) {
    write_state(status, out);
    write_progress(status, out);
    write_speed(status, out);
    write_losses(status, out);
    write_precision("box AP", &status->box, out);
    write_precision("mask AP", &status->mask, out);
    write_checkpoints(status, out);
    write_resume(status, out);
}
