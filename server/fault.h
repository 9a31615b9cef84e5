// Why a request is refused, as its client is told: a stable word, an HTTP status and one sentence.
//
// Functions that meet clients' data return false and fill a struct fault; there is nothing in a
// sentence that a stranger may not see: no file name of the server's, no address, no stack.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/json_writer.h"
#include "base/output.h"

enum fault_code {
    FAULT_NONE,
#define FAULT(name, word, status) FAULT_##name,
#include "server/fault.def"
#undef FAULT
    NUM_FAULTS,
};

enum { FAULT_MESSAGE_BYTES = 320, FAULT_FIELD_BYTES = 64 };

struct fault {
    enum fault_code code;
    char message[FAULT_MESSAGE_BYTES]; // one sentence
    char field[FAULT_FIELD_BYTES];     // of the request, dotted; "" if it is none's
    bool has_limit;
    int64_t limit; // what is allowed and what came, where that explains it
    int64_t got;
    int32_t retry_after; // seconds, of 429 and 503; 0: no word about it
};

// Fills fault and returns false, so that a refusal is one return statement.
bool fault_set(struct fault *fault, enum fault_code code, const char *format, ...)
    PRINTF_LIKE(3, 4);

// The same with the numbers.
bool fault_set_limit(struct fault *fault, enum fault_code code, int64_t limit, int64_t got,
                     const char *format, ...) PRINTF_LIKE(5, 6);

const char *fault_word(enum fault_code code); // "bad_json"
int fault_status(enum fault_code code);       // 400

// What a library's error is to a client: code, or that memory ran out.
bool fault_of_error(struct fault *fault, enum fault_code code, const struct error *err);

// {"error": sentence, "code": word, "status": 400, "request_id": id, "details": {...}}
void fault_write(const struct fault *fault, const char *request_id, struct output *out);
void fault_write_json(const struct fault *fault, const char *request_id, struct json_writer *w);
