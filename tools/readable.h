// Numbers as people read them. Each function writes into text and returns it.
#pragma once

#include <stdint.h>

enum { READABLE_BYTES = 32 };

const char *readable_count(int64_t value, char text[READABLE_BYTES]); // 1,234,567

// "0.3 s", "42 s", "2:03", "1:02:03", "3 days 1:02:03"; seconds >= 0.
const char *readable_duration(double seconds, char text[READABLE_BYTES]);

// "512 B", "1.5 KiB", "176 MiB", "2.05 GiB".
const char *readable_bytes(int64_t bytes, char text[READABLE_BYTES]);
