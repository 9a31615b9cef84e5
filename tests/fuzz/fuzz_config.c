// A configuration document from anywhere: read it, and if it is accepted, what is written of it
// must be accepted again and give the same document.
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "base/config.h"
#include "base/json_writer.h"
#include "base/output.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fields {
    bool flag;
    int64_t depth;
    double rate;
    const char *name;
    int mode;
    struct option_ints ints;
    struct option_doubles doubles;
    struct option_texts texts;
};

static const char *const DEPTHS[] = {"50", "101", "152", NULL};
static const char *const MODES[] = {"off", "on", "7", NULL};

static const struct option ROWS[] = {
    {.name = "flag", OPTION_FIELD(struct fields, flag)},
    {.name = "model.depth",
     OPTION_FIELD(struct fields, depth),
     .choices = DEPTHS,
     .default_text = "50"},
    {.name = "model.gate.rate", OPTION_FIELD(struct fields, rate), OPTION_BETWEEN(-1, 1)},
    {.name = "model.gate.mode", OPTION_FIELD(struct fields, mode), .choices = MODES},
    {.name = "name", OPTION_FIELD(struct fields, name)},
    {.name = "lists.ints", OPTION_FIELD(struct fields, ints), OPTION_BETWEEN(-5, 1000)},
    {.name = "lists.doubles", OPTION_FIELD(struct fields, doubles)},
    {.name = "lists.texts", OPTION_FIELD(struct fields, texts)},
    {0},
};

static void write_options(const struct options *options, struct output *out) {
    output_open_memory(out);
    struct json_writer w;
    json_writer_init(&w, out, 2);
    options_write_json(options, &w);
    CHECK(out->failure.code == STATUS_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena arena;
    arena_init(&arena, 4096, 0);
    struct options options;
    struct fields fields;
    struct error err = {0};
    CHECK(options_init(&options, ROWS, &fields, &arena, &err) == STATUS_OK);
    enum status status = config_read(&options, (const char *)data, (int64_t)size, "input", &err);
    if (status == STATUS_OK) {
        struct output first;
        struct output second;
        write_options(&options, &first);
        CHECK(options_init(&options, ROWS, &fields, &arena, &err) == STATUS_OK);
        CHECK(config_read(&options, first.data, first.size, "output", &err) == STATUS_OK);
        write_options(&options, &second);
        CHECK(strcmp(first.data, second.data) == 0);
        output_discard(&first);
        output_discard(&second);
    } else {
        CHECK(status == err.code && err.message[0]);
    }
    // The same bytes as words of the command line.
    char *text = arena_copy_text(&arena, (const char *)data, (int64_t)size);
    CHECK(text);
    enum status overridden = config_override(&options, text, &err);
    CHECK(overridden == STATUS_OK || overridden == err.code);
    arena_destroy(&arena);
    return 0;
}
