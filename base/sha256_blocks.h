// SHA-256 of whole blocks, in C and with the processor's own instructions. Private to
// base/sha256.c.
#pragma once

#include <stdbool.h>
#include <stdint.h>

extern const uint32_t SHA256_ROUND_CONSTANTS[64];

void sha256_add_blocks_plain(uint32_t state[8], const uint8_t *blocks, int64_t count);

// Whether the processor has instructions for it: ten times as fast.
bool sha256_has_instructions(void);
void sha256_add_blocks_instructions(uint32_t state[8], const uint8_t *blocks, int64_t count);
