#include "train/training_state.h"

#include <math.h>

#include "base/file_view.h"
#include "train/fields.h"

enum { VERSION = 1, MAX_BYTES = 1 << 16 };

static const char *const SUMS_KEY = "sums";
static const char *const LOSS_SCALE_KEY = "loss_scale";

static const struct field STATE_FIELDS[] = {
    {"step", FIELD(struct training_state, step)},
    {"seed", FIELD(struct training_state, seed)},
    {"batch", FIELD(struct training_state, batch)},
    {"group", FIELD(struct training_state, group)},
    {"best_score", FIELD(struct training_state, best_score)},
    {"best_step", FIELD(struct training_state, best_step)},
    {"evals_since_best", FIELD(struct training_state, evals_since_best)},
    {"eval_is_pending", FIELD(struct training_state, eval_is_pending)},
    {"dropped", FIELD(struct training_state, dropped)},
    {"dropped_in_a_row", FIELD(struct training_state, dropped_in_a_row)},
    {0},
};

static const struct field SUMS_FIELDS[] = {
    {"steps", FIELD(struct metrics_sums, steps)},
    {"rpn_class", FIELD(struct metrics_sums, rpn_class)},
    {"rpn_box", FIELD(struct metrics_sums, rpn_box)},
    {"class", FIELD(struct metrics_sums, classes)},
    {"box", FIELD(struct metrics_sums, box)},
    {"mask", FIELD(struct metrics_sums, mask)},
    {"gradient_norm", FIELD(struct metrics_sums, gradient_norm)},
    {0},
};

static const struct field LOSS_SCALE_FIELDS[] = {
    {"factor", FIELD(struct loss_scale, factor)},
    {"steps", FIELD(struct loss_scale, num_steps)},
    {0},
};

struct training_state training_state_start(int64_t seed, int64_t batch, int64_t group) {
    return (struct training_state){
        .seed = seed, .batch = batch, .group = group, .best_score = (double)NAN};
}

enum status training_state_save(const struct training_state *state, const char *path,
                                struct error *err) {
    struct output out;
    struct json_writer w;
    TRY(output_open_file(&out, path, err));
    json_writer_init(&w, &out, 2);
    json_write_begin_object(&w);
    json_write_key_int64(&w, "v", VERSION);
    fields_write(&w, STATE_FIELDS, state);
    json_write_key(&w, SUMS_KEY);
    json_write_begin_object(&w);
    fields_write(&w, SUMS_FIELDS, &state->sums);
    json_write_end_object(&w);
    if (state->loss_scale.factor > 0) {
        json_write_key(&w, LOSS_SCALE_KEY);
        json_write_begin_object(&w);
        fields_write(&w, LOSS_SCALE_FIELDS, &state->loss_scale);
        json_write_end_object(&w);
    }
    json_write_end_object(&w);
    output_text(&out, "\n");
    return output_commit(&out, err);
}

static void read_object(struct json_reader *r, const struct field *fields, void *object) {
    struct json_string key;
    uint32_t seen = 0;
    json_begin_object(r);
    while (json_next_key(r, &key))
        fields_read(r, &key, fields, object, &seen);
    fields_require(r, fields, seen);
}

static void read_state(struct json_reader *r, struct training_state *state) {
    struct json_string key;
    uint32_t seen = 0;
    bool has_sums = false;
    int64_t version = 0;
    json_begin_object(r);
    while (json_next_key(r, &key)) {
        if (json_string_is(&key, "v")) {
            version = json_int64(r);
        } else if (json_string_is(&key, SUMS_KEY)) {
            read_object(r, SUMS_FIELDS, &state->sums);
            has_sums = true;
        } else if (json_string_is(&key, LOSS_SCALE_KEY)) {
            read_object(r, LOSS_SCALE_FIELDS, &state->loss_scale);
        } else {
            fields_read(r, &key, STATE_FIELDS, state, &seen);
        }
    }
    fields_require(r, STATE_FIELDS, seen);
    if (!has_sums) json_fail(r, "the object has no \"%s\"", SUMS_KEY);
    if (version != VERSION) json_fail(r, "version %lld, expected %d", (long long)version, VERSION);
    json_end(r);
}

enum status training_state_load(struct training_state *state, const char *path, struct error *err) {
    struct file_view view;
    struct json_reader r;
    *state = (struct training_state){0};
    TRY(file_view_open(&view, path, MAX_BYTES, err));
    json_reader_init(&r, view.data, view.size, path, err);
    read_state(&r, state);
    file_view_close(&view);
    return json_status(&r);
}
