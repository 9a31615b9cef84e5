// gctmask doctor: what the machine has, and whether the program works on it.
#include <stdlib.h>
#include <strings.h>

#include "base/json_writer.h"
#include "data/image.h"
#include "detector/self_test.h"
#include "nn/onednn.h"
#include "tools/command.h"
#include "tools/device.h"
#include "tools/doctor_cuda.h"
#include "tools/machine.h"
#include "tools/progress.h"

struct doctor_options {
    const char *device;
    bool json;
};

static const struct option OPTIONS[] = {
    DEVICE_ROW(struct doctor_options),
    {.name = "json", OPTION_FIELD(struct doctor_options, json), .help = "print one JSON document"},
    {0},
};

static const struct example EXAMPLES[] = {
    {"gctmask doctor", "the first thing to look at when something is odd or slow"},
    {"gctmask doctor --device cuda", "test the graphics processor instead of the processor"},
    {0},
};

#ifdef __clang__
#define COMPILER __VERSION__ // names itself
#else
#define COMPILER "gcc " __VERSION__
#endif

enum { MAX_TESTS = 8 };

struct outcome {
    const struct self_test *test;
    enum status status;
    double seconds;
    struct error err;
};

struct examination {
    struct machine machine;
    struct onednn_version onednn;
    struct doctor_cuda cuda;
    struct outcome outcomes[MAX_TESTS];
    int num_outcomes;
    int num_failed;
};

static void examine(struct examination *e, const struct nn_options *options) {
    *e = (struct examination){.onednn = onednn_version()};
    machine_look(&e->machine);
    doctor_cuda_look(&e->cuda);
    for (const struct self_test *test = SELF_TESTS; test->name && e->num_outcomes < MAX_TESTS;
         test++) {
        struct outcome *outcome = &e->outcomes[e->num_outcomes++];
        double start = seconds_now();
        outcome->test = test;
        outcome->status = test->run(options, &outcome->err);
        outcome->seconds = seconds_now() - start;
        e->num_failed += outcome->status != STATUS_OK;
    }
}

// How OpenMP's threads wait for each other (see tools/main.c).
static const char *waiting(void) {
    const char *policy = getenv("OMP_WAIT_POLICY");
    if (policy && strcasecmp(policy, "passive") == 0) return "sleep";
    return policy ? "spin" : "spin shortly";
}

// ---- For people ----

static void write_row(struct output *out, const char *name, const char *value) {
    output_printf(out, "%-14s  %s\n", name, *value ? value : "unknown");
}

static void write_bytes(struct output *out, const char *name, int64_t bytes) {
    if (bytes > 0) output_printf(out, "%-14s  %.1f GiB\n", name, (double)bytes / (1 << 30));
}

static void write_text(const struct examination *e, struct output *out) {
    const struct machine *m = &e->machine;
    write_row(out, "gctmask", GCTMASK_VERSION);
    write_row(out, "compiler", COMPILER);
    write_row(out, "oneDNN", e->onednn.text);
    write_row(out, "JPEG", image_jpeg_library());
    write_row(out, "libpng", image_png_library());
    write_row(out, "processor", m->processor);
    write_row(out, "instructions", m->features);
    write_row(out, "bf16", onednn_has_bf16() ? "yes: --precision bfloat16 is the fastest" : "no");
    output_printf(out, "%-14s  %d, of which %d usable\n", "processors", m->num_processors,
                  m->num_usable);
    write_bytes(out, "memory", m->memory_bytes);
    write_bytes(out, "available", m->available_bytes);
    write_bytes(out, "memory limit", m->limit_bytes);
    write_row(out, "huge pages", m->huge_pages);
    write_row(out, "idle threads", waiting());
    doctor_cuda_write_text(&e->cuda, out);
    output_text(out, "\n");
    for (int i = 0; i < e->num_outcomes; i++) {
        const struct outcome *o = &e->outcomes[i];
        output_printf(out, "%-14s  %-6s  %.2f s  %s\n", o->test->name,
                      o->status == STATUS_OK ? "ok" : "FAILED", o->seconds,
                      o->status == STATUS_OK ? o->test->claim : o->err.message);
    }
}

// ---- For programs ----

static void write_json_tests(const struct examination *e, struct json_writer *w) {
    json_write_key(w, "tests");
    json_write_begin_array(w);
    for (int i = 0; i < e->num_outcomes; i++) {
        const struct outcome *o = &e->outcomes[i];
        json_write_begin_object(w);
        json_write_key_text(w, "name", o->test->name);
        json_write_key_text(w, "claim", o->test->claim);
        json_write_key_bool(w, "ok", o->status == STATUS_OK);
        json_write_key_double(w, "seconds", o->seconds);
        if (o->status != STATUS_OK) json_write_key_text(w, "message", o->err.message);
        json_write_end_object(w);
    }
    json_write_end_array(w);
}

static void write_json(const struct examination *e, struct output *out) {
    const struct machine *m = &e->machine;
    struct json_writer writer;
    struct json_writer *w = &writer;
    json_writer_init(w, out, 2);
    json_write_begin_object(w);
    json_write_key_text(w, "version", GCTMASK_VERSION);
    json_write_key_text(w, "compiler", COMPILER);
    json_write_key_text(w, "onednn", e->onednn.text);
    json_write_key_text(w, "jpeg", image_jpeg_library());
    json_write_key_text(w, "libpng", image_png_library());
    json_write_key_text(w, "processor", m->processor);
    json_write_key_text(w, "instructions", m->features);
    json_write_key_bool(w, "bf16", onednn_has_bf16());
    json_write_key_int64(w, "processors", m->num_processors);
    json_write_key_int64(w, "usable_processors", m->num_usable);
    json_write_key_int64(w, "memory_bytes", m->memory_bytes);
    json_write_key_int64(w, "available_bytes", m->available_bytes);
    json_write_key_int64(w, "limit_bytes", m->limit_bytes);
    json_write_key_text(w, "huge_pages", m->huge_pages);
    json_write_key_text(w, "idle_threads", waiting());
    doctor_cuda_write_json(&e->cuda, w);
    write_json_tests(e, w);
    json_write_key_bool(w, "ok", e->num_failed == 0);
    json_write_end_object(w);
    output_text(out, "\n");
}

static enum status run_doctor(struct invocation *invocation, struct error *err) {
    const struct doctor_options *options = invocation->options;
    struct nn_options nn = {.num_threads = (int)invocation->common.threads};
    struct examination examination;
    TRY(device_choose(&nn, options->device, NULL, err));
    examine(&examination, &nn);
    if (options->json)
        write_json(&examination, invocation->out);
    else
        write_text(&examination, invocation->out);
    if (examination.num_failed > 0) invocation->outcome = EXIT_CODE_INTERNAL;
    return STATUS_OK;
}

const struct command doctor_command = {
    .name = "doctor",
    .summary = "show what the machine has and test that the program works on it",
    .description =
        "Prints versions, processors, memory and what there is of CUDA, and runs a self-test of a "
        "few seconds: a "
        "convolution against plain sums, image files there and back, and a small detector that "
        "must find the same twice, to the last bit. The exit code is 1 if a test fails; that there "
        "is "
        "no CUDA is no failure.",
    .options = OPTIONS,
    .options_bytes = sizeof(struct doctor_options),
    .examples = EXAMPLES,
    .run = run_doctor,
};
