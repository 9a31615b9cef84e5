#include "server/native_request.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "server/detect_options.h"
#include "server/json_request.h"
#include "server/media_type.h"
#include "server/multipart.h"
#include "server/picture.h"
#include "server/query.h"
#include "server/request_id.h"

// What the ways to send a request share while it is read.
struct native_reader {
    struct detect_request *request;
    const struct http_request *http;
    const struct request_limits *limits;
    int64_t max_pictures;
    struct options options;
    struct arena *arena;
    struct fault *fault;
};

static bool read_query(struct native_reader *in) {
    struct query query;
    const char *name = NULL;
    const char *value = NULL;
    query_init(&query, in->http->query, in->arena, in->fault);
    while (query_next(&query, &name, &value))
        if (!detect_options_set_text(&in->options, name, value, in->fault)) return false;
    return !in->fault->code;
}

// Room for one more picture, or NULL with a fault.
static struct picture *add_picture(struct native_reader *in) {
    struct detect_request *request = in->request;
    if (request->num_pictures < in->max_pictures)
        return &request->pictures[request->num_pictures++];
    fault_set_limit(in->fault, FAULT_TOO_MANY_IMAGES, in->max_pictures, in->max_pictures + 1,
                    in->max_pictures == 1
                        ? "this endpoint takes %lld image; /v1/detect/batch takes several"
                        : "the request holds more than %lld images",
                    (long long)in->max_pictures);
    return NULL;
}

// ---- The body is a picture ----

static bool read_raw(struct native_reader *in) {
    struct picture *picture = add_picture(in);
    *picture = (struct picture){
        .bytes = in->http->body,
        .size = in->http->body_size,
        .media_type = in->http->content_type,
    };
    (void)picture_check(picture); // its fault is the picture's
    return true;
}

// ---- A form ----

static bool read_image_part(struct native_reader *in, const struct form_part *part) {
    struct picture *picture = add_picture(in);
    if (!picture) return false;
    *picture = (struct picture){.bytes = part->bytes, .size = part->size};
    if (part->media_type[0])
        picture->media_type =
            arena_copy_text(in->arena, part->media_type, (int64_t)strlen(part->media_type));
    (void)picture_check(picture);
    return true;
}

static bool read_field(struct native_reader *in, const struct form_part *part) {
    enum { MAX_BYTES = 1 << 16 };
    bool is_id = strcmp(part->name, "id") == 0;
    bool is_text = part->size <= MAX_BYTES && !memchr(part->bytes, '\0', (size_t)part->size);
    if (!is_text && (is_id || options_find(&in->options, part->name)))
        return fault_set(in->fault, FAULT_BAD_OPTION,
                         "%s: this field is not text of at most 65536 bytes", part->name);
    const char *text =
        arena_copy_text(in->arena, (const char *)part->bytes, is_text ? part->size : 0);
    if (!text) return fault_set(in->fault, FAULT_MEMORY_BUDGET, "there is no memory for a field");
    if (is_id) return request_id_set(in->request->id, text, part->size, in->fault);
    return detect_options_set_text(&in->options, part->name, text, in->fault);
}

static bool read_form(struct native_reader *in) {
    struct multipart form;
    struct form_part part;
    if (!multipart_init(&form, in->http->content_type, in->http->body, in->http->body_size,
                        in->limits->max_parts, in->fault))
        return false;
    while (multipart_next(&form, &part)) {
        bool read =
            strcmp(part.name, "image") == 0 ? read_image_part(in, &part) : read_field(in, &part);
        if (!read) return false;
    }
    return !in->fault->code;
}

// ---- JSON ----

// {"b64": "..."}
static void read_image_object(struct native_reader *in, struct json_request *json,
                              const char *where) {
    static const char *const KEYS[] = {"b64", NULL};
    uint32_t seen = 0;
    struct picture *picture = add_picture(in);
    if (!picture) return;
    if (json_peek(&json->reader) != JSON_OBJECT) {
        json_request_refuse(json, where, "an object {\"b64\": \"...\"}");
        return;
    }
    json_begin_object(&json->reader);
    while (json_request_key(json, "image.", KEYS, &seen) >= 0)
        json_request_picture(json, picture);
    if (!seen) json_request_refuse(json, where, "an object {\"b64\": \"...\"}");
}

static void read_images(struct native_reader *in, struct json_request *json) {
    json_begin_array(&json->reader);
    while (!in->fault->code && json_next_element(&json->reader))
        read_image_object(in, json, "images");
}

static bool read_json(struct native_reader *in) {
    static const char *const ONE[] = {"id", "options", "image", NULL};
    static const char *const MANY[] = {"id", "options", "images", NULL};
    const char *const *keys = in->max_pictures == 1 ? ONE : MANY;
    struct json_request json;
    uint32_t seen = 0;
    if (!json_request_begin(&json, in->http, in->limits, in->arena, in->fault)) return false;
    for (int key = 0; (key = json_request_key(&json, "", keys, &seen)) >= 0;) {
        if (key == 0)
            json_request_id(&json, in->request->id);
        else if (key == 1)
            json_request_options(&json, &in->options, "options.");
        else if (keys == ONE)
            read_image_object(in, &json, "image");
        else
            read_images(in, &json);
    }
    return json_request_end(&json);
}

// ---- All together ----

static bool read_body(struct native_reader *in) {
    const char *type = in->http->content_type;
    if (type && media_type_is(type, "application/json")) return read_json(in);
    if (type && media_type_is(type, "multipart/form-data")) return read_form(in);
    if (in->max_pictures > 1)
        return fault_set(in->fault, FAULT_UNSUPPORTED_MEDIA_TYPE,
                         "a batch is multipart/form-data or application/json");
    bool is_raw = !type || strncasecmp(type, "image/", strlen("image/")) == 0 ||
                  media_type_is(type, "application/octet-stream");
    if (is_raw) return read_raw(in);
    return fault_set(in->fault, FAULT_UNSUPPORTED_MEDIA_TYPE,
                     "the Content-Type is none of image/jpeg, image/png, application/octet-stream, "
                     "multipart/form-data and application/json");
}

// A batch is answered in JSON alone.
static bool choose_answer(struct native_reader *in) {
    static const char *const OFFERS[] = {
        [ANSWER_JSON] = "application/json",
        [ANSWER_PNG] = "image/png",
        [ANSWER_JPEG] = "image/jpeg",
        NULL,
    };
    static const char *const JSON_ALONE[] = {"application/json", NULL};
    const char *const *offers = in->max_pictures == 1 ? OFFERS : JSON_ALONE;
    int chosen = media_type_choose(in->http->accept, offers);
    if (chosen < 0)
        return fault_set(in->fault, FAULT_NOT_ACCEPTABLE, "answers are application/json%s",
                         offers == OFFERS ? ", image/png or image/jpeg" : "");
    in->request->answer = (enum answer_type)chosen;
    return true;
}

bool native_request_read(struct detect_request *request, const struct http_request *http,
                         const struct model_facts *model, const struct request_limits *limits,
                         int64_t max_pictures, struct arena *arena, struct fault *fault) {
    struct native_reader in = {request, http, limits, max_pictures, {0}, arena, fault};
    if (!request_begin(request, http, fault)) return false;
    if (!choose_answer(&in)) return false;
    if (!detect_options_begin(&in.options, &request->options, model, limits, arena, fault))
        return false;
    if (!read_query(&in) || !read_body(&in)) return false;
    if (!detect_options_end(&in.options, request, model, limits, arena, fault)) return false;
    if (request->num_pictures > 0) return true;
    return fault_set(fault, FAULT_NO_IMAGE, "the request holds no image");
}
