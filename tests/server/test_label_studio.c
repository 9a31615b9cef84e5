// What Label Studio's ML backends are asked and answer.
#include "server/label_studio.h"

#include <cjson/cJSON.h>
#include <stdio.h>

#include "data/polygon.h"
#include "formats/brush_rle.h"
#include "tests/harness.h"
#include "tests/server/check_request.h"
#include "tests/server/check_schema.h"

static struct asked asked;

#define CONFIG(control)                                                                            \
    "<View><Image name=\\\"img\\\" value=\\\"$photo\\\"/><" control                                \
    " name=\\\"tag\\\" toName=\\\"img\\\"></" control "></View>"

// One task with a picture inside, one whose file cannot be had.
static void ask_tasks(const char *config) {
    char body[4096];
    snprintf(
        body, sizeof body,
        "{\"tasks\":[{\"id\":1,\"data\":{\"text\":\"x\",\"photo\":\"data:image/jpeg;base64,%s\"},"
        "\"annotations\":[]},{\"data\":{\"photo\":\"/data/upload/1/a.jpg\"}}],"
        "\"project\":\"1.2\",\"params\":{\"login\":\"a\",\"password\":\"b\"},"
        "\"label_config\":\"%s\"}",
        test_jpeg_base64(), config);
    ask_text(&asked, "/predict", "application/json", body);
    REQUIRE(asked.accepted);
}

static void takes_tasks(void) {
    ask_tasks(CONFIG("BrushLabels"));
    EXPECT_INT(asked.request.num_pictures, 2);
    EXPECT_INT(asked.request.pictures[0].fault.code, FAULT_NONE);
    EXPECT_INT(asked.request.pictures[0].size, test_jpeg()->size);
    EXPECT_INT(asked.request.pictures[1].fault.code, FAULT_NO_IMAGE);
    EXPECT(asked.dialect->is_batch);
    asked_free(&asked);
}

static void refuses_requests(void) {
    static const struct {
        const char *body;
        const char *code;
    } CASES[] = {
        {"", "bad_json"},
        {"[]", "bad_json"},
        {"{}", "no_image"},
        {"{\"tasks\":[]}", "no_image"},
        {"{\"tasks\":{}}", "bad_json"},
        {"{\"tasks\":[1]}", "bad_json"},
        {"{\"tasks\":[{\"data\":[]}]}", "bad_json"},
        {"{\"tasks\":[{\"data\":{\"image\":7}}]}", "bad_json"},
        {"{\"tasks\":[{\"data\":{}}],\"label_config\":{\"x\":\"<View>\"}}", ""},
        {"{\"tasks\":[{}]}", ""},
        {"{\"tasks\":[{},{},{},{},{},{},{},{}]}", ""},
        {"{\"tasks\":[{},{},{},{},{},{},{},{},{}]}", "too_many_images"},
        {"{\"tasks\":[{\"data\":{\"image\":\"http://localhost/a.png\"}}]}", ""},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        ask_text(&asked, "/predict", "application/json", CASES[i].body);
        if (strcmp(asked_code(&asked), CASES[i].code) != 0) EXPECT_TEXT(CASES[i].body, "");
        EXPECT_TEXT(asked_code(&asked), CASES[i].code);
        for (int64_t k = 0; asked.accepted && k < asked.request.num_pictures; k++)
            EXPECT_INT(asked.request.pictures[k].fault.code, FAULT_NO_IMAGE);
        asked_free(&asked);
    }
}

// The answer to both tasks, parsed.
static cJSON *answer_with(const char *config) {
    struct detect_outcome outcomes[2];
    ask_tasks(config);
    test_outcome(&outcomes[0], &asked.arena);
    outcomes[1] = (struct detect_outcome){.fault = asked.request.pictures[1].fault};
    const char *text = answer_to(&asked, outcomes);
    REQUIRE(text != NULL);
    EXPECT(schema_accepts("#/components/schemas/LabelStudioAnswer", text));
    return cJSON_Parse(text);
}

static const cJSON *region_of(const cJSON *answer, int i) {
    const cJSON *task = cJSON_GetObjectItem(answer, "results")->child;
    return cJSON_GetArrayItem(cJSON_GetObjectItem(task, "result"), i);
}

static const char *text_of(const cJSON *object, const char *key) {
    const cJSON *value = cJSON_GetObjectItem(object, key);
    return cJSON_IsString(value) ? value->valuestring : "";
}

static void answers_with_brushes(void) {
    struct error err;
    cJSON *answer = answer_with(CONFIG("BrushLabels"));
    const cJSON *region = region_of(answer, 0);
    const cJSON *value = cJSON_GetObjectItem(region, "value");
    EXPECT_TEXT(text_of(answer, "model_version"), "3");
    EXPECT_TEXT(text_of(region, "id"), "gctmask-1");
    EXPECT_TEXT(text_of(region, "from_name"), "tag");
    EXPECT_TEXT(text_of(region, "to_name"), "img");
    EXPECT_TEXT(text_of(region, "type"), "brushlabels");
    EXPECT_TEXT(text_of(value, "format"), "rle");
    EXPECT_TEXT(cJSON_GetObjectItem(value, "brushlabels")->child->valuestring, "person");
    EXPECT_INT(cJSON_GetObjectItem(region, "original_width")->valueint, 8);
    EXPECT_INT(cJSON_GetObjectItem(region, "original_height")->valueint, 6);
    EXPECT_NEAR(cJSON_GetObjectItem(region, "score")->valuedouble, 0.98765, 0);
    uint8_t bytes[512];
    int64_t size = 0;
    const cJSON *byte = cJSON_GetObjectItem(value, "rle")->child;
    for (; byte && size < (int64_t)sizeof bytes; byte = byte->next)
        bytes[size++] = (uint8_t)byte->valueint;
    struct rle mask;
    struct detect_outcome outcome;
    test_outcome(&outcome, &asked.arena);
    EXPECT_OK(brush_rle_read(&mask, bytes, size, 6, 8, &asked.arena, &err), &err);
    EXPECT_NEAR(rle_iou(&mask, &outcome.list.items[0].mask, false), 1, 0);
    const cJSON *task = cJSON_GetObjectItem(answer, "results")->child;
    EXPECT_NEAR(cJSON_GetObjectItem(task, "score")->valuedouble, 0.743825, 6e-6);
    EXPECT_INT(cJSON_GetArraySize(cJSON_GetObjectItem(task->next, "result")), 0);
    EXPECT_TEXT(text_of(task->next, "code"), "no_image");
    EXPECT_INT(cJSON_GetArraySize(cJSON_GetObjectItem(answer, "results")), 2);
    cJSON_Delete(answer);
    asked_free(&asked);
}

// The outline, drawn as COCO draws it, is the mask with its hole.
static void answers_with_polygons(void) {
    struct error err;
    cJSON *answer = answer_with(CONFIG("PolygonLabels"));
    struct detect_outcome outcome;
    test_outcome(&outcome, &asked.arena);
    for (int i = 0; i < 2; i++) {
        const cJSON *value = cJSON_GetObjectItem(region_of(answer, i), "value");
        const cJSON *point = cJSON_GetObjectItem(value, "points")->child;
        double corners[128];
        int64_t count = 0;
        for (; point && count < 64; point = point->next, count++) {
            corners[2 * count] = point->child->valuedouble * 8 / 100;
            corners[2 * count + 1] = point->child->next->valuedouble * 6 / 100;
        }
        struct rle drawn;
        EXPECT_OK(
            polygon_to_rle(&drawn, &(struct polygon){corners, count}, 6, 8, &asked.arena, &err),
            &err);
        EXPECT_NEAR(rle_iou(&drawn, &outcome.list.items[i].mask, false), 1, 0);
        EXPECT_TEXT(cJSON_GetObjectItem(value, "polygonlabels")->child->valuestring,
                    i == 0 ? "person" : "dog");
    }
    cJSON_Delete(answer);
    asked_free(&asked);
}

static void answers_with_boxes(void) {
    cJSON *answer = answer_with(CONFIG("RectangleLabels"));
    const cJSON *value = cJSON_GetObjectItem(region_of(answer, 0), "value");
    EXPECT_NEAR(cJSON_GetObjectItem(value, "x")->valuedouble, 6.25, 0);
    EXPECT_NEAR(cJSON_GetObjectItem(value, "y")->valuedouble, 16.6667, 0);
    EXPECT_NEAR(cJSON_GetObjectItem(value, "width")->valuedouble, 53.125, 0);
    EXPECT_NEAR(cJSON_GetObjectItem(value, "height")->valuedouble, 66.6667, 0);
    EXPECT_NEAR(cJSON_GetObjectItem(value, "rotation")->valuedouble, 0, 0);
    EXPECT_TEXT(text_of(region_of(answer, 0), "type"), "rectanglelabels");
    cJSON_Delete(answer);
    asked_free(&asked);
}

static void writes_documents(void) {
    struct output out;
    output_open_memory(&out);
    label_studio_write_health(&out);
    EXPECT_TEXT(out.data, "{\"status\":\"UP\",\"model_class\":\"gctmask\"}\n");
    EXPECT(schema_accepts("#/components/schemas/LabelStudioHealth", out.data));
    out.size = 0;
    label_studio_write_setup(&out, &test_model);
    EXPECT_TEXT(out.data, "{\"model_version\":\"3\"}\n");
    EXPECT(schema_accepts("#/components/schemas/LabelStudioSetup", out.data));
    output_discard(&out);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"takes_tasks", takes_tasks},
                         {"refuses_requests", refuses_requests},
                         {"answers_with_brushes", answers_with_brushes},
                         {"answers_with_polygons", answers_with_polygons},
                         {"answers_with_boxes", answers_with_boxes},
                         {"writes_documents", writes_documents},
                         {0},
                     });
}
