// Words for people, on standard error: one line per message, with its level. Only programs log;
// libraries return errors. There is no global logger: whoever may log is handed one.
#pragma once

#include <stdbool.h>

#include "base/error.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

struct log {
    enum log_level level; // messages above it are dropped
    int descriptor;       // usually 2
};

// Writes "program: level: message\n" in one write, so that lines of threads do not mix.
void log_message(const struct log *log, enum log_level level, const char *format, ...)
    PRINTF_LIKE(3, 4);
