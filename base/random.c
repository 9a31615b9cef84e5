#include "base/random.h"

#include <math.h>

#include "base/check.h"

enum { PHILOX_ROUNDS = 10, WORDS_PER_BLOCK = 4 };

static uint32_t philox_word(uint64_t seed, uint64_t stream, uint64_t block, unsigned word) {
    uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    uint32_t counter[WORDS_PER_BLOCK] = {(uint32_t)block, (uint32_t)(block >> 32),
                                         (uint32_t)stream, (uint32_t)(stream >> 32)};
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        uint64_t product0 = 0xD2511F53u * (uint64_t)counter[0];
        uint64_t product1 = 0xCD9E8D57u * (uint64_t)counter[2];
        uint32_t next[WORDS_PER_BLOCK] = {(uint32_t)(product1 >> 32) ^ counter[1] ^ key[0],
                                          (uint32_t)product1,
                                          (uint32_t)(product0 >> 32) ^ counter[3] ^ key[1],
                                          (uint32_t)product0};
        for (int i = 0; i < WORDS_PER_BLOCK; i++)
            counter[i] = next[i];
        key[0] += 0x9E3779B9u;
        key[1] += 0xBB67AE85u;
    }
    return counter[word];
}

struct random random_stream(uint64_t seed, uint64_t stream) {
    return (struct random){seed, stream, 0};
}

uint32_t random_u32(struct random *random) {
    uint64_t position = random->position++;
    return philox_word(random->seed, random->stream, position / WORDS_PER_BLOCK,
                       (unsigned)(position % WORDS_PER_BLOCK));
}

double random_uniform(struct random *random) {
    uint64_t high = random_u32(random) >> 5;
    uint64_t low = random_u32(random) >> 6;
    return (double)(high << 26 | low) * 0x1p-53;
}

double random_between(struct random *random, double low, double high) {
    return low + (high - low) * random_uniform(random);
}

int64_t random_below(struct random *random, int64_t bound) {
    CHECK(bound >= 1 && bound <= INT64_C(1) << 32);
    // Numbers at or above the last multiple of bound are drawn again: they would favour the low end.
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
