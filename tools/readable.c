#include "tools/readable.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

const char *readable_count(int64_t value, char text[READABLE_BYTES]) {
    char digits[READABLE_BYTES];
    int size = snprintf(digits, sizeof digits, "%" PRId64, value);
    int at = 0;
    for (int i = 0; i < size; i++) {
        bool follows_digit = i > 0 && digits[i - 1] != '-';
        if (follows_digit && (size - i) % 3 == 0) text[at++] = ',';
        text[at++] = digits[i];
    }
    text[at] = '\0';
    return text;
}

const char *readable_duration(double seconds, char text[READABLE_BYTES]) {
    const double longest = 1e12; // beyond it, int64_t and text would not do
    int64_t s = seconds < longest ? (int64_t)(seconds + 0.5) : (int64_t)longest;
    int64_t days = s / 86400;
    int64_t hours = s / 3600 % 24;
    int64_t minutes = s / 60 % 60;
    if (seconds < 10)
        snprintf(text, READABLE_BYTES, "%.1f s", seconds);
    else if (s < 60)
        snprintf(text, READABLE_BYTES, "%" PRId64 " s", s);
    else if (s < 3600)
        snprintf(text, READABLE_BYTES, "%" PRId64 ":%02" PRId64, minutes, s % 60);
    else if (days == 0)
        snprintf(text, READABLE_BYTES, "%" PRId64 ":%02" PRId64 ":%02" PRId64, hours, minutes,
                 s % 60);
    else
        snprintf(text, READABLE_BYTES, "%" PRId64 " day%s %" PRId64 ":%02" PRId64 ":%02" PRId64,
                 days, days == 1 ? "" : "s", hours, minutes, s % 60);
    return text;
}

const char *readable_bytes(int64_t bytes, char text[READABLE_BYTES]) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    int unit = 0;
    for (; value >= 1024; unit++)
        value /= 1024;
    // Three digits, all of them before the point if there are more.
    int places = unit == 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
    snprintf(text, READABLE_BYTES, "%.*f %s", places, value, units[unit]);
    return text;
}
