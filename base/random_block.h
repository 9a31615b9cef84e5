// The generator of base/random.h itself, for every device: the number at a position follows from
// seed, stream and position alone, so each thread of a kernel draws the ones that it wants.
#pragma once

#include <stdint.h>

#include "base/host_device.h"

enum { RANDOM_BLOCK_WORDS = 4, RANDOM_ROUNDS = 10 };

// Four numbers that follow from a counter and a key, least significant words first. A stream draws
// the words of the blocks whose counter is (position / 4, stream) and whose key is the seed.
HOST_DEVICE static inline void random_block(const uint32_t counter[RANDOM_BLOCK_WORDS],
                                            const uint32_t key[2],
                                            uint32_t block[RANDOM_BLOCK_WORDS]) {
    uint32_t key0 = key[0];
    uint32_t key1 = key[1];
    for (int word = 0; word < RANDOM_BLOCK_WORDS; word++)
        block[word] = counter[word];
    for (int round = 0; round < RANDOM_ROUNDS; round++) {
        uint64_t product0 = 0xD2511F53u * (uint64_t)block[0];
        uint64_t product1 = 0xCD9E8D57u * (uint64_t)block[2];
        block[0] = (uint32_t)(product1 >> 32) ^ block[1] ^ key0;
        block[1] = (uint32_t)product1;
        block[2] = (uint32_t)(product0 >> 32) ^ block[3] ^ key1;
        block[3] = (uint32_t)product0;
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
}

// What random_u32 draws at a position of a stream.
HOST_DEVICE static inline uint32_t random_at(uint64_t seed, uint64_t stream, uint64_t position) {
    uint64_t index = position / RANDOM_BLOCK_WORDS;
    const uint32_t counter[RANDOM_BLOCK_WORDS] = {(uint32_t)index, (uint32_t)(index >> 32),
                                                  (uint32_t)stream, (uint32_t)(stream >> 32)};
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    uint32_t block[RANDOM_BLOCK_WORDS];
    random_block(counter, key, block);
    return block[position % RANDOM_BLOCK_WORDS];
}
