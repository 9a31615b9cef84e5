#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void cut_mark(char *message, int written) {
    if (written >= ERROR_MESSAGE_BYTES) memcpy(message + ERROR_MESSAGE_BYTES - 4, "...", 4);
}

enum status error_set(struct error *err, enum status code, const char *format, ...) {
    if (!err) return code;
    err->code = code;
    va_list args;
    va_start(args, format);
    cut_mark(err->message, vsnprintf(err->message, sizeof err->message, format, args));
    va_end(args);
    return code;
}

void error_prefix(struct error *err, const char *format, ...) {
    if (!err) return;
    char text[ERROR_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    int prefix = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    int total = prefix;
    if (prefix < ERROR_MESSAGE_BYTES)
        total += snprintf(text + prefix, sizeof text - (size_t)prefix, "%s", err->message);
    cut_mark(text, total);
    memcpy(err->message, text, sizeof text);
}

enum status error_memory(struct error *err, const char *what, long long bytes) {
    return error_set(err, STATUS_MEMORY, "not enough memory for %s (%lld bytes)", what, bytes);
}
