// SHA-256 by the instructions of x86-64 (Intel, "New Instructions Supporting the Secure Hash
// Algorithm on Intel Architecture Processors"). They keep the words a to h of the standard as two
// vectors, a b e f and c d g h, and do two rounds at a time.
#include "base/check.h"
#include "base/sha256_blocks.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

enum { BLOCK_BYTES = 64, ROUNDS = 64 };

bool sha256_has_instructions(void) {
    unsigned a = 0;
    unsigned b = 0;
    unsigned c = 0;
    unsigned d = 0;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & bit_SHA)) return false;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSE4_1) && (c & bit_SSSE3);
}

__attribute__((target("sha,sse4.1,ssse3"))) static void add_block(__m128i *abef, __m128i *cdgh,
                                                                  const uint8_t *block) {
    // The words of a block stand in memory with their highest byte first.
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i first = *abef;
    __m128i second = *cdgh;
    __m128i words[4]; // the next sixteen of the schedule
    for (int i = 0; i < 4; i++)
        words[i] = _mm_shuffle_epi8(_mm_loadu_si128((const void *)(block + 16 * i)), swap);
    for (int round = 0; round < ROUNDS; round += 4) {
        const __m128i constants = _mm_loadu_si128((const void *)(SHA256_ROUND_CONSTANTS + round));
        const __m128i sums = _mm_add_epi32(words[0], constants);
        second = _mm_sha256rnds2_epu32(second, first, sums);
        first = _mm_sha256rnds2_epu32(first, second, _mm_shuffle_epi32(sums, 0x0E));
        __m128i next = _mm_sha256msg1_epu32(words[0], words[1]);
        next = _mm_add_epi32(next, _mm_alignr_epi8(words[3], words[2], 4));
        next = _mm_sha256msg2_epu32(next, words[3]);
        words[0] = words[1];
        words[1] = words[2];
        words[2] = words[3];
        words[3] = next;
    }
    *abef = _mm_add_epi32(*abef, first);
    *cdgh = _mm_add_epi32(*cdgh, second);
}

__attribute__((target("sha,sse4.1,ssse3"))) void
sha256_add_blocks_instructions(uint32_t state[8], const uint8_t *blocks, int64_t count) {
    __m128i abef = _mm_set_epi32((int)state[0], (int)state[1], (int)state[4], (int)state[5]);
    __m128i cdgh = _mm_set_epi32((int)state[2], (int)state[3], (int)state[6], (int)state[7]);
    for (int64_t i = 0; i < count; i++)
        add_block(&abef, &cdgh, blocks + i * BLOCK_BYTES);
    uint32_t low[4];
    uint32_t high[4];
    _mm_storeu_si128((void *)low, abef);
    _mm_storeu_si128((void *)high, cdgh);
    static const int PLACES[] = {5, 4, 1, 0};
    for (int i = 0; i < 4; i++) {
        state[PLACES[i]] = low[i];
        state[PLACES[i] + 2] = high[i];
    }
}

#else

bool sha256_has_instructions(void) {
    return false;
}

void sha256_add_blocks_instructions(uint32_t state[8], const uint8_t *blocks, int64_t count) {
    (void)state;
    (void)blocks;
    (void)count;
    CHECK(!"there are none");
}

#endif
