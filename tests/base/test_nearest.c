// Distances agree with Python's jellyfish 1 (damerau_levenshtein_distance), which is an
// implementation of the same definition.
#include "base/nearest.h"
#include "tests/harness.h"

static void distances(void) {
    static const struct {
        const char *a;
        const char *b;
        int distance;
    } cases[] = {
        {"", "", 0},
        {"", "abc", 3},
        {"abc", "", 3},
        {"abc", "abc", 0},
        {"kitten", "sitting", 3},
        {"ca", "abc", 2}, // 3 if a swapped pair could not be edited again
        {"abcdef", "badcfe", 3},
        {"classes", "clases", 1},
        {"thread", "theard", 2},
        {"iou-thresholds", "iou-treshhold", 3},
        {"max-dets", "max_dets", 1},
        {"a cat", "an abct", 3},
        {"\xC3\xA9", "e", 2}, // bytes, not characters
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        EXPECT_INT(nearest_distance(cases[i].a, cases[i].b), cases[i].distance);
        EXPECT_INT(nearest_distance(cases[i].b, cases[i].a), cases[i].distance);
    }
}

static const char *nearest_of(const char *wanted) {
    struct nearest nearest = {.wanted = wanted};
    nearest_offer(&nearest, "ann");
    nearest_offer(&nearest, "classes");
    nearest_offer(&nearest, "classwise");
    nearest_offer(&nearest, "iou-thresholds");
    return nearest_name(&nearest);
}

static void suggestions(void) {
    EXPECT_TEXT(nearest_of("clases"), "classes");
    EXPECT_TEXT(nearest_of("class-wise"), "classwise");
    EXPECT_TEXT(nearest_of("an"), "ann");
    EXPECT_TEXT(nearest_of("iou_threshold"), "iou-thresholds");
    EXPECT(!nearest_of("model"));
    EXPECT(!nearest_of(""));
    EXPECT(!nearest_of("x"));
}

static void no_candidates(void) {
    struct nearest nearest = {.wanted = "eval"};
    EXPECT(!nearest_name(&nearest));
}

static void long_names_are_never_close(void) {
    char name[NEAREST_MAX_BYTES + 2];
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    struct nearest nearest = {.wanted = name};
    nearest_offer(&nearest, name);
    EXPECT(!nearest_name(&nearest));
    name[NEAREST_MAX_BYTES] = '\0';
    nearest_offer(&nearest, name);
    EXPECT_TEXT(nearest_name(&nearest), name);
}

int main(int argc, char **argv) {
    return run_cases(
        argc, argv,
        (struct test_case[]){{"distances", distances},
                             {"suggestions", suggestions},
                             {"no_candidates", no_candidates},
                             {"long_names_are_never_close", long_names_are_never_close},
                             {0}});
}
