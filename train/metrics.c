#include "train/metrics.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/array.h"
#include "base/check.h"
#include "train/metrics_internal.h"

enum { VERSION = 1 };

enum kind { TRAIN, EVAL, TIMING, NUM_KINDS };

static const char *const KIND_NAMES[NUM_KINDS] = {METRICS_TRAIN, METRICS_EVAL, "timing"};

const struct field METRICS_TRAIN_FIELDS[] = {
    {"step", FIELD(struct metrics_train, step)},
    {"loss", FIELD(struct metrics_train, loss)},
    {"rpn_class", FIELD(struct metrics_train, rpn_class)},
    {"rpn_box", FIELD(struct metrics_train, rpn_box)},
    {"class", FIELD(struct metrics_train, classes)},
    {"box", FIELD(struct metrics_train, box)},
    {"mask", FIELD(struct metrics_train, mask)},
    {"gradient_norm", FIELD(struct metrics_train, gradient_norm)},
    {"learning_rate", FIELD(struct metrics_train, learning_rate)},
    {0},
};

const struct field METRICS_EVAL_FIELDS[] = {
    {"step", FIELD(struct metrics_eval, step)},
    {"box_ap", FIELD(struct metrics_eval, box_ap)},
    {"box_ap50", FIELD(struct metrics_eval, box_ap50)},
    {"box_ap75", FIELD(struct metrics_eval, box_ap75)},
    {"mask_ap", FIELD(struct metrics_eval, mask_ap)},
    {"mask_ap50", FIELD(struct metrics_eval, mask_ap50)},
    {"mask_ap75", FIELD(struct metrics_eval, mask_ap75)},
    {"loss", FIELD(struct metrics_eval, loss)},
    {0},
};

static const struct field TIMING_FIELDS[] = {
    {"step", FIELD(struct metrics_timing, step)},
    {"seconds", FIELD(struct metrics_timing, seconds)},
    {"data_seconds", FIELD(struct metrics_timing, data_seconds)},
    {"images_per_second", FIELD(struct metrics_timing, images_per_second)},
    {"memory_bytes", FIELD(struct metrics_timing, memory_bytes)},
    {0},
};

static const struct field *const KIND_FIELDS[NUM_KINDS] = {METRICS_TRAIN_FIELDS,
                                                           METRICS_EVAL_FIELDS, TIMING_FIELDS};

// ---- Collecting ----

void metrics_add(struct metrics_sums *sums, const struct losses *losses, double gradient_norm) {
    sums->steps++;
    sums->rpn_class += losses->objectness;
    sums->rpn_box += losses->anchor_box;
    sums->classes += losses->classes;
    sums->box += losses->box;
    sums->mask += losses->mask;
    sums->gradient_norm += gradient_norm;
}

struct metrics_train metrics_mean(const struct metrics_sums *sums, int64_t step,
                                  double learning_rate) {
    double steps = (double)sums->steps;
    double loss = sums->rpn_class + sums->rpn_box + sums->classes + sums->box + sums->mask;
    return (struct metrics_train){
        .step = step,
        .loss = loss / steps,
        .rpn_class = sums->rpn_class / steps,
        .rpn_box = sums->rpn_box / steps,
        .classes = sums->classes / steps,
        .box = sums->box / steps,
        .mask = sums->mask / steps,
        .gradient_norm = sums->gradient_norm / steps,
        .learning_rate = learning_rate,
    };
}

// ---- One line ----

struct line {
    enum kind kind; // NUM_KINDS if it is none that we know
    int64_t step;   // of a known kind
    union {
        struct metrics_train train;
        struct metrics_eval eval;
        struct metrics_timing timing;
    };
};

static enum status read_version(struct json_reader *r, struct error *err) {
    struct json_string key;
    json_begin_object(r);
    if (!json_next_key(r, &key) || !json_string_is(&key, "v"))
        json_fail(r, "expected the key \"v\" first");
    int64_t version = json_int64(r);
    TRY(json_status(r));
    if (version == VERSION) return STATUS_OK;
    return error_set(err, STATUS_UNSUPPORTED, "%s: a line of version %lld, expected %d", r->name,
                     (long long)version, VERSION);
}

static enum kind read_kind(struct json_reader *r) {
    struct json_string key;
    if (!json_next_key(r, &key) || !json_string_is(&key, "kind"))
        json_fail(r, "expected the key \"kind\" behind the version");
    struct json_string name = json_string(r);
    int kind = 0;
    while (kind < NUM_KINDS && !json_string_is(&name, KIND_NAMES[kind]))
        kind++;
    return (enum kind)kind;
}

// The line from begin to end of a file's text, which messages need for the number of the line.
static enum status read_line(struct line *line, const struct output *text, int64_t begin,
                             int64_t end, const char *path, struct error *err) {
    struct json_reader r;
    struct json_string key;
    uint32_t seen = 0;
    *line = (struct line){0};
    json_reader_init(&r, text->data, end, path, err);
    r.at = text->data + begin;
    TRY(read_version(&r, err));
    line->kind = read_kind(&r);
    bool known = line->kind < NUM_KINDS;
    while (json_next_key(&r, &key)) {
        if (known)
            fields_read(&r, &key, KIND_FIELDS[line->kind], &line->train, &seen);
        else
            json_skip(&r);
    }
    if (known) fields_require(&r, KIND_FIELDS[line->kind], seen);
    json_end(&r);
    line->step = line->train.step; // the first member of each
    return json_status(&r);
}

_Static_assert(offsetof(struct metrics_train, step) == 0 &&
                   offsetof(struct metrics_eval, step) == 0 &&
                   offsetof(struct metrics_timing, step) == 0,
               "read_line takes any of them for the step");

// What is done with each line, which ends at byte end of the file.
typedef enum status line_visitor(void *context, const struct line *line, int64_t end,
                                 struct error *err);

// Visits the whole lines of a file.
static enum status visit_lines(const char *path, line_visitor *visit, void *context,
                               struct error *err) {
    struct output text;
    TRY(append_file_read(path, &text, err));
    enum status status = STATUS_OK;
    for (int64_t begin = 0; begin < text.size && status == STATUS_OK;) {
        const char *newline = memchr(text.data + begin, '\n', (size_t)(text.size - begin));
        if (!newline) break; // torn, or still being written
        int64_t end = newline - text.data;
        struct line line;
        status = read_line(&line, &text, begin, end, path, err);
        if (status == STATUS_OK) status = visit(context, &line, end + 1, err);
        begin = end + 1;
    }
    output_discard(&text);
    return status;
}

// ---- Writing ----

struct kept {
    int64_t last_step;
    bool ended; // a line of a later step was there
    int64_t size;
};

static enum status keep(void *context, const struct line *line, int64_t end, struct error *err) {
    (void)err;
    struct kept *kept = context;
    kept->ended |= line->kind != NUM_KINDS && line->step > kept->last_step;
    if (!kept->ended) kept->size = end;
    return STATUS_OK;
}

static enum status cut(struct metrics_file *file, int64_t last_step, struct error *err) {
    struct kept kept = {.last_step = last_step};
    if (last_step >= 0) TRY(visit_lines(file->file.path, keep, &kept, err));
    return append_file_cut(&file->file, kept.size, err);
}

enum status metrics_file_open(struct metrics_file *file, const char *path, int64_t last_step,
                              struct error *err) {
    TRY(append_file_open(&file->file, path, false, err));
    enum status status = cut(file, last_step, err);
    if (status != STATUS_OK) metrics_file_close(file);
    return status;
}

static enum status write_line(struct metrics_file *file, enum kind kind, const void *line,
                              struct error *err) {
    struct output text;
    struct json_writer w;
    output_open_memory(&text);
    json_writer_init(&w, &text, 0);
    json_write_begin_object(&w);
    json_write_key_int64(&w, "v", VERSION);
    json_write_key_text(&w, "kind", KIND_NAMES[kind]);
    fields_write(&w, KIND_FIELDS[kind], line);
    json_write_end_object(&w);
    output_text(&text, "\n");
    enum status status = output_finish(&text, err);
    if (status == STATUS_OK) status = append_file_write(&file->file, text.data, text.size, err);
    output_discard(&text);
    return status;
}

enum status metrics_write_train(struct metrics_file *file, const struct metrics_train *line,
                                struct error *err) {
    return write_line(file, TRAIN, line, err);
}

enum status metrics_write_eval(struct metrics_file *file, const struct metrics_eval *line,
                               struct error *err) {
    return write_line(file, EVAL, line, err);
}

enum status metrics_write_timing(struct metrics_file *file, const struct metrics_timing *line,
                                 struct error *err) {
    return write_line(file, TIMING, line, err);
}

enum status metrics_file_sync(struct metrics_file *file, struct error *err) {
    return append_file_sync(&file->file, err);
}

void metrics_file_close(struct metrics_file *file) {
    append_file_close(&file->file);
}

// ---- Reading ----

static enum status collect(void *context, const struct line *line, int64_t end, struct error *err) {
    (void)end;
    struct metrics *m = context;
    switch (line->kind) {
    case TRAIN:
        TRY(array_reserve(&m->train, &m->train_capacity, m->num_train + 1, sizeof *m->train, err));
        m->train[m->num_train++] = line->train;
        break;
    case EVAL:
        TRY(array_reserve(&m->evals, &m->eval_capacity, m->num_evals + 1, sizeof *m->evals, err));
        m->evals[m->num_evals++] = line->eval;
        break;
    case TIMING:
        TRY(array_reserve(&m->timings, &m->timing_capacity, m->num_timings + 1, sizeof *m->timings,
                          err));
        m->timings[m->num_timings++] = line->timing;
        break;
    case NUM_KINDS:
        break;
    }
    return STATUS_OK;
}

enum status metrics_read(struct metrics *metrics, const char *path, struct error *err) {
    *metrics = (struct metrics){0};
    enum status status = visit_lines(path, collect, metrics, err);
    if (status != STATUS_OK) metrics_free(metrics);
    return status;
}

void metrics_free(struct metrics *metrics) {
    array_free(&metrics->train);
    array_free(&metrics->evals);
    array_free(&metrics->timings);
    *metrics = (struct metrics){0};
}
