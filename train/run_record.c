#include "train/run_record.h"

#include <string.h>

#include "base/array.h"
#include "base/file_view.h"
#include "base/json_reader.h"
#include "base/json_writer.h"

enum { VERSION = 1, MAX_BYTES = 16 << 20 };

static const char *const STATE_NAMES[] = {
    [RUN_RUNNING] = "running", [RUN_FINISHED] = "finished", [RUN_INTERRUPTED] = "interrupted",
    [RUN_FAILED] = "failed",   [RUN_KILLED] = "killed",
};

const char *run_state_name(enum run_state state) {
    return STATE_NAMES[state];
}

// ---- Writing ----

static void write_text(struct json_writer *w, const char *key, const char *text) {
    json_write_key(w, key);
    if (text)
        json_write_text(w, text);
    else
        json_write_null(w);
}

static void write_command(struct json_writer *w, const struct option_texts *command) {
    json_write_key(w, "command");
    json_write_begin_array(w);
    for (int64_t i = 0; i < command->count; i++)
        json_write_text(w, command->items[i]);
    json_write_end_array(w);
}

enum status run_record_save(const struct run_record *record, const char *path, struct error *err) {
    struct output out;
    struct json_writer w;
    TRY(output_open_file(&out, path, err));
    json_writer_init(&w, &out, 2);
    json_write_begin_object(&w);
    json_write_key_int64(&w, "v", VERSION);
    json_write_key_text(&w, "state", STATE_NAMES[record->state]);
    write_text(&w, "message", record->message);
    json_write_key_int64(&w, "pid", record->pid);
    write_text(&w, "host", record->host);
    write_text(&w, "version", record->version);
    write_command(&w, &record->command);
    write_text(&w, "started", record->started);
    write_text(&w, "resumed", record->resumed);
    write_text(&w, "ended", record->ended);
    json_write_key_int64(&w, "step", record->step);
    json_write_key_int64(&w, "steps", record->steps);
    json_write_end_object(&w);
    output_text(&out, "\n");
    return output_commit(&out, err);
}

// ---- Reading ----

static enum run_state read_state(struct json_reader *r) {
    struct json_string text = json_string(r);
    for (int i = RUN_RUNNING; i < RUN_KILLED; i++)
        if (json_string_is(&text, STATE_NAMES[i])) return (enum run_state)i;
    json_fail(r, "expected running, finished, interrupted or failed");
    return RUN_FAILED;
}

static const char *read_text(struct json_reader *r, struct arena *arena) {
    if (json_peek(r) != JSON_NULL) return json_text(r, arena);
    json_null(r);
    return NULL;
}

static enum status read_items(struct json_reader *r, const char ***items, int64_t *count,
                              struct arena *arena, struct error *err) {
    int64_t capacity = 0;
    json_begin_array(r);
    while (json_next_element(r)) {
        TRY(array_reserve(items, &capacity, *count + 1, sizeof **items, err));
        (*items)[(*count)++] = json_text(r, arena);
    }
    return json_status(r);
}

static enum status read_command(struct json_reader *r, struct option_texts *command,
                                struct arena *arena, struct error *err) {
    const char **items = NULL;
    int64_t count = 0;
    enum status status = read_items(r, &items, &count, arena, err);
    if (status == STATUS_OK) {
        const char **copy = arena_alloc(arena, count, sizeof *copy);
        if (copy && count) memcpy(copy, items, (size_t)count * sizeof *copy);
        *command = (struct option_texts){copy, count};
        if (!copy) status = error_memory(err, "a command line", count);
    }
    array_free(&items);
    return status;
}

static enum status read_member(struct json_reader *r, const struct json_string *key,
                               struct run_record *record, struct arena *arena, struct error *err) {
    const struct {
        const char *name;
        const char **text;
    } texts[] = {
        {"message", &record->message}, {"host", &record->host},       {"version", &record->version},
        {"started", &record->started}, {"resumed", &record->resumed}, {"ended", &record->ended},
    };
    const struct {
        const char *name;
        int64_t *number;
    } numbers[] = {{"pid", &record->pid}, {"step", &record->step}, {"steps", &record->steps}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (!json_string_is(key, texts[i].name)) continue;
        *texts[i].text = read_text(r, arena);
        return STATUS_OK;
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (!json_string_is(key, numbers[i].name)) continue;
        *numbers[i].number = json_int64(r);
        return STATUS_OK;
    }
    if (json_string_is(key, "command")) return read_command(r, &record->command, arena, err);
    json_skip(r);
    return STATUS_OK;
}

static enum status read_record(struct json_reader *r, struct run_record *record,
                               struct arena *arena, struct error *err) {
    struct json_string key;
    int64_t version = -1;
    bool has_state = false;
    json_begin_object(r);
    while (json_next_key(r, &key)) {
        if (json_string_is(&key, "v")) {
            version = json_int64(r);
        } else if (json_string_is(&key, "state")) {
            record->state = read_state(r);
            has_state = true;
        } else {
            TRY(read_member(r, &key, record, arena, err));
        }
    }
    json_end(r);
    if (!has_state) json_fail(r, "this run has no state");
    if (version != VERSION) json_fail(r, "version %lld, expected %d", (long long)version, VERSION);
    return json_status(r);
}

enum status run_record_load(struct run_record *record, const char *path, struct arena *arena,
                            struct error *err) {
    struct file_view view;
    struct json_reader r;
    *record = (struct run_record){0};
    TRY(file_view_open(&view, path, MAX_BYTES, err));
    json_reader_init(&r, view.data, view.size, path, err);
    enum status status = read_record(&r, record, arena, err);
    file_view_close(&view);
    return status;
}
