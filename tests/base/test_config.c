#include "base/config.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json_writer.h"
#include "base/output.h"
#include "tests/harness.h"

struct fields {
    int64_t depth;
    double rate;
    const char *name;
    int64_t steps;
    struct option_doubles milestones;
};

static const char *const DEPTHS[] = {"50", "101", "152", NULL};

static const struct option ROWS[] = {
    {.name = "model.depth",
     OPTION_FIELD(struct fields, depth),
     .choices = DEPTHS,
     .default_text = "50"},
    {.name = "model.gate.rate", OPTION_FIELD(struct fields, rate), OPTION_BETWEEN(0, 1)},
    {.name = "name", OPTION_FIELD(struct fields, name)},
    {.name = "train.steps",
     OPTION_FIELD(struct fields, steps),
     OPTION_AT_LEAST(1),
     .default_text = "1"},
    {.name = "train.milestones", OPTION_FIELD(struct fields, milestones)},
    {0},
};

static struct arena arena;
static struct options options;
static struct fields fields;
static struct error err;

static void set_up(void) {
    arena_destroy(&arena);
    arena_init(&arena, 4096, 0);
    EXPECT_OK(options_init(&options, ROWS, &fields, &arena, &err), &err);
}

static enum status read_text(const char *text) {
    return config_read(&options, text, (int64_t)strlen(text), "x.json", &err);
}

// The path of a file with this text in the scratch folder.
static const char *save(const char *name, const char *text) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", scratch_folder(), name);
    EXPECT_OK(output_save(path, text, (int64_t)strlen(text), &err), &err);
    return path;
}

static void groups(void) {
    set_up();
    EXPECT_OK(read_text("{\"name\": \"n\", \"model\": {\"gate\": {\"rate\": 0.5}, \"depth\": 101},"
                        " \"train\": {\"milestones\": [1, 2.5], \"steps\": 90000}}"),
              &err);
    EXPECT_TEXT(fields.name, "n");
    EXPECT(fields.rate == 0.5);
    EXPECT_INT(fields.depth, 101);
    EXPECT_INT(fields.milestones.count, 2);
    EXPECT_INT(fields.steps, 90000);
    EXPECT_OK(read_text("{\"model\": {\"gate\": {\"rate\": 0.25000000000000000000000000000000"
                        "00000000000000000000000000000}}}"),
              &err);
    EXPECT(fields.rate == 0.25);
    EXPECT_OK(read_text("{}"), &err);
    EXPECT_OK(read_text("{\"model\": {\"gate\": {}}}"), &err);
    EXPECT_INT(fields.depth, 101);
}

static void refused_documents(void) {
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        {"", "x.json: line 1, column 1: a configuration must be an object"},
        {"[]", "x.json: line 1, column 1: a configuration must be an object"},
        {"{} {}", "x.json: line 1, column 4: expected the end of the file, found an object"},
        {"{\"name\": \"a\",}", "column 14: expected a key in quotes, found '}'"},
        {"{\"name\": nan}", "column 10: expected null"},
        {"{\"name\": 1e999}", "beyond the range of double"},
        {"{\"name\": 0.000000000000000000000000000000"
         "00000000000000000000000000000000}",
         "a number of more than 63 characters"},
        {"{\"name\": \"a\\u0000b\"}", "x.json: line 1"},
        {"{\"na\\u0000me\": 1}", "\"na\" cannot be a key: a group is an object"},
        {"{\"\": 1}", "\"\" cannot be a key: a group is an object"},
        {"{\"model.depth\": 50}", "\"model.depth\" cannot be a key: a group is an object"},
        {"{\"name\": \"a\", \"name\": \"b\"}", "duplicate key \"name\""},
        {"{\"name\": \"a\", \"n\\u0061me\": \"b\"}", "duplicate key \"name\""},
        {"{\"model\": {}, \"model\": {}}", "duplicate key \"model\""},
        {"{\n \"model\": {\"depth\": 50,\n  \"depth\": 50}}", "x.json: line 3, column"},
        {"{\"Name\": \"a\"}", "x.json: Name: no such option; did you mean name?"},
        {"{\"model\": {\"dept\": 50}}",
         "x.json: model.dept: no such option; did you mean model.depth?"},
        {"{\"model\": {\"depth\": 52}}", "x.json: model.depth: 52 is not one of 50, 101, 152"},
        {"{\"model\": 5}", "x.json: model: a group of options must be an object"},
        {"{\"name\": {\"a\": 1}}", "x.json: name: an object is not text"},
        {"{\"zebra\": {\"stripes\": 1}}", "x.json: zebra: no such option"},
        {"{\"base\": \"y.json\"}", "x.json: base: only a file can have one"},
        {"{\"Base\": 1}", "x.json: Base: no such option"},
        {"{\"model\": {\"base\": 1}}", "x.json: model.base: no such option"},
    };
    set_up();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        EXPECT_STATUS(read_text(cases[i].text), STATUS_DATA, &err);
        EXPECT_CONTAINS(err.message, cases[i].message);
    }
    EXPECT_STATUS(config_read(&options, "{", 1, "x.json", NULL), STATUS_DATA, NULL);
}

static void bounded_documents(void) {
    set_up();
    struct output out;
    output_open_memory(&out);
    for (int i = 0; i < 100000; i++)
        output_text(&out, i ? "[" : "{\"name\":");
    EXPECT_STATUS(read_text(out.data), STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message, "more than 16 levels deep");
    output_discard(&out);

    output_open_memory(&out);
    output_text(&out, "{\"name\": [0");
    for (int i = 0; i < CONFIG_MAX_VALUES; i++)
        output_text(&out, ",0");
    output_text(&out, "]}");
    EXPECT_STATUS(read_text(out.data), STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message, "more than 10000 values");
    output_discard(&out);

    output_open_memory(&out);
    output_text(&out, "{}");
    while (out.size <= CONFIG_MAX_BYTES)
        output_text(&out, "                                ");
    EXPECT_STATUS(read_text(out.data), STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message, "more than 1048576 bytes");
    output_discard(&out);

    output_open_memory(&out);
    output_text(&out, "{\"");
    for (int i = 0; i < 300; i++)
        output_text(&out, "k");
    output_text(&out, "\": 1}");
    EXPECT_STATUS(read_text(out.data), STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message, "kkk...: no such option");
    output_discard(&out);
}

static void later_files_override(void) {
    set_up();
    char path[256];
    snprintf(path, sizeof path, "%s/shared", scratch_folder());
    mkdir(path, 0777);
    (void)save("shared/root.json", "{\"name\": \"root\", \"train\": {\"steps\": 10},"
                                   " \"model\": {\"depth\": 152, \"gate\": {\"rate\": 1}}}");
    (void)save("shared/middle.json", "{\"base\": \"root.json\", \"train\": {\"steps\": 20}}");
    (void)save("leaf.json", "{\"model\": {\"depth\": 101}, \"base\": \"shared/middle.json\"}");
    snprintf(path, sizeof path, "%s/leaf.json", scratch_folder());
    EXPECT_OK(config_load(&options, path, &err), &err);
    EXPECT_TEXT(fields.name, "root");
    EXPECT_INT(fields.depth, 101);
    EXPECT_INT(fields.steps, 20);
    EXPECT(fields.rate == 1);
    EXPECT_CONTAINS(options_origin(&options, &ROWS[0]).file, "/leaf.json");
    EXPECT_CONTAINS(options_origin(&options, &ROWS[1]).file, "/shared/root.json");
    EXPECT_CONTAINS(options_origin(&options, &ROWS[3]).file, "/shared/middle.json");
    EXPECT_OK(config_override(&options, "model.depth=50", &err), &err);
    EXPECT_INT(fields.depth, 50);
    EXPECT_INT(options_origin(&options, &ROWS[0]).source, OPTION_FROM_COMMAND_LINE);
}

static void relative_without_folder(void) {
    set_up();
    (void)save("here_base.json", "{\"train\": {\"steps\": 33}}");
    (void)save("here.json", "{\"base\": \"here_base.json\"}");
    char old[4096];
    REQUIRE(getcwd(old, sizeof old));
    REQUIRE(chdir(scratch_folder()) == 0);
    EXPECT_OK(config_load(&options, "here.json", &err), &err);
    EXPECT_INT(fields.steps, 33);
    char absolute[256];
    snprintf(absolute, sizeof absolute, "{\"base\": \"%s/here.json\"}", scratch_folder());
    (void)save("absolute.json", absolute);
    EXPECT_OK(config_load(&options, "./absolute.json", &err), &err);
    REQUIRE(chdir(old) == 0);
}

static void cycles(void) {
    set_up();
    const char *path = save("self.json", "{\"base\": \"self.json\"}");
    EXPECT_STATUS(config_load(&options, path, &err), STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message, "self.json is its own base");
    (void)save("a.json", "{\"base\": \"b.json\"}");
    path = save("b.json", "{\"base\": \"./a.json\"}");
    EXPECT_STATUS(config_load(&options, path, &err), STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message, "b.json is its own base");
    // Under another name, by a link.
    (void)save("c.json", "{\"base\": \"d.json\"}");
    char link[256];
    snprintf(link, sizeof link, "%s/d.json", scratch_folder());
    REQUIRE(symlink("c.json", link) == 0);
    EXPECT_STATUS(config_load(&options, link, &err), STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message, "is its own base");
}

static void long_chains(void) {
    set_up();
    char name[32];
    char text[64];
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "chain%d.json", i);
        snprintf(text, sizeof text, "{\"base\": \"chain%d.json\"}", i + 1);
        (void)save(name, i == 19 ? "{\"name\": \"end\"}" : text);
    }
    char path[256];
    snprintf(path, sizeof path, "%s/chain4.json", scratch_folder());
    EXPECT_OK(config_load(&options, path, &err), &err);
    EXPECT_TEXT(fields.name, "end");
    snprintf(path, sizeof path, "%s/chain3.json", scratch_folder());
    EXPECT_STATUS(config_load(&options, path, &err), STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message, "more than 16 files behind one another");
}

static void unreadable_files(void) {
    set_up();
    EXPECT_STATUS(config_load(&options, "/nowhere/x.json", &err), STATUS_NO_INPUT, &err);
    EXPECT_TEXT(err.message, "/nowhere/x.json: No such file or directory");
    EXPECT_STATUS(config_load(&options, "/", &err), STATUS_NO_INPUT, &err);
    EXPECT_STATUS(config_load(&options, "/dev/zero", &err), STATUS_NO_INPUT, &err);
    EXPECT_CONTAINS(err.message, "/dev/zero: not a regular file");
    const char *path = save("lost.json", "{\"base\": \"gone.json\"}");
    EXPECT_STATUS(config_load(&options, path, &err), STATUS_NO_INPUT, &err);
    EXPECT_CONTAINS(err.message, "lost.json: base: ");
    EXPECT_CONTAINS(err.message, "gone.json: No such file or directory");
    path = save("number.json", "{\"base\": 5}");
    EXPECT_STATUS(config_load(&options, path, &err), STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message, "number.json: base: not the name of a file");
    path = save("empty.json", "");
    EXPECT_STATUS(config_load(&options, path, &err), STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message, "empty.json: line 1, column 1: a configuration must be an object");
    path = save("wrong.json", "{\"model\": {\"depth\": 52}}");
    EXPECT_STATUS(config_load(&options, path, &err), STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message, "wrong.json: model.depth: 52 is not one of 50, 101, 152");
}

static void overrides(void) {
    set_up();
    EXPECT_OK(config_override(&options, "name=a=b", &err), &err);
    EXPECT_TEXT(fields.name, "a=b");
    EXPECT_OK(config_override(&options, "train.milestones=1:3:1", &err), &err);
    EXPECT_INT(fields.milestones.count, 3);
    EXPECT_OK(config_override(&options, "train.milestones=", &err), &err);
    EXPECT_INT(fields.milestones.count, 0);
    EXPECT_OK(config_override(&options, "train.milestones=5", &err), &err);
    EXPECT_INT(fields.milestones.count, 1);
    EXPECT_STATUS(config_override(&options, "model.depth=", &err), STATUS_USAGE, &err);
    EXPECT_TEXT(err.message, "model.depth: \"\" is not one of 50, 101, 152");
    EXPECT_STATUS(config_override(&options, "nothing=", &err), STATUS_USAGE, &err);
    EXPECT_STATUS(config_override(&options, "name", &err), STATUS_USAGE, &err);
    EXPECT_TEXT(err.message, "\"name\" is not NAME=VALUE");
    EXPECT_STATUS(config_override(&options, "=5", &err), STATUS_USAGE, &err);
    EXPECT_STATUS(config_override(&options, "model.dept=50", &err), STATUS_USAGE, &err);
    EXPECT_TEXT(err.message, "model.dept: no such option; did you mean model.depth?");
    EXPECT_STATUS(config_override(&options, "model.depth=52", &err), STATUS_USAGE, &err);
    EXPECT_TEXT(err.message, "model.depth: 52 is not one of 50, 101, 152");
}

// The effective values, written and read again, are the same values.
static void round_trip(void) {
    set_up();
    EXPECT_OK(
        read_text("{\"name\": \"tab\\t\\u20ac\", \"model\": {\"depth\": 152, \"gate\":"
                  " {\"rate\": 0.30000000000000004}}, \"train\": {\"milestones\": [0.1, 3]}}"),
        &err);
    struct output out;
    output_open_memory(&out);
    struct json_writer w;
    json_writer_init(&w, &out, 2);
    options_write_json(&options, &w);
    set_up();
    EXPECT_OK(read_text(out.data), &err);
    EXPECT_TEXT(fields.name, "tab\t\xE2\x82\xAC");
    EXPECT_INT(fields.depth, 152);
    EXPECT(fields.rate == 0.30000000000000004);
    EXPECT(fields.milestones.items[0] == 0.1 && fields.milestones.items[1] == 3);
    EXPECT_INT(fields.steps, 1);
    output_discard(&out);
    arena_destroy(&arena);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"groups", groups},
                         {"refused_documents", refused_documents},
                         {"bounded_documents", bounded_documents},
                         {"later_files_override", later_files_override},
                         {"relative_without_folder", relative_without_folder},
                         {"cycles", cycles},
                         {"long_chains", long_chains},
                         {"unreadable_files", unreadable_files},
                         {"overrides", overrides},
                         {"round_trip", round_trip},
                         {0},
                     });
}
