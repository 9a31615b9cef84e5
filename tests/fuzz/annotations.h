// What the targets for readers of annotations share: a folder for their input, and what must hold
// of any set that was read.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "formats/annotated.h"

// A folder of this process, in memory where the system has such, removed at the end.
const char *input_folder(void);

// The path of a file in it, with these bytes. The text holds until the next call.
const char *input_file(const char *name, const void *bytes, size_t size);

// An empty set whose memory has a limit.
void input_set_init(struct annotated_set *set);

// If status is STATUS_OK: masks are well formed and as large as their images, and the set comes
// back the same from NDJSON, which holds all of it. Otherwise: err says why. Destroys the set.
void input_set_check(struct annotated_set *set, enum status status, const struct error *err);
