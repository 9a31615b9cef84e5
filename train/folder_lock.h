// A lock on a folder that one process writes in. It ends with the process, however that ends.
#pragma once

#include <stdbool.h>

#include "base/error.h"

// Locks the folder, which is there; lock is then a descriptor, -1 after an error. STATUS_USAGE with
// the name of the other process if there is one. what is what would be in the way: "training".
MUST_CHECK enum status folder_lock(int *lock, const char *folder, const char *what,
                                   struct error *err);

// Gives it up and removes what it left in the folder. -1 is fine.
void folder_unlock(int *lock, const char *folder);

// Whether any process holds the lock.
bool folder_is_locked(const char *folder);
