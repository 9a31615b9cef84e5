// What CVAT's serverless detectors are asked and answer.
#include <stdio.h>

#include "tests/harness.h"
#include "tests/server/check_request.h"
#include "tests/server/check_schema.h"

static struct asked asked;

static void ask_with(const char *members) {
    char body[2048];
    snprintf(body, sizeof body, "{\"image\":\"%s\"%s}", test_jpeg_base64(), members);
    ask_text(&asked, "/compat/cvat", "application/json", body);
}

static void takes_requests(void) {
    ask_with("");
    EXPECT_TEXT(asked_code(&asked), "");
    EXPECT_NEAR(asked.request.options.score, 0.05, 0);
    EXPECT_INT(asked.request.pictures[0].size, test_jpeg()->size);
    asked_free(&asked);
    ask_with(",\"threshold\":0.5,\"states\":[],\"pos_points\":{\"x\":[1]}");
    EXPECT_TEXT(asked_code(&asked), "");
    EXPECT_NEAR(asked.request.options.score, 0.5, 0);
    asked_free(&asked);
}

static void refuses_requests(void) {
    static const struct {
        const char *body;
        const char *code;
    } CASES[] = {
        {"", "bad_json"},
        {"{}", "no_image"},
        {"{\"image\":7}", "bad_json"},
        {"{\"image\":\"\"}", "image_empty"},
        {"{\"image\":\"%%\"}", "bad_base64"},
        {"{\"image\":\"AAAA\"}", "unsupported_media_type"},
        {"{\"image\":\"AAAA\",\"threshold\":\"0.5\"}", "bad_json"},
        {"{\"image\":\"AAAA\",\"threshold\":2}", "bad_json"},
        {"{\"image\":\"AAAA\",\"image\":\"AAAA\"}", "bad_json"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        ask_text(&asked, "/compat/cvat", NULL, CASES[i].body);
        EXPECT_TEXT(asked_code(&asked), CASES[i].code);
        asked_free(&asked);
    }
}

static void answers(void) {
    struct detect_outcome outcome;
    ask_with("");
    test_outcome(&outcome, &asked.arena);
    const char *text = answer_to(&asked, &outcome);
    REQUIRE(text != NULL);
    // By hand: the masks of check_request.c.
    EXPECT_TEXT(text, "[{\"confidence\":\"0.98765\",\"label\":\"person\",\"points\":"
                      "[0,1,4,1,4,5,0,5],\"mask\":[1,1,1,1,1,0,0,1,1,0,0,1,1,1,1,1,0,1,3,4],"
                      "\"type\":\"mask\"},"
                      "{\"confidence\":\"0.50000\",\"label\":\"dog\",\"points\":"
                      "[6,4,7,4,7,3,8,3,8,6,7,6,7,5,6,5],\"mask\":[1,0,0,1,0,0,0,0,0,0,0,1,0,1,1,"
                      "0,0,1,5,0,7,5],\"type\":\"mask\"}]\n");
    EXPECT(schema_accepts("#/components/schemas/CvatAnswer", text));
    outcome.list.items[0].mask = (struct rle){6, 8, 1, (const uint32_t[]){48}};
    text = answer_to(&asked, &outcome);
    REQUIRE(text != NULL);
    EXPECT_CONTAINS(text, "[{\"confidence\":\"0.50000\"");
    outcome.list.count = 0;
    EXPECT_TEXT(answer_to(&asked, &outcome), "[]\n");
    asked_free(&asked);
}

// An answer takes two bytes for each pixel of each object: not as many as there may be.
static void bounds_answers(void) {
    enum { COUNT = 17, SIDE = 2000 };
    static const uint32_t RUNS[] = {0, SIDE * SIDE};
    struct detection items[COUNT];
    struct detect_outcome outcome = {.list = {items, COUNT}};
    for (int i = 0; i < COUNT; i++)
        items[i] = (struct detection){.score = 0.5F, .label = 1, .mask = {SIDE, SIDE, 2, RUNS}};
    ask_with("");
    EXPECT(answer_to(&asked, &outcome) == NULL);
    EXPECT_TEXT(asked_code(&asked), "image_too_much_memory");
    EXPECT_INT(asked.fault.got, (int64_t)COUNT * SIDE * SIDE);
    outcome.list.count = 1;
    const char *text = answer_to(&asked, &outcome);
    REQUIRE(text != NULL);
    EXPECT_CONTAINS(text + strlen(text) - 60, ",1,1,1,0,0,1999,1999],\"type\":\"mask\"}]\n");
    asked_free(&asked);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"takes_requests", takes_requests},
                         {"refuses_requests", refuses_requests},
                         {"answers", answers},
                         {"bounds_answers", bounds_answers},
                         {0},
                     });
}
