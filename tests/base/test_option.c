#include "base/option.h"

#include <cjson/cJSON.h>

#include "base/json_writer.h"
#include "base/output.h"
#include "tests/harness.h"

enum color { RED, GREEN, BLUE };

struct fields {
    bool flag;
    bool on;
    int64_t count;
    int64_t depth;
    double rate;
    const char *file;
    const char *word;
    enum color color;
    struct option_ints ints;
    struct option_doubles doubles;
    struct option_texts texts;
};

static const char *const COLORS[] = {"red", "green", "blue", NULL};
static const char *const DEPTHS[] = {"50", "101", "152", NULL};

static const struct option ROWS[] = {
    {.name = "flag", OPTION_FIELD(struct fields, flag)},
    {.name = "on", OPTION_FIELD(struct fields, on), .default_text = "true"},
    {.name = "count", OPTION_FIELD(struct fields, count), OPTION_AT_LEAST(1), .default_text = "7"},
    {.name = "model.depth",
     OPTION_FIELD(struct fields, depth),
     .choices = DEPTHS,
     .default_text = "50"},
    {.name = "model.gate.rate", OPTION_FIELD(struct fields, rate), OPTION_BETWEEN(0, 1)},
    {.name = "model.gate.file", OPTION_FIELD(struct fields, file), .metavar = "FILE"},
    {.name = "word", OPTION_FIELD(struct fields, word), .required = true},
    {.name = "color",
     OPTION_FIELD(struct fields, color),
     .choices = COLORS,
     .default_text = "blue"},
    {.name = "ints",
     OPTION_FIELD(struct fields, ints),
     OPTION_BETWEEN(-5, 1000),
     .default_text = "1,10,100"},
    {.name = "doubles", OPTION_FIELD(struct fields, doubles), OPTION_BETWEEN(0, 1)},
    {.name = "texts", OPTION_FIELD(struct fields, texts), .choices = COLORS},
    {0},
};

static const struct option_origin COMMAND_LINE = {OPTION_FROM_COMMAND_LINE, NULL};
static const struct option_origin FILE_A = {OPTION_FROM_FILE, "a.json"};

static struct arena arena;
static struct options options;
static struct fields fields;
static struct error err;

static void set_up(void) {
    arena_destroy(&arena);
    arena_init(&arena, 4096, 0);
    EXPECT_OK(options_init(&options, ROWS, &fields, &arena, &err), &err);
}

static enum status set(const char *name, const char *text) {
    return options_set_text(&options, name, text, COMMAND_LINE, &err);
}

static enum status set_json(const char *name, const char *json) {
    cJSON *value = cJSON_Parse(json);
    REQUIRE(value);
    enum status status = options_set_json(&options, name, value, FILE_A, &err);
    cJSON_Delete(value);
    return status;
}

// All values as JSON, for the caller to discard.
static struct output effective_values(void) {
    struct output out;
    output_open_memory(&out);
    struct json_writer w;
    json_writer_init(&w, &out, 2);
    options_write_json(&options, &w);
    return out;
}

// A refused value changes nothing.
static void expect_unchanged(struct output *before) {
    struct output after = effective_values();
    EXPECT_TEXT(after.data, before->data);
    output_discard(&after);
    output_discard(before);
}

static void defaults(void) {
    memset(&fields, 0xA5, sizeof fields);
    set_up();
    EXPECT(!fields.flag && fields.on);
    EXPECT_INT(fields.count, 7);
    EXPECT_INT(fields.depth, 50);
    EXPECT(fields.rate == 0);
    EXPECT(!fields.file && !fields.word);
    EXPECT_INT(fields.color, BLUE);
    EXPECT_INT(fields.ints.count, 3);
    EXPECT_INT(fields.ints.items[2], 100);
    EXPECT_INT(fields.doubles.count, 0);
    EXPECT_INT(fields.texts.count, 0);
}

static void values_from_text(void) {
    set_up();
    EXPECT_OK(set("flag", "true"), &err);
    EXPECT_OK(set("on", "false"), &err);
    EXPECT(fields.flag && !fields.on);
    EXPECT_OK(set("count", "9223372036854775807"), &err);
    EXPECT_INT(fields.count, INT64_MAX);
    EXPECT_OK(set("model.depth", "152"), &err);
    EXPECT_INT(fields.depth, 152);
    EXPECT_OK(set("model.gate.rate", ".5e-1"), &err);
    EXPECT(fields.rate == 0.05);
    EXPECT_OK(set("model.gate.file", ""), &err);
    EXPECT_TEXT(fields.file, "");
    EXPECT_OK(set("color", "green"), &err);
    EXPECT_INT(fields.color, GREEN);
    EXPECT_OK(set("ints", "-5,+3"), &err);
    EXPECT_INT(fields.ints.count, 2);
    EXPECT_INT(fields.ints.items[0], -5);
    EXPECT_INT(fields.ints.items[1], 3);
    EXPECT_OK(set("texts", "blue,red,blue"), &err);
    EXPECT_INT(fields.texts.count, 3);
    EXPECT_TEXT(fields.texts.items[1], "red");
}

// What numpy.linspace(0.5, 0.95, 10) gives, bit for bit: the IoU thresholds of COCO.
static void ranges_are_linspace(void) {
    static const double thresholds[] = {
        0x1.0000000000000p-1, 0x1.199999999999ap-1, 0x1.3333333333333p-1, 0x1.4cccccccccccdp-1,
        0x1.6666666666666p-1, 0x1.8000000000000p-1, 0x1.999999999999ap-1, 0x1.b333333333333p-1,
        0x1.cccccccccccccp-1, 0x1.e666666666666p-1,
    };
    set_up();
    EXPECT_OK(set("doubles", "0.5:0.95:0.05"), &err);
    EXPECT_INT(fields.doubles.count, 10);
    for (int i = 0; i < 10; i++)
        EXPECT(fields.doubles.items[i] == thresholds[i]);
    EXPECT_OK(set("doubles", "0.1,0.2:0.4:0.1,0.9"), &err);
    EXPECT_INT(fields.doubles.count, 5);
    EXPECT_NEAR(fields.doubles.items[2], 0.3, 1e-15);
    EXPECT(fields.doubles.items[3] == 0.4 && fields.doubles.items[4] == 0.9);
}

static void wrong_text(void) {
    static const struct {
        const char *name;
        const char *text;
        const char *message;
    } cases[] = {
        {"flag", "yes", "flag: \"yes\" is not true or false"},
        {"count", "x", "count: \"x\" is not a whole number of at least 1"},
        {"count", "0", "count: 0 is not a whole number of at least 1"},
        {"count", "", "count: \"\" is not a whole number of at least 1"},
        {"count", " 1", "count: \" 1\" is not a whole number of at least 1"},
        {"count", "1.5", "count: 1.5 is not a whole number of at least 1"},
        {"count", "9223372036854775808",
         "count: 9223372036854775808 is not a whole number of at least 1"},
        {"model.depth", "52", "model.depth: 52 is not one of 50, 101, 152"},
        {"model.gate.rate", "nan", "model.gate.rate: \"nan\" is not a number from 0 to 1"},
        {"model.gate.rate", "inf", "model.gate.rate: \"inf\" is not a number from 0 to 1"},
        {"model.gate.rate", "0x1p-1", "model.gate.rate: \"0x1p-1\" is not a number from 0 to 1"},
        {"model.gate.rate", "1e999", "model.gate.rate: \"1e999\" is not a number from 0 to 1"},
        {"model.gate.rate", "1.01", "model.gate.rate: 1.01 is not a number from 0 to 1"},
        {"model.gate.rate", "0.5 ", "model.gate.rate: \"0.5 \" is not a number from 0 to 1"},
        {"color", "pink", "color: \"pink\" is not one of red, green, blue"},
        {"color", "Red\n", "color: \"Red?\" is not one of red, green, blue"},
        {"ints", "", "ints: \"\" is not a list with a value between all commas"},
        {"ints", "1,,2", "ints: \"1,,2\" is not a list with a value between all commas"},
        {"ints", "1,2,", "ints: \"1,2,\" is not a list with a value between all commas"},
        {"ints", "1,1001", "ints: 1001 is not a whole number from -5 to 1000"},
        {"texts", "red,pink", "texts: \"pink\" is not one of red, green, blue"},
        {"doubles", "0.5:0.9:0.3",
         "doubles: \"0.5:0.9:0.3\" is not a range LOW:HIGH:STEP that reaches HIGH in whole steps"},
        {"doubles", "0.5:0.9:0", "doubles: \"0.5:0.9:0\" is not a range"},
        {"doubles", "0.5:0.9:-0.1", "doubles: \"0.5:0.9:-0.1\" is not a range"},
        {"doubles", "0.9:0.5:0.1", "doubles: \"0.9:0.5:0.1\" is not a range"},
        {"doubles", "0.5:0.9", "doubles: \"0.5:0.9\" is not a range"},
        {"doubles", "0:1:1e-300", "doubles: \"0:1:1e-300\" is not a range"},
        {"doubles", "0:2:1", "doubles: 2 is not a number from 0 to 1"},
        {"doubles", "0:1:0.1:0.1", "doubles: \"0:1:0.1:0.1\" is not a range"},
    };
    set_up();
    struct output before = effective_values();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        EXPECT_STATUS(set(cases[i].name, cases[i].text), STATUS_USAGE, &err);
        EXPECT_CONTAINS(err.message, cases[i].message);
    }
    expect_unchanged(&before);
}

static void long_text_is_cut_in_messages(void) {
    char text[3000];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    set_up();
    EXPECT_STATUS(set("count", text), STATUS_USAGE, &err);
    EXPECT_CONTAINS(err.message, "aaa...\" is not a whole number");
    memset(text, '1', sizeof text - 1);
    EXPECT_STATUS(set("count", text), STATUS_USAGE, &err);
    EXPECT_CONTAINS(err.message, "111...\" is not a whole number");
}

static void huge_lists(void) {
    set_up();
    EXPECT_STATUS(set("doubles", "0:1:0.000001,0:1:0.000001"), STATUS_USAGE, &err);
    EXPECT_CONTAINS(err.message, "is not a list of that size");
    EXPECT_OK(set("doubles", "0:1:0.000001"), &err);
    EXPECT_INT(fields.doubles.count, 1000001);
}

static void unknown_names(void) {
    set_up();
    EXPECT_STATUS(set("cuont", "1"), STATUS_USAGE, &err);
    EXPECT_TEXT(err.message, "cuont: no such option; did you mean count?");
    EXPECT_STATUS(set_json("model.dept", "50"), STATUS_DATA, &err);
    EXPECT_TEXT(err.message, "model.dept: no such option; did you mean model.depth?");
    EXPECT_STATUS(set("zebra-crossing", "1"), STATUS_USAGE, &err);
    EXPECT_TEXT(err.message, "zebra-crossing: no such option");
    EXPECT(!options_find(&options, "Count"));
    EXPECT(options_find(&options, "count") == &ROWS[2]);
    EXPECT(!options_suggest(&options, "zebra-crossing"));
}

static void values_from_json(void) {
    set_up();
    EXPECT_OK(set_json("flag", "true"), &err);
    EXPECT(fields.flag);
    EXPECT_OK(set_json("count", "9007199254740992"), &err);
    EXPECT_INT(fields.count, INT64_C(1) << 53);
    EXPECT_OK(set_json("count", "1e3"), &err);
    EXPECT_INT(fields.count, 1000);
    EXPECT_OK(set_json("model.depth", "101"), &err);
    EXPECT_INT(fields.depth, 101);
    EXPECT_OK(set_json("model.gate.rate", "1"), &err);
    EXPECT(fields.rate == 1);
    EXPECT_OK(set_json("word", "\"a\\u00e9\""), &err);
    EXPECT_TEXT(fields.word, "a\xC3\xA9");
    EXPECT_OK(set_json("word", "null"), &err);
    EXPECT(!fields.word);
    EXPECT_OK(set_json("color", "\"red\""), &err);
    EXPECT_INT(fields.color, RED);
    EXPECT_OK(set_json("ints", "[]"), &err);
    EXPECT_INT(fields.ints.count, 0);
    EXPECT_OK(set_json("ints", "[5, -5]"), &err);
    EXPECT_INT(fields.ints.items[1], -5);
    EXPECT_OK(set_json("doubles", "[0.25, 1]"), &err);
    EXPECT(fields.doubles.items[0] == 0.25);
    EXPECT_OK(set_json("texts", "[\"green\"]"), &err);
    EXPECT_TEXT(fields.texts.items[0], "green");
}

static void wrong_json(void) {
    static const struct {
        const char *name;
        const char *json;
        const char *message;
    } cases[] = {
        {"flag", "1", "flag: 1 is not true or false"},
        {"flag", "\"true\"", "flag: \"true\" is not true or false"},
        {"flag", "null", "flag: null is not true or false"},
        {"count", "1.5", "count: 1.5 is not a whole number of at least 1"},
        {"count", "\"5\"", "count: \"5\" is not a whole number of at least 1"},
        {"count", "9007199254740994", "count: 9.00719925474099e+15 is not a whole number"},
        {"count", "1e999", "count: inf is not a whole number"},
        {"count", "true", "count: true is not a whole number"},
        {"count", "[1]", "count: a list is not a whole number"},
        {"count", "{}", "count: an object is not a whole number"},
        {"model.depth", "52", "model.depth: 52 is not one of 50, 101, 152"},
        {"model.gate.rate", "-0.1", "model.gate.rate: -0.1 is not a number from 0 to 1"},
        {"model.gate.rate", "1e999", "model.gate.rate: inf is not a number from 0 to 1"},
        {"word", "5", "word: 5 is not text"},
        {"color", "5", "color: 5 is not one of red, green, blue"},
        {"color", "false", "color: false is not one of red, green, blue"},
        {"color", "\"pink\"", "color: \"pink\" is not one of red, green, blue"},
        {"ints", "5", "ints: 5 is not a list"},
        {"ints", "[1, \"2\"]", "ints: \"2\" is not a whole number from -5 to 1000"},
        {"ints", "[1, [2]]", "ints: a list is not a whole number from -5 to 1000"},
        {"doubles", "[0.5, 1.5]", "doubles: 1.5 is not a number from 0 to 1"},
        {"texts", "[\"red\", 3]", "texts: 3 is not one of red, green, blue"},
    };
    set_up();
    struct output before = effective_values();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        EXPECT_STATUS(set_json(cases[i].name, cases[i].json), STATUS_DATA, &err);
        EXPECT_CONTAINS(err.message, cases[i].message);
    }
    expect_unchanged(&before);
}

static void required_options(void) {
    set_up();
    EXPECT(options_first_missing(&options) == options_find(&options, "word"));
    EXPECT_OK(set("word", "x"), &err);
    EXPECT(!options_first_missing(&options));
}

static void memory_limit(void) {
    arena_destroy(&arena);
    arena_init(&arena, 1024, 4096);
    EXPECT_OK(options_init(&options, ROWS, &fields, &arena, &err), &err);
    EXPECT_STATUS(set("doubles", "0:1:0.0001"), STATUS_MEMORY, &err);
    EXPECT_CONTAINS(err.message, "not enough memory for doubles");
    EXPECT_INT(fields.doubles.count, 0);
    arena_destroy(&arena);
    arena_init(&arena, 64, 128);
    EXPECT_STATUS(options_init(&options, ROWS, &fields, &arena, &err), STATUS_MEMORY, &err);
}

static void effective_values_as_json(void) {
    set_up();
    EXPECT_OK(set("word", "a \"b\""), &err);
    EXPECT_OK(set("model.gate.rate", "0.1"), &err);
    EXPECT_OK(set("doubles", "0.5,0.75"), &err);
    struct output out = effective_values();
    EXPECT_TEXT(out.data, "{\n"
                          "  \"flag\": false,\n"
                          "  \"on\": true,\n"
                          "  \"count\": 7,\n"
                          "  \"model\": {\n"
                          "    \"depth\": 50,\n"
                          "    \"gate\": {\n"
                          "      \"rate\": 0.1,\n"
                          "      \"file\": null\n"
                          "    }\n"
                          "  },\n"
                          "  \"word\": \"a \\\"b\\\"\",\n"
                          "  \"color\": \"blue\",\n"
                          "  \"ints\": [1,10,100],\n"
                          "  \"doubles\": [0.5,0.75],\n"
                          "  \"texts\": []\n"
                          "}");
    output_discard(&out);
}

static void effective_values_as_table(void) {
    set_up();
    EXPECT_OK(set("word", "hello"), &err);
    EXPECT_OK(set_json("model.depth", "101"), &err);
    struct output out;
    output_open_memory(&out);
    options_write_table(&options, &out);
    EXPECT_TEXT(out.data, "flag             false       default\n"
                          "on               true        default\n"
                          "count            7           default\n"
                          "model.depth      101         a.json\n"
                          "model.gate.rate  0           default\n"
                          "model.gate.file  null        default\n"
                          "word             \"hello\"     command line\n"
                          "color            blue        default\n"
                          "ints             [1,10,100]  default\n"
                          "doubles          []          default\n"
                          "texts            []          default\n");
    output_discard(&out);
    EXPECT_INT(options_origin(&options, &ROWS[3]).source, OPTION_FROM_FILE);
}

static void metavars(void) {
    EXPECT(!option_metavar(&ROWS[0]));
    EXPECT_TEXT(option_metavar(&ROWS[2]), "N");
    EXPECT_TEXT(option_metavar(&ROWS[4]), "X");
    EXPECT_TEXT(option_metavar(&ROWS[5]), "FILE");
    EXPECT_TEXT(option_metavar(&ROWS[6]), "TEXT");
    EXPECT_TEXT(option_metavar(&ROWS[7]), "WORD");
    EXPECT_TEXT(option_metavar(&ROWS[8]), "LIST");
    arena_destroy(&arena);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"defaults", defaults},
                         {"values_from_text", values_from_text},
                         {"ranges_are_linspace", ranges_are_linspace},
                         {"wrong_text", wrong_text},
                         {"long_text_is_cut_in_messages", long_text_is_cut_in_messages},
                         {"huge_lists", huge_lists},
                         {"unknown_names", unknown_names},
                         {"values_from_json", values_from_json},
                         {"wrong_json", wrong_json},
                         {"required_options", required_options},
                         {"memory_limit", memory_limit},
                         {"effective_values_as_json", effective_values_as_json},
                         {"effective_values_as_table", effective_values_as_table},
                         {"metavars", metavars},
                         {0},
                     });
}
