// The Open Inference Protocol, version 2: its requests, answers and documents.
#include "server/inference_protocol.h"

#include "tests/harness.h"
#include "tests/server/check_request.h"
#include "tests/server/check_schema.h"

static struct asked asked;

#define PATH    "/v2/models/gct-r50-fpn/infer"
#define VERSION "/v2/models/gct-r50-fpn/versions/3/infer"

// Asks with a body in which each $ is a picture's base64 text.
static void ask_with(const char *path, const char *pattern) {
    struct output body;
    output_open_memory(&body);
    for (const char *at = pattern; *at; at++) {
        if (*at == '$')
            output_text(&body, test_jpeg_base64());
        else
            output_write(&body, at, 1);
    }
    ask_text(&asked, path, "application/json", body.data);
    output_discard(&body);
}

#define INPUT                                                                                      \
    "\"inputs\":[{\"name\":\"image\",\"shape\":[1],\"datatype\":\"BYTES\",\"data\":[\"$\"]}]"

static void takes_requests(void) {
    ask_with(PATH, "{\"id\":\"42\"," INPUT ",\"parameters\":{\"score\":0.5,\"classes\":[18]}}");
    EXPECT_TEXT(asked_code(&asked), "");
    EXPECT_TEXT(asked.request.id, "42");
    EXPECT_NEAR(asked.request.options.score, 0.5, 0);
    EXPECT(asked.request.wanted[2] && !asked.request.wanted[1]);
    EXPECT_INT(asked.request.pictures[0].size, test_jpeg()->size);
    asked_free(&asked);
    ask_with(VERSION, "{\"inputs\":[{\"name\":\"image\",\"shape\":[1,1],\"datatype\":\"BYTES\","
                      "\"parameters\":{},\"data\":[\"$\"]}],\"outputs\":[]}");
    EXPECT_TEXT(asked_code(&asked), "");
    EXPECT_TEXT(asked.request.id, "made-up");
    asked_free(&asked);
}

static void refuses_requests(void) {
    static const struct {
        const char *body;
        const char *code;
    } CASES[] = {
        {"{}", "no_image"},
        {"[]", "bad_json"},
        {"{\"inputs\":[]}", "no_image"},
        {"{\"inputs\":{}}", "bad_json"},
        {"{\"inputs\":[1]}", "bad_json"},
        {"{\"inputs\":[{}]}", "no_image"},
        {"{\"inputs\":[{\"name\":\"x\",\"data\":[\"$\"]}]}", "bad_json"},
        {"{\"inputs\":[{\"name\":1,\"data\":[\"$\"]}]}", "bad_json"},
        {"{\"inputs\":[{\"datatype\":\"FP32\",\"data\":[1]}]}", "bad_json"},
        {"{\"inputs\":[{\"shape\":[2],\"data\":[\"$\",\"$\"]}]}", "bad_json"},
        {"{\"inputs\":[{\"data\":[\"$\",\"$\"]}]}", "too_many_images"},
        {"{" INPUT ",\"x\":1}", "unknown_field"},
        {"{\"inputs\":[{\"parameters\":{\"binary_data_size\":7}}]}", "unknown_field"},
        {"{" INPUT ",\"parameters\":{\"binary_data_output\":true}}", "unknown_field"},
        {"{" INPUT ",\"parameters\":{\"score\":2}}", "bad_option"},
        {"{" INPUT ",\"parameters\":{\"mask\":\"polygon\"}}", "bad_option"},
        {"{" INPUT ",\"parameters\":{\"mask\":\"rle_list\"}}", "bad_option"},
        {"{" INPUT ",\"parameters\":{\"format\":\"coco\"}}", "bad_option"},
        {"{" INPUT ",\"outputs\":[{\"name\":\"logits\"}]}", "bad_json"},
        {"{" INPUT ",\"outputs\":[{\"name\":\"boxes\",\"parameters\":{\"binary_data\":true}}]}",
         "unknown_field"},
        {"{\"inputs\":[{\"name\":\"image\",\"data\":[\"AAAA\"]}]}", "unsupported_media_type"},
        {"{\"inputs\":[{\"name\":\"image\",\"data\":[\"\"]}]}", "image_empty"},
        {"{\"inputs\":[{\"name\":\"image\",\"data\":[\"A\"]}]}", "bad_base64"},
        {"{\"id\":\"a b\"," INPUT "}", "bad_request_id"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        ask_with(PATH, CASES[i].body);
        if (strcmp(asked_code(&asked), CASES[i].code) != 0) EXPECT_TEXT(CASES[i].body, "");
        EXPECT_TEXT(asked_code(&asked), CASES[i].code);
        asked_free(&asked);
    }
    // Triton's extension for binary data.
    ask_text(&asked, PATH, "application/octet-stream", "{}");
    EXPECT_TEXT(asked_code(&asked), "unsupported_media_type");
    asked_free(&asked);
}

static const char *answer_with(const char *body) {
    struct detect_outcome outcome;
    ask_with(PATH, body);
    REQUIRE(asked.accepted);
    test_outcome(&outcome, &asked.arena);
    const char *text = answer_to(&asked, &outcome);
    REQUIRE(text != NULL);
    EXPECT(schema_accepts("#/components/schemas/OipAnswer", text));
    return text;
}

#define ANSWER "{\"model_name\":\"gct-r50-fpn\",\"model_version\":\"3\",\"id\":\"42\",\"outputs\":["
#define BOXES                                                                                      \
    "{\"name\":\"boxes\",\"shape\":[2,4],\"datatype\":\"FP32\",\"data\":[0.5,1,4.75,5,5,0,8,6]}"

static void answers(void) {
    static const char SCORES[] =
        ",{\"name\":\"scores\",\"shape\":[2],\"datatype\":\"FP32\",\"data\":[0.98765,0.5]},"
        "{\"name\":\"labels\",\"shape\":[2],\"datatype\":\"INT64\",\"data\":[1,18]}";
    static const char MASKS[] = ",{\"name\":\"masks_rle\",\"shape\":[2],\"datatype\":\"BYTES\","
                                "\"data\":[\"142M00000003g0\",\"n028OL2\"]}";
    static const char SIZE[] =
        ",{\"name\":\"image_size\",\"shape\":[2],\"datatype\":\"INT64\",\"data\":[6,8]}]}\n";
    char expected[1024];
    stpcpy(stpcpy(stpcpy(stpcpy(expected, ANSWER BOXES), SCORES), MASKS), SIZE);
    EXPECT_TEXT(answer_with("{\"id\":\"42\"," INPUT "}"), expected);
    asked_free(&asked);
    stpcpy(stpcpy(stpcpy(expected, ANSWER BOXES), SCORES), SIZE);
    EXPECT_TEXT(answer_with("{\"id\":\"42\"," INPUT ",\"parameters\":{\"mask\":\"none\"}}"),
                expected);
    asked_free(&asked);
    EXPECT_TEXT(answer_with("{\"id\":\"42\"," INPUT ",\"outputs\":[{\"name\":\"boxes\"}]}"),
                ANSWER BOXES "]}\n");
    asked_free(&asked);
}

static void answers_nothing_found(void) {
    struct detect_outcome outcome;
    ask_with(PATH, "{\"id\":\"42\"," INPUT ",\"outputs\":[{\"name\":\"boxes\"}]}");
    test_outcome(&outcome, &asked.arena);
    outcome.list.count = 0;
    EXPECT_TEXT(answer_to(&asked, &outcome), ANSWER
                "{\"name\":\"boxes\",\"shape\":[0,4],\"datatype\":\"FP32\",\"data\":[]}]}\n");
    asked_free(&asked);
}

static void writes_documents(void) {
    struct output out;
    output_open_memory(&out);
    inference_protocol_write_server(&out, "0.1.0");
    EXPECT_TEXT(out.data, "{\"name\":\"gctmask\",\"version\":\"0.1.0\",\"extensions\":[]}\n");
    EXPECT(schema_accepts("#/components/schemas/OipServer", out.data));
    out.size = 0;
    inference_protocol_write_model(&out, &test_model);
    EXPECT_CONTAINS(out.data, "{\"name\":\"gct-r50-fpn\",\"versions\":[\"3\"],\"platform\":"
                              "\"gctmask\",\"inputs\":[{\"name\":\"image\",\"datatype\":\"BYTES\","
                              "\"shape\":[1]}],\"outputs\":[{\"name\":\"boxes\",");
    EXPECT(schema_accepts("#/components/schemas/OipModel", out.data));
    out.size = 0;
    inference_protocol_write_model_ready(&out, &test_model, true);
    EXPECT_TEXT(out.data, "{\"name\":\"gct-r50-fpn\",\"ready\":true}\n");
    EXPECT(schema_accepts("#/components/schemas/OipModelReady", out.data));
    out.size = 0;
    inference_protocol_write_live(&out, true);
    EXPECT_TEXT(out.data, "{\"live\":true}\n");
    EXPECT(schema_accepts("#/components/schemas/OipLive", out.data));
    out.size = 0;
    inference_protocol_write_ready(&out, false);
    EXPECT_TEXT(out.data, "{\"ready\":false}\n");
    EXPECT(schema_accepts("#/components/schemas/OipReady", out.data));
    output_discard(&out);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"takes_requests", takes_requests},
                         {"refuses_requests", refuses_requests},
                         {"answers", answers},
                         {"answers_nothing_found", answers_nothing_found},
                         {"writes_documents", writes_documents},
                         {0},
                     });
}
