// What the process may still ask of the system once it serves: threads, memory, files to read, the
// connections that come in. No programs to start, no connections to others, no files to remove.
#pragma once

#include "base/error.h"

// For all threads, now and later, and for good. STATUS_UNSUPPORTED where the system has no seccomp.
MUST_CHECK enum status sandbox_enter(struct error *err);
