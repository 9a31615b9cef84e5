#include "base/sha256.h"

#include <string.h>

#include "base/sha256_blocks.h"

// The first 32 bits of the fractional parts of the cube roots of the first 64 primes (4.2.2).
const uint32_t SHA256_ROUND_CONSTANTS[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

struct sha256 sha256_start(void) {
    return (struct sha256){
        .state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c,
                  0x1f83d9ab, 0x5be0cd19},
        .has_instructions = sha256_has_instructions(),
    };
}

static uint32_t rotate(uint32_t value, int bits) {
    return value >> bits | value << (32 - bits);
}

static void expand(uint32_t words[64], const uint8_t *block) {
    for (int i = 0; i < 16; i++)
        words[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
                   (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        uint32_t a = words[i - 15];
        uint32_t b = words[i - 2];
        words[i] = words[i - 16] + words[i - 7] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) +
                   (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
    }
}

// The words a to h of the standard take turns in s: in each round their names move on by one place.
static void add_block(uint32_t state[8], const uint8_t *block) {
    uint32_t words[64];
    uint32_t s[8];
    expand(words, block);
    memcpy(s, state, sizeof s);
    for (int i = 0; i < 64; i += 8) {
        for (int j = 0; j < 8; j++) {
            uint32_t a = s[(8 - j) & 7];
            uint32_t b = s[(9 - j) & 7];
            uint32_t c = s[(10 - j) & 7];
            uint32_t e = s[(12 - j) & 7];
            uint32_t f = s[(13 - j) & 7];
            uint32_t g = s[(14 - j) & 7];
            uint32_t choice = (e & f) ^ (~e & g);
            uint32_t majority = (a & b) ^ (a & c) ^ (b & c);
            uint32_t sum1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
            uint32_t sum0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
            uint32_t first =
                s[(15 - j) & 7] + sum1 + choice + SHA256_ROUND_CONSTANTS[i + j] + words[i + j];
            s[(11 - j) & 7] += first;
            s[(15 - j) & 7] = first + sum0 + majority;
        }
    }
    for (int i = 0; i < 8; i++)
        state[i] += s[i];
}

void sha256_add_blocks_plain(uint32_t state[8], const uint8_t *blocks, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        add_block(state, blocks + i * SHA256_BLOCK);
}

static void add_blocks(struct sha256 *hash, const uint8_t *blocks, int64_t count) {
    if (hash->has_instructions)
        sha256_add_blocks_instructions(hash->state, blocks, count);
    else
        sha256_add_blocks_plain(hash->state, blocks, count);
}

void sha256_add(struct sha256 *hash, const void *bytes, int64_t size) {
    const uint8_t *at = bytes;
    int64_t held = (int64_t)(hash->size % SHA256_BLOCK);
    hash->size += (uint64_t)size;
    if (held > 0 && size > 0) {
        int64_t taken = SHA256_BLOCK - held < size ? SHA256_BLOCK - held : size;
        memcpy(hash->block + held, at, (size_t)taken);
        at += taken;
        size -= taken;
        if (held + taken < SHA256_BLOCK) return;
        add_blocks(hash, hash->block, 1);
    }
    int64_t whole = size / SHA256_BLOCK;
    if (whole > 0) add_blocks(hash, at, whole);
    int64_t rest = size % SHA256_BLOCK;
    if (rest > 0) memcpy(hash->block, at + whole * SHA256_BLOCK, (size_t)rest);
}

void sha256_finish(struct sha256 *hash, uint8_t digest[SHA256_BYTES]) {
    static const uint8_t PADDING[SHA256_BLOCK] = {0x80};
    enum { LENGTH_BYTES = 8 };
    uint64_t bits = hash->size * 8;
    int64_t held = (int64_t)(hash->size % SHA256_BLOCK);
    int64_t end = held < SHA256_BLOCK - LENGTH_BYTES ? SHA256_BLOCK : 2 * SHA256_BLOCK;
    uint8_t length[LENGTH_BYTES];
    for (int i = 0; i < LENGTH_BYTES; i++)
        length[i] = (uint8_t)(bits >> (56 - 8 * i));
    // At most 64 bytes of padding, of which all but the first are zeros.
    sha256_add(hash, PADDING, end - LENGTH_BYTES - held);
    sha256_add(hash, length, LENGTH_BYTES);
    for (int i = 0; i < SHA256_BYTES; i++)
        digest[i] = (uint8_t)(hash->state[i / 4] >> (24 - 8 * (i % 4)));
}

void sha256_hex(const uint8_t digest[SHA256_BYTES], char text[SHA256_HEX_BYTES]) {
    static const char DIGITS[] = "0123456789abcdef";
    for (int i = 0; i < SHA256_BYTES; i++) {
        text[2 * i] = DIGITS[digest[i] >> 4];
        text[2 * i + 1] = DIGITS[digest[i] & 15];
    }
    text[2 * SHA256_BYTES] = '\0';
}
