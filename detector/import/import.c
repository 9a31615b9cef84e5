#include "detector/import/import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "detector/import/guess.h"
#include "detector/weights_check.h"

enum { BLOCK_BYTES = 1 << 20, MAX_SHOWN = 5 };

static bool starts_with(const char *text, const char *start) {
    return strncmp(text, start, strlen(start)) == 0;
}

// ---- The model ----

// The guessed settings, then the request's.
static enum status join_settings(struct import *import, const struct import_request *request,
                                 struct option_texts *settings, struct error *err) {
    static const struct option_texts none = {0};
    const struct option_texts *overrides = request->overrides ? request->overrides : &none;
    *settings = none;
    if (!request->config) TRY(guess_settings(&import->map, settings, &import->arena, err));
    int64_t count = settings->count + overrides->count;
    const char **items = arena_alloc(&import->arena, count, sizeof *items);
    if (!items) return error_memory(err, "settings", count);
    for (int64_t i = 0; i < count; i++)
        items[i] = i < settings->count ? settings->items[i] : overrides->items[i - settings->count];
    *settings = (struct option_texts){items, count};
    return STATUS_OK;
}

// ---- Comparing ----

struct match {
    struct import *import;
    bool backbone_only;
    bool has_pyramid;
};

// Whether the parameter has to come from the file.
static bool is_wanted(const struct match *m, const struct parameter *p) {
    if (!m->backbone_only || starts_with(p->name, "backbone.body.")) return true;
    return m->has_pyramid && starts_with(p->name, "backbone.fpn.");
}

// Whether a fresh one will do if it does not.
static bool may_be_fresh(const struct match *m, const struct parameter *p) {
    return m->backbone_only &&
           (p->kind == PARAMETER_GATE_ALPHA || p->kind == PARAMETER_GATE_GAMMA ||
            p->kind == PARAMETER_GATE_BETA || strstr(p->name, ".se.fc"));
}

static bool is_shape(const struct key *key, const struct parameter *p) {
    return key->num_dims == p->num_dims &&
           memcmp(key->shape, p->shape, (size_t)p->num_dims * sizeof *p->shape) == 0;
}

// Tensors with the same fault: how many, and the first few by name.
struct fault {
    int64_t count;
    struct output names;
};

enum { MISSING, WRONG_SHAPE, LEFT_OVER, NUM_FAULTS };

// Whether there is still room for the details.
static bool add_name(struct fault *fault, const char *name) {
    fault->count++;
    if (fault->count > MAX_SHOWN) return false;
    output_printf(&fault->names, "%s%.64s", fault->count > 1 ? ", " : "", name);
    return true;
}

static void write_shape(struct output *out, int num_dims, const int64_t *shape) {
    output_text(out, " [");
    for (int i = 0; i < num_dims; i++)
        output_printf(out, "%s%lld", i ? ", " : "", (long long)shape[i]);
    output_text(out, "]");
}

static void compare_parameter(const struct match *m, const struct parameter *p,
                              struct fault *faults) {
    if (!is_wanted(m, p)) return;
    const struct key *key = key_map_find(&m->import->map, p->name);
    if (!key) {
        if (!may_be_fresh(m, p)) add_name(&faults[MISSING], p->name);
    } else if (!is_shape(key, p) && add_name(&faults[WRONG_SHAPE], p->name)) {
        write_shape(&faults[WRONG_SHAPE].names, key->num_dims, key->shape);
        output_text(&faults[WRONG_SHAPE].names, ", expected");
        write_shape(&faults[WRONG_SHAPE].names, p->num_dims, p->shape);
    }
}

// Decides on what no parameter wants.
static void compare_key(const struct match *m, struct key *key, struct fault *faults) {
    const struct key_map *map = &m->import->map;
    const struct parameters *parameters = &m->import->model.network.parameters;
    const struct parameter *p = key->target ? parameters_find(parameters, key->target) : NULL;
    if (key->action == KEY_IGNORED || (p && is_wanted(m, p))) return;
    bool in_backbone =
        key->target ? starts_with(key->target, "backbone.body.") ||
                          (m->has_pyramid && starts_with(key->target, "backbone.fpn."))
                    : family_in_backbone(map->family, key->source->tensor.name, map->has_heads);
    key->action = m->backbone_only && !in_backbone ? KEY_IGNORED : KEY_LEFT_OVER;
    if (key->action == KEY_LEFT_OVER)
        add_name(&faults[LEFT_OVER], key->source ? key->source->tensor.name : key->target);
}

// First how many of each, then which: a long list does not hide the other side.
static enum status report(const struct import *import, struct fault *faults, struct error *err) {
    static const char *const words[NUM_FAULTS] = {"missing", "of another shape", "left over"};
    struct output text;
    output_open_memory(&text);
    for (int i = 0; i < NUM_FAULTS; i++)
        output_printf(&text, "%s%lld %s", i ? ", " : "", (long long)faults[i].count, words[i]);
    for (int i = 0; i < NUM_FAULTS; i++) {
        if (faults[i].count == 0) continue;
        output_printf(&text, "; %s: %s%s", words[i],
                      faults[i].names.size ? faults[i].names.data : "",
                      faults[i].count > MAX_SHOWN ? ", ..." : "");
    }
    enum status status = output_finish(&text, err);
    if (status == STATUS_OK)
        status = error_set(err, STATUS_DATA, "%s (%s) does not fit the model: %s",
                           import->dict.path, import->map.family->name, text.data);
    output_discard(&text);
    return status;
}

// What people get wrong most often has a message of its own.
static enum status check_classes(const struct match *m, struct error *err) {
    const struct key *key = key_map_find(&m->import->map, "roi_heads.box_predictor.cls_score.bias");
    int64_t expected = m->import->model.config.classes.names.count;
    if (m->backbone_only || !key || key->num_dims != 1 || key->shape[0] == expected + 1)
        return STATUS_OK;
    return error_set(err, STATUS_DATA,
                     "%s has %lld classes and the configuration %lld, both without background: "
                     "give the weights' own classes, or train on with --backbone-only",
                     m->import->dict.path, (long long)key->shape[0] - 1, (long long)expected);
}

static enum status compare(const struct match *m, struct error *err) {
    const struct key_map *map = &m->import->map;
    const struct parameters *parameters = &m->import->model.network.parameters;
    struct fault faults[NUM_FAULTS] = {0};
    TRY(check_classes(m, err));
    for (int i = 0; i < NUM_FAULTS; i++)
        output_open_memory(&faults[i].names);
    for (int64_t i = 0; i < parameters->count; i++)
        compare_parameter(m, parameters->items[i], faults);
    for (int64_t i = 0; i < map->count; i++)
        compare_key(m, &map->keys[i], faults);
    bool good = true;
    for (int i = 0; i < NUM_FAULTS; i++)
        good &= faults[i].count == 0;
    enum status status = good ? STATUS_OK : report(m->import, faults, err);
    for (int i = 0; i < NUM_FAULTS; i++)
        output_discard(&faults[i].names);
    return status;
}

// ---- Filling ----

// Appends the parameters that did not come from the file to the report.
static enum status add_fresh(struct import *import, const struct parameter **fresh, int64_t count,
                             struct error *err) {
    struct key_map *map = &import->map;
    struct key *keys = arena_alloc(&import->arena, map->count + count, sizeof *keys);
    if (!keys) return error_memory(err, "a report", map->count + count);
    memcpy(keys, map->keys, (size_t)map->count * sizeof *keys);
    map->keys = keys;
    for (int64_t i = 0; i < count; i++) {
        struct key *key = &map->keys[map->count++];
        *key = (struct key){
            .target = fresh[i]->name, .num_dims = fresh[i]->num_dims, .action = KEY_FRESH};
        memcpy(key->shape, fresh[i]->shape, sizeof fresh[i]->shape);
    }
    return STATUS_OK;
}

static enum status fill(const struct match *m, uint64_t seed, struct error *err) {
    struct import *import = m->import;
    struct parameters *parameters = &import->model.network.parameters;
    double epsilon = import->model.config.backbone.norm_epsilon;
    int64_t num_fresh = 0;
    const struct parameter **fresh = arena_alloc(&import->arena, parameters->count, sizeof(void *));
    if (!fresh) return error_memory(err, "a report", parameters->count);
    parameters_initialise(parameters, seed);
    for (int64_t i = 0; i < parameters->count; i++) {
        const struct parameter *p = parameters->items[i];
        const struct key *key = is_wanted(m, p) ? key_map_find(&import->map, p->name) : NULL;
        if (!key) {
            fresh[num_fresh++] = p;
            continue;
        }
        const char *name = key->source ? key->source->tensor.name : p->name;
        TRY(key_fill(key, p->data, epsilon, &import->arena, err));
        TRY(weights_check(p, import->dict.path, name, err));
    }
    parameters_changed(parameters);
    TRY(add_fresh(import, fresh, num_fresh, err));
    for (int64_t i = 0; i < import->map.count; i++)
        import->num_keys[import->map.keys[i].action]++;
    return STATUS_OK;
}

// ---- All ----

static bool has_pyramid(const struct key_map *map) {
    for (int64_t i = 0; i < map->num_targets; i++)
        if (starts_with(map->keys[i].target, "backbone.fpn.")) return true;
    return false;
}

static enum status check_kind(const struct import *import, const struct import_request *request,
                              struct error *err) {
    if (import->map.has_heads || request->backbone_only) return STATUS_OK;
    return error_set(err, STATUS_DATA,
                     "%s (%s) holds a backbone alone: --backbone-only makes a detector of it that "
                     "is yet to be trained",
                     import->dict.path, import->map.family->name);
}

static enum status run(struct import *import, const struct import_request *request,
                       struct error *err) {
    struct option_texts settings;
    struct parameters *parameters = &import->model.network.parameters;
    TRY(state_dict_open(&import->dict, request->source, &import->arena, err));
    TRY(key_map_build(&import->map, &import->dict, &import->arena, err));
    TRY(check_kind(import, request, err));
    TRY(join_settings(import, request, &settings, err));
    TRY(detector_model_outline(&import->model, request->config, &settings, err));
    const struct match match = {import, request->backbone_only, has_pyramid(&import->map)};
    TRY(compare(&match, err));
    // Only weights that are really there may ask for memory.
    TRY(parameters_allocate(parameters, false, err));
    return fill(&match, request->seed, err);
}

enum status import_model(struct import *import, const struct import_request *request,
                         struct error *err) {
    *import = (struct import){0};
    arena_init(&import->arena, BLOCK_BYTES, 0);
    enum status status = run(import, request, err);
    if (status != STATUS_OK) import_destroy(import);
    return status;
}

void import_destroy(struct import *import) {
    detector_model_destroy(&import->model);
    state_dict_close(&import->dict);
    arena_destroy(&import->arena);
    *import = (struct import){0};
}
