// The JSON reader and writer: what RFC 8259 accepts and refuses, places in messages, round trips.
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json_reader.h"
#include "base/json_writer.h"
#include "base/random.h"
#include "tests/harness.h"

static enum status skip_all(const char *text, int64_t size, struct error *err) {
    struct json_reader r;
    json_reader_init(&r, text, size, "t.json", err);
    json_skip(&r);
    json_end(&r);
    return json_status(&r);
}

static void accepted(void) {
    const char *const texts[] = {
        "null",
        "true",
        "false",
        " 1 ",
        "-0",
        "1e5",
        "\"\"",
        "[]",
        "{}",
        "[[]]",
        "[{}]",
        "{\"\":0}",
        "[1,2,3]",
        "[1, [2, {\"a\": [3]}], \"x\"]",
        "{\"a\":1,\"a\":2}",
        "\t\r\n[ ]\n",
        "\"\\u00e9\\ud83d\\ude00\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
        "\"\xC3\xA9\xF0\x9F\x98\x80\"",
        "\"\\u0000\"",
        "[\"a\", \"bcdefghijklmnopqrstuvwxyz 0123456789\"]",
        "\"\x7F\"",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct error err;
        EXPECT_OK(skip_all(texts[i], (int64_t)strlen(texts[i]), &err), &err);
    }
}

static void refused(void) {
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        {"", "line 1, column 1: expected a value, found the end of the file"},
        {"[1,]", "column 4: expected a value"},
        {"[1 2]", "column 4: expected ',' or ']', found a number"},
        {"[,1]", "expected a value, found ','"},
        {"{\"a\":1,}", "expected a key in quotes, found '}'"},
        {"{a:1}", "expected a key in quotes, found 'a'"},
        {"{\"a\" 1}", "expected ':', found a number"},
        {"{\"a\":}", "expected a value"},
        {"[1", "expected ',' or ']', found the end of the file"},
        {"{\"a\":1", "expected ',' or '}', found the end of the file"},
        {"\"abc", "this string has no end"},
        {"\"a\nb\"", "control character"},
        {"\"\\x\"", "malformed escape"},
        {"\"\\ud800\"", "malformed escape"},
        {"\"\\udc00\\ud800\"", "malformed escape"},
        {"\"\\u12g4\"", "malformed escape"},
        {"\"\xC0\x80\"", "invalid UTF-8"},
        {"\"\xED\xA0\x80\"", "invalid UTF-8"},
        {"\"\xF4\x90\x80\x80\"", "invalid UTF-8"},
        {"\"\xE2\x82\"", "invalid UTF-8"},
        {"nul", "expected null"},
        {"tru", "expected true or false"},
        {"NaN", "expected a value, found 'N'"},
        {"-Infinity", "expected a value"},
        {"01", "expected a value"},
        {"[1] x", "expected the end of the file, found 'x'"},
        {"// c\n1", "expected a value, found '/'"},
        {"[1]\n\n  ]", "line 3, column 3: expected the end of the file, found ']'"},
        {"\xEF\xBB\xBF[]", "found byte 0xef"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {0};
        EXPECT_STATUS(skip_all(cases[i].text, (int64_t)strlen(cases[i].text), &err), STATUS_DATA,
                      &err);
        EXPECT_CONTAINS(err.message, cases[i].message);
        EXPECT_CONTAINS(err.message, "t.json: ");
    }
}

static void depth_is_limited(void) {
    char text[250000];
    memset(text, '[', sizeof text);
    struct error err;
    EXPECT_STATUS(skip_all(text, sizeof text, &err), STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message, "more than 200 levels deep");
    memset(text, '[', 200);
    memset(text + 200, ']', 200);
    EXPECT_OK(skip_all(text, 400, &err), &err);
}

// Every prefix of a document is an error, never a crash or an endless loop.
static void prefixes(void) {
    const char text[] =
        "{\"a\": [1.5e3, true, null, \"x\\u00e9\xC3\xA9\", {\"b\": []}], \"c\": -1}";
    struct error err;
    for (int64_t size = 0; size < (int64_t)sizeof text - 1; size++)
        EXPECT_STATUS(skip_all(text, size, &err), STATUS_DATA, &err);
    EXPECT_OK(skip_all(text, (int64_t)sizeof text - 1, &err), &err);
}

static void integers(void) {
    static const struct {
        const char *text;
        int64_t value;
        bool accepted;
    } cases[] = {
        {"0", 0, true},
        {"-17", -17, true},
        {"9223372036854775807", INT64_MAX, true},
        {"-9223372036854775807", -INT64_MAX, true},
        {"1.0", 1, true},
        {"1e3", 1000, true},
        {"2147483648", INT64_C(2147483648), true},
        {"1.5", 0, false},
        {"9223372036854775808", 0, false},
        {"1e300", 0, false},
        {"\"1\"", 0, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err;
        struct json_reader r;
        json_reader_init(&r, cases[i].text, (int64_t)strlen(cases[i].text), "t", &err);
        EXPECT_INT(json_int64(&r), cases[i].value);
        EXPECT_INT(json_status(&r) == STATUS_OK, cases[i].accepted);
    }
}

static void strings_are_unescaped(void) {
    const char text[] = "[\"a\\\"\\\\\\/\\u00e9\\ud83d\\ude00z\", \"plain\"]";
    struct error err;
    struct json_reader r;
    struct arena arena;
    arena_init(&arena, 1024, 0);
    json_reader_init(&r, text, (int64_t)sizeof text - 1, "t", &err);
    json_begin_array(&r);
    EXPECT(json_next_element(&r));
    EXPECT_TEXT(json_text(&r, &arena), "a\"\\/\xC3\xA9\xF0\x9F\x98\x80z");
    EXPECT(json_next_element(&r));
    EXPECT_TEXT(json_text(&r, &arena), "plain");
    EXPECT(!json_next_element(&r));
    EXPECT_OK(json_status(&r), &err);
    json_reader_init(&r, "\"\\u0000\"", 8, "t", &err);
    EXPECT(!json_text(&r, &arena));
    EXPECT_CONTAINS(err.message, "contains \\u0000");
    arena_destroy(&arena);
}

static void keys_may_be_escaped(void) {
    struct error err;
    struct json_reader r;
    struct json_string key;
    const char text[] = "{\"\\u0069d\": 7}";
    json_reader_init(&r, text, (int64_t)sizeof text - 1, "t", &err);
    json_begin_object(&r);
    EXPECT(json_next_key(&r, &key));
    EXPECT(json_string_is(&key, "id"));
    EXPECT(!json_string_is(&key, "id2"));
    EXPECT_INT(json_int64(&r), 7);
}

static void errors_stick(void) {
    struct error err;
    struct json_reader r;
    json_reader_init(&r, "[x, 1, 2]", 9, "t", &err);
    json_begin_array(&r);
    int count = 0;
    while (json_next_element(&r)) {
        (void)json_double(&r);
        count++;
    }
    EXPECT_INT(count, 1);
    EXPECT_CONTAINS(err.message, "expected a number, found 'x'");
    json_reader_init(&r, "1e400", 5, "t", &err);
    (void)json_double(&r);
    EXPECT_CONTAINS(err.message, "expected a number, found a number beyond the range of double");
}

static void writes_what_it_should(void) {
    struct output out;
    struct json_writer w;
    output_open_memory(&out);
    json_writer_init(&w, &out, 0);
    json_write_begin_object(&w);
    json_write_key_text(&w, "t", "q\" b\\ n\n \x01 \xC3\xA9 bad\xFF");
    json_write_key_double(&w, "d", 0.1);
    json_write_key_int64(&w, "i", INT64_MIN);
    json_write_key(&w, "a");
    json_write_begin_array(&w);
    json_write_bool(&w, true);
    json_write_null(&w);
    json_write_begin_object(&w);
    json_write_end_object(&w);
    json_write_end_array(&w);
    json_write_end_object(&w);
    EXPECT_TEXT(out.data, "{\"t\":\"q\\\" b\\\\ n\\n \\u0001 \xC3\xA9 bad\xEF\xBF\xBD\",\"d\":0.1,"
                          "\"i\":-9223372036854775808,\"a\":[true,null,{}]}");
    output_discard(&out);
}

// What is written reads back as the same bits.
static void expect_survives(double value) {
    struct output out;
    struct json_writer w;
    struct json_reader r;
    struct error err;
    output_open_memory(&out);
    json_writer_init(&w, &out, 0);
    json_write_double(&w, value);
    json_reader_init(&r, out.data, out.size, "t", &err);
    double read = json_double(&r);
    EXPECT_NEAR(read, value, 0);
    EXPECT_INT(signbit(read), signbit(value));
    output_discard(&out);
}

static void doubles_survive(void) {
    struct random random = random_stream(3, 0);
    for (int i = 0; i < 20000; i++) {
        double value = random_normal(&random) * pow(10, (double)random_below(&random, 40) - 20);
        expect_survives(value);
        expect_survives(rint(value * 1000) / 1000);
        expect_survives(rint(value));
    }
    expect_survives(-0.0);
    expect_survives(0.5);
    expect_survives(-0.0625);
    expect_survives(999999999999999.9);
    expect_survives(DBL_MIN);
    expect_survives(DBL_MAX);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"accepted", accepted},
                                          {"refused", refused},
                                          {"depth_is_limited", depth_is_limited},
                                          {"prefixes", prefixes},
                                          {"integers", integers},
                                          {"strings_are_unescaped", strings_are_unescaped},
                                          {"keys_may_be_escaped", keys_may_be_escaped},
                                          {"errors_stick", errors_stick},
                                          {"writes_what_it_should", writes_what_it_should},
                                          {"doubles_survive", doubles_survive},
                                          {0}});
}
