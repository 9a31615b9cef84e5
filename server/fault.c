#include "server/fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"

static const struct {
    const char *word;
    int status;
} FAULTS[] = {
    [FAULT_NONE] = {"", 200},
#define FAULT(name, word, status) [FAULT_##name] = {word, status},
#include "server/fault.def"
#undef FAULT
};

PRINTF_LIKE(3, 0)
static void set_message(struct fault *fault, enum fault_code code, const char *format,
                        va_list args) {
    *fault = (struct fault){.code = code};
    int size = vsnprintf(fault->message, sizeof fault->message, format, args);
    if (size >= (int)sizeof fault->message)
        memcpy(fault->message + sizeof fault->message - sizeof "...", "...", sizeof "...");
}

bool fault_set(struct fault *fault, enum fault_code code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    set_message(fault, code, format, args);
    va_end(args);
    return false;
}

bool fault_set_limit(struct fault *fault, enum fault_code code, int64_t limit, int64_t got,
                     const char *format, ...) {
    va_list args;
    va_start(args, format);
    set_message(fault, code, format, args);
    va_end(args);
    fault->has_limit = true;
    fault->limit = limit;
    fault->got = got;
    return false;
}

bool fault_of_error(struct fault *fault, enum fault_code code, const struct error *err) {
    if (err->code != STATUS_MEMORY) return fault_set(fault, code, "%s", err->message);
    fault_set(fault, FAULT_MEMORY_BUDGET, "this request needs more memory than is left for it");
    fault->retry_after = 1;
    return false;
}

const char *fault_word(enum fault_code code) {
    CHECK(code < NUM_FAULTS);
    return FAULTS[code].word;
}

int fault_status(enum fault_code code) {
    CHECK(code < NUM_FAULTS);
    return FAULTS[code].status;
}

void fault_write_json(const struct fault *fault, const char *request_id, struct json_writer *w) {
    json_write_begin_object(w);
    json_write_key_text(w, "error", fault->message);
    json_write_key_text(w, "code", fault_word(fault->code));
    json_write_key_int64(w, "status", fault_status(fault->code));
    json_write_key_text(w, "request_id", request_id);
    if (fault->field[0] || fault->has_limit) {
        json_write_key(w, "details");
        json_write_begin_object(w);
        if (fault->field[0]) json_write_key_text(w, "field", fault->field);
        if (fault->has_limit) json_write_key_int64(w, "limit", fault->limit);
        if (fault->has_limit) json_write_key_int64(w, "got", fault->got);
        json_write_end_object(w);
    }
    json_write_end_object(w);
}

void fault_write(const struct fault *fault, const char *request_id, struct output *out) {
    struct json_writer w;
    json_writer_init(&w, out, 0);
    fault_write_json(fault, request_id, &w);
    output_text(out, "\n");
}
