// The examples of RFC 4648, section 10, and what is refused.
#include "formats/base64.h"

#include <stdio.h>

#include "tests/harness.h"

static void examples(void) {
    static const char *const PAIRS[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"},
                                           {"\xFF\xFE\xFD", "//79"},
                                           {"\xFB\xF0", "+/A="}};
    struct arena arena;
    struct error err;
    arena_init(&arena, 1 << 10, 0);
    for (size_t i = 0; i < sizeof PAIRS / sizeof PAIRS[0]; i++) {
        struct output out;
        uint8_t *bytes = NULL;
        int64_t size = 0;
        const char *text = PAIRS[i][1];
        output_open_memory(&out);
        base64_write(&out, PAIRS[i][0], (int64_t)strlen(PAIRS[i][0]));
        EXPECT_TEXT(out.data ? out.data : "", text);
        output_discard(&out);
        EXPECT_OK(base64_decode(&bytes, &size, text, (int64_t)strlen(text), &arena, &err), &err);
        EXPECT_INT(size, (int64_t)strlen(PAIRS[i][0]));
        EXPECT(memcmp(bytes, PAIRS[i][0], (size_t)size) == 0);
    }
    arena_destroy(&arena);
}

static void refusals(void) {
    static const char *const TEXTS[] = {
        "Z", "Zg", "Zg=", "Zg===", "Z===", "Zg==Zg==", "Z*==", "Z=g="};
    struct arena arena;
    struct error err;
    arena_init(&arena, 1 << 10, 0);
    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++) {
        uint8_t *bytes = NULL;
        int64_t size = 0;
        enum status status =
            base64_decode(&bytes, &size, TEXTS[i], (int64_t)strlen(TEXTS[i]), &arena, &err);
        if (status != STATUS_DATA) printf("%s\n", TEXTS[i]);
        EXPECT_INT(status, STATUS_DATA);
    }
    uint8_t *bytes = NULL;
    int64_t size = 0;
    EXPECT_OK(base64_decode(&bytes, &size, "Zm9v\r\nYmFy\n", 11, &arena, &err), &err);
    EXPECT_INT(size, 6);
    arena_destroy(&arena);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"examples", examples}, {"refusals", refusals}, {0}});
}
