// FNV-1a, 64 bits (Fowler, Noll, Vo): a hash of bytes that is the same everywhere and for ever. Not
// for keys that an adversary chooses.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define HASH_START UINT64_C(0xCBF29CE484222325)

// Continues hash, HASH_START at first.
static inline uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t size) {
    const unsigned char *b = bytes;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ b[i]) * UINT64_C(0x100000001B3);
    return hash;
}
