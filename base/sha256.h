// SHA-256 (FIPS 180-4): names a file or a secret by what it holds.
//
//     struct sha256 hash = sha256_start();
//     sha256_add(&hash, bytes, size);
//     sha256_finish(&hash, digest);
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { SHA256_BYTES = 32, SHA256_BLOCK = 64, SHA256_HEX_BYTES = 2 * SHA256_BYTES + 1 };

struct sha256 {
    uint32_t state[8];
    uint64_t size; // bytes so far
    uint8_t block[SHA256_BLOCK];
    bool has_instructions; // of the processor for this
};

struct sha256 sha256_start(void);
void sha256_add(struct sha256 *hash, const void *bytes, int64_t size);
void sha256_finish(struct sha256 *hash, uint8_t digest[SHA256_BYTES]);

// 64 lower-case hexadecimal digits and a NUL.
void sha256_hex(const uint8_t digest[SHA256_BYTES], char text[SHA256_HEX_BYTES]);
