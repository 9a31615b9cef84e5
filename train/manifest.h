// The manifest of a folder of files: their sizes and checksums, so that a reader can tell whether
// all of them are there and whole. MANIFEST.json, written last:
//
//     {"v": 1, "step": 1200, "files": [
//       {"name": "model.safetensors", "bytes": 177000000, "crc32": "0a1b2c3d"}, ..]}
#pragma once

#include <stdint.h>

#include "base/error.h"

// Writes the manifest of the files in folder, whose names end with NULL.
MUST_CHECK enum status manifest_write(const char *folder, const char *const *names, int64_t step,
                                      struct error *err);

// Whether folder has a manifest for this step and exactly these files, and they match it. Reads all
// of them. STATUS_DATA says that the folder is damaged; another status, that it could not be told.
MUST_CHECK enum status manifest_verify(const char *folder, const char *const *names, int64_t step,
                                       struct error *err);
