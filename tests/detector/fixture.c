#include "tests/detector/fixture.h"

#include <stdio.h>
#include <string.h>

#include "base/file_view.h"
#include "base/json_reader.h"

enum { MAX_GRADIENTS = 2000, MAX_TRUTHS = 64 };
enum { MAX_TENSORS = 64, MAX_SAMPLES = 64, MAX_PROPOSALS = 4000, MAX_DETECTIONS = 1000 };
enum { MAX_RUNS = 1 << 20, MAX_CLASSES = 1000 };

const char *const FIXTURE_LOSS_NAMES[FIXTURE_NUM_LOSSES] = {
    "loss_objectness", "loss_rpn_box_reg", "loss_classifier", "loss_box_reg", "loss_mask"};

static int64_t read_doubles(struct json_reader *r, double *values, int64_t most) {
    int64_t count = 0;
    json_begin_array(r);
    while (json_next_element(r)) {
        if (count == most) json_fail(r, "more than %lld numbers", (long long)most);
        double value = json_double(r);
        if (count < most) values[count++] = value;
    }
    return count;
}

static int64_t read_integers(struct json_reader *r, int64_t *values, int64_t most) {
    int64_t count = 0;
    json_begin_array(r);
    while (json_next_element(r)) {
        if (count == most) json_fail(r, "more than %lld numbers", (long long)most);
        int64_t value = json_int64(r);
        if (count < most) values[count++] = value;
    }
    return count;
}

static void read_input(struct json_reader *r, struct fixture *f) {
    struct json_string key;
    json_begin_object(r);
    while (json_next_key(r, &key)) {
        if (json_string_is(&key, "min_size"))
            f->min_size = json_int64(r);
        else if (json_string_is(&key, "max_size"))
            f->max_size = json_int64(r);
        else if (json_string_is(&key, "width"))
            f->width = json_int64(r);
        else if (json_string_is(&key, "height"))
            f->height = json_int64(r);
        else if (json_string_is(&key, "mean"))
            read_doubles(r, f->mean, 3);
        else if (json_string_is(&key, "std"))
            read_doubles(r, f->std, 3);
        else
            json_skip(r);
    }
}

static void read_settings(struct json_reader *r, struct fixture *f) {
    const struct {
        const char *name;
        int64_t *integer;
        double *number;
    } fields[] = {
        {"rpn_pre_nms_test", &f->pre_nms, NULL},
        {"rpn_post_nms_test", &f->post_nms, NULL},
        {"rpn_pre_nms_train", &f->train_pre_nms, NULL},
        {"rpn_post_nms_train", &f->train_post_nms, NULL},
        {"detections", &f->max_detections, NULL},
        {"classes", &f->classes, NULL},
        {"rpn_nms", NULL, &f->rpn_nms},
        {"box_score_thresh", NULL, &f->score_threshold},
        {"box_nms", NULL, &f->box_nms},
    };
    struct json_string key;
    json_begin_object(r);
    while (json_next_key(r, &key)) {
        bool known = false;
        for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
            if (!json_string_is(&key, fields[i].name)) continue;
            known = true;
            if (fields[i].integer)
                *fields[i].integer = json_int64(r);
            else
                *fields[i].number = json_double(r);
        }
        if (!known) json_skip(r);
    }
}

static void read_samples(struct json_reader *r, struct fixture_tensor *t, struct arena *arena) {
    t->samples = arena_alloc(arena, MAX_SAMPLES, sizeof *t->samples);
    json_begin_array(r);
    while (json_next_element(r)) {
        struct fixture_sample sample = {0};
        json_begin_array(r);
        if (json_next_element(r)) sample.index = json_int64(r);
        if (json_next_element(r)) sample.value = json_double(r);
        if (json_next_element(r)) json_fail(r, "more than an index and a value");
        if (t->num_samples < MAX_SAMPLES) t->samples[t->num_samples++] = sample;
    }
}

static void check_samples(struct json_reader *r, const struct fixture_tensor *t) {
    double count = 1;
    for (int i = 0; i < t->num_dims; i++)
        count *= (double)t->shape[i];
    for (int64_t i = 0; i < t->num_samples; i++)
        if (t->samples[i].index < 0 || (double)t->samples[i].index >= count)
            json_fail(r, "a sample of \"%s\" lies outside of it", t->name);
}

static void read_tensor(struct json_reader *r, struct fixture_tensor *t, struct arena *arena) {
    struct json_string key;
    json_begin_object(r);
    while (json_next_key(r, &key)) {
        if (json_string_is(&key, "shape")) {
            t->num_dims = (int)read_integers(r, t->shape, 4);
        } else if (json_string_is(&key, "l2")) {
            t->norm = json_double(r);
        } else if (json_string_is(&key, "samples")) {
            read_samples(r, t, arena);
        } else {
            json_skip(r);
        }
    }
    check_samples(r, t);
}

// Returns how many there are.
static int64_t read_tensors(struct json_reader *r, struct fixture_tensor *tensors, int64_t most,
                            struct arena *arena) {
    struct json_string key;
    int64_t count = 0;
    json_begin_object(r);
    while (json_next_key(r, &key)) {
        if (count == most) json_fail(r, "more than %lld tensors", (long long)most);
        struct fixture_tensor *t = &tensors[count % most];
        t->name = arena_copy_text(arena, key.data, key.size);
        read_tensor(r, t, arena);
        count++;
    }
    return count;
}

static void read_losses(struct json_reader *r, struct fixture *f) {
    struct json_string key;
    json_begin_object(r);
    while (json_next_key(r, &key)) {
        int found = FIXTURE_NUM_LOSSES;
        for (int i = 0; i < FIXTURE_NUM_LOSSES; i++)
            if (json_string_is(&key, FIXTURE_LOSS_NAMES[i])) found = i;
        if (found < FIXTURE_NUM_LOSSES)
            f->losses[found] = json_double(r);
        else
            json_skip(r);
    }
}

static void read_proposals(struct json_reader *r, struct fixture *f, struct arena *arena) {
    f->proposals = arena_alloc(arena, MAX_PROPOSALS * 4, sizeof *f->proposals);
    json_begin_array(r);
    while (json_next_element(r)) {
        if (f->num_proposals == MAX_PROPOSALS)
            json_fail(r, "more than %d proposals", MAX_PROPOSALS);
        double box[4] = {0};
        read_doubles(r, box, 4);
        float *to = f->proposals + 4 * (f->num_proposals % MAX_PROPOSALS);
        for (int i = 0; i < 4; i++)
            to[i] = (float)box[i];
        f->num_proposals++;
    }
}

// counts has room for MAX_RUNS.
static void read_mask(struct json_reader *r, struct rle *mask, int64_t *counts,
                      struct arena *arena) {
    struct json_string key;
    struct error err;
    int64_t size[2] = {0};
    int64_t num_counts = 0;
    json_begin_object(r);
    while (json_next_key(r, &key)) {
        if (json_string_is(&key, "size"))
            read_integers(r, size, 2);
        else if (json_string_is(&key, "counts"))
            num_counts = read_integers(r, counts, MAX_RUNS);
        else
            json_skip(r);
    }
    int32_t height = (int32_t)(size[0] & INT32_MAX);
    int32_t width = (int32_t)(size[1] & INT32_MAX);
    if (rle_from_counts(mask, counts, num_counts, height, width, arena, &err) != STATUS_OK)
        json_fail(r, "%s", err.message);
}

static void read_detection(struct json_reader *r, struct fixture_detection *d, int64_t *counts,
                           struct arena *arena) {
    struct json_string key;
    json_begin_object(r);
    while (json_next_key(r, &key)) {
        if (json_string_is(&key, "box")) {
            double box[4] = {0};
            read_doubles(r, box, 4);
            for (int i = 0; i < 4; i++)
                d->box[i] = (float)box[i];
        } else if (json_string_is(&key, "score")) {
            d->score = json_double(r);
        } else if (json_string_is(&key, "label")) {
            d->label = json_int64(r);
        } else if (json_string_is(&key, "mask")) {
            read_mask(r, &d->mask, counts, arena);
        } else {
            json_skip(r);
        }
    }
}

static void read_detections(struct json_reader *r, struct fixture *f, struct arena *arena) {
    int64_t *counts = arena_alloc(arena, MAX_RUNS, sizeof *counts);
    f->detections = arena_alloc_zero(arena, MAX_DETECTIONS, sizeof *f->detections);
    json_begin_array(r);
    while (json_next_element(r)) {
        if (f->num_detections == MAX_DETECTIONS) json_fail(r, "too many detections");
        read_detection(r, &f->detections[f->num_detections % MAX_DETECTIONS], counts, arena);
        f->num_detections++;
    }
}

static void read_truth_masks(struct json_reader *r, struct fixture *f, struct arena *arena) {
    int64_t *counts = arena_alloc(arena, MAX_RUNS, sizeof *counts);
    int64_t count = 0;
    json_begin_array(r);
    while (json_next_element(r))
        read_mask(r, &f->truth_masks[count++ % MAX_TRUTHS], counts, arena);
    if (count != f->num_truths) json_fail(r, "%lld masks of truths", (long long)count);
}

static void read_truth(struct json_reader *r, struct fixture *f, struct arena *arena) {
    struct json_string key;
    f->truth_boxes = arena_alloc(arena, MAX_TRUTHS * 4, sizeof *f->truth_boxes);
    f->truth_labels = arena_alloc(arena, MAX_TRUTHS, sizeof *f->truth_labels);
    f->truth_masks = arena_alloc_zero(arena, MAX_TRUTHS, sizeof *f->truth_masks);
    json_begin_object(r);
    while (json_next_key(r, &key)) {
        if (json_string_is(&key, "boxes")) {
            json_begin_array(r);
            while (json_next_element(r)) {
                double box[4] = {0};
                read_doubles(r, box, 4);
                for (int i = 0; i < 4; i++)
                    f->truth_boxes[4 * (f->num_truths % MAX_TRUTHS) + i] = (float)box[i];
                f->num_truths++;
            }
            if (f->num_truths > MAX_TRUTHS) json_fail(r, "too many truths");
        } else if (json_string_is(&key, "labels")) {
            int64_t labels[MAX_TRUTHS] = {0};
            int64_t count = read_integers(r, labels, MAX_TRUTHS);
            for (int64_t i = 0; i < count && i < MAX_TRUTHS; i++)
                f->truth_labels[i] = (int32_t)labels[i];
        } else if (json_string_is(&key, "masks")) {
            read_truth_masks(r, f, arena);
        } else {
            json_skip(r);
        }
    }
}

static void read_fixture(struct json_reader *r, struct fixture *f, struct arena *arena) {
    struct json_string key;
    f->tensors = arena_alloc_zero(arena, MAX_TENSORS, sizeof *f->tensors);
    f->gradients = arena_alloc_zero(arena, MAX_GRADIENTS, sizeof *f->gradients);
    json_begin_object(r);
    while (json_next_key(r, &key)) {
        if (json_string_is(&key, "variant")) {
            f->variant = json_text(r, arena);
        } else if (json_string_is(&key, "salt")) {
            f->salt = json_text(r, arena);
        } else if (json_string_is(&key, "conventions")) {
            f->conventions = json_text(r, arena);
        } else if (json_string_is(&key, "input")) {
            read_input(r, f);
        } else if (json_string_is(&key, "settings")) {
            read_settings(r, f);
        } else if (json_string_is(&key, "resized")) {
            int64_t size[2] = {0};
            read_integers(r, size, 2);
            f->resized_height = size[0];
            f->resized_width = size[1];
        } else if (json_string_is(&key, "tensors")) {
            f->num_tensors = read_tensors(r, f->tensors, MAX_TENSORS, arena);
        } else if (json_string_is(&key, "gradients")) {
            f->num_gradients = read_tensors(r, f->gradients, MAX_GRADIENTS, arena);
        } else if (json_string_is(&key, "losses")) {
            read_losses(r, f);
        } else if (json_string_is(&key, "truth")) {
            read_truth(r, f, arena);
        } else if (json_string_is(&key, "proposals")) {
            read_proposals(r, f, arena);
        } else if (json_string_is(&key, "detections")) {
            read_detections(r, f, arena);
        } else {
            json_skip(r);
        }
    }
    json_end(r);
}

enum status fixture_load(struct fixture *fixture, const char *path, struct arena *arena,
                         struct error *err) {
    struct file_view view;
    struct json_reader reader;
    *fixture = (struct fixture){.salt = ""};
    TRY(file_view_open(&view, path, 0, err));
    json_reader_init(&reader, view.data, view.size, path, err);
    read_fixture(&reader, fixture, arena);
    file_view_close(&view);
    TRY(json_status(&reader));
    if (fixture->variant && fixture->conventions && fixture->num_tensors && fixture->proposals &&
        fixture->detections)
        return STATUS_OK;
    return error_set(err, STATUS_DATA, "%s: not a fixture", path);
}

const struct fixture_tensor *fixture_tensor_find(const struct fixture *fixture, const char *name) {
    for (int64_t i = 0; i < fixture->num_tensors; i++)
        if (strcmp(fixture->tensors[i].name, name) == 0) return &fixture->tensors[i];
    return NULL;
}

// ---- Configurations ----

// Assignments, separated by spaces.
static const struct {
    const char *name, *settings;
} VARIANTS[] = {
    {"r50_bn", ""},
    {"r50_bn_stride1x1", "backbone.stride_in_1x1=true"},
    {"r50_bn_se", "backbone.stride_in_1x1=true backbone.attention=se"},
    {"r50_bn_gct", "backbone.stride_in_1x1=true backbone.attention=gct"},
    {"r50_bn_gct_l1", "backbone.stride_in_1x1=true backbone.attention=gct gct.embedding=l1 "
                      "gct.normalisation=l1"},
    {"r101_bn", "backbone.depth=101 backbone.stride_in_1x1=true"},
    {"r101_bn_gct", "backbone.depth=101 backbone.stride_in_1x1=true backbone.attention=gct"},
    {"r50_gn_gn",
     "backbone.norm=gn fpn.norm=gn box.convs=4 box.linears=1 box.norm=gn mask.norm=gn"},
    {"r101_gn_gn", "backbone.depth=101 backbone.norm=gn fpn.norm=gn box.convs=4 box.linears=1 "
                   "box.norm=gn mask.norm=gn"},
    {"r50_bn_gct_gn", "backbone.stride_in_1x1=true backbone.attention=gct box.convs=4 "
                      "box.linears=1 box.norm=gn"},
    {"r50_bn_gct_gn_gct", "backbone.stride_in_1x1=true backbone.attention=gct box.convs=4 "
                          "box.linears=1 box.norm=gn box.gct=true"},
    {"r101_bn_gct_gn", "backbone.depth=101 backbone.stride_in_1x1=true backbone.attention=gct "
                       "box.convs=4 box.linears=1 box.norm=gn"},
    {"r50_bn_gct_all_gn", "backbone.stride_in_1x1=true backbone.attention=gct fpn.norm=gn "
                          "box.convs=4 box.linears=1 box.norm=gn mask.norm=gn box.gct=true"},
};

static enum status set_all(struct options *options, const char *settings, struct arena *arena,
                           struct error *err) {
    while (*settings) {
        size_t size = strcspn(settings, " ");
        const char *one = arena_copy_text(arena, settings, (int64_t)size);
        if (!one) return error_memory(err, "settings", (long long)size);
        const char *equals = strchr(one, '=');
        if (!equals) return error_set(err, STATUS_DATA, "\"%s\" is no setting", one);
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)(equals - one), one);
        TRY(options_set_text(options, name, equals + 1, (struct option_origin){0}, err));
        settings += size;
        settings += strspn(settings, " ");
    }
    return STATUS_OK;
}

static const char *variant_settings(const char *name) {
    for (size_t i = 0; i < sizeof VARIANTS / sizeof VARIANTS[0]; i++)
        if (strcmp(VARIANTS[i].name, name) == 0) return VARIANTS[i].settings;
    return NULL;
}

enum status fixture_configure(const struct fixture *f, struct model_config *config,
                              struct arena *arena, struct error *err) {
    struct options options;
    TRY(options_init(&options, MODEL_OPTIONS, config, arena, err));
    const char *settings = variant_settings(f->variant);
    if (!settings) return error_set(err, STATUS_DATA, "unknown variant \"%s\"", f->variant);
    if (f->classes < 2 || f->classes > MAX_CLASSES)
        return error_set(err, STATUS_DATA, "%lld classes, expected 2 to %d", (long long)f->classes,
                         MAX_CLASSES);
    TRY(set_all(&options, settings, arena, err));
    char text[512];
    snprintf(text, sizeof text,
             "conventions=%s input.short_side=%lld input.long_side=%lld "
             "input.mean=%.9g,%.9g,%.9g input.std=%.9g,%.9g,%.9g "
             "backbone.freeze_at=0 rpn.pre_nms_train=%lld rpn.post_nms_train=%lld "
             "rpn.pre_nms_test=%lld rpn.post_nms_test=%lld rpn.nms=%.9g box.score=%.9g "
             "box.nms=%.9g box.detections=%lld",
             f->conventions, (long long)f->min_size, (long long)f->max_size, f->mean[0], f->mean[1],
             f->mean[2], f->std[0], f->std[1], f->std[2], (long long)f->train_pre_nms,
             (long long)f->train_post_nms, (long long)f->pre_nms, (long long)f->post_nms,
             f->rpn_nms, f->score_threshold, f->box_nms, (long long)f->max_detections);
    TRY(set_all(&options, text, arena, err));
    const char **names = arena_alloc(arena, f->classes, sizeof *names);
    if (!names) return error_memory(err, "class names", f->classes);
    for (int64_t i = 0; i + 1 < f->classes; i++)
        names[i] = "class";
    config->classes.names = (struct option_texts){names, f->classes - 1};
    return model_config_check(config, err);
}
