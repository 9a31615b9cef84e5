#include "server/dialect.h"

#include "tests/harness.h"

static void finds_paths(void) {
    char segments[2][PATH_SEGMENT_BYTES];
    static const struct {
        const char *path;
        const char *found; // NULL: nothing
        const char *first, *second;
    } CASES[] = {
        {"/v1/detect", "/v1/detect", "", ""},
        {"/v1/detect/batch", "/v1/detect/batch", "", ""},
        {"/v2/models/m.1/infer", "/v2/models/{model}/infer", "m.1", ""},
        {"/v2/models/m/versions/3/infer", "/v2/models/{model}/versions/{version}/infer", "m", "3"},
        {"/compat/cvat", "/compat/cvat", "", ""},
        {"/predict", "/predict", "", ""},
        {"/v1/detect/", NULL, "", ""},
        {"/v1//detect", NULL, "", ""},
        {"/V1/detect", NULL, "", ""},
        {"/v1/detec", NULL, "", ""},
        {"/v1/detect/../detect", NULL, "", ""},
        {"/%761/detect", NULL, "", ""},
        {"/v2/models//infer", NULL, "", ""},
        {"/v2/models/a/b/infer", NULL, "", ""},
        {"/v2/models/a/versions//infer", NULL, "", ""},
        {"/", NULL, "", ""},
        {"", NULL, "", ""},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const struct dialect *dialect = dialect_find(CASES[i].path, segments);
        EXPECT_TEXT(dialect ? dialect->path : "", CASES[i].found ? CASES[i].found : "");
        if (!dialect) continue;
        EXPECT_TEXT(segments[0], CASES[i].first);
        EXPECT_TEXT(segments[1], CASES[i].second);
    }
}

static void bounds_segments(void) {
    char segments[2][PATH_SEGMENT_BYTES];
    char path[PATH_SEGMENT_BYTES + 32] = "/v2/models/";
    size_t start = strlen(path);
    memset(path + start, 'm', PATH_SEGMENT_BYTES - 1);
    stpcpy(path + start + PATH_SEGMENT_BYTES - 1, "/infer");
    EXPECT(dialect_find(path, segments) != NULL);
    EXPECT_INT((int64_t)strlen(segments[0]), PATH_SEGMENT_BYTES - 1);
    memset(path + start, 'm', PATH_SEGMENT_BYTES);
    stpcpy(path + start + PATH_SEGMENT_BYTES, "/infer");
    EXPECT(dialect_find(path, segments) == NULL);
}

static void names_phases(void) {
    static const char *const NAMES[] = {"upload", "queue",       "decode", "preprocess",
                                        "infer",  "postprocess", "encode", "write"};
    for (int i = 0; i < NUM_PHASES; i++)
        EXPECT_TEXT(phase_name((enum phase)i), NAMES[i]);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"finds_paths", finds_paths},
                         {"bounds_segments", bounds_segments},
                         {"names_phases", names_phases},
                         {0},
                     });
}
