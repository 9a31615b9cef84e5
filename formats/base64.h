// Base64 (RFC 4648, section 4), with padding.
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/output.h"

void base64_write(struct output *out, const void *bytes, int64_t size);

// Decodes size characters; white space between them is passed over. STATUS_DATA for anything else.
MUST_CHECK enum status base64_decode(uint8_t **bytes, int64_t *num_bytes, const char *text,
                                     int64_t size, struct arena *arena, struct error *err);
