#include "base/sha256.h"

#include "base/sha256_blocks.h"
#include "tests/harness.h"
#include "tests/sha256.h"

static const char *hex_of(const void *bytes, int64_t size, int64_t piece) {
    static char text[SHA256_HEX_BYTES];
    uint8_t digest[SHA256_BYTES];
    struct sha256 hash = sha256_start();
    for (int64_t at = 0; at < size; at += piece)
        sha256_add(&hash, (const char *)bytes + at, size - at < piece ? size - at : piece);
    sha256_finish(&hash, digest);
    sha256_hex(digest, text);
    return text;
}

// FIPS 180-4's examples (csrc.nist.gov, "SHA256.pdf").
static void examples(void) {
    EXPECT_TEXT(hex_of("abc", 3, 3),
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_TEXT(hex_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, 56),
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    EXPECT_TEXT(hex_of("", 0, 1),
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

// However long, and however it is cut.
static void lengths(void) {
    enum { MOST = 300 };
    char bytes[MOST];
    char expected[SHA256_TEXT_BYTES];
    for (int i = 0; i < MOST; i++)
        bytes[i] = (char)(i * 7);
    for (int64_t size = 0; size < MOST; size++) {
        sha256_text(bytes, size, expected);
        EXPECT_TEXT(hex_of(bytes, size, 1 + size % 67), expected);
    }
}

// The processor's instructions give what plain C does.
static void instructions(void) {
    enum { BLOCKS = 5 };
    uint8_t blocks[BLOCKS * SHA256_BLOCK];
    if (!sha256_has_instructions()) skip_case("this processor has no instructions for SHA-256");
    for (int i = 0; i < BLOCKS * SHA256_BLOCK; i++)
        blocks[i] = (uint8_t)(i * 31 + i / 7);
    for (int count = 0; count <= BLOCKS; count++) {
        struct sha256 plain = sha256_start();
        struct sha256 fast = plain;
        sha256_add_blocks_plain(plain.state, blocks, count);
        sha256_add_blocks_instructions(fast.state, blocks, count);
        EXPECT(memcmp(plain.state, fast.state, sizeof plain.state) == 0);
    }
}

int main(int argc, char **argv) {
    return run_cases(
        argc, argv,
        (struct test_case[]){
            {"examples", examples}, {"lengths", lengths}, {"instructions", instructions}, {0}});
}
