// What the system says of this process.
#pragma once

#include <stdint.h>

// Bytes of it that are in memory now; 0 if the system does not say.
int64_t process_resident_bytes(void);
