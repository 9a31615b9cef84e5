// Requests for one picture and for several: all ways to send them, and all that can be wrong.
#include "server/native_request.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/harness.h"
#include "tests/server/check_request.h"

static struct asked asked;

#define JSON_TYPE "application/json"

static void expect_code(const char *code) {
    EXPECT_TEXT(asked_code(&asked), code);
    if (strcmp(asked_code(&asked), code) != 0) EXPECT_TEXT(asked.fault.message, "");
    EXPECT((asked.fault.message[0] != '\0') == !asked.accepted);
    asked_free(&asked);
}

// A file as the body.
static void ask_raw(const char *content_type, const void *bytes, int64_t size) {
    const struct http_request http = {
        .path = "/v1/detect",
        .content_type = content_type,
        .body = bytes,
        .body_size = size,
    };
    ask(&asked, &http);
}

static void takes_bodies(void) {
    static const char *const TYPES[] = {
        NULL,        "image/jpeg", "image/jpg; q=1", "IMAGE/JPEG", "application/octet-stream",
        "image/webp"};
    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++) {
        ask_raw(TYPES[i], test_jpeg()->data, test_jpeg()->size);
        EXPECT_INT(asked.request.num_pictures, 1);
        EXPECT(asked.request.pictures[0].bytes == (const uint8_t *)test_jpeg()->data);
        EXPECT_INT(asked.request.pictures[0].size, test_jpeg()->size);
        EXPECT_TEXT(asked.request.id, "made-up");
        expect_code("");
    }
    ask_raw("image/png", test_png()->data, test_png()->size);
    expect_code("");
}

#define BYTES(text) (text), (int64_t)sizeof(text) - 1

static void knows_pictures(void) {
    static const struct {
        const char *type;
        const char *bytes;
        int64_t size;
        const char *code;
        const char *message;
    } CASES[] = {
        {"image/jpeg", BYTES(""), "image_empty", "0 bytes"},
        {NULL, BYTES(""), "image_empty", "0 bytes"},
        {NULL, BYTES("hello"), "unsupported_media_type", "neither"},
        {"image/jpeg", BYTES("\xFF\xD8"), "unsupported_media_type", "neither"},
        {"image/png", BYTES("\x89PNG\r\n\x1A"), "unsupported_media_type", "neither"},
        {"image/gif", BYTES("GIF89a...."), "unsupported_media_type", "GIF"},
        {"image/webp", BYTES("RIFF\1\0\0\0WEBPVP8 "), "unsupported_media_type", "WebP"},
        {"image/tiff", BYTES("II*\0abcd"), "unsupported_media_type", "TIFF"},
        {"image/jpeg", BYTES("MM\0*abcd"), "unsupported_media_type", "TIFF"},
        {NULL, BYTES("<svg xmlns=''>"), "unsupported_media_type", "SVG"},
        {NULL, BYTES("<?xml version='1.0'?>"), "unsupported_media_type", "XML"},
        {NULL,
         BYTES("\0\0\0\x1C"
               "ftypavif"),
         "unsupported_media_type", "AVIF"},
        {NULL, BYTES("{\"image\":{}}"), "unsupported_media_type", "JSON"},
        {"image/png", BYTES("\xFF\xD8\xFF\xE0"), "type_mismatch", "PNG"},
        {"image/x-png", BYTES("\xFF\xD8\xFF\xE0"), "type_mismatch", "PNG"},
        {"image/jpeg", BYTES("\x89PNG\r\n\x1A\n...."), "type_mismatch", "JPEG"},
        {"text/plain", BYTES("\xFF\xD8\xFF\xE0"), "unsupported_media_type", "Content-Type"},
        {"application/x-www-form-urlencoded", BYTES("a=b"), "unsupported_media_type",
         "application/json"},
        {"", BYTES("\xFF\xD8\xFF\xE0"), "unsupported_media_type", "Content-Type"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        ask_raw(CASES[i].type, CASES[i].bytes, CASES[i].size);
        EXPECT_CONTAINS(asked.fault.message, CASES[i].message);
        expect_code(CASES[i].code);
    }
}

// ---- JSON ----

// Asks with a body in which each $ is a picture's base64 text.
static void ask_json(const char *path, const char *pattern) {
    struct output body;
    output_open_memory(&body);
    for (const char *at = pattern; *at; at++) {
        if (*at == '$')
            output_text(&body, test_png_base64());
        else
            output_write(&body, at, 1);
    }
    output_text(&body, "");
    ask_text(&asked, path, JSON_TYPE, body.size ? body.data : "");
    output_discard(&body);
}

static void takes_json(void) {
    ask_json("/v1/detect", "{\"id\":\"a1\",\"image\":{\"b64\":\"$\"},\"options\":{\"score\":0.5}}");
    EXPECT_TEXT(asked.request.id, "a1");
    EXPECT_NEAR(asked.request.options.score, 0.5, 0);
    EXPECT_INT(asked.request.pictures[0].size, test_png()->size);
    EXPECT(memcmp(asked.request.pictures[0].bytes, test_png()->data, (size_t)test_png()->size) ==
           0);
    expect_code("");
    ask_json("/v1/detect", " {\n\"\\u0069mage\" : {\"b64\":\"\\n$\\r\\n\"}\n} \n");
    expect_code("");
    ask_json("/v1/detect/batch",
             "{\"images\":[{\"b64\":\"$\"},{\"b64\":\"AAAA\"},{\"b64\":\"$\"}]}");
    EXPECT_INT(asked.request.num_pictures, 3);
    EXPECT_INT(asked.request.pictures[0].fault.code, FAULT_NONE);
    EXPECT_INT(asked.request.pictures[1].fault.code, FAULT_UNSUPPORTED_MEDIA_TYPE);
    EXPECT_INT(asked.request.pictures[2].fault.code, FAULT_NONE);
    expect_code("");
}

// Some writers put a backslash before each slash.
static void takes_escaped_slashes(void) {
    struct output whole;
    output_open_memory(&whole);
    output_text(&whole, "{\"image\":{\"b64\":\"");
    for (const char *c = test_jpeg_base64(); *c; c++) {
        if (*c == '/') output_text(&whole, "\\");
        output_write(&whole, c, 1);
    }
    output_text(&whole, "\"}}");
    ask_text(&asked, "/v1/detect", JSON_TYPE, whole.data);
    EXPECT_INT(asked.request.pictures[0].size, test_jpeg()->size);
    EXPECT(memcmp(asked.request.pictures[0].bytes, test_jpeg()->data, (size_t)test_jpeg()->size) ==
           0);
    expect_code("");
    output_discard(&whole);
}

static void refuses_json(void) {
    static const struct {
        const char *body;
        const char *code;
    } CASES[] = {
        {"", "bad_json"},
        {" ", "bad_json"},
        {"null", "bad_json"},
        {"[]", "bad_json"},
        {"\"$\"", "bad_json"},
        {"{}", "no_image"},
        {"{\"id\":\"x\"}", "no_image"},
        {"{\"image\":null}", "bad_json"},
        {"{\"image\":\"$\"}", "bad_json"},
        {"{\"image\":{}}", "bad_json"},
        {"{\"image\":[{\"b64\":\"$\"}]}", "bad_json"},
        {"{\"image\":{\"b64\":1}}", "bad_json"},
        {"{\"image\":{\"url\":\"http://localhost/\"}}", "unknown_field"},
        {"{\"image\":{\"path\":\"/etc/passwd\"}}", "unknown_field"},
        {"{\"imag\":{\"b64\":\"$\"}}", "unknown_field"},
        {"{\"images\":[{\"b64\":\"$\"}]}", "unknown_field"},
        {"{\"image\":{\"b64\":\"$\"},\"image\":{\"b64\":\"$\"}}", "bad_json"},
        {"{\"image\":{\"b64\":\"$\",\"b64\":\"$\"}}", "bad_json"},
        {"{\"image\":{\"b64\":\"$\"}} x", "bad_json"},
        {"{\"image\":{\"b64\":\"$\"},}", "bad_json"},
        {"{\"image\":{\"b64\":\"$\"}}{}", "bad_json"},
        {"{\"image\":{\"b64\":\"$\"}", "bad_json"},
        {"{\"image\":{\"b64\":\"$", "bad_json"},
        {"{/* x */\"image\":{\"b64\":\"$\"}}", "bad_json"},
        {"{\"image\":{\"b64\":\"$\"},\"options\":{\"score\":NaN}}", "bad_json"},
        {"{\"image\":{\"b64\":\"$\"},\"options\":{\"score\":Infinity}}", "bad_json"},
        {"{\"image\":{\"b64\":\"$\"},\"options\":{\"score\":01}}", "bad_json"},
        {"{\"image\":{\"b64\":\"$\"},\"options\":{\"score\":.5}}", "bad_json"},
        {"{\"image\":{\"b64\":\"$\"},\"options\":null}", "bad_option"},
        {"{'image':{'b64':'$'}}", "bad_json"},
        {"{\"image\":{\"b64\":\"\\ud800\"}}", "bad_json"},
        {"{\"image\":{\"b64\":\"\\udc00\\ud800\"}}", "bad_json"},
        {"{\"image\":{\"b64\":\"\xFF\xFE\"}}", "bad_json"},
        {"{\"image\":{\"b64\":\"\xC0\xAF\"}}", "bad_json"},
        {"{\"image\":{\"b64\":\"a\nb\"}}", "bad_json"},
        {"{\"image\":{\"b64\":\"$\\u0000\"}}", "bad_json"},
        {"{\"image\\u0000\":{\"b64\":\"$\"}}", "bad_json"},
        {"{\"image\":{\"b64\":\"$\"},\"options\":{\"score\\u0000x\":1}}", "bad_json"},
        {"{\"image\":{\"b64\":\"$\"},\"options\":{\"classes\":[\"person\\u0000\"]}}", "bad_json"},
        {"{\"image\":{\"b64\":\"\"}}", "image_empty"},
        {"{\"image\":{\"b64\":\"    \"}}", "image_empty"},
        {"{\"image\":{\"b64\":\"$=\"}}", "bad_base64"},
        {"{\"image\":{\"b64\":\"$A\"}}", "bad_base64"},
        {"{\"image\":{\"b64\":\"====\"}}", "bad_base64"},
        {"{\"image\":{\"b64\":\"AA=A\"}}", "bad_base64"},
        {"{\"image\":{\"b64\":\"AAA\"}}", "bad_base64"},
        {"{\"image\":{\"b64\":\"A===\"}}", "bad_base64"},
        {"{\"image\":{\"b64\":\"AA-_\"}}", "bad_base64"},
        {"{\"image\":{\"b64\":\"!!!!\"}}", "bad_base64"},
        {"{\"image\":{\"b64\":\"data:image/png;base64,$\"}}", "bad_base64"},
        {"{\"image\":{\"b64\":\"AAAA\"}}", "unsupported_media_type"},
        {"{\"id\":7,\"image\":{\"b64\":\"$\"}}", "bad_json"},
        {"{\"id\":\"\",\"image\":{\"b64\":\"$\"}}", "bad_request_id"},
        {"{\"id\":\"a b\",\"image\":{\"b64\":\"$\"}}", "bad_request_id"},
        {"{\"id\":\"a\\nb\",\"image\":{\"b64\":\"$\"}}", "bad_request_id"},
        {"{\"id\":\"\xC3\xA4\",\"image\":{\"b64\":\"$\"}}", "bad_request_id"},
        // 64 is the limit, and one more.
        {"{\"id\":\"0123456789012345678901234567890123456789012345678901234567890123\","
         "\"image\":{\"b64\":\"$\"}}",
         ""},
        {"{\"id\":\"01234567890123456789012345678901234567890123456789012345678901234\","
         "\"image\":{\"b64\":\"$\"}}",
         "bad_request_id"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        ask_json("/v1/detect", CASES[i].body);
        if (strcmp(asked_code(&asked), CASES[i].code) != 0) EXPECT_TEXT(CASES[i].body, "");
        expect_code(CASES[i].code);
    }
}

// times copies of text between begin and end.
static char *repeat(const char *begin, const char *text, int64_t times, const char *end) {
    size_t size = strlen(text);
    char *all = malloc(strlen(begin) + size * (size_t)times + strlen(end) + 1);
    char *at = stpcpy(all, begin);
    for (int64_t i = 0; i < times; i++, at += size)
        memcpy(at, text, size);
    stpcpy(at, end);
    return all;
}

static void ask_large(const char *begin, const char *text, int64_t times, const char *end,
                      const char *code) {
    char *body = repeat(begin, text, times, end);
    ask_text(&asked, "/v1/detect", JSON_TYPE, body);
    expect_code(code);
    free(body);
}

static void bounds_json(void) {
    // An object and fifteen arrays are sixteen levels.
    ask_large("{\"a\":", "[", 15, "]]]]]]]]]]]]]]]}", "unknown_field");
    ask_large("{\"a\":", "[", 16, "]]]]]]]]]]]]]]]]}", "json_too_deep");
    ask_large("", "[", 1001, "", "json_too_deep");
    ask_large("", "[", 250000, "", "json_too_deep");
    ask_large("", "{\"a\":", 250000, "", "json_too_deep");
    ask_large("[0", ",0", 1000000, "]", "json_too_many_values");
    ask_large("{\"a\":0", ",\"a\":0", 1000000, "}", "json_too_many_values");
    // The object, its options, their list and 4093 classes.
    ask_large("{\"options\":{\"classes\":[1", ",1", 4092, "]}}", "no_image");
    ask_large("{\"options\":{\"classes\":[1", ",1", 4093, "]}}", "json_too_many_values");
    ask_large("{\"x\":\"", "0123456789", 1000000, "\"}", "unknown_field");
    ask_large("{\"id\":\"", "0123456789", 1000000, "\"}", "bad_request_id");
    ask_large("{\"options\":{\"mask\":\"", "0123456789", 1000000, "\"}}", "body_too_large");
    ask_large("{\"image\":{\"b64\":\"", "AAAA", 2500000, "\"}}", "unsupported_media_type");
    ask_large("{\"image\":{\"b64\":\"AAAA\"}", " ", 1 << 20, "}", "body_too_large");
}

// ---- Forms ----

static void ask_form(const char *path, const char *const *names, const char *const *values) {
    struct output body;
    output_open_memory(&body);
    for (int i = 0; names[i]; i++) {
        output_printf(&body, "--xx\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n",
                      names[i]);
        if (strcmp(values[i], "$") == 0)
            output_write(&body, test_jpeg()->data, test_jpeg()->size);
        else
            output_text(&body, values[i]);
        output_text(&body, "\r\n");
    }
    output_text(&body, "--xx--\r\n");
    const struct http_request http = {
        .path = path,
        .content_type = "multipart/form-data; boundary=xx",
        .body = (const uint8_t *)body.data,
        .body_size = body.size,
    };
    ask(&asked, &http);
    // What was read must not be looked at any more: pictures lie in the body.
    output_discard(&body);
}

#define NAMES(...)                                                                                 \
    (const char *const[]) {                                                                        \
        __VA_ARGS__, NULL                                                                          \
    }

static void takes_forms(void) {
    ask_form("/v1/detect", NAMES("score", "image", "id"), NAMES("0.5", "$", "b2"));
    EXPECT_INT(asked.request.num_pictures, 1);
    EXPECT_INT(asked.request.pictures[0].size, test_jpeg()->size);
    EXPECT_NEAR(asked.request.options.score, 0.5, 0);
    EXPECT_TEXT(asked.request.id, "b2");
    expect_code("");
    ask_form("/v1/detect/batch", NAMES("image", "image", "image"), NAMES("$", "", "text"));
    EXPECT_INT(asked.request.num_pictures, 3);
    EXPECT_INT(asked.request.pictures[0].fault.code, FAULT_NONE);
    EXPECT_INT(asked.request.pictures[1].fault.code, FAULT_IMAGE_EMPTY);
    EXPECT_INT(asked.request.pictures[2].fault.code, FAULT_UNSUPPORTED_MEDIA_TYPE);
    expect_code("");
}

static void refuses_forms(void) {
    ask_form("/v1/detect", NAMES("score"), NAMES("0.5"));
    expect_code("no_image");
    ask_form("/v1/detect", NAMES("image", "image"), NAMES("$", "$"));
    EXPECT_INT(asked.fault.limit, 1);
    EXPECT_INT(asked.fault.got, 2);
    expect_code("too_many_images");
    ask_form("/v1/detect", NAMES("file"), NAMES("$"));
    expect_code("unknown_field");
    ask_form("/v1/detect", NAMES("image", "score"), NAMES("$", "x"));
    expect_code("bad_option");
    ask_form("/v1/detect", NAMES("image", "id"), NAMES("$", "a/b"));
    expect_code("bad_request_id");
    ask_form("/v1/detect", NAMES("image"), NAMES(""));
    expect_code("image_empty");
    ask_text(&asked, "/v1/detect", "multipart/form-data", "--xx--");
    expect_code("bad_multipart");
}

// ---- Batches ----

static void bounds_batches(void) {
    ask_json("/v1/detect/batch", "{\"images\":[]}");
    expect_code("no_image");
    ask_json("/v1/detect/batch", "{}");
    expect_code("no_image");
    ask_json("/v1/detect/batch", "{\"image\":{\"b64\":\"$\"}}");
    expect_code("unknown_field");
    ask_json("/v1/detect/batch", "{\"images\":{\"b64\":\"$\"}}");
    expect_code("bad_json");
    ask_json("/v1/detect/batch", "{\"images\":[1]}");
    expect_code("bad_json");
#define FOUR "{\"b64\":\"$\"},{\"b64\":\"$\"},{\"b64\":\"$\"},{\"b64\":\"$\"}"
    ask_json("/v1/detect/batch", "{\"images\":[" FOUR "," FOUR "]}");
    EXPECT_INT(asked.request.num_pictures, 8);
    expect_code("");
    ask_json("/v1/detect/batch", "{\"images\":[" FOUR "," FOUR ",{\"b64\":\"$\"}]}");
    EXPECT_INT(asked.fault.limit, 8);
    expect_code("too_many_images");
    const struct http_request raw = {
        .path = "/v1/detect/batch",
        .content_type = "image/jpeg",
        .body = (const uint8_t *)test_jpeg()->data,
        .body_size = test_jpeg()->size,
    };
    ask(&asked, &raw);
    expect_code("unsupported_media_type");
}

// ---- Headers ----

static void ask_headers(const char *path, const char *accept, const char *id) {
    const struct http_request http = {
        .path = path,
        .accept = accept,
        .request_id = id,
        .body = (const uint8_t *)test_jpeg()->data,
        .body_size = test_jpeg()->size,
    };
    ask(&asked, &http);
}

static void takes_headers(void) {
    ask_headers("/v1/detect", "image/png", "A.b-c_9");
    EXPECT_INT(asked.request.answer, ANSWER_PNG);
    EXPECT_TEXT(asked.request.id, "A.b-c_9");
    expect_code("");
    ask_headers("/v1/detect", "image/jpeg, application/json;q=0.9", NULL);
    EXPECT_INT(asked.request.answer, ANSWER_JPEG);
    expect_code("");
    ask_headers("/v1/detect", "text/html", NULL);
    expect_code("not_acceptable");
    ask_headers("/v1/detect/batch", "image/png", NULL);
    expect_code("not_acceptable");
    static const char *const IDS[] = {"",          " ",    "a b",      "a\nb",
                                      "a\x1B[31m", "a\"b", "\xC3\xA4", "a/b"};
    for (size_t i = 0; i < sizeof IDS / sizeof *IDS; i++) {
        ask_headers("/v1/detect", NULL, IDS[i]);
        EXPECT_TEXT(asked.request.id, "made-up");
        expect_code("bad_request_id");
    }
    char *id = repeat("", "x", 65536, "");
    ask_headers("/v1/detect", NULL, id);
    EXPECT_INT(asked.fault.got, 65536);
    expect_code("bad_request_id");
    free(id);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"takes_bodies", takes_bodies},
                         {"knows_pictures", knows_pictures},
                         {"takes_json", takes_json},
                         {"takes_escaped_slashes", takes_escaped_slashes},
                         {"refuses_json", refuses_json},
                         {"bounds_json", bounds_json},
                         {"takes_forms", takes_forms},
                         {"refuses_forms", refuses_forms},
                         {"bounds_batches", bounds_batches},
                         {"takes_headers", takes_headers},
                         {0},
                     });
}
