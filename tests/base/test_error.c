#include "base/error.h"

#include "tests/harness.h"

static void set_and_prefix(void) {
    struct error err = {0};
    EXPECT_INT(error_set(&err, STATUS_DATA, "line %d: found %s", 3, "nothing"), STATUS_DATA);
    EXPECT_INT(err.code, STATUS_DATA);
    EXPECT_TEXT(err.message, "line 3: found nothing");
    error_prefix(&err, "%s: ", "a.json");
    EXPECT_TEXT(err.message, "a.json: line 3: found nothing");
    // A message may be its own prefix.
    error_prefix(&err, "%.6s ", err.message);
    EXPECT_TEXT(err.message, "a.json a.json: line 3: found nothing");
}

static void no_error_wanted(void) {
    EXPECT_INT(error_set(NULL, STATUS_NO_INPUT, "%s", "gone"), STATUS_NO_INPUT);
    EXPECT_INT(error_memory(NULL, "a mask", 5), STATUS_MEMORY);
    error_prefix(NULL, "%s", "x");
}

static void memory(void) {
    struct error err = {0};
    EXPECT_INT(error_memory(&err, "a mask", 1LL << 40), STATUS_MEMORY);
    EXPECT_TEXT(err.message, "not enough memory for a mask (1099511627776 bytes)");
}

// The text that fits, and for one byte more the mark of a cut.
static void long_messages_are_cut(void) {
    struct error err = {0};
    char text[2 * ERROR_MESSAGE_BYTES];
    memset(text, 'a', sizeof text);
    text[ERROR_MESSAGE_BYTES - 1] = '\0';
    (void)error_set(&err, STATUS_DATA, "%s", text);
    EXPECT_TEXT(err.message, text);
    text[ERROR_MESSAGE_BYTES - 1] = 'a';
    text[ERROR_MESSAGE_BYTES] = '\0';
    (void)error_set(&err, STATUS_DATA, "%s", text);
    EXPECT_INT((int64_t)strlen(err.message), ERROR_MESSAGE_BYTES - 1);
    EXPECT_TEXT(err.message + ERROR_MESSAGE_BYTES - 6, "aa...");

    (void)error_set(&err, STATUS_DATA, "short");
    text[ERROR_MESSAGE_BYTES - 3] = '\0';
    error_prefix(&err, "%s", text);
    EXPECT_INT((int64_t)strlen(err.message), ERROR_MESSAGE_BYTES - 1);
    EXPECT_TEXT(err.message + ERROR_MESSAGE_BYTES - 6, "aa...");
    text[sizeof text - 1] = '\0';
    memset(text, 'b', sizeof text - 1);
    error_prefix(&err, "%s", text);
    EXPECT_TEXT(err.message + ERROR_MESSAGE_BYTES - 6, "bb...");
}

static enum status forwards(enum status status, bool *reached_end) {
    TRY(status);
    *reached_end = true;
    return STATUS_OK;
}

static void try_returns_failures(void) {
    bool reached_end = false;
    EXPECT_INT(forwards(STATUS_DEVICE, &reached_end), STATUS_DEVICE);
    EXPECT(!reached_end);
    EXPECT_INT(forwards(STATUS_OK, &reached_end), STATUS_OK);
    EXPECT(reached_end);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"set_and_prefix", set_and_prefix},
                         {"no_error_wanted", no_error_wanted},
                         {"memory", memory},
                         {"long_messages_are_cut", long_messages_are_cut},
                         {"try_returns_failures", try_returns_failures},
                         {0},
                     });
}
