// Content-Type and Accept (RFC 9110, sections 8.3 and 12.5.1; its examples among them).
#include "server/media_type.h"

#include "tests/harness.h"

static void compares_types(void) {
    EXPECT(media_type_is("image/jpeg", "image/jpeg"));
    EXPECT(media_type_is(" Image/JPEG ; q=1", "image/jpeg"));
    EXPECT(!media_type_is("image/jpeg2", "image/jpeg"));
    EXPECT(!media_type_is("image/jpe", "image/jpeg"));
    EXPECT(!media_type_is("", "image/jpeg"));
}

static void finds_parameters(void) {
    char value[8];
    EXPECT(media_type_parameter(value, sizeof value, "a/b; x=1; boundary=abc", "boundary"));
    EXPECT_TEXT(value, "abc");
    EXPECT(media_type_parameter(value, sizeof value, "a/b;Boundary=\"a;\\\"b\" ; c=d", "boundary"));
    EXPECT_TEXT(value, "a;\"b");
    EXPECT(media_type_parameter(value, sizeof value, "a/b; q=\"boundary=no;\"; boundary=y",
                                "boundary"));
    EXPECT_TEXT(value, "y");
    EXPECT(!media_type_parameter(value, sizeof value, "a/b; boundary=12345678", "boundary"));
    EXPECT(!media_type_parameter(value, sizeof value, "a/b; boundary=", "boundary"));
    EXPECT(!media_type_parameter(value, sizeof value, "a/b; boundary=\"abc", "boundary"));
    EXPECT(!media_type_parameter(value, sizeof value, "a/b; boundaryx=abc", "boundary"));
    EXPECT(!media_type_parameter(value, sizeof value, "boundary=abc", "boundary"));
}

static void chooses_answers(void) {
    static const char *const OFFERS[] = {"application/json", "image/png", "image/jpeg", NULL};
    static const struct {
        const char *accept;
        int chosen;
    } CASES[] = {
        {NULL, 0},
        {"", 0},
        {" ", 0},
        {"*/*", 0},
        {"image/png", 1},
        {"IMAGE/PNG", 1},
        {"image/jpeg;level=1, text/html", 2},
        {"image/*", 1},
        {"image/*, image/jpeg", 2},
        {"image/png, */*", 1},
        {"application/json;q=0.5, image/jpeg;q=0.6", 2},
        {"application/json;q=0.001, image/jpeg;q=0", 0},
        {"image/png;q=0, image/*", 2},
        {"*/*;q=0.1, image/jpeg;q=0.2", 2},
        // What browsers ask for a page and for a picture.
        {"text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8", 0},
        {"image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", 1},
        {"text/html", -1},
        {"image", -1},
        {"image/png;q=0", -1},
        {"*/*;q=0", -1},
        {"image/png;q=nonsense", -1},
        {"image/png;q=1.5", -1},
        {"image/png;x=\"a,b;q=0\"", 1},
        {",,,image/jpeg,,", 2},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        int chosen = media_type_choose(CASES[i].accept, OFFERS);
        if (chosen != CASES[i].chosen) EXPECT_TEXT(CASES[i].accept, "");
        EXPECT_INT(chosen, CASES[i].chosen);
    }
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"compares_types", compares_types},
                         {"finds_parameters", finds_parameters},
                         {"chooses_answers", chooses_answers},
                         {0},
                     });
}
