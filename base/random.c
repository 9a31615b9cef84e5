#include "base/random.h"

#include <math.h>
#include <string.h>

#include "base/check.h"

enum { PHILOX_ROUNDS = 10 };

void random_block(const uint32_t counter[RANDOM_BLOCK_WORDS], const uint32_t key[2],
                  uint32_t block[RANDOM_BLOCK_WORDS]) {
    uint32_t key0 = key[0];
    uint32_t key1 = key[1];
    memcpy(block, counter, RANDOM_BLOCK_WORDS * sizeof *block);
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
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

struct random random_stream(uint64_t seed, uint64_t stream) {
    return (struct random){seed, stream, 0};
}

uint32_t random_u32(struct random *random) {
    uint64_t index = random->position / RANDOM_BLOCK_WORDS;
    uint64_t word = random->position % RANDOM_BLOCK_WORDS;
    random->position++;
    const uint32_t counter[] = {(uint32_t)index, (uint32_t)(index >> 32), (uint32_t)random->stream,
                                (uint32_t)(random->stream >> 32)};
    const uint32_t key[] = {(uint32_t)random->seed, (uint32_t)(random->seed >> 32)};
    uint32_t block[RANDOM_BLOCK_WORDS];
    random_block(counter, key, block);
    return block[word];
}

double random_uniform(struct random *random) {
    uint64_t high = random_u32(random) >> 5;
    uint64_t low = random_u32(random) >> 6;
    return (double)(high << 26 | low) * 0x1p-53;
}

double random_between(struct random *random, double low, double high) {
    double value = low + (high - low) * random_uniform(random);
    // Rounding may reach the end that is left out.
    return value < high ? value : nextafter(high, low);
}

int64_t random_below(struct random *random, int64_t bound) {
    CHECK(bound >= 1 && bound <= INT64_C(1) << 32);
    // Numbers at or above the last multiple of bound are drawn again: they would favour the low
    // end.
    uint64_t range = UINT64_C(1) << 32;
    uint64_t limit = range - range % (uint64_t)bound;
    uint64_t drawn = 0;
    do
        drawn = random_u32(random);
    while (drawn >= limit);
    return (int64_t)(drawn % (uint64_t)bound);
}

double random_normal(struct random *random) {
    double radius = sqrt(-2.0 * log(1.0 - random_uniform(random)));
    return radius * cos(2.0 * 3.14159265358979323846 * random_uniform(random));
}
