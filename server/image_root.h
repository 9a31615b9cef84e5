// Pictures that Label Studio's tasks name, in one folder that the server's owner has opened for
// that. Nothing outside it can be reached: no "..", no links, no devices, no addresses.
#pragma once

#include "base/arena.h"
#include "server/detect_request.h"

// Reads the picture of a reference: "/data/local-files/?d=PATH" is PATH in the folder,
// "/data/upload/PATH" is upload/PATH, both percent-encoded; "data:image/...;base64," holds the
// picture itself. root NULL: only the last. Faults go to picture->fault.
bool image_root_read(struct picture *picture, const char *root, const char *reference,
                     int64_t max_bytes, struct arena *arena);
