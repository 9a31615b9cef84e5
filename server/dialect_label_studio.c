// POST /predict: predictions for Label Studio's tasks, in the form of the project's own control:
// brush strokes (exact), polygons (one outline, holes and parts joined by bridges) or boxes.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "formats/bridge.h"
#include "formats/brush_rle.h"
#include "server/answer_json.h"
#include "server/dialects.h"
#include "server/image_root.h"
#include "server/json_request.h"
#include "server/label_config.h"
#include "server/label_studio.h"
#include "server/objects.h"
#include "server/request_id.h"

void label_studio_write_health(struct output *out) {
    output_text(out, "{\"status\":\"UP\",\"model_class\":\"gctmask\"}\n");
}

void label_studio_write_setup(struct output *out, const struct model_facts *model) {
    struct json_writer w;
    json_writer_init(&w, out, 0);
    json_write_begin_object(&w);
    json_write_key_text(&w, "model_version", model->version);
    json_write_end_object(&w);
    output_text(out, "\n");
}

// ---- Reading ----

// The configuration may stand behind the tasks that it explains: a pass of its own.
static bool read_config(struct label_config *config, const struct http_request *http,
                        const struct request_limits *limits, struct arena *arena,
                        struct fault *fault) {
    static const char *const KEYS[] = {"label_config", NULL};
    struct json_request json;
    uint32_t seen = 0;
    const char *xml = NULL;
    if (!json_request_begin(&json, http, limits, arena, fault)) return false;
    json.skips_unknown = true;
    while (json_request_key(&json, "", KEYS, &seen) >= 0) {
        if (json_peek(&json.reader) == JSON_STRING)
            xml = json_text(&json.reader, arena);
        else
            json_skip(&json.reader);
    }
    label_config_read(config, xml);
    if (json_status(&json.reader) == STATUS_OK) return !fault->code;
    return fault_of_error(fault, FAULT_BAD_JSON, &json.err);
}

static void read_reference(struct json_request *json, struct picture *picture) {
    if (json_peek(&json->reader) != JSON_STRING) {
        json_request_refuse(json, "tasks.data", "text that names the image");
        return;
    }
    const char *begin = json->reader.at;
    const char *reference = json_text(&json->reader, json->arena);
    if (!reference) return;
    if (strncmp(reference, "data:", strlen("data:")) == 0)
        json->picture_bytes += json->reader.at - begin;
    (void)image_root_read(picture, json->limits->image_root, reference,
                          json->limits->max_body_bytes, json->arena);
}

static void read_task(struct json_request *json, struct detect_request *request,
                      const struct label_config *config) {
    static const char *const KEYS[] = {"data", NULL};
    const char *const data_keys[] = {config->data_key, NULL};
    struct picture *picture = &request->pictures[request->num_pictures++];
    uint32_t seen = 0;
    uint32_t image_seen = 0;
    *picture = (struct picture){0};
    fault_set(&picture->fault, FAULT_NO_IMAGE, "the task's data has no image \"%s\"",
              config->data_key);
    json_begin_object(&json->reader);
    while (json_request_key(json, "tasks.", KEYS, &seen) >= 0) {
        json_begin_object(&json->reader);
        while (json_request_key(json, "tasks.data.", data_keys, &image_seen) >= 0)
            read_reference(json, picture);
    }
}

static bool read_tasks(struct json_request *json, struct detect_request *request,
                       const struct label_config *config) {
    static const char *const KEYS[] = {"tasks", NULL};
    const struct request_limits *limits = json->limits;
    int64_t most = limits->max_pictures < MAX_PICTURES ? limits->max_pictures : MAX_PICTURES;
    uint32_t seen = 0;
    json->skips_unknown = true;
    while (json_request_key(json, "", KEYS, &seen) >= 0) {
        json_begin_array(&json->reader);
        while (!json->fault->code && json_next_element(&json->reader)) {
            if (request->num_pictures == most)
                fault_set_limit(json->fault, FAULT_TOO_MANY_IMAGES, most, most + 1,
                                "the request holds more than %lld tasks", (long long)most);
            else
                read_task(json, request, config);
        }
    }
    if (!json_request_end(json)) return false;
    if (request->num_pictures > 0) return true;
    return fault_set(json->fault, FAULT_NO_IMAGE, "tasks: there is no task in the request");
}

static bool read_request(struct detect_request *request, const struct http_request *http,
                         const struct model_facts *model, const struct request_limits *limits,
                         struct arena *arena, struct fault *fault) {
    struct json_request json;
    struct options options;
    struct error err = {.code = STATUS_MEMORY};
    if (!request_begin(request, http, fault)) return false;
    struct label_config *config = arena_alloc(arena, 1, sizeof *config);
    if (!config) return fault_of_error(fault, FAULT_INTERNAL, &err);
    request->notes = config;
    if (!read_config(config, http, limits, arena, fault)) return false;
    return detect_options_begin(&options, &request->options, model, limits, arena, fault) &&
           json_request_begin(&json, http, limits, arena, fault) &&
           read_tasks(&json, request, config) &&
           detect_options_end(&options, request, model, limits, arena, fault);
}

// ---- Writing ----

// What the writing of one prediction needs.
struct prediction {
    struct json_writer *w;
    const struct label_config *config;
    const struct image_info *info;
    struct arena *arena;
};

static double percent(double pixels, int32_t side) {
    return rint(pixels * 1e6 / side) / 1e4;
}

static enum status write_brush(const struct prediction *p, const struct rle *mask,
                               struct error *err) {
    struct output bytes;
    output_open_memory(&bytes);
    enum status status = brush_rle_write(&bytes, mask, p->arena, err);
    if (status == STATUS_OK) status = output_finish(&bytes, err);
    json_write_key_text(p->w, "format", "rle");
    json_write_key(p->w, "rle");
    json_write_begin_array(p->w);
    for (int64_t i = 0; status == STATUS_OK && i < bytes.size; i++)
        json_write_int64(p->w, (uint8_t)bytes.data[i]);
    json_write_end_array(p->w);
    output_discard(&bytes);
    return status;
}

static enum status write_polygon(const struct prediction *p, const struct rle *mask,
                                 struct error *err) {
    struct ring *rings = NULL;
    struct polygon outline = {NULL, 0};
    int64_t count = 0;
    TRY(rle_to_rings(mask, &rings, &count, p->arena, err));
    if (count > 0) TRY(bridge_rings(&outline, rings, count, p->arena, err));
    json_write_key(p->w, "points");
    json_write_begin_array(p->w);
    for (int64_t i = 0; i < outline.num_points; i++) {
        json_write_begin_array(p->w);
        json_write_double(p->w, percent(outline.points[2 * i], p->info->width));
        json_write_double(p->w, percent(outline.points[2 * i + 1], p->info->height));
        json_write_end_array(p->w);
    }
    json_write_end_array(p->w);
    json_write_key_bool(p->w, "closed", true);
    return STATUS_OK;
}

static void write_rectangle(const struct prediction *p, const double *box) {
    json_write_key_double(p->w, "x", percent(box[0], p->info->width));
    json_write_key_double(p->w, "y", percent(box[1], p->info->height));
    json_write_key_double(p->w, "width", percent(box[2], p->info->width));
    json_write_key_double(p->w, "height", percent(box[3], p->info->height));
    json_write_key_double(p->w, "rotation", 0);
}

static enum status write_value(const struct prediction *p, const struct shown_object *object,
                               struct error *err) {
    enum status status = STATUS_OK;
    json_write_key(p->w, "value");
    json_write_begin_object(p->w);
    if (p->config->control == CONTROL_BRUSH)
        status = write_brush(p, object->mask, err);
    else if (p->config->control == CONTROL_POLYGON)
        status = write_polygon(p, object->mask, err);
    else
        write_rectangle(p, object->box);
    if (status != STATUS_OK) return status;
    json_write_key(p->w, label_control_type(p->config->control));
    json_write_begin_array(p->w);
    json_write_text(p->w, object->category);
    json_write_end_array(p->w);
    json_write_end_object(p->w);
    return STATUS_OK;
}

static enum status write_region(const struct prediction *p, const struct shown_object *object,
                                int64_t number, struct error *err) {
    char id[32];
    struct arena_mark mark = arena_mark(p->arena);
    snprintf(id, sizeof id, "gctmask-%lld", (long long)number);
    json_write_begin_object(p->w);
    json_write_key_text(p->w, "id", id);
    json_write_key_text(p->w, "from_name", p->config->from_name);
    json_write_key_text(p->w, "to_name", p->config->to_name);
    json_write_key_text(p->w, "type", label_control_type(p->config->control));
    json_write_key_int64(p->w, "original_width", p->info->width);
    json_write_key_int64(p->w, "original_height", p->info->height);
    json_write_key_int64(p->w, "image_rotation", 0);
    json_write_key_double(p->w, "score", object->score);
    TRY(write_value(p, object, err));
    json_write_end_object(p->w);
    arena_release(p->arena, mark);
    return STATUS_OK;
}

// A task without detections has the score 0; one with a fault says why beside an empty result.
static bool write_prediction(const struct prediction *p, const struct shown_objects *objects,
                             const struct model_facts *model, struct fault *fault) {
    struct error err;
    double sum = 0;
    json_write_begin_object(p->w);
    json_write_key_text(p->w, "model_version", model->version);
    json_write_key(p->w, "result");
    json_write_begin_array(p->w);
    for (int64_t i = 0; i < objects->count; i++) {
        sum += objects->items[i].score;
        if (write_region(p, &objects->items[i], i + 1, &err) != STATUS_OK)
            return fault_of_error(fault, FAULT_INTERNAL, &err);
    }
    json_write_end_array(p->w);
    double mean = objects->count > 0 ? sum / (double)objects->count : 0;
    json_write_key_double(p->w, "score", rint(mean * 1e5) / 1e5);
    if (fault->code) {
        json_write_key_text(p->w, "error", fault->message);
        json_write_key_text(p->w, "code", fault_word(fault->code));
    }
    json_write_end_object(p->w);
    return true;
}

static bool write_predictions(struct json_writer *w, const struct detect_request *request,
                              const struct detect_outcome *outcomes,
                              const struct model_facts *model, struct arena *arena,
                              struct fault *fault) {
    json_write_begin_object(w);
    json_write_key(w, "results");
    json_write_begin_array(w);
    for (int64_t i = 0; i < request->num_pictures; i++) {
        struct shown_objects objects = {NULL, 0};
        struct fault own = outcomes[i].fault;
        const struct prediction p = {w, request->notes, &outcomes[i].info, arena};
        if (!own.code && !shown_objects_of(&objects, &outcomes[i].list, true, model, arena, &own))
            objects.count = 0;
        if (!write_prediction(&p, &objects, model, &own)) {
            *fault = own;
            return false;
        }
    }
    json_write_end_array(w);
    json_write_key_text(w, "model_version", model->version);
    json_write_end_object(w);
    output_text(w->out, "\n");
    return true;
}

static bool write_answer(struct answer *answer, const struct detect_request *request,
                         const struct detect_outcome *outcomes, const struct model_facts *model,
                         struct arena *arena, struct fault *fault) {
    struct json_writer w;
    answer_begin(answer, "application/json");
    json_writer_init(&w, &answer->body, 0);
    bool written = write_predictions(&w, request, outcomes, model, arena, fault);
    return answer_end(answer, written, fault);
}

const struct dialect DIALECT_LABEL_STUDIO = {"/predict", read_request, write_answer, true};
