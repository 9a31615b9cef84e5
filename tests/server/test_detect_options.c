// Every option at its bounds and beyond, from a query and from JSON.
#include <stdio.h>
#include <stdlib.h>

#include "server/detect_options.h"
#include "tests/harness.h"
#include "tests/server/check_request.h"

static struct asked asked;

// Asks for a detection with options as a query.
static void ask_query(const char *query) {
    const struct http_request http = {
        .path = "/v1/detect",
        .query = query,
        .body = (const uint8_t *)test_jpeg()->data,
        .body_size = test_jpeg()->size,
    };
    ask(&asked, &http);
}

// The same with options as JSON.
static void ask_json(const char *options) {
    size_t size = strlen(options) + strlen(test_png_base64()) + 100;
    char *body = malloc(size);
    snprintf(body, size, "{\"options\":%s,\"image\":{\"b64\":\"%s\"}}", options, test_png_base64());
    ask_text(&asked, "/v1/detect", "application/json", body);
    free(body);
}

static const char *effective(void) {
    static char text[1024];
    struct output out;
    struct json_writer w;
    output_open_memory(&out);
    json_writer_init(&w, &out, 0);
    detect_options_write(&asked.request.options, &w);
    snprintf(text, sizeof text, "%s", out.data);
    output_discard(&out);
    return text;
}

static void has_defaults(void) {
    ask_query(NULL);
    EXPECT_TEXT(asked_code(&asked), "");
    EXPECT_TEXT(effective(),
                "{\"score\":0.05,\"max_dets\":100,\"classes\":[],\"nms\":0.5,\"mask\":\"rle\","
                "\"mask_threshold\":0.5,\"polygon_tolerance\":0,\"exif\":\"apply\","
                "\"format\":\"native\",\"image_id\":0,\"timeout_ms\":30000,\"round\":true,"
                "\"timing\":true}");
    EXPECT(asked.request.wanted == NULL);
    asked_free(&asked);
}

static void takes_all(void) {
    static const char EXPECTED[] =
        "{\"score\":0.25,\"max_dets\":7,\"classes\":[\"person\",\"10\"],\"nms\":0.75,"
        "\"mask\":\"rle_list\",\"mask_threshold\":0.125,\"polygon_tolerance\":1.5,"
        "\"exif\":\"ignore\",\"format\":\"coco\",\"image_id\":42,\"timeout_ms\":1000,"
        "\"round\":false,\"timing\":false}";
    ask_query("score=0.25&max_dets=7&classes=person,10&nms=0.75&mask=rle_list&mask_threshold=.125"
              "&polygon_tolerance=1.5&exif=ignore&format=coco&image_id=42&timeout_ms=1000"
              "&round=false&timing=false");
    EXPECT_TEXT(asked_code(&asked), "");
    EXPECT_TEXT(effective(), EXPECTED);
    EXPECT_INT(asked.request.wanted[1], true);
    EXPECT_INT(asked.request.wanted[2], false);
    EXPECT_INT(asked.request.wanted[3], true);
    asked_free(&asked);
    ask_json("{\"score\":0.25,\"max_dets\":7,\"classes\":[\"person\",10],\"nms\":0.75,"
             "\"mask\":\"rle_list\",\"mask_threshold\":0.125,\"polygon_tolerance\":1.5,"
             "\"exif\":\"ignore\",\"format\":\"coco\",\"image_id\":42,\"timeout_ms\":1e3,"
             "\"round\":false,\"timing\":false}");
    EXPECT_TEXT(asked_code(&asked), "");
    EXPECT_TEXT(effective(), EXPECTED);
    EXPECT_INT(asked.request.wanted[3], true);
    asked_free(&asked);
}

static void keeps_bounds(void) {
    static const struct {
        const char *query;
        const char *json;
        const char *code;
    } CASES[] = {
        {"score=0", "{\"score\":0}", ""},
        {"score=1", "{\"score\":1}", ""},
        {"score=1e-320", "{\"score\":1e-320}", ""},
        {"score=-0", "{\"score\":-0}", ""},
        {"score=-1", "{\"score\":-1}", "bad_option"},
        {"score=2", "{\"score\":2}", "bad_option"},
        {"score=1.0000001", "{\"score\":1.0000001}", "bad_option"},
        {"score=NaN", "{\"score\":\"NaN\"}", "bad_option"},
        {"score=inf", "{\"score\":1e400}", "bad_option"},
        {"score=", "{\"score\":null}", "bad_option"},
        {"score=0.5x", "{\"score\":\"0.5\"}", "bad_option"},
        {"score", "{\"score\":[0.5]}", "bad_option"},
        {"max_dets=1", "{\"max_dets\":1}", ""},
        {"max_dets=1000", "{\"max_dets\":1000}", ""},
        {"max_dets=0", "{\"max_dets\":0}", "bad_option"},
        {"max_dets=1001", "{\"max_dets\":1001}", "bad_option"},
        {"max_dets=1e9", "{\"max_dets\":1e9}", "bad_option"},
        {"max_dets=1000000000", "{\"max_dets\":9007199254740993}", "bad_option"},
        {"max_dets=99999999999999999999", "{\"max_dets\":1.5}", "bad_option"},
        {"nms=-0.1", "{\"nms\":1.1}", "bad_option"},
        {"mask=RLE", "{\"mask\":0}", "bad_option"},
        {"mask_threshold=1.01", "{\"mask_threshold\":-0.01}", "bad_option"},
        {"polygon_tolerance=100", "{\"polygon_tolerance\":100}", ""},
        {"polygon_tolerance=100.1", "{\"polygon_tolerance\":-1}", "bad_option"},
        {"exif=maybe", "{\"exif\":true}", "bad_option"},
        {"format=voc", "{\"format\":{}}", "bad_option"},
        {"image_id=9007199254740992", "{\"image_id\":9007199254740992}", ""},
        {"image_id=-1", "{\"image_id\":-1}", "bad_option"},
        {"timeout_ms=1", "{\"timeout_ms\":1}", ""},
        {"timeout_ms=120000", "{\"timeout_ms\":120000}", ""},
        {"timeout_ms=0", "{\"timeout_ms\":0}", "bad_option"},
        {"timeout_ms=120001", "{\"timeout_ms\":120001}", "bad_option"},
        {"timing=yes", "{\"timing\":1}", "bad_option"},
        {"format=coco&mask=polygon", "{\"format\":\"coco\",\"mask\":\"polygon\"}", "bad_option"},
        {"mask=none", "{\"classes\":[]}", ""},
        {"classes=", "{\"classes\":[\"\"]}", "bad_option"},
        {"classes=cat", "{\"classes\":[\"cat\"]}", "bad_option"},
        {"classes=2", "{\"classes\":[2]}", "bad_option"},
        {"classes=1.0", "{\"classes\":[1.5]}", "bad_option"},
        {"classes=person,", "{\"classes\":\"person\"}", "bad_option"},
        {"classes=traffic+light", "{\"classes\":[\"traffic light\"]}", ""},
        {"classes=1,1,person", "{\"classes\":[1,1,\"person\"]}", ""},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        ask_query(CASES[i].query);
        if (strcmp(asked_code(&asked), CASES[i].code) != 0) EXPECT_TEXT(CASES[i].query, "");
        EXPECT_TEXT(asked_code(&asked), CASES[i].code);
        asked_free(&asked);
        ask_json(CASES[i].json);
        if (strcmp(asked_code(&asked), CASES[i].code) != 0) EXPECT_TEXT(CASES[i].json, "");
        EXPECT_TEXT(asked_code(&asked), CASES[i].code);
        asked_free(&asked);
    }
}

// What a client is told.
static void explains(void) {
    static const struct {
        const char *query;
        const char *code;
        const char *message;
        const char *field;
    } CASES[] = {
        {"score=2", "bad_option", "score: 2 is not a number from 0 to 1", "score"},
        {"mask=rel", "bad_option", "one of rle, rle_list, polygon, box, none", "mask"},
        {"scor=0.5", "unknown_field", "did you mean score?", "scor"},
        {"frobnicate=1", "unknown_field", "frobnicate: there is no such option", "frobnicate"},
        {"classes=persn", "bad_option", "did you mean person?", "classes"},
        {"score=0.5&score=0.5", "bad_option", "given twice", "score"},
        {"timeout_ms=120001", "bad_option", "120000", "timeout_ms"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        ask_query(CASES[i].query);
        EXPECT_TEXT(asked_code(&asked), CASES[i].code);
        EXPECT_CONTAINS(asked.fault.message, CASES[i].message);
        EXPECT_TEXT(asked.fault.field, CASES[i].field);
        asked_free(&asked);
    }
    ask_json("{\"max_det\":1}");
    EXPECT_TEXT(asked_code(&asked), "unknown_field");
    EXPECT_TEXT(asked.fault.field, "options.max_det");
    EXPECT_CONTAINS(asked.fault.message, "did you mean max_dets?");
    asked_free(&asked);
    ask_json("{\"score\":0.1,\"score\":0.2}");
    EXPECT_TEXT(asked_code(&asked), "bad_option");
    EXPECT_TEXT(asked.fault.field, "options.score");
    asked_free(&asked);
    ask_json("[]");
    EXPECT_TEXT(asked_code(&asked), "bad_option");
    EXPECT_TEXT(asked.fault.field, "options");
    asked_free(&asked);
}

// An option of the query and the same of the JSON contradict each other, or one is useless.
static void refuses_both(void) {
    char body[1024];
    snprintf(body, sizeof body, "{\"options\":{\"score\":0.2},\"image\":{\"b64\":\"%s\"}}",
             test_png_base64());
    const struct http_request http = {
        .path = "/v1/detect",
        .query = "score=0.1",
        .content_type = "application/json",
        .body = (const uint8_t *)body,
        .body_size = (int64_t)strlen(body),
    };
    ask(&asked, &http);
    EXPECT_TEXT(asked_code(&asked), "bad_option");
    asked_free(&asked);
}

static void bounds_classes(void) {
    enum { COUNT = 10000 };
    char *list = malloc(COUNT * 9 + 32);
    char *at = list + sprintf(list, "{\"classes\":[\"person\"");
    for (int i = 1; i < COUNT; i++)
        at += sprintf(at, ",\"dog\"");
    stpcpy(at, "]}");
    ask_json(list);
    EXPECT_TEXT(asked_code(&asked), "json_too_many_values");
    asked_free(&asked);
    free(list);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"has_defaults", has_defaults},
                         {"takes_all", takes_all},
                         {"keeps_bounds", keeps_bounds},
                         {"explains", explains},
                         {"refuses_both", refuses_both},
                         {"bounds_classes", bounds_classes},
                         {0},
                     });
}
