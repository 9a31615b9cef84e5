// POST /compat/cvat: what CVAT's serverless functions are asked and answer (its
// serverless/pytorch/.../model_handler.py): {"image": base64, "threshold": 0.5} becomes a list of
// {"confidence", "label", "points", "mask", "type": "mask"}. mask is the crop of the mask's box,
// row by row, a number for each pixel, then left, top, right and bottom, the last two inclusive;
// points are the largest outline's. Objects without a pixel cannot be said and are left out.
#include <stdio.h>
#include <string.h>

#include "data/polygon.h"
#include "server/answer_json.h"
#include "server/dialects.h"
#include "server/json_request.h"
#include "server/objects.h"
#include "server/request_id.h"

static void read_threshold(struct json_request *json, struct detect_options *options) {
    bool is_number = json_peek(&json->reader) == JSON_NUMBER;
    double threshold = is_number ? json_double(&json->reader) : -1;
    if (threshold >= 0 && threshold <= 1)
        options->score = threshold;
    else
        json_request_refuse(json, "threshold", "a number from 0 to 1");
}

static bool read_body(struct json_request *json, struct detect_request *request) {
    static const char *const KEYS[] = {"image", "threshold", NULL};
    uint32_t seen = 0;
    json->skips_unknown = true;
    for (int key = 0; (key = json_request_key(json, "", KEYS, &seen)) >= 0;) {
        if (key == 1)
            read_threshold(json, &request->options);
        else if (json_peek(&json->reader) == JSON_STRING)
            json_request_picture(json, &request->pictures[request->num_pictures++]);
        else
            json_request_refuse(json, "image", "base64 text");
    }
    if (!json_request_end(json)) return false;
    if (request->num_pictures == 0)
        return fault_set(json->fault, FAULT_NO_IMAGE, "image: there is no image in the request");
    *json->fault = request->pictures[0].fault;
    return !json->fault->code;
}

static bool read_request(struct detect_request *request, const struct http_request *http,
                         const struct model_facts *model, const struct request_limits *limits,
                         struct arena *arena, struct fault *fault) {
    struct json_request json;
    struct options options;
    return request_begin(request, http, fault) &&
           detect_options_begin(&options, &request->options, model, limits, arena, fault) &&
           json_request_begin(&json, http, limits, arena, fault) && read_body(&json, request) &&
           detect_options_end(&options, request, model, limits, arena, fault);
}

// ---- Writing ----

struct crop {
    int32_t left, top, right, bottom; // inclusive
};

static struct crop crop_of(const struct rle *mask) {
    const struct coco_box box = rle_box(mask);
    return (struct crop){(int32_t)box.x, (int32_t)box.y, (int32_t)(box.x + box.width) - 1,
                         (int32_t)(box.y + box.height) - 1};
}

static int64_t crop_pixels(const struct rle *mask) {
    const struct crop c = crop_of(mask);
    return (int64_t)(c.right - c.left + 1) * (c.bottom - c.top + 1);
}

// Two characters for each pixel would let a few large objects fill the memory.
static bool check_size(const struct shown_objects *objects, struct fault *fault) {
    const int64_t limit = INT64_C(1) << 26;
    int64_t sum = 0;
    for (int64_t i = 0; i < objects->count; i++)
        sum += crop_pixels(objects->items[i].mask);
    if (sum <= limit) return true;
    return fault_set_limit(fault, FAULT_IMAGE_TOO_MUCH_MEMORY, limit, sum,
                           "the masks of %lld objects are of %lld pixels, which are too many for "
                           "CVAT's form of masks; a higher threshold or a smaller image has fewer",
                           (long long)objects->count, (long long)sum);
}

static enum status write_pixels(struct json_writer *w, const struct rle *mask, struct arena *arena,
                                struct error *err) {
    const struct crop c = crop_of(mask);
    const int32_t edges[] = {c.left, c.top, c.right, c.bottom};
    int64_t size = (int64_t)mask->height * mask->width;
    uint8_t *pixels = arena_alloc(arena, size, 1);
    if (!pixels) return error_memory(err, "a mask", size);
    rle_decode(mask, pixels);
    json_write_begin_array(w);
    json_write_int64(w, pixels[(int64_t)c.top * mask->width + c.left]);
    // Past the writer, which would take seconds for the pixels of a large answer.
    for (int32_t y = c.top; y <= c.bottom; y++)
        for (int32_t x = y == c.top ? c.left + 1 : c.left; x <= c.right; x++)
            output_write(w->out, pixels[(int64_t)y * mask->width + x] ? ",1" : ",0", 2);
    for (int i = 0; i < 4; i++)
        json_write_int64(w, edges[i]);
    json_write_end_array(w);
    return STATUS_OK;
}

static double ring_area(const struct polygon *ring) {
    double sum = 0;
    for (int64_t i = 0; i < ring->num_points; i++) {
        const double *a = ring->points + 2 * i;
        const double *b = ring->points + 2 * ((i + 1) % ring->num_points);
        sum += a[0] * b[1] - b[0] * a[1];
    }
    return sum < 0 ? -sum : sum;
}

static enum status write_points(struct json_writer *w, const struct rle *mask, struct arena *arena,
                                struct error *err) {
    struct ring *rings = NULL;
    int64_t count = 0;
    int64_t largest = 0;
    TRY(rle_to_rings(mask, &rings, &count, arena, err));
    for (int64_t i = 1; i < count; i++)
        if (ring_area(&rings[i].polygon) > ring_area(&rings[largest].polygon)) largest = i;
    json_write_begin_array(w);
    for (int64_t i = 0; count > 0 && i < 2 * rings[largest].polygon.num_points; i++)
        json_write_double(w, rings[largest].polygon.points[i]);
    json_write_end_array(w);
    return STATUS_OK;
}

static bool write_object(struct json_writer *w, const struct shown_object *object,
                         struct arena *arena, struct fault *fault) {
    char confidence[32];
    struct error err;
    struct arena_mark mark = arena_mark(arena);
    snprintf(confidence, sizeof confidence, "%.5f", object->score);
    json_write_begin_object(w);
    json_write_key_text(w, "confidence", confidence);
    json_write_key_text(w, "label", object->category);
    json_write_key(w, "points");
    enum status status = write_points(w, object->mask, arena, &err);
    json_write_key(w, "mask");
    if (status == STATUS_OK) status = write_pixels(w, object->mask, arena, &err);
    if (status != STATUS_OK) return fault_of_error(fault, FAULT_INTERNAL, &err);
    json_write_key_text(w, "type", "mask");
    json_write_end_object(w);
    arena_release(arena, mark);
    return true;
}

static bool write_answer(struct answer *answer, const struct detect_request *request,
                         const struct detect_outcome *outcomes, const struct model_facts *model,
                         struct arena *arena, struct fault *fault) {
    (void)request; // says nothing of the form
    struct shown_objects objects;
    struct json_writer w;
    if (!shown_objects_of(&objects, &outcomes->list, true, model, arena, fault)) return false;
    if (!check_size(&objects, fault)) return false;
    answer_begin(answer, "application/json");
    json_writer_init(&w, &answer->body, 0);
    bool written = true;
    json_write_begin_array(&w);
    for (int64_t i = 0; i < objects.count && written; i++)
        if (rle_area(objects.items[i].mask) > 0)
            written = write_object(&w, &objects.items[i], arena, fault);
    if (written) json_write_end_array(&w);
    output_text(&answer->body, "\n");
    return answer_end(answer, written, fault);
}

const struct dialect DIALECT_CVAT = {"/compat/cvat", read_request, write_answer, false};
