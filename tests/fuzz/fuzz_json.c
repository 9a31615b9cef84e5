// The JSON reader on anything: it ends, and a document that it accepts is accepted again after the
// writer has copied it, with the same values.
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "base/json_reader.h"
#include "base/json_writer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void copy_value(struct json_reader *r, struct json_writer *w, struct arena *arena);

static void copy_container(struct json_reader *r, struct json_writer *w, struct arena *arena,
                           bool is_object) {
    struct json_string key;
    if (is_object) {
        json_write_begin_object(w);
        json_begin_object(r);
        while (json_next_key(r, &key)) {
            char *text = arena_alloc(arena, key.size + 1, 1);
            int64_t length = json_string_unescape(&key, text);
            text[length] = '\0';
            json_write_key(w, text);
            copy_value(r, w, arena);
        }
        json_write_end_object(w);
        return;
    }
    json_write_begin_array(w);
    json_begin_array(r);
    while (json_next_element(r))
        copy_value(r, w, arena);
    json_write_end_array(w);
}

static void copy_value(struct json_reader *r, struct json_writer *w, struct arena *arena) {
    enum json_kind kind = json_peek(r);
    bool too_deep = w->depth >= JSON_WRITER_MAX_DEPTH - 2;
    if (too_deep || kind == JSON_NOTHING || kind == JSON_NULL) {
        json_skip(r);
        json_write_null(w);
    } else if (kind == JSON_BOOL) {
        json_write_bool(w, json_bool(r));
    } else if (kind == JSON_NUMBER) {
        json_write_double(w, json_double(r));
    } else if (kind == JSON_STRING) {
        struct json_string string = json_string(r);
        char *text = arena_alloc(arena, string.size, 1);
        json_write_bytes(w, text, json_string_unescape(&string, text));
    } else {
        copy_container(r, w, arena, kind == JSON_OBJECT);
    }
}

// Copies text into out; false if the reader refuses it.
static bool copy(const char *text, int64_t size, struct output *out) {
    struct error err;
    struct json_reader r;
    struct json_writer w;
    struct arena arena;
    arena_init(&arena, 4096, 0);
    output_open_memory(out);
    json_reader_init(&r, text, size, "fuzz", &err);
    json_writer_init(&w, out, 0);
    copy_value(&r, &w, &arena);
    json_end(&r);
    arena_destroy(&arena);
    return json_status(&r) == STATUS_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct output once;
    struct output twice;
    if (copy((const char *)data, (int64_t)size, &once)) {
        CHECK(copy(once.data, once.size, &twice));
        CHECK(once.size == twice.size && memcmp(once.data, twice.data, (size_t)once.size) == 0);
        output_discard(&twice);
    }
    output_discard(&once);
    return 0;
}
