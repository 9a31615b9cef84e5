// The test harness: named cases, checks that print both values, a non-zero exit when one fails.
//
//     static void grows(void) {
//         EXPECT_INT(list.count, 3);
//     }
//     int main(int argc, char **argv) {
//         return run_cases(argc, argv, (struct test_case[]){{"grows", grows}, {0}});
//     }
//
// `test_x --list` prints the names, `test_x NAME` runs one case. A failed check does not end its
// case; REQUIRE does, where what follows would make no sense.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"

struct test_case {
    const char *name; // NULL ends the list
    void (*run)(void);
};

int run_cases(int argc, char **argv, const struct test_case *cases);

void expect_true(bool value, const char *text, const char *file, int line);
void expect_int(int64_t got, int64_t expected, const char *text, const char *file, int line);
void expect_near(double got, double expected, double tolerance, const char *text, const char *file,
                 int line);
void expect_text(const char *got, const char *expected, const char *text, const char *file,
                 int line);
void expect_contains(const char *got, const char *part, const char *text, const char *file,
                     int line);
void expect_status(enum status got, enum status expected, const struct error *err, const char *text,
                   const char *file, int line);

// Bit for bit, which says more about floats than == does: of zeros and NaNs.
bool equal_bits(const void *a, const void *b, size_t bytes);

// Ends the case as skipped, with a plain message; if all cases skip, CTest shows the test as such.
__attribute__((noreturn)) void skip_case(const char *reason);
__attribute__((noreturn)) void end_case(void);

// NULL, or the path of name in the folder of shared data beside the checkout, if it is there.
// The text belongs to the harness and holds until the next call.
const char *shared_path(const char *name);

// A fresh folder for this test's files, removed with all it holds when the program ends.
const char *scratch_folder(void);

#define EXPECT(value)                 expect_true(value, #value, __FILE__, __LINE__)
#define EXPECT_INT(got, expected)     expect_int(got, expected, #got, __FILE__, __LINE__)
#define EXPECT_NEAR(got, expected, e) expect_near(got, expected, e, #got, __FILE__, __LINE__)
#define EXPECT_TEXT(got, expected)    expect_text(got, expected, #got, __FILE__, __LINE__)
#define EXPECT_CONTAINS(got, part)    expect_contains(got, part, #got, __FILE__, __LINE__)
#define EXPECT_OK(call, err)          expect_status(call, STATUS_OK, err, #call, __FILE__, __LINE__)
#define EXPECT_STATUS(call, expected, err)                                                         \
    expect_status(call, expected, err, #call, __FILE__, __LINE__)
#define REQUIRE(value)                                                                             \
    do {                                                                                           \
        bool required = (value);                                                                   \
        expect_true(required, #value, __FILE__, __LINE__);                                         \
        if (!required) end_case();                                                                 \
    } while (0)
