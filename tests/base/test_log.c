#include "base/log.h"

#include <unistd.h>

#include "tests/harness.h"

static int ends[2]; // of a pipe: read here, write there
static struct log log_to_pipe;

static void set_up(enum log_level level) {
    if (!ends[0]) REQUIRE(pipe(ends) == 0);
    log_to_pipe = (struct log){level, ends[1]};
}

// All that was logged since the last call.
static const char *logged(void) {
    static char text[16384];
    REQUIRE(write(ends[1], "", 1) == 1); // so that reading never waits
    ssize_t size = 0;
    do {
        ssize_t count = read(ends[0], text + size, sizeof text - 1 - (size_t)size);
        REQUIRE(count > 0);
        size += count;
    } while (text[size - 1] != '\0');
    return text;
}

static void levels(void) {
    set_up(LOG_WARNING);
    log_message(&log_to_pipe, LOG_ERROR, "%s %d", "one", 1);
    log_message(&log_to_pipe, LOG_WARNING, "two");
    log_message(&log_to_pipe, LOG_INFO, "three");
    log_message(&log_to_pipe, LOG_DEBUG, "four");
    EXPECT_TEXT(logged(), "gctmask: error: one 1\ngctmask: warning: two\n");
    set_up(LOG_DEBUG);
    log_message(&log_to_pipe, LOG_INFO, "three");
    log_message(&log_to_pipe, LOG_DEBUG, "four");
    EXPECT_TEXT(logged(), "gctmask: info: three\ngctmask: debug: four\n");
    set_up(LOG_ERROR);
    log_message(&log_to_pipe, LOG_WARNING, "two");
    EXPECT_TEXT(logged(), "");
}

static void lines_cannot_be_forged(void) {
    set_up(LOG_INFO);
    log_message(&log_to_pipe, LOG_INFO, "%s", "a\ngctmask: error: b\r\x1b[31m\x7f\tc \xC3\xA9");
    EXPECT_TEXT(logged(), "gctmask: info: a?gctmask: error: b??[31m??c \xC3\xA9\n");
}

static void long_lines_are_cut(void) {
    char text[5000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    set_up(LOG_INFO);
    for (size_t size = 2000; size < 2060; size++) {
        log_message(&log_to_pipe, LOG_INFO, "%s", text + sizeof text - 1 - size);
        const char *line = logged();
        size_t length = strlen(line);
        size_t whole = strlen("gctmask: info: ") + size + 1;
        EXPECT_INT((int64_t)length, (int64_t)(whole < 2047 ? whole : 2047));
        EXPECT(line[length - 1] == '\n' && strchr(line, '\n') == line + length - 1);
    }
    log_message(&log_to_pipe, LOG_INFO, "%s", text);
    EXPECT_INT((int64_t)strlen(logged()), 2047);
}

static void closed_descriptor(void) {
    struct log nowhere = {LOG_INFO, -1};
    log_message(&nowhere, LOG_ERROR, "nobody reads this");
    close(ends[0]);
    close(ends[1]);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"levels", levels},
                         {"lines_cannot_be_forged", lines_cannot_be_forged},
                         {"long_lines_are_cut", long_lines_are_cut},
                         {"closed_descriptor", closed_descriptor},
                         {0},
                     });
}
