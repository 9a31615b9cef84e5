#include "tests/harness.h"

#include <ftw.h>
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { EXIT_SKIPPED = 77 };

static int num_failed_checks;
static bool case_skipped;
static jmp_buf case_end;
static char scratch[64];

// In a function of its own: setjmp may leave the locals of its caller undefined.
static void run_case(const struct test_case *test) {
    num_failed_checks = 0;
    case_skipped = false;
    if (setjmp(case_end) == 0) test->run();
}

int run_cases(int argc, char **argv, const struct test_case *cases) {
    int num_run = 0;
    int num_failed = 0;
    int num_skipped = 0;
    for (const struct test_case *c = cases; c->name; c++) {
        if (argc > 1 && strcmp(argv[1], "--list") == 0) {
            printf("%s\n", c->name);
            continue;
        }
        if (argc > 1 && strcmp(argv[1], c->name) != 0) continue;
        run_case(c);
        num_run++;
        num_failed += num_failed_checks > 0;
        num_skipped += case_skipped;
        printf("%-8s %s\n",
               num_failed_checks ? "FAILED"
               : case_skipped    ? "skipped"
                                 : "ok",
               c->name);
    }
    if (argc > 1 && strcmp(argv[1], "--list") == 0) return 0;
    if (num_run == 0) {
        printf("no such case: %s\n", argv[1]);
        return 1;
    }
    if (num_failed) return 1;
    return num_skipped == num_run ? EXIT_SKIPPED : 0;
}

void end_case(void) {
    longjmp(case_end, 1);
}

void skip_case(const char *reason) {
    printf("         skipped: %s\n", reason);
    case_skipped = true;
    end_case();
}

void expect_true(bool value, const char *text, const char *file, int line) {
    if (value) return;
    num_failed_checks++;
    printf("%s:%d: %s is false\n", file, line, text);
}

void expect_int(int64_t got, int64_t expected, const char *text, const char *file, int line) {
    if (got == expected) return;
    num_failed_checks++;
    printf("%s:%d: %s is %" PRId64 ", expected %" PRId64 "\n", file, line, text, got, expected);
}

void expect_near(double got, double expected, double tolerance, const char *text, const char *file,
                 int line) {
    if (fabs(got - expected) <= tolerance) return;
    num_failed_checks++;
    printf("%s:%d: %s is %.17g, expected %.17g within %g\n", file, line, text, got, expected,
           tolerance);
}

void expect_text(const char *got, const char *expected, const char *text, const char *file,
                 int line) {
    if (got && strcmp(got, expected) == 0) return;
    num_failed_checks++;
    printf("%s:%d: %s is \"%s\", expected \"%s\"\n", file, line, text, got ? got : "(null)",
           expected);
}

void expect_contains(const char *got, const char *part, const char *text, const char *file,
                     int line) {
    if (got && strstr(got, part)) return;
    num_failed_checks++;
    printf("%s:%d: %s is \"%s\", expected to contain \"%s\"\n", file, line, text,
           got ? got : "(null)", part);
}

void expect_status(enum status got, enum status expected, const struct error *err, const char *text,
                   const char *file, int line) {
    if (got == expected) return;
    num_failed_checks++;
    printf("%s:%d: %s gives status %d, expected %d (%s)\n", file, line, text, (int)got,
           (int)expected, got != STATUS_OK && err ? err->message : "no error");
}

bool equal_bits(const void *a, const void *b, size_t bytes) {
    return memcmp(a, b, bytes) == 0;
}

const char *shared_path(const char *name) {
    static char path[1024];
    snprintf(path, sizeof path, "%s/%s", SHARED_DIR, name);
    return access(path, R_OK) == 0 ? path : NULL;
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *where) {
    (void)info, (void)type, (void)where;
    return remove(path);
}

static void remove_scratch(void) {
    nftw(scratch, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

const char *scratch_folder(void) {
    if (scratch[0]) return scratch;
    snprintf(scratch, sizeof scratch, "/tmp/gctmask-test.XXXXXX");
    if (!mkdtemp(scratch)) {
        perror(scratch);
        exit(1);
    }
    atexit(remove_scratch);
    return scratch;
}
