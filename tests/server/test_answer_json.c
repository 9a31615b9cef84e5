// Answers of our own interface: their numbers, order and forms, read back by independent means.
#include "server/answer_json.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "data/polygon.h"
#include "tests/harness.h"
#include "tests/server/check_request.h"
#include "tests/server/check_schema.h"

static struct asked asked;

static void ask_with(const char *path, const char *query, const char *accept) {
    const struct http_request http = {
        .path = path,
        .query = query,
        .accept = accept,
        .request_id = "a1",
        .body = (const uint8_t *)test_jpeg()->data,
        .body_size = test_jpeg()->size,
    };
    ask(&asked, &http);
    REQUIRE(asked.accepted);
}

// The answer to the usual two objects.
static const char *answer_with(const char *query) {
    struct detect_outcome outcome;
    ask_with("/v1/detect", query, NULL);
    test_outcome(&outcome, &asked.arena);
    const char *text = answer_to(&asked, &outcome);
    REQUIRE(text != NULL);
    return text;
}

#define HEAD                                                                                       \
    "{\"request_id\":\"a1\",\"model\":{\"name\":\"gct-r50-fpn\",\"version\":\"3\","                \
    "\"sha256\":\"9f2c\"},\"image\":{\"width\":8,\"height\":6,\"format\":\"jpeg\","                \
    "\"exif_orientation\":1,\"orientation_applied\":false},\"detections\":["
#define OPTIONS(mask)                                                                              \
    "],\"truncated\":false,\"options\":{\"score\":0.05,\"max_dets\":100,\"classes\":[],"           \
    "\"nms\":0.5,\"mask\":\"" mask "\",\"mask_threshold\":0.5,\"polygon_tolerance\":0,"            \
    "\"exif\":\"apply\",\"format\":\"native\",\"image_id\":0,\"timeout_ms\":30000,"                \
    "\"round\":true,\"timing\":false}}\n"
#define PERSON                                                                                     \
    "{\"category_id\":1,\"category\":\"person\",\"score\":0.98765,\"bbox\":[0.5,1,4.25,4],"        \
    "\"area\":"
#define DOG "{\"category_id\":18,\"category\":\"dog\",\"score\":0.5,\"bbox\":[5,0,3,6],\"area\":"

// Strings as pycocotools 2.0.11 encodes the two masks (see check_request.c).
static void writes_rle(void) {
    EXPECT_TEXT(answer_with("timing=false"), HEAD PERSON
                "12,\"segmentation\":{\"size\":[6,8],\"counts\":\"142M00000003g0\"}}," DOG
                "6,\"segmentation\":{\"size\":[6,8],\"counts\":\"n028OL2\"}}" OPTIONS("rle"));
    asked_free(&asked);
}

static void writes_other_forms(void) {
    EXPECT_TEXT(answer_with("timing=false&mask=box"), HEAD PERSON "12}," DOG "6}" OPTIONS("box"));
    asked_free(&asked);
    EXPECT_TEXT(answer_with("timing=false&mask=none"),
                HEAD PERSON "null}," DOG "null}" OPTIONS("none"));
    asked_free(&asked);
    EXPECT_TEXT(
        answer_with("timing=false&mask=rle_list"), HEAD PERSON
        "12,\"segmentation\":{\"size\":[6,8],\"counts\":"
        "[1,4,2,1,2,1,2,1,2,1,2,4,25]}}," DOG
        "6,\"segmentation\":{\"size\":[6,8],\"counts\":[30,2,8,1,4,3]}}" OPTIONS("rle_list"));
    asked_free(&asked);
    EXPECT_TEXT(answer_with("timing=false&mask=polygon"),
                HEAD PERSON "12,\"segmentation\":[{\"outer\":[0,1,4,1,4,5,0,5],"
                            "\"holes\":[[1,2,1,4,3,4,3,2]]}],\"polygon_iou\":1}," DOG
                            "6,\"segmentation\":[{\"outer\":[5,0,6,0,6,2,5,2],\"holes\":[]},"
                            "{\"outer\":[6,4,7,4,7,3,8,3,8,6,7,6,7,5,6,5],\"holes\":[]}],"
                            "\"polygon_iou\":1}" OPTIONS("polygon"));
    asked_free(&asked);
}

static void writes_coco(void) {
    EXPECT_TEXT(answer_with("format=coco&image_id=42"),
                "[{\"image_id\":42,\"category_id\":1,\"bbox\":[0.5,1,4.25,4],\"score\":0.98765,"
                "\"segmentation\":{\"size\":[6,8],\"counts\":\"142M00000003g0\"}},"
                "{\"image_id\":42,\"category_id\":18,\"bbox\":[5,0,3,6],\"score\":0.5,"
                "\"segmentation\":{\"size\":[6,8],\"counts\":\"n028OL2\"}}]\n");
    asked_free(&asked);
    EXPECT_TEXT(answer_with("format=coco&mask=box"),
                "[{\"image_id\":0,\"category_id\":1,\"bbox\":[0.5,1,4.25,4],\"score\":0.98765},"
                "{\"image_id\":0,\"category_id\":18,\"bbox\":[5,0,3,6],\"score\":0.5}]\n");
    asked_free(&asked);
}

// The detector's own numbers, in its order.
static void writes_all_digits(void) {
    struct detect_outcome outcome;
    ask_with("/v1/detect", "round=false", NULL);
    test_outcome(&outcome, &asked.arena);
    struct detection first = outcome.list.items[0];
    outcome.list.items[0] = outcome.list.items[1];
    outcome.list.items[1] = first;
    cJSON *answer = cJSON_Parse(answer_to(&asked, &outcome));
    const cJSON *objects = cJSON_GetObjectItem(answer, "detections");
    REQUIRE(cJSON_GetArraySize(objects) == 2);
    EXPECT_NEAR(cJSON_GetObjectItem(objects->child, "score")->valuedouble, 0.5, 0);
    const cJSON *box = cJSON_GetObjectItem(objects->child->next, "bbox");
    EXPECT_NEAR(cJSON_GetObjectItem(objects->child->next, "score")->valuedouble,
                (double)first.score, 0);
    EXPECT_NEAR(cJSON_GetArrayItem(box, 1)->valuedouble, (double)first.box[1], 0);
    EXPECT_NEAR(cJSON_GetArrayItem(box, 3)->valuedouble,
                (double)first.box[3] - (double)first.box[1], 0);
    cJSON_Delete(answer);
    asked_free(&asked);
}

static void writes_nothing_found(void) {
    struct detect_outcome outcome;
    ask_with("/v1/detect", "timing=false", NULL);
    test_outcome(&outcome, &asked.arena);
    outcome.list.count = 0;
    EXPECT_TEXT(answer_to(&asked, &outcome), HEAD OPTIONS("rle"));
    asked_free(&asked);
    ask_with("/v1/detect", "format=coco", NULL);
    EXPECT_TEXT(answer_to(&asked, &outcome), "[]\n");
    asked_free(&asked);
}

static void writes_timing(void) {
    cJSON *answer = cJSON_Parse(answer_with(NULL));
    const cJSON *timing = cJSON_GetObjectItem(answer, "timing_ms");
    EXPECT_INT(cJSON_GetObjectItem(answer, "batch")->valueint, 1);
    EXPECT_NEAR(cJSON_GetObjectItem(timing, "upload")->valuedouble, 3.1, 0);
    EXPECT_NEAR(cJSON_GetObjectItem(timing, "queue")->valuedouble, 12, 0);
    EXPECT_NEAR(cJSON_GetObjectItem(timing, "infer")->valuedouble, 88.1, 0);
    double encode = cJSON_GetObjectItem(timing, "encode")->valuedouble;
    EXPECT(encode >= 0);
    EXPECT_NEAR(cJSON_GetObjectItem(timing, "total")->valuedouble, 103.2 + encode, 0.011);
    EXPECT(!cJSON_GetObjectItem(timing, "write"));
    cJSON_Delete(answer);
    asked_free(&asked);
}

static void says_how_pictures_lie(void) {
    static const struct {
        const char *query;
        int orientation;
        const char *expected;
    } CASES[] = {
        {"exif=apply", 6, "\"exif_orientation\":6,\"orientation_applied\":true"},
        {"exif=ignore", 6, "\"exif_orientation\":6,\"orientation_applied\":false"},
        {"exif=apply", 1, "\"exif_orientation\":1,\"orientation_applied\":false"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct detect_outcome outcome;
        ask_with("/v1/detect", CASES[i].query, NULL);
        test_outcome(&outcome, &asked.arena);
        outcome.info.exif_orientation = CASES[i].orientation;
        outcome.info.format = IMAGE_PNG;
        outcome.truncated = true;
        const char *text = answer_to(&asked, &outcome);
        EXPECT_CONTAINS(text, CASES[i].expected);
        EXPECT_CONTAINS(text, "\"format\":\"png\"");
        EXPECT_CONTAINS(text, "\"truncated\":true");
        asked_free(&asked);
    }
}

// ---- Order ----

// Detections in any order, differing where the order looks; all answers are the same.
static void orders_objects(void) {
    enum { COUNT = 6 };
    static const struct {
        float score;
        int32_t label;
        float left;
    } SORTED[COUNT] = {
        {0.9F, 2, 0}, {0.8F, 1, 3}, // category ids: 1 person, 18 dog, 10 traffic light
        {0.8F, 3, 2}, {0.8F, 2, 1}, {0.8000001F, 2, 2}, // the same to 5 decimals: the box decides
        {0.1F, 1, 0},
    };
    static const int ORDERS[][COUNT] = {{0, 1, 2, 3, 4, 5}, {5, 4, 3, 2, 1, 0}, {2, 5, 0, 4, 1, 3}};
    const char *first = NULL;
    char *kept = NULL;
    for (size_t k = 0; k < sizeof ORDERS / sizeof *ORDERS; k++) {
        struct detect_outcome outcome;
        struct detection items[COUNT];
        ask_with("/v1/detect", "timing=false", NULL);
        test_outcome(&outcome, &asked.arena);
        for (int i = 0; i < COUNT; i++) {
            int from = ORDERS[k][i];
            items[i] = outcome.list.items[0];
            items[i].score = SORTED[from].score;
            items[i].label = SORTED[from].label;
            items[i].box[0] = SORTED[from].left;
        }
        outcome.list = (struct detection_list){items, COUNT};
        first = answer_to(&asked, &outcome);
        REQUIRE(first != NULL);
        cJSON *answer = cJSON_Parse(first);
        const cJSON *object = cJSON_GetObjectItem(answer, "detections")->child;
        for (int i = 0; i < COUNT; i++, object = object->next) {
            const cJSON *box = cJSON_GetObjectItem(object, "bbox");
            EXPECT_INT(cJSON_GetObjectItem(object, "category_id")->valueint,
                       test_model.category_ids[SORTED[i].label - 1]);
            EXPECT_NEAR(box->child->valuedouble, (double)SORTED[i].left, 0);
        }
        cJSON_Delete(answer);
        if (kept) EXPECT_TEXT(first, kept);
        if (!kept) kept = strdup(first);
        asked_free(&asked);
    }
    free(kept);
}

static void rounds_numbers(void) {
    struct detect_outcome outcome;
    ask_with("/v1/detect", "timing=false&mask=box", NULL);
    test_outcome(&outcome, &asked.arena);
    outcome.list.count = 1;
    outcome.list.items[0].score = 0.1234567F;
    memcpy(outcome.list.items[0].box, (float[]){-0.001F, 10.006F, 1333.333F, 799.999F},
           4 * sizeof(float));
    EXPECT_CONTAINS(answer_to(&asked, &outcome),
                    "\"score\":0.12346,\"bbox\":[0,10.01,1333.33,789.99],");
    asked_free(&asked);
}

static void refuses_what_is_not_finite(void) {
    static const float BAD[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < 5; k++) {
            struct detect_outcome outcome;
            ask_with("/v1/detect", NULL, NULL);
            test_outcome(&outcome, &asked.arena);
            if (k < 4) outcome.list.items[1].box[k] = BAD[i];
            if (k == 4) outcome.list.items[1].score = BAD[i];
            EXPECT(answer_to(&asked, &outcome) == NULL);
            EXPECT_TEXT(asked_code(&asked), "non_finite_output");
            asked_free(&asked);
        }
    }
}

// ---- Polygons ----

// An independent look at polygons: a pixel is inside if a ray from its middle crosses borders an
// odd number of times.
static bool is_inside(const cJSON *ring, double x, double y) {
    int count = cJSON_GetArraySize(ring) / 2;
    bool inside = false;
    for (int i = 0; i < count; i++) {
        int next = (i + 1) % count;
        double x1 = cJSON_GetArrayItem(ring, 2 * i)->valuedouble;
        double y1 = cJSON_GetArrayItem(ring, 2 * i + 1)->valuedouble;
        double x2 = cJSON_GetArrayItem(ring, 2 * next)->valuedouble;
        double y2 = cJSON_GetArrayItem(ring, 2 * next + 1)->valuedouble;
        if ((y1 > y) != (y2 > y) && x < x1 + (y - y1) * (x2 - x1) / (y2 - y1)) inside = !inside;
    }
    return inside;
}

static bool is_in_parts(const cJSON *parts, double x, double y) {
    for (const cJSON *part = parts->child; part; part = part->next) {
        bool inside = is_inside(cJSON_GetObjectItem(part, "outer"), x, y);
        const cJSON *hole = cJSON_GetObjectItem(part, "holes")->child;
        for (; hole; hole = hole->next)
            inside = inside && !is_inside(hole, x, y);
        if (inside) return true;
    }
    return false;
}

enum { SIDE = 40 };

// A disk with a hole, and an island in it.
static void draw_rings(uint8_t *pixels) {
    for (int i = 0; i < SIDE * SIDE; i++) {
        int x = i % SIDE;
        int y = i / SIDE;
        double distance = hypot(x - 19.5, y - 20.0);
        pixels[i] = distance < 17 && (distance > 9 || distance < 4);
    }
}

static void expect_polygons(const char *query, bool exact) {
    uint8_t pixels[SIDE * SIDE];
    struct detect_outcome outcome;
    struct error err;
    draw_rings(pixels);
    ask_with("/v1/detect", query, NULL);
    test_outcome(&outcome, &asked.arena);
    outcome.list.count = 1;
    EXPECT_OK(rle_encode(&outcome.list.items[0].mask, pixels, SIDE, SIDE, &asked.arena, &err),
              &err);
    cJSON *answer = cJSON_Parse(answer_to(&asked, &outcome));
    const cJSON *object = cJSON_GetObjectItem(answer, "detections")->child;
    const cJSON *parts = cJSON_GetObjectItem(object, "segmentation");
    REQUIRE(cJSON_GetArraySize(parts) == 2);
    EXPECT_INT(cJSON_GetArraySize(cJSON_GetObjectItem(parts->child, "holes")), 1);
    int both = 0;
    int either = 0;
    for (int i = 0; i < SIDE * SIDE; i++) {
        int x = i % SIDE;
        int y = i / SIDE;
        bool drawn = is_in_parts(parts, x + 0.5, y + 0.5);
        both += drawn && pixels[i];
        either += drawn || pixels[i];
    }
    double iou = cJSON_GetObjectItem(object, "polygon_iou")->valuedouble;
    int corners = cJSON_GetArraySize(cJSON_GetObjectItem(parts->child, "outer")) / 2;
    if (exact) {
        EXPECT_NEAR(iou, 1, 0);
        EXPECT_INT(both, either);
        EXPECT(corners > 60);
    } else {
        // COCO draws borders that cut pixels a little differently.
        EXPECT_NEAR(iou, (double)both / either, 0.06);
        EXPECT(iou < 1 && iou > 0.85);
        EXPECT(corners < 40);
    }
    cJSON_Delete(answer);
    asked_free(&asked);
}

static void follows_masks(void) {
    expect_polygons("mask=polygon", true);
    expect_polygons("mask=polygon&polygon_tolerance=1", false);
}

static void takes_empty_masks(void) {
    static const char *const MASKS[] = {"mask=rle", "mask=rle_list", "mask=polygon", "mask=box"};
    for (size_t i = 0; i < sizeof MASKS / sizeof *MASKS; i++) {
        struct detect_outcome outcome;
        ask_with("/v1/detect", MASKS[i], NULL);
        test_outcome(&outcome, &asked.arena);
        outcome.list.items[0].mask = (struct rle){6, 8, 1, (const uint32_t[]){48}};
        const char *text = answer_to(&asked, &outcome);
        REQUIRE(text != NULL);
        EXPECT_CONTAINS(text, "\"area\":0");
        EXPECT(schema_accepts("#/components/schemas/Detection", text));
        asked_free(&asked);
    }
}

// ---- Batches and pictures ----

static void answers_batches(void) {
    struct detect_outcome outcomes[3];
    char body[1024];
    snprintf(body, sizeof body,
             "{\"id\":\"b1\",\"images\":[{\"b64\":\"%s\"},{\"b64\":\"\"},"
             "{\"b64\":\"%s\"}],\"options\":{\"timing\":false,\"mask\":\"none\"}}",
             test_png_base64(), test_png_base64());
    ask_text(&asked, "/v1/detect/batch", "application/json", body);
    REQUIRE(asked.accepted);
    test_outcome(&outcomes[0], &asked.arena);
    test_outcome(&outcomes[2], &asked.arena);
    outcomes[1] = (struct detect_outcome){.fault = asked.request.pictures[1].fault};
    outcomes[2].list.items[0].score = NAN;
    const char *text = answer_to(&asked, outcomes);
    REQUIRE(text != NULL);
    EXPECT_CONTAINS(text, "{\"request_id\":\"b1\",\"results\":[{\"request_id\":\"b1\",\"model\":");
    EXPECT_CONTAINS(text, PERSON "null}," DOG "null}],\"truncated\"");
    // What was begun of the third is gone.
    EXPECT_CONTAINS(text,
                    "\"timing\":false}},{\"error\":\"the image has 0 bytes\","
                    "\"code\":\"image_empty\",\"status\":422,\"request_id\":\"b1\"},"
                    "{\"error\":\"the model's result is not a finite number\","
                    "\"code\":\"non_finite_output\",\"status\":500,\"request_id\":\"b1\"}]}\n");
    EXPECT(schema_accepts("#/components/schemas/Batch", text));
    asked_free(&asked);
}

static void numbers_batches(void) {
    struct detect_outcome outcomes[2];
    char body[1024];
    snprintf(body, sizeof body,
             "{\"images\":[{\"b64\":\"%s\"},{\"b64\":\"%s\"}],"
             "\"options\":{\"format\":\"coco\",\"image_id\":7}}",
             test_png_base64(), test_png_base64());
    ask_text(&asked, "/v1/detect/batch", "application/json", body);
    REQUIRE(asked.accepted);
    test_outcome(&outcomes[0], &asked.arena);
    test_outcome(&outcomes[1], &asked.arena);
    const char *text = answer_to(&asked, outcomes);
    REQUIRE(text != NULL);
    EXPECT_CONTAINS(text, "\"results\":[[{\"image_id\":7,");
    EXPECT_CONTAINS(text, "],[{\"image_id\":8,");
    EXPECT(schema_accepts("#/components/schemas/Batch", text));
    asked_free(&asked);
}

// The picture with or without masks on it, as a file that our decoder reads: a black one with one
// object in its middle.
enum { WIDE = 200, HIGH = 160 };

static void draw_answer(struct image *image, const char *query, const char *accept) {
    static const uint32_t RUNS[] = {HIGH * 50, HIGH * 100, HIGH * 50};
    struct detection object = {
        .box = {50, 0, 150, HIGH},
        .score = 0.5F,
        .label = 1,
        .mask = {HIGH, WIDE, 3, RUNS},
    };
    struct detect_outcome outcome = {.list = {&object, 1}};
    struct answer answer;
    struct image_info info;
    struct error err;
    const struct image_limits limits = image_limits_default();
    ask_with("/v1/detect", query, accept);
    outcome.image =
        (struct image){WIDE, HIGH, arena_alloc_zero(&asked.arena, (int64_t)WIDE * HIGH * 3, 1)};
    REQUIRE(asked.dialect->write(&answer, &asked.request, &outcome, &test_model, &asked.arena,
                                 &asked.fault));
    EXPECT_TEXT(answer.content_type, accept);
    EXPECT_OK(image_decode(image, &info, answer.body.data, answer.body.size, "overlay", &limits,
                           false, &asked.arena, &err),
              &err);
    EXPECT_INT(info.format, strcmp(accept, "image/png") == 0 ? IMAGE_PNG : IMAGE_JPEG);
    EXPECT_INT(image->width, WIDE);
    EXPECT_INT(image->height, HIGH);
    output_discard(&answer.body);
}

// The sum of the colours of a pixel.
static int brightness(const struct image *image, int x, int y) {
    const uint8_t *pixel = image->pixels + (y * WIDE + x) * 3;
    return pixel[0] + pixel[1] + pixel[2];
}

static void draws_overlays(void) {
    static const char *const TYPES[] = {"image/png", "image/jpeg"};
    struct image image;
    for (int i = 0; i < 2; i++) {
        draw_answer(&image, NULL, TYPES[i]);
        EXPECT(brightness(&image, 100, 80) > 40);
        EXPECT(brightness(&image, 20, 80) < 20);
        asked_free(&asked);
        draw_answer(&image, "mask=box", TYPES[i]);
        EXPECT(brightness(&image, 100, 80) < 20);
        EXPECT(brightness(&image, 50, 80) > 40);
        asked_free(&asked);
    }
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"writes_rle", writes_rle},
                         {"writes_other_forms", writes_other_forms},
                         {"writes_coco", writes_coco},
                         {"writes_nothing_found", writes_nothing_found},
                         {"writes_all_digits", writes_all_digits},
                         {"writes_timing", writes_timing},
                         {"says_how_pictures_lie", says_how_pictures_lie},
                         {"orders_objects", orders_objects},
                         {"rounds_numbers", rounds_numbers},
                         {"refuses_what_is_not_finite", refuses_what_is_not_finite},
                         {"follows_masks", follows_masks},
                         {"takes_empty_masks", takes_empty_masks},
                         {"answers_batches", answers_batches},
                         {"numbers_batches", numbers_batches},
                         {"draws_overlays", draws_overlays},
                         {0},
                     });
}
