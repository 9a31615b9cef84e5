#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const LEVEL_NAMES[] = {"error", "warning", "info", "debug"};

void log_message(const struct log *log, enum log_level level, const char *format, ...) {
    if (level > log->level) return;
    char line[2048];
    int size = snprintf(line, sizeof line, "gctmask: %s: ", LEVEL_NAMES[level]);
    va_list args;
    va_start(args, format);
    int text = vsnprintf(line + size, sizeof line - (size_t)size, format, args);
    va_end(args);
    size += text;
    if (size > (int)sizeof line - 2) size = (int)sizeof line - 2;
    // A message may quote a file's name: its control characters must not forge lines.
    for (char *c = line; c < line + size; c++)
        if ((unsigned char)*c < ' ' || *c == 127) *c = '?';
    line[size] = '\n';
    ssize_t ignored = write(log->descriptor, line, (size_t)size + 1);
    (void)ignored;
}
