#include "detector/import/key_map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

// At most two statistics of a norm come with each affine map.
enum { KEYS_PER_TENSOR = 3 };

struct builder {
    struct key_map *map;
    struct arena *arena;
    struct error *err;
};

static bool starts_with(const char *text, const char *start) {
    return strncmp(text, start, strlen(start)) == 0;
}

static bool ends_with(const char *text, const char *end) {
    size_t text_size = strlen(text);
    size_t size = strlen(end);
    return text_size >= size && strcmp(text + text_size - size, end) == 0;
}

// ---- What becomes of one tensor ----

// PyTorch's gates keep their parameters as [1, c, 1, 1].
static void flatten_gate(struct key *key) {
    bool is_gate = ends_with(key->target, ".alpha") || ends_with(key->target, ".beta") ||
                   ends_with(key->target, ".gamma");
    const int64_t *s = key->shape;
    if (!is_gate || key->num_dims != 4 || s[0] != 1 || s[2] != 1 || s[3] != 1) return;
    key->shape[0] = s[1];
    key->num_dims = 1;
}

// Classes in our order: the background first, with deltas and masks of its own, though nothing ever
// reads them.
static void order_classes(struct key *key) {
    static const struct {
        const char *module;
        enum key_action action;
        int64_t added_rows;
    } predictors[] = {
        {"roi_heads.box_predictor.cls_score.", KEY_BACKGROUND_MOVED, 0},
        {"roi_heads.box_predictor.bbox_pred.", KEY_BACKGROUND_ADDED, 4},
        {"roi_heads.mask_predictor.mask_fcn_logits.", KEY_BACKGROUND_ADDED, 1},
    };
    for (size_t i = 0; i < sizeof predictors / sizeof *predictors; i++) {
        if (!starts_with(key->target, predictors[i].module)) continue;
        if (key->num_dims < 1 || key->source->tensor.count == 0) continue;
        key->action = predictors[i].action;
        key->shape[0] += predictors[i].added_rows;
    }
}

// Caffe's layers have biases even where a norm follows; they are zeros.
static bool is_bias_before_norm(const struct family *family, const char *target) {
    return family->kind == FAMILY_DETECTRON && starts_with(target, "backbone.body.") &&
           (ends_with(target, "downsample.0.bias") ||
            (strstr(target, ".conv") && ends_with(target, ".bias")));
}

static enum status expect_zeros(const struct builder *b, const struct state_tensor *source) {
    struct arena_mark mark = arena_mark(b->arena);
    int64_t count = source->tensor.count;
    float *values = arena_alloc(b->arena, count, sizeof *values);
    if (!values) return error_memory(b->err, "a bias", count);
    TRY(state_tensor_to_float(source, values, b->arena, b->err));
    bool zeros = true;
    for (int64_t i = 0; i < count; i++)
        zeros &= values[i] == 0;
    arena_release(b->arena, mark);
    if (zeros) return STATUS_OK;
    return error_set(b->err, STATUS_UNSUPPORTED,
                     "%s: tensor \"%.64s\" is a bias before a norm and not zero, which no model "
                     "here has",
                     b->map->dict->path, source->tensor.name);
}

static enum status add_key(const struct builder *b, const struct state_tensor *source,
                           const char *target, enum key_action action) {
    struct key *key = &b->map->keys[b->map->count++];
    *key = (struct key){.source = source, .action = action};
    if (source) {
        key->num_dims = source->tensor.num_dims;
        memcpy(key->shape, source->tensor.shape, sizeof key->shape);
    }
    if (!target) return STATUS_OK;
    key->target = arena_copy_text(b->arena, target, (int64_t)strlen(target));
    if (!key->target) return error_memory(b->err, "a name", 0);
    flatten_gate(key);
    if (b->map->family->background_last) order_classes(key);
    return STATUS_OK;
}

// Detectron's affine maps lack what is fused into them.
static enum status add_statistics(const struct builder *b, const struct state_tensor *source,
                                  const char *target) {
    static const struct {
        const char *leaf;
        enum key_action action;
    } statistics[] = {{"running_mean", KEY_MEAN_ADDED}, {"running_var", KEY_VARIANCE_ADDED}};
    for (int i = 0; i < 2; i++) {
        char name[FAMILY_PARAMETER_BYTES + 16];
        int module = (int)(strrchr(target, '.') - target);
        snprintf(name, sizeof name, "%.*s.%s", module, target, statistics[i].leaf);
        TRY(add_key(b, NULL, name, statistics[i].action));
        struct key *key = &b->map->keys[b->map->count - 1];
        key->num_dims = source->tensor.num_dims;
        memcpy(key->shape, source->tensor.shape, sizeof key->shape);
    }
    return STATUS_OK;
}

static enum status add_tensor(const struct builder *b, const struct state_tensor *source) {
    char target[FAMILY_PARAMETER_BYTES];
    const struct family *family = b->map->family;
    const char *name = source->tensor.name;
    switch (family_rename(family, name, target)) {
    case FAMILY_IGNORED:
        return add_key(b, source, NULL, KEY_IGNORED);
    case FAMILY_UNKNOWN:
        return add_key(b, source, NULL, KEY_LEFT_OVER);
    case FAMILY_KNOWN:
        break;
    }
    if (is_bias_before_norm(family, target)) {
        TRY(expect_zeros(b, source));
        return add_key(b, source, NULL, KEY_IGNORED);
    }
    TRY(add_key(b, source, target, KEY_COPIED));
    if (family->kind == FAMILY_DETECTRON && ends_with(name, "_bn_s"))
        TRY(add_statistics(b, source, target));
    return STATUS_OK;
}

// ---- All ----

static int compare_keys(const void *a, const void *b) {
    const struct key *left = a;
    const struct key *right = b;
    if (left->target && right->target) return strcmp(left->target, right->target);
    if (left->target || right->target) return left->target ? -1 : 1;
    return strcmp(left->source->tensor.name, right->source->tensor.name);
}

static void sort_keys(struct key_map *map) {
    qsort(map->keys, (size_t)map->count, sizeof *map->keys, compare_keys);
    while (map->num_targets < map->count && map->keys[map->num_targets].target)
        map->num_targets++;
}

struct key *key_map_find(const struct key_map *map, const char *target) {
    struct key wanted = {.target = target};
    if (!map->num_targets) return NULL;
    return bsearch(&wanted, map->keys, (size_t)map->num_targets, sizeof wanted, compare_keys);
}

// Only the last layer of the box head keeps the name fc6 if convolutions come before it: there, it
// has the number behind theirs and a flattening's.
static enum status rename_linear(const struct builder *b) {
    struct key_map *map = b->map;
    int64_t convs = 0;
    char name[64];
    do {
        snprintf(name, sizeof name, "roi_heads.box_head.%lld.0.weight", (long long)convs);
    } while (key_map_find(map, name) && ++convs);
    if (convs == 0) return STATUS_OK;
    for (int i = 0; i < 2; i++) {
        const char *leaf = i ? "bias" : "weight";
        snprintf(name, sizeof name, "roi_heads.box_head.fc6.%s", leaf);
        struct key *key = key_map_find(map, name);
        if (!key) continue;
        snprintf(name, sizeof name, "roi_heads.box_head.%lld.%s", (long long)convs + 1, leaf);
        key->target = arena_copy_text(b->arena, name, (int64_t)strlen(name));
        if (!key->target) return error_memory(b->err, "a name", 0);
        sort_keys(map);
    }
    return STATUS_OK;
}

static enum status check_unique(const struct key_map *map, struct error *err) {
    for (int64_t i = 1; i < map->num_targets; i++) {
        const struct key *a = &map->keys[i - 1];
        const struct key *b = &map->keys[i];
        if (strcmp(a->target, b->target) != 0) continue;
        return error_set(err, STATUS_DATA, "%s: \"%.64s\" and \"%.64s\" both are %.64s",
                         map->dict->path, a->source ? a->source->tensor.name : "",
                         b->source ? b->source->tensor.name : "", a->target);
    }
    return STATUS_OK;
}

enum status key_map_build(struct key_map *map, const struct state_dict *dict, struct arena *arena,
                          struct error *err) {
    const struct builder b = {map, arena, err};
    *map = (struct key_map){.dict = dict};
    TRY(family_recognise(&map->family, dict, err));
    map->keys = arena_alloc(arena, dict->count, KEYS_PER_TENSOR * sizeof *map->keys);
    if (!map->keys) return error_memory(err, "a map of tensors", dict->count);
    for (int64_t i = 0; i < dict->count; i++)
        TRY(add_tensor(&b, &dict->items[i]));
    sort_keys(map);
    TRY(rename_linear(&b));
    TRY(check_unique(map, err));
    for (int64_t i = 0; i < map->num_targets; i++)
        map->has_heads |= !starts_with(map->keys[i].target, "backbone.body.");
    return STATUS_OK;
}

// ---- Filling ----

// values: rows of the source, of which the last one comes first.
static enum status move_background(const struct key *key, float *values, struct arena *arena,
                                   struct error *err) {
    int64_t rows = key->shape[0];
    int64_t count = key->source->tensor.count;
    if (count == 0) return STATUS_OK;
    int64_t row = count / rows;
    float *last = arena_alloc(arena, row, sizeof *last);
    if (!last) return error_memory(err, "a row", row);
    size_t bytes = (size_t)row * sizeof *values;
    memcpy(last, values + count - row, bytes);
    memmove(values + row, values, (size_t)count * sizeof *values - bytes);
    memcpy(values, last, bytes);
    return STATUS_OK;
}

static void fill(float *values, int64_t count, float value) {
    for (int64_t i = 0; i < count; i++)
        values[i] = value;
}

enum status key_fill(const struct key *key, float *values, double epsilon, struct arena *arena,
                     struct error *err) {
    int64_t count = 1;
    for (int i = 0; i < key->num_dims; i++)
        count *= key->shape[i];
    struct arena_mark mark = arena_mark(arena);
    enum status status = STATUS_OK;
    if (key->action == KEY_MEAN_ADDED) {
        fill(values, count, 0);
    } else if (key->action == KEY_VARIANCE_ADDED) {
        fill(values, count, (float)(1 - epsilon));
    } else {
        CHECK(key->source && count >= key->source->tensor.count);
        int64_t added = count - key->source->tensor.count;
        fill(values, added, 0);
        status = state_tensor_to_float(key->source, values + added, arena, err);
        if (status == STATUS_OK && key->action == KEY_BACKGROUND_MOVED)
            status = move_background(key, values, arena, err);
    }
    arena_release(arena, mark);
    return status;
}

// ---- The report ----

const char *key_action_name(enum key_action action) {
    static const char *const names[] = {
        [KEY_COPIED] = "copied",
        [KEY_BACKGROUND_MOVED] = "background moved to the front",
        [KEY_BACKGROUND_ADDED] = "zeros added for the background",
        [KEY_MEAN_ADDED] = "mean 0 added",
        [KEY_VARIANCE_ADDED] = "variance 1 added",
        [KEY_FRESH] = "fresh",
        [KEY_IGNORED] = "ignored",
        [KEY_LEFT_OVER] = "left over",
    };
    return names[action];
}

static const char *source_name(const struct key *key) {
    return key->source ? key->source->tensor.name : NULL;
}

void key_map_write_table(const struct key_map *map, struct output *out) {
    for (int64_t i = 0; i < map->count; i++) {
        const struct key *key = &map->keys[i];
        const char *source = source_name(key) ? source_name(key) : "-";
        output_printable(out, source, (int64_t)strlen(source));
        output_printf(out, " -> %s [", key->target ? key->target : "-");
        for (int d = 0; d < key->num_dims; d++)
            output_printf(out, "%s%lld", d ? ", " : "", (long long)key->shape[d]);
        output_printf(out, "] %s\n", key_action_name(key->action));
    }
}

void key_map_write_json(const struct key_map *map, struct json_writer *w) {
    json_write_begin_array(w);
    for (int64_t i = 0; i < map->count; i++) {
        const struct key *key = &map->keys[i];
        json_write_begin_object(w);
        json_write_key(w, "source");
        source_name(key) ? json_write_text(w, source_name(key)) : json_write_null(w);
        json_write_key(w, "target");
        key->target ? json_write_text(w, key->target) : json_write_null(w);
        json_write_key(w, "shape");
        json_write_begin_array(w);
        for (int d = 0; d < key->num_dims; d++)
            json_write_int64(w, key->shape[d]);
        json_write_end_array(w);
        json_write_key_text(w, "action", key_action_name(key->action));
        json_write_end_object(w);
    }
    json_write_end_array(w);
}
