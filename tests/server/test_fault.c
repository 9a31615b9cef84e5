#include "server/fault.h"

#include <stdio.h>

#include "tests/harness.h"

static const char *written(const struct fault *fault) {
    static char text[1024];
    struct output out;
    output_open_memory(&out);
    fault_write(fault, "a1", &out);
    snprintf(text, sizeof text, "%s", out.data);
    output_discard(&out);
    return text;
}

static void writes(void) {
    struct fault fault;
    EXPECT(!fault_set(&fault, FAULT_BAD_JSON, "line %d: \"x\"\n", 3));
    EXPECT_TEXT(written(&fault), "{\"error\":\"line 3: \\\"x\\\"\\n\",\"code\":\"bad_json\","
                                 "\"status\":400,\"request_id\":\"a1\"}\n");
    EXPECT(!fault_set_limit(&fault, FAULT_IMAGE_TOO_MANY_PIXELS, 40000000, 62000000,
                            "image has 62000000 pixels; the limit is 40000000"));
    EXPECT_TEXT(written(&fault),
                "{\"error\":\"image has 62000000 pixels; the limit is 40000000\","
                "\"code\":\"image_too_many_pixels\",\"status\":422,\"request_id\":\"a1\","
                "\"details\":{\"limit\":40000000,\"got\":62000000}}\n");
    strcpy(fault.field, "image");
    EXPECT_CONTAINS(written(&fault), "\"details\":{\"field\":\"image\",\"limit\":");
}

static void cuts_long_sentences(void) {
    struct fault fault;
    char longer[1000];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    fault_set(&fault, FAULT_INTERNAL, "%s", longer);
    EXPECT_INT((int64_t)strlen(fault.message), FAULT_MESSAGE_BYTES - 1);
    EXPECT_TEXT(fault.message + FAULT_MESSAGE_BYTES - 4, "...");
}

// A library's words about memory say nothing to a client, and nothing they should not.
static void translates_errors(void) {
    struct fault fault;
    struct error err;
    error_set(&err, STATUS_DATA, "wrong");
    EXPECT(!fault_of_error(&fault, FAULT_BAD_BASE64, &err));
    EXPECT_INT(fault.code, FAULT_BAD_BASE64);
    EXPECT_TEXT(fault.message, "wrong");
    error_memory(&err, "secret.txt", 5);
    EXPECT(!fault_of_error(&fault, FAULT_BAD_BASE64, &err));
    EXPECT_INT(fault.code, FAULT_MEMORY_BUDGET);
    EXPECT(!strstr(fault.message, "secret"));
    EXPECT_INT(fault.retry_after, 1);
}

// The words are a promise: this list only grows.
static void keeps_words(void) {
    static const struct {
        const char *word;
        int status;
    } WORDS[] = {
        {"bad_json", 400},
        {"json_too_deep", 400},
        {"json_too_many_values", 400},
        {"unknown_field", 400},
        {"bad_option", 400},
        {"bad_base64", 400},
        {"bad_multipart", 400},
        {"no_image", 400},
        {"ambiguous_framing", 400},
        {"bad_request_id", 400},
        {"auth_required", 401},
        {"auth_invalid", 401},
        {"forbidden_origin", 403},
        {"forbidden_scope", 403},
        {"not_found", 404},
        {"model_not_found", 404},
        {"method_not_allowed", 405},
        {"not_acceptable", 406},
        {"upload_timeout", 408},
        {"body_too_large", 413},
        {"too_many_images", 413},
        {"unsupported_media_type", 415},
        {"type_mismatch", 415},
        {"image_empty", 422},
        {"image_corrupt", 422},
        {"image_too_many_pixels", 422},
        {"image_side_too_long", 422},
        {"image_too_many_scans", 422},
        {"image_too_much_memory", 422},
        {"rate_limited", 429},
        {"internal", 500},
        {"non_finite_output", 500},
        {"queue_full", 503},
        {"loading", 503},
        {"draining", 503},
        {"memory_budget", 503},
        {"device_lost", 503},
        {"deadline_queue", 504},
        {"deadline_infer", 504},
    };
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++) {
        int code = 1;
        while (code < NUM_FAULTS && strcmp(fault_word((enum fault_code)code), WORDS[i].word) != 0)
            code++;
        REQUIRE(code < NUM_FAULTS);
        EXPECT_INT(fault_status((enum fault_code)code), WORDS[i].status);
    }
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"writes", writes},
                         {"cuts_long_sentences", cuts_long_sentences},
                         {"translates_errors", translates_errors},
                         {"keeps_words", keeps_words},
                         {0},
                     });
}
