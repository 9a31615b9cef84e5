#include "server/query.h"

#include "tests/harness.h"

static struct arena arena;
static struct fault fault;

// All pairs as "name=value;", or the fault's word behind what came before it.
static const char *read_all(const char *text) {
    static char all[512];
    struct query query;
    const char *name = NULL;
    const char *value = NULL;
    char *at = all;
    query_init(&query, text, &arena, &fault);
    while (query_next(&query, &name, &value)) {
        at = stpcpy(stpcpy(at, name), "=");
        at = stpcpy(stpcpy(at, value), ";");
    }
    stpcpy(at, fault_word(fault.code));
    return all;
}

static void reads_pairs(void) {
    EXPECT_TEXT(read_all(NULL), "");
    EXPECT_TEXT(read_all(""), "");
    EXPECT_TEXT(read_all("score=0.5"), "score=0.5;");
    EXPECT_TEXT(read_all("a=1&b=2&&c&=d&"), "a=1;b=2;c=;=d;");
    EXPECT_TEXT(read_all("a=b=c&d==e"), "a=b=c;d==e;");
}

static void decodes(void) {
    EXPECT_TEXT(read_all("classes=traffic+light%2Cdog"), "classes=traffic light,dog;");
    EXPECT_TEXT(read_all("a%3D=%26%3d%25%2B"), "a==&=%+;");
    EXPECT_TEXT(read_all("x=%C3%A4%0a"), "x=\xC3\xA4\n;");
}

static void refuses(void) {
    static const char *const BAD[] = {"a=%", "a=%4",  "a=%zz", "a=%4z",
                                      "%=a", "a=%00", "a%2",   "a=%-1"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        EXPECT_TEXT(read_all(BAD[i]), "bad_option");
    EXPECT_TEXT(read_all("a=1&b=%"), "a=1;bad_option");
}

int main(int argc, char **argv) {
    arena_init(&arena, 4096, 0);
    int result = run_cases(argc, argv,
                           (struct test_case[]){
                               {"reads_pairs", reads_pairs},
                               {"decodes", decodes},
                               {"refuses", refuses},
                               {0},
                           });
    arena_destroy(&arena);
    return result;
}
