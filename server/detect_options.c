#include "server/detect_options.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/check.h"
#include "base/nearest.h"

#define FIELD(member) OPTION_FIELD(struct detect_options, member)

enum { NUM_OPTIONS = 13 };

static const struct option OPTIONS[NUM_OPTIONS + 1] = {
    {.name = "score", FIELD(score), .default_text = "0.05", OPTION_BETWEEN(0, 1)},
    {.name = "max_dets", FIELD(max_dets), .default_text = "100", OPTION_BETWEEN(1, 1000)},
    {.name = "classes", FIELD(classes)},
    {.name = "nms", FIELD(nms), .default_text = "0.5", OPTION_BETWEEN(0, 1)},
    {.name = "mask",
     FIELD(mask),
     .default_text = "rle",
     .choices = (const char *const[]){"rle", "rle_list", "polygon", "box", "none", NULL}},
    {.name = "mask_threshold", FIELD(mask_threshold), .default_text = "0.5", OPTION_BETWEEN(0, 1)},
    {.name = "polygon_tolerance",
     FIELD(polygon_tolerance),
     .default_text = "0",
     OPTION_BETWEEN(0, 100)},
    {.name = "exif",
     FIELD(exif),
     .default_text = "apply",
     .choices = (const char *const[]){"apply", "ignore", NULL}},
    {.name = "format",
     FIELD(format),
     .default_text = "native",
     .choices = (const char *const[]){"native", "coco", NULL}},
    {.name = "image_id", FIELD(image_id), .default_text = "0", OPTION_BETWEEN(0, 0x1p53)},
    {.name = "timeout_ms", FIELD(timeout_ms), .default_text = "30000", OPTION_BETWEEN(1, 0x1p53)},
    {.name = "round", FIELD(round), .default_text = "true"},
    {.name = "timing", FIELD(timing), .default_text = "true"},
    {0},
};

static const struct option_origin CLIENT = {OPTION_FROM_COMMAND_LINE, NULL};

static void set_field(struct fault *fault, const char *prefix, const char *name) {
    snprintf(fault->field, sizeof fault->field, "%s%s", prefix, name);
}

bool detect_options_begin(struct options *options, struct detect_options *target,
                          const struct model_facts *model, const struct request_limits *limits,
                          struct arena *arena, struct fault *fault) {
    struct error err;
    *fault = (struct fault){0};
    if (options_init(options, OPTIONS, target, arena, &err) != STATUS_OK)
        return fault_of_error(fault, FAULT_INTERNAL, &err);
    target->score = model->score;
    target->nms = model->nms;
    target->mask_threshold = model->mask_threshold;
    target->max_dets = model->max_dets;
    if (target->timeout_ms > limits->max_timeout_ms) target->timeout_ms = limits->max_timeout_ms;
    return true;
}

// Whether the table has the option and nobody has set it.
static bool may_set(const struct options *options, const char *prefix, const char *name,
                    struct fault *fault) {
    const struct option *row = options_find(options, name);
    if (!row) {
        const char *near = options_suggest(options, name);
        fault_set(fault, FAULT_UNKNOWN_FIELD,
                  near ? "%.60s: there is no such option; did you mean %s?"
                       : "%.60s: there is no such option%s",
                  name, near ? near : "");
    } else if (options_origin(options, row).source != OPTION_FROM_DEFAULT) {
        fault_set(fault, FAULT_BAD_OPTION, "%s: this option is given twice", name);
    } else {
        return true;
    }
    set_field(fault, prefix, name);
    return false;
}

bool detect_options_set_text(struct options *options, const char *name, const char *text,
                             struct fault *fault) {
    struct error err;
    if (!may_set(options, "", name, fault)) return false;
    if (options_set_text(options, name, text, CLIENT, &err) == STATUS_OK) return true;
    fault_of_error(fault, FAULT_BAD_OPTION, &err);
    set_field(fault, "", name);
    return false;
}

// ---- JSON ----

// Classes may be numbers in JSON: ids of categories. The table knows texts.
static void ids_to_texts(cJSON *list) {
    char digits[32];
    cJSON *next = NULL;
    for (cJSON *item = cJSON_IsArray(list) ? list->child : NULL; item; item = next) {
        next = item->next;
        if (!cJSON_IsNumber(item)) continue;
        snprintf(digits, sizeof digits, "%.15g", item->valuedouble);
        cJSON *text = cJSON_CreateString(digits);
        if (text) cJSON_ReplaceItemViaPointer(list, item, text);
    }
}

static bool set_members(struct options *options, cJSON *object, const char *prefix,
                        struct fault *fault) {
    struct error err;
    for (cJSON *member = object->child; member; member = member->next) {
        const char *name = member->string;
        if (!may_set(options, prefix, name, fault)) return false;
        if (strcmp(name, "classes") == 0) ids_to_texts(member);
        if (options_set_json(options, name, member, CLIENT, &err) == STATUS_OK) continue;
        fault_of_error(fault, FAULT_BAD_OPTION, &err);
        set_field(fault, prefix, name);
        return false;
    }
    return true;
}

bool detect_options_set_json(struct options *options, const char *text, int64_t size,
                             const char *prefix, struct fault *fault) {
    cJSON *object = cJSON_ParseWithLength(text, (size_t)size);
    if (!cJSON_IsObject(object)) {
        cJSON_Delete(object);
        fault_set(fault, FAULT_BAD_OPTION, "the options are not a JSON object");
        snprintf(fault->field, sizeof fault->field, "%.*s", (int)strcspn(prefix, "."), prefix);
        return false;
    }
    bool set = set_members(options, object, prefix, fault);
    cJSON_Delete(object);
    return set;
}

// ---- All together ----

static int64_t find_class(const struct model_facts *model, const char *text) {
    for (int64_t i = 0; i < model->num_classes; i++)
        if (strcmp(model->names[i], text) == 0) return i;
    char digits[32];
    for (int64_t i = 0; i < model->num_classes; i++) {
        snprintf(digits, sizeof digits, "%" PRId64, model->category_ids[i]);
        if (strcmp(digits, text) == 0) return i;
    }
    return -1;
}

static bool refuse_class(const struct model_facts *model, const char *text, struct fault *fault) {
    struct nearest nearest = {.wanted = text};
    for (int64_t i = 0; i < model->num_classes; i++)
        nearest_offer(&nearest, model->names[i]);
    const char *near = nearest_name(&nearest);
    fault_set(fault, FAULT_BAD_OPTION,
              near ? "classes: the model has no class \"%.60s\"; did you mean %.60s?"
                   : "classes: the model has no class with the name or category id \"%.60s\"%s",
              text, near ? near : "");
    set_field(fault, "", "classes");
    return false;
}

static bool find_wanted(struct detect_request *request, const struct model_facts *model,
                        struct arena *arena, struct fault *fault) {
    const struct option_texts *classes = &request->options.classes;
    struct error err = {.code = STATUS_MEMORY};
    request->wanted = NULL;
    if (classes->count == 0) return true;
    request->wanted = arena_alloc_zero(arena, model->num_classes + 1, sizeof *request->wanted);
    if (!request->wanted) return fault_of_error(fault, FAULT_INTERNAL, &err);
    for (int64_t i = 0; i < classes->count; i++) {
        int64_t found = find_class(model, classes->items[i]);
        if (found < 0) return refuse_class(model, classes->items[i], fault);
        request->wanted[found + 1] = true;
    }
    return true;
}

bool detect_options_end(const struct options *options, struct detect_request *request,
                        const struct model_facts *model, const struct request_limits *limits,
                        struct arena *arena, struct fault *fault) {
    const struct detect_options *o = &request->options;
    CHECK(options->target == o);
    if (o->timeout_ms > limits->max_timeout_ms) {
        fault_set_limit(fault, FAULT_BAD_OPTION, limits->max_timeout_ms, o->timeout_ms,
                        "timeout_ms: %" PRId64 " is more than the %" PRId64 " that are allowed",
                        o->timeout_ms, limits->max_timeout_ms);
        set_field(fault, "", "timeout_ms");
        return false;
    }
    if (o->format == ANSWER_COCO && o->mask == MASK_POLYGON) {
        fault_set(fault, FAULT_BAD_OPTION,
                  "mask: polygons with holes have no place in format coco; take rle or rle_list");
        set_field(fault, "", "mask");
        return false;
    }
    return find_wanted(request, model, arena, fault);
}

void detect_options_write(const struct detect_options *options, struct json_writer *w) {
    const struct options bound = {OPTIONS, NUM_OPTIONS, (void *)options, NULL, NULL};
    options_write_json(&bound, w);
}
