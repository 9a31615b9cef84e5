// POST /v2/models/{model}[/versions/{version}]/infer: the Open Inference Protocol, version 2. One
// input, "image", of one element: a JPEG or PNG file as base64. Options are parameters of the
// request. Outputs: boxes (x1, y1, x2, y2), scores, labels (category ids), masks_rle (COCO's
// strings) and image_size (height, width, as masks need them).
#include <stdio.h>
#include <string.h>

#include "data/coco_json.h"
#include "server/answer_json.h"
#include "server/dialects.h"
#include "server/json_request.h"
#include "server/objects.h"
#include "server/request_id.h"

enum output_name { BOXES, SCORES, LABELS, MASKS_RLE, IMAGE_SIZE, NUM_OUTPUTS };
static const char *const OUTPUT_NAMES[] = {"boxes",     "scores",     "labels",
                                           "masks_rle", "image_size", NULL};

// What the client wants to see: detect_request's notes.
struct wanted_outputs {
    bool is_wanted[NUM_OUTPUTS];
};

// ---- Reading ----

static void expect_text(struct json_request *json, const char *field, const char *expected) {
    char refusal[32];
    if (json_peek(&json->reader) == JSON_STRING) {
        struct json_string text = json_string(&json->reader);
        if (json_string_is(&text, expected)) return;
    }
    snprintf(refusal, sizeof refusal, "\"%s\"", expected);
    json_request_refuse(json, field, refusal);
}

static void read_shape(struct json_request *json) {
    json_begin_array(&json->reader);
    while (!json->fault->code && json_next_element(&json->reader))
        if (json_peek(&json->reader) != JSON_NUMBER || json_int64(&json->reader) != 1)
            json_request_refuse(json, "inputs.shape", "[1]: one image");
}

static void read_data(struct json_request *json, struct detect_request *request) {
    json_begin_array(&json->reader);
    while (!json->fault->code && json_next_element(&json->reader)) {
        if (request->num_pictures == 1)
            fault_set_limit(json->fault, FAULT_TOO_MANY_IMAGES, 1, 2,
                            "inputs.data: this endpoint takes 1 image");
        else if (json_peek(&json->reader) != JSON_STRING)
            json_request_refuse(json, "inputs.data", "base64 text");
        else
            json_request_picture(json, &request->pictures[request->num_pictures++]);
    }
}

static void read_input(struct json_request *json, struct detect_request *request) {
    static const char *const KEYS[] = {"name", "datatype", "shape", "data", "parameters", NULL};
    static const char *const NO_KEYS[] = {NULL};
    uint32_t seen = 0;
    uint32_t none = 0;
    json_begin_object(&json->reader);
    for (int key = 0; (key = json_request_key(json, "inputs.", KEYS, &seen)) >= 0;) {
        if (key == 0) {
            expect_text(json, "inputs.name", "image");
        } else if (key == 1) {
            expect_text(json, "inputs.datatype", "BYTES");
        } else if (key == 2) {
            read_shape(json);
        } else if (key == 3) {
            read_data(json, request);
        } else {
            json_begin_object(&json->reader);
            json_request_key(json, "inputs.parameters.", NO_KEYS, &none);
        }
    }
}

static void read_output(struct json_request *json, struct wanted_outputs *wanted) {
    static const char *const KEYS[] = {"name", "parameters", NULL};
    static const char *const NO_KEYS[] = {NULL};
    uint32_t seen = 0;
    uint32_t none = 0;
    json_begin_object(&json->reader);
    for (int key = 0; (key = json_request_key(json, "outputs.", KEYS, &seen)) >= 0;) {
        if (key == 1) {
            json_begin_object(&json->reader);
            json_request_key(json, "outputs.parameters.", NO_KEYS, &none);
            continue;
        }
        bool known = false;
        struct json_string name = json_string(&json->reader);
        for (int i = 0; i < NUM_OUTPUTS; i++) {
            if (!json_string_is(&name, OUTPUT_NAMES[i])) continue;
            wanted->is_wanted[i] = true;
            known = true;
        }
        if (!known)
            json_request_refuse(json, "outputs.name",
                                "boxes, scores, labels, masks_rle or image_size");
    }
}

static void read_outputs(struct json_request *json, struct wanted_outputs *wanted) {
    *wanted = (struct wanted_outputs){{false}};
    json_begin_array(&json->reader);
    while (!json->fault->code && json_next_element(&json->reader))
        read_output(json, wanted);
}

static void read_inputs(struct json_request *json, struct detect_request *request) {
    json_begin_array(&json->reader);
    while (!json->fault->code && json_next_element(&json->reader))
        read_input(json, request);
}

static bool read_body(struct json_request *json, struct detect_request *request,
                      struct options *options, struct wanted_outputs *wanted) {
    static const char *const KEYS[] = {"id", "parameters", "inputs", "outputs", NULL};
    uint32_t seen = 0;
    for (int key = 0; (key = json_request_key(json, "", KEYS, &seen)) >= 0;) {
        if (key == 0)
            json_request_id(json, request->id);
        else if (key == 1)
            json_request_options(json, options, "parameters.");
        else if (key == 2)
            read_inputs(json, request);
        else
            read_outputs(json, wanted);
    }
    return json_request_end(json);
}

static bool check_request(const struct detect_request *request, struct fault *fault) {
    const struct detect_options *options = &request->options;
    if (request->num_pictures == 0)
        return fault_set(fault, FAULT_NO_IMAGE, "inputs: there is no image in the request");
    *fault = request->pictures[0].fault;
    if (fault->code) return false;
    bool has_form = options->mask != MASK_RLE_LIST && options->mask != MASK_POLYGON;
    if (has_form && options->format == ANSWER_NATIVE) return true;
    fault_set(fault, FAULT_BAD_OPTION,
              "%s: this protocol's answers have their own format, and masks are rle, or left out",
              has_form ? "format" : "mask");
    snprintf(fault->field, sizeof fault->field, "parameters.%s", has_form ? "format" : "mask");
    return false;
}

static bool read_request(struct detect_request *request, const struct http_request *http,
                         const struct model_facts *model, const struct request_limits *limits,
                         struct arena *arena, struct fault *fault) {
    struct json_request json;
    struct options options;
    struct error err = {.code = STATUS_MEMORY};
    if (!request_begin(request, http, fault)) return false;
    struct wanted_outputs *wanted = arena_alloc(arena, 1, sizeof *wanted);
    if (!wanted) return fault_of_error(fault, FAULT_INTERNAL, &err);
    memset(wanted->is_wanted, true, sizeof wanted->is_wanted);
    request->notes = wanted;
    return detect_options_begin(&options, &request->options, model, limits, arena, fault) &&
           json_request_begin(&json, http, limits, arena, fault) &&
           read_body(&json, request, &options, wanted) &&
           detect_options_end(&options, request, model, limits, arena, fault) &&
           check_request(request, fault);
}

// ---- Writing ----

// A tensor of count x columns numbers or texts (columns 0: of count), up to its data.
static void begin_tensor(struct json_writer *w, enum output_name name, const char *type,
                         int64_t count, int64_t columns) {
    json_write_begin_object(w);
    json_write_key_text(w, "name", OUTPUT_NAMES[name]);
    json_write_key(w, "shape");
    json_write_begin_array(w);
    json_write_int64(w, count);
    if (columns) json_write_int64(w, columns);
    json_write_end_array(w);
    json_write_key_text(w, "datatype", type);
    json_write_key(w, "data");
    json_write_begin_array(w);
}

static void end_tensor(struct json_writer *w) {
    json_write_end_array(w);
    json_write_end_object(w);
}

static enum status write_masks(struct json_writer *w, const struct shown_objects *objects,
                               struct error *err) {
    begin_tensor(w, MASKS_RLE, "BYTES", objects->count, 0);
    for (int64_t i = 0; i < objects->count; i++)
        TRY(coco_json_counts(w, objects->items[i].mask, err));
    end_tensor(w);
    return STATUS_OK;
}

static enum status write_tensor(struct json_writer *w, enum output_name name,
                                const struct shown_objects *objects, const struct image_info *info,
                                struct error *err) {
    const int64_t count = objects->count;
    const struct shown_object *items = objects->items;
    switch (name) {
    case BOXES:
        begin_tensor(w, name, "FP32", count, 4);
        for (int64_t i = 0; i < 4 * count; i++)
            json_write_double(w,
                              i % 4 < 2 ? items[i / 4].box[i % 4] : items[i / 4].edge[i % 4 - 2]);
        break;
    case SCORES:
        begin_tensor(w, name, "FP32", count, 0);
        for (int64_t i = 0; i < count; i++)
            json_write_double(w, items[i].score);
        break;
    case LABELS:
        begin_tensor(w, name, "INT64", count, 0);
        for (int64_t i = 0; i < count; i++)
            json_write_int64(w, items[i].category_id);
        break;
    case IMAGE_SIZE:
        begin_tensor(w, name, "INT64", 2, 0);
        json_write_int64(w, info->height);
        json_write_int64(w, info->width);
        break;
    case MASKS_RLE:
        return write_masks(w, objects, err);
    case NUM_OUTPUTS:
        return STATUS_OK;
    }
    end_tensor(w);
    return STATUS_OK;
}

static bool write_answer(struct answer *answer, const struct detect_request *request,
                         const struct detect_outcome *outcomes, const struct model_facts *model,
                         struct arena *arena, struct fault *fault) {
    const struct wanted_outputs *wanted = request->notes;
    bool masked = request->options.mask == MASK_RLE;
    struct shown_objects objects;
    struct json_writer w;
    struct error err;
    if (!shown_objects_of(&objects, &outcomes->list, true, model, arena, fault)) return false;
    answer_begin(answer, "application/json");
    json_writer_init(&w, &answer->body, 0);
    json_write_begin_object(&w);
    json_write_key_text(&w, "model_name", model->name);
    json_write_key_text(&w, "model_version", model->version);
    json_write_key_text(&w, "id", request->id);
    json_write_key(&w, "outputs");
    json_write_begin_array(&w);
    enum status status = STATUS_OK;
    for (int i = 0; i < NUM_OUTPUTS && status == STATUS_OK; i++)
        if (wanted->is_wanted[i] && (i != MASKS_RLE || masked))
            status = write_tensor(&w, (enum output_name)i, &objects, &outcomes->info, &err);
    if (status != STATUS_OK) {
        fault_of_error(fault, FAULT_INTERNAL, &err);
        return answer_end(answer, false, fault);
    }
    json_write_end_array(&w);
    json_write_end_object(&w);
    output_text(&answer->body, "\n");
    return answer_end(answer, true, fault);
}

const struct dialect DIALECT_INFERENCE_PROTOCOL = {
    "/v2/models/{model}/infer",
    read_request,
    write_answer,
    false,
};

const struct dialect DIALECT_INFERENCE_PROTOCOL_VERSION = {
    "/v2/models/{model}/versions/{version}/infer",
    read_request,
    write_answer,
    false,
};
