// What is known of a run, for machines.
#include <math.h>

#include "base/json_writer.h"
#include "tools/run_status.h"

static void write_key_text(struct json_writer *w, const char *key, const char *text) {
    json_write_key(w, key);
    if (text)
        json_write_text(w, text);
    else
        json_write_null(w);
}

static void write_key_number(struct json_writer *w, const char *key, double value) {
    json_write_key(w, key);
    if (isfinite(value))
        json_write_double(w, value);
    else
        json_write_null(w);
}

static void write_key_step(struct json_writer *w, const char *key, int64_t step) {
    json_write_key(w, key);
    if (step >= 0)
        json_write_int64(w, step);
    else
        json_write_null(w);
}

static void write_record_json(struct json_writer *w, const struct run_record *record) {
    json_write_key_text(w, "state", run_state_name(record->state));
    write_key_text(w, "message", record->message);
    json_write_key_int64(w, "pid", record->pid);
    write_key_text(w, "host", record->host);
    json_write_key(w, "command");
    json_write_begin_array(w);
    for (int64_t i = 0; i < record->command.count; i++)
        json_write_text(w, record->command.items[i]);
    json_write_end_array(w);
    write_key_text(w, "started", record->started);
    write_key_text(w, "resumed", record->resumed);
    write_key_text(w, "ended", record->ended);
}

static void write_train_json(struct json_writer *w, const struct metrics_train *train) {
    json_write_key(w, "train");
    if (!train) {
        json_write_null(w);
        return;
    }
    json_write_begin_object(w);
    json_write_key_int64(w, "step", train->step);
    write_key_number(w, "loss", train->loss);
    write_key_number(w, "rpn_class", train->rpn_class);
    write_key_number(w, "rpn_box", train->rpn_box);
    write_key_number(w, "class", train->classes);
    write_key_number(w, "box", train->box);
    write_key_number(w, "mask", train->mask);
    write_key_number(w, "gradient_norm", train->gradient_norm);
    write_key_number(w, "learning_rate", train->learning_rate);
    json_write_end_object(w);
}

static void write_precision_json(struct json_writer *w, const char *key,
                                 const struct precision_history *history) {
    json_write_key(w, key);
    if (history->count == 0) {
        json_write_null(w);
        return;
    }
    json_write_begin_object(w);
    json_write_key_double(w, "last", history->last);
    json_write_key_int64(w, "last_step", history->last_step);
    json_write_key_double(w, "best", history->best);
    json_write_key_int64(w, "best_step", history->best_step);
    json_write_end_object(w);
}

void run_status_write_json(const struct run_status *status, const char *folder,
                           struct output *out) {
    const struct checkpoint_summary *checkpoints = &status->checkpoints;
    struct json_writer w;
    json_writer_init(&w, out, 2);
    json_write_begin_object(&w);
    json_write_key_int64(&w, "v", 1);
    json_write_key_text(&w, "run", folder);
    write_record_json(&w, &status->record);
    json_write_key_int64(&w, "step", status->step);
    json_write_key_int64(&w, "steps", status->record.steps);
    write_key_number(&w, "seconds_left", status->seconds_left);
    write_key_number(&w, "seconds_since_line", status->seconds_since_line);
    write_key_number(&w, "seconds", status->seconds);
    write_key_number(&w, "data_seconds", status->data_seconds);
    write_key_number(&w, "images_per_second", status->images_per_second);
    write_key_number(&w, "memory_bytes", status->memory_bytes);
    write_train_json(&w, status->train);
    write_precision_json(&w, "box_ap", &status->box);
    write_precision_json(&w, "mask_ap", &status->mask);
    write_key_number(&w, "validation_loss", status->eval ? status->eval->loss : (double)NAN);
    json_write_key(&w, "checkpoints");
    json_write_begin_object(&w);
    json_write_key_int64(&w, "count", checkpoints->count);
    json_write_key_int64(&w, "bytes", checkpoints->bytes);
    write_key_step(&w, "latest", checkpoints->latest);
    write_key_step(&w, "best", checkpoints->best);
    json_write_end_object(&w);
    json_write_end_object(&w);
    output_text(out, "\n");
}
